"""Sentences and words of forty languages and styles, as they should be.

All texts were written for this test; what a script asks for is said beside it.
"""

import pytest

from minibert.text.sentences import split_sentences
from minibert.text.words import split_words

# {language or style: (sentences, words of the first)}; joined by a space they are the paragraph to be split.
SENTENCES = {
    "English": (["It was warm.", "Then the wind came!", "Did it rain?", "No."], ["it", "was", "warm"]),
    "English, lower case": (["it was warm.", "then the wind came.", "did it rain?", "no."],
                            ["it", "was", "warm"]),
    "English, titles and numbers": (
        ["Prof. Smith read No. 5 to Gen. Lee on Jan. 3.", "He left at 5 p.m.", "Mrs. Lee stayed."],
        ["prof", "smith", "read", "no", "5", "to", "gen", "lee", "on", "jan", "3"]),
    "English, initials": (["J. R. R. Lee, Ph.D., lived in the U.K. for long.", "George W. Lee did not."],
                          ["j", "r", "r", "lee", "ph", "d", "lived", "in", "the", "u", "k", "for", "long"]),
    "English, speech": (["“Is it cold?” she asked.", "“Yes!”", "(He nodded.)",
                         "'No,' I said.", "\"Why?\" he cried."], ["is", "it", "cold", "she", "asked"]),
    # capitals that are not A to Z
    "Russian": (["Было тепло.", "Потом пришёл ветер!", "А. С. Пушкин жил на ул. Мира, т. е. в центре.",
                 "Это я.", "«Кто там?» — спросил он.", "— Никто."], ["было", "тепло"]),
    "Ukrainian": (["П’ять об’єктів стоять.", "Їх бачать усі."], ["п'ять", "об'єктів", "стоять"]),
    "Greek": (["Είναι ζεστός ο καιρός.", "Τι κάνεις;", "Όλα καλά!"], ["είναι", "ζεστός", "ο", "καιρός"]),
    "Polish": (["Było ciepło, np. w maju.", "Łódź jest duża.", "„Idę.”", "Śpiewał."],
               ["było", "ciepło", "np", "w", "maju"]),
    "German": (["Am 3. Oktober kam Dr. Müller, z. B. mit dem Zug.", "Über ihm flog ein Vogel.",
                "„Ich gehe.“", "Er ging.", "»Warum?«", "Ludwig XIV. war König.", "Siehe Bd. 3, Kap. 2."],
               ["am", "3", "oktober", "kam", "dr", "müller", "z", "b", "mit", "dem", "zug"]),
    "French": (["L’été fut chaud.", "Émile partit !", "« Il pleut. »", "À demain, M. Dupont."],
               ["l'été", "fut", "chaud"]),
    "Spanish": (["Hacía calor.", "¿Vienes?", "¡Sí!", "El Sr. Núñez no viene."], ["hacía", "calor"]),
    "Catalan": (["És una col·lega.", "Àngel ho sap."], ["és", "una", "col·lega"]),
    "Czech": (["Přijel 3. října.", "Šel domů 1. 5. 2020 večer.", "Ano."], ["přijel", "3", "října"]),
    "Croatian": (["Bilo je toplo 2019. godine.", "Šef je otišao."],
                 ["bilo", "je", "toplo", "2019", "godine"]),
    "Swedish": (["Det varar länge, jfr. nedan.", "Åke kom."], ["det", "varar", "länge", "jfr", "nedan"]),
    "Hungarian": (["Meleg volt.", "Én is ott voltam."], ["meleg", "volt"]),
    # I and dotted İ: lower-casing makes one word of one word
    "Turkish": (["İstanbul’da yağmur yağdı.", "Şimdi güneş var.", "Çok güzel!"],
                ["istanbul'da", "yağmur", "yağdı"]),
    # tones as combining marks that no single character holds
    "Vietnamese": (["Trời rất ấm.", "Đêm qua có gió.", "Ở đây ai cũng vui."], ["trời", "rất", "ấm"]),
    "Yoruba": (["Ẹ̀kọ́ dára púpọ̀.", "Ọmọ náà wá."], ["ẹ̀kọ́", "dára", "púpọ̀"]),
    # vowel signs and viramas are combining marks; the danda ends a sentence
    "Hindi": (["हिन्दी में किताब है।", "डॉ. शर्मा कहाँ हैं?", "वह आया।"], ["हिन्दी", "में", "किताब", "है"]),
    "Sanskrit": (["रामः वनं गच्छति।", "सः तत्र तिष्ठति॥", "ततः आगच्छति।"], ["रामः", "वनं", "गच्छति"]),
    "Nepali": (["उनी घर गए।", "पानी पर्‍यो।"], ["उनी", "घर", "गए"]),
    "Bengali": (["আমি বাংলা ভাষা পড়ি।", "তুমি কি আসবে?", "হ্যাঁ।"], ["আমি", "বাংলা", "ভাষা", "পড়ি"]),
    "Punjabi": (["ਮੈਂ ਪੰਜਾਬੀ ਪੜ੍ਹਦਾ ਹਾਂ।", "ਉਹ ਆਇਆ।"], ["ਮੈਂ", "ਪੰਜਾਬੀ", "ਪੜ੍ਹਦਾ", "ਹਾਂ"]),
    "Tamil": (["தமிழ் மொழி இனிது.", "அவன் வந்தான்.", "ஏன்?"], ["தமிழ்", "மொழி", "இனிது"]),
    "Telugu": (["తెలుగు భాష మంచిది.", "అతను వచ్చాడు."], ["తెలుగు", "భాష", "మంచిది"]),
    "Malayalam, with joiners": (["അവന്\u200d വന്നു.", "മഴ പെയ്തു."], ["അവന്\u200d", "വന്നു"]),
    "Sinhala": (["ශ්\u200dරී ලංකාව ලස්සනයි.", "මම එහි ගියෙමි."], ["ශ්\u200dරී", "ලංකාව", "ලස්සනයි"]),
    # no spaces between words, none of them before a mark: what is between two spaces is a word
    "Thai": (["ฉันชอบอ่านหนังสือ!", "คุณล่ะ?", "ดี"], ["ฉันชอบอ่านหนังสือ"]),
    "Burmese": (["မြန်မာ စာ ဖတ်သည်။", "သူ လာသည်။"], ["မြန်မာ", "စာ", "ဖတ်သည်"]),
    "Khmer": (["ខ្ញុំ អាន សៀវភៅ។", "គាត់ មក ហើយ។"], ["ខ្ញុំ", "អាន", "សៀវភៅ"]),
    # written from the right; Arabic has a question mark of its own, Urdu a full stop
    "Arabic": (["كان الجو دافئًا.", "هل جاء د. أحمد؟", "نعم!"], ["كان", "الجو", "دافئًا"]),
    "Persian, with non-joiners": (["کتاب می\u200cخواهم.", "چرا؟", "باران می\u200cبارد."],
                                  ["کتاب", "می\u200cخواهم"]),
    "Urdu": (["موسم گرم تھا۔", "پھر ہوا چلی۔", "کیوں؟"], ["موسم", "گرم", "تھا"]),
    "Hebrew": (["צה״ל הודיע.", "מה שלומך?", "טוב."], ["צה״ל", "הודיע"]),
    "Hebrew with points": (["שָׁלוֹם עוֹלָם.", "הַיּוֹם חַם."], ["שָׁלוֹם", "עוֹלָם"]),
    "Georgian": (["თბილოდა.", "მერე ქარი მოვიდა."], ["თბილოდა"]),
    "Armenian": (["Տաք էր։", "Հետո քամին եկավ։"], ["տաք", "էր"]),
    "Armenian, typed with a colon": (["Տաք էր:", "Հետո քամին եկավ:"], ["տաք", "էր"]),
    "Amharic": (["ቀኑ ሞቃት ነበር።", "ከዚያ ነፋስ መጣ።", "ለምን፧"], ["ቀኑ", "ሞቃት", "ነበር"]),
    "Amharic, typed with word spaces": (["ቀኑ፡ሞቃት፡ነበር፡፡", "ከዚያ፡ነፋስ፡መጣ፡፡"], ["ቀኑ", "ሞቃት", "ነበር"]),
    "Lao": (["ຂ້ອຍມັກອ່ານ.", "ລາວມາແລ້ວ."], ["ຂ້ອຍມັກອ່ານ"]),
    # the shad is the only mark there is; Unicode does not count it among those of sentences
    "Tibetan": (["དེབ་ཀློག་གི་ཡོད།", "ཁོང་ཕེབས་སོང་། །", "ང་འགྲོ་གི་ཡིན།"], ["དེབ", "ཀློག", "གི", "ཡོད"]),
    "Korean": (["날씨가 따뜻했다.", "그리고 바람이 불었다.", "좋은 날.", "왜?"], ["날씨가", "따뜻했다"]),
    "Mongolian script": (["ᠮᠣᠩᠭᠣᠯ᠃", "ᠮᠣᠩᠭᠣᠯ᠃"], ["ᠮᠣᠩᠭᠣᠯ"]),
}
# The same without spaces between sentences.
UNSPACED = {
    "Chinese": (["天气很暖和。", "后来起风了！", "“真的？”", "是的。", "他说：「好。」", "她走了。"],
                ["天", "气", "很", "暖", "和"]),
    "Chinese with ASCII marks": (["他来了.", "她走了!", "真的吗?", "有3.5元。"], ["他", "来", "了"]),
    "Japanese": (["今日は暖かい。", "風が吹いた！", "「寒い？」", "いいえ。", "「寒い。」と彼は言った。"],
                 ["今", "日", "は", "暖", "かい"]),
    "Hindi without spaces": (["वह आया।", "मैं गया।"], ["वह", "आया"]),
}


@pytest.mark.parametrize("language", SENTENCES)
def test_sentences(language):
    sentences, _ = SENTENCES[language]
    assert split_sentences(" ".join(sentences)) == sentences
    assert split_sentences("\n ".join(sentences)) == sentences


@pytest.mark.parametrize("language", UNSPACED)
def test_sentences_without_spaces_between_them(language):
    sentences, _ = UNSPACED[language]
    assert split_sentences("".join(sentences)) == sentences


@pytest.mark.parametrize("language", [*SENTENCES, *UNSPACED])
def test_words(language):
    sentences, words = {**SENTENCES, **UNSPACED}[language]
    assert split_words(sentences[0]) == words
