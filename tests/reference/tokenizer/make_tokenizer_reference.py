"""Make the files by which plain `pytest` compares WordPieceTokenizer with transformers' BertTokenizer.

    python tests/reference/tokenizer/make_tokenizer_reference.py [DIR]    (needs transformers; default: here)

What it writes (plain ASCII, so that no editor or version control changes an invisible character):

    code_points.txt   the words of "a" + character + "b" for every code point; see `code_point_lines`
    texts.json        the ids of texts generated here, of one sentence in many languages, of texts under other
                      options, and of truncated pairs; their vocabulary is `vocabulary_of` this file
    saved/            what transformers saves: tokenizer.json and tokenizer_config.json, no vocab.txt
"""

import collections
import functools
import itertools
import json
import os
import pathlib
import random
import sys
import unicodedata

from minibert.text.basic_tokenizer import SPECIAL_TOKENS

HERE = pathlib.Path(__file__).parent
NUM_GENERATED, NUM_OF_OPTIONS = 70, 7
LENGTHS, MAX_LENGTHS = (
    [(6, 6), (7, 9), (9, 7), (12, 3), (3, 12), (0, 9), (9, 0)],
    [3, 8, 9, 12, 15],
)  # of pairs, in tokens
STEM = "\U0001d165"
SURROGATES = range(0xD800, 0xE000)
HANGUL = range(0xAC00, 0xD7A4)
UNCASED, CASED = {"do_lower_case": True}, {"do_lower_case": False}
OTHER_OPTIONS = [
    {"do_lower_case": True, "strip_accents": False},
    {"do_lower_case": False, "strip_accents": True},
    {"do_lower_case": True, "tokenize_chinese_chars": False},
    {"do_lower_case": False, "tokenize_chinese_chars": False},
]

# U+1B44 goes before the stem, even with a character between them that is dropped before NFD (U+200B), but not
# with one that is dropped after it does (U+034F).
HARD_TEXTS = [f"a{STEM}\u1b44b", f"a{STEM}\u200b\u1b44b", f"a{STEM}\u034f\u1b44b", f"a{STEM}[MASK]\u1b44b"]
SAVED_TEXTS = ["aÀb É", "中文", "中 文 ab", "a[E1]b[MASK]", "[e1] A"]
# Article 1 of the Universal Declaration of Human Rights, its first sentence.
LANGUAGES = {
    "English": "All human beings are born free and equal in dignity and rights.",
    "French": "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "German": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "Czech": "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv.",
    "Vietnamese": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền.",
    "Turkish": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. İIıi",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. ΣΑΣ",
    "Russian": "Все люди рождаются свободными и равными в своём достоинстве и правах. Йогурт",
    "Armenian": "Բոլոր մարդիկ ծնվում են ազատ ու հավասար՝ իրենց արժանապատվությամբ և իրավունքներով։",
    "Georgian": "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით.",
    "Hebrew": "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. שָׁלוֹם",
    "Arabic": "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق. السَّلَامُ؟",
    "Persian": "تمام افراد بشر آزاد به دنیا می\u200cآیند و از لحاظ حیثیت و حقوق با هم برابرند.",
    "Hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "Bengali": "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।",
    "Tamil": "மனிதப் பிறவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்.",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "Burmese": "လူတိုင်းသည် တူညီလွတ်လပ်သော ဂုဏ်သိက္ခာဖြင့် မွေးဖွားလာသူများဖြစ်သည်။",
    "Tibetan": "འགྲོ་བ་མིའི་རིགས་རྒྱུད་ཡོངས་ལ་སྐྱེས་ཙམ་ཉིད་ནས་ཆེ་མཐོངས་དང༌།",
    "Amharic": "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው።",
    "Chinese": "人人生而自由，在尊严和权利上一律平等。",
    "Japanese": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "Korean": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "emoji": "I ❤️ NY 👩‍👩‍👧‍👦 👍🏽 🇫🇷 1️⃣ ☕️…",
}


@functools.cache
def code_points():
    """The code points that this Python's Unicode assigns, without surrogates."""
    return [
        number
        for number in range(sys.maxunicode + 1)
        if unicodedata.category(chr(number)) not in ("Cn", "Cs")
    ]


class TextGenerator:
    """Random texts of assigned code points, most of them drawn from small sets of hard ones.

    Args:
        seed: the same seed and the same Unicode give the same texts.
    """

    FRAGMENTS = [
        *SPECIAL_TOKENS,
        "a[MASK]b",
        "[mask]",
        "[MASK",
        "[[MASK]]",
        "[ MASK ]",
        "[SEP][SEP]",
        "[UNK]x",
        "\u0301[CLS]\u0301",
        "[MA\u200bSK]",
        "[unused1]",
        "##a",
        "#",
        "x" * 99,
        "y" * 100,
        "z" * 101,
        "e\u0301" * 60,
        "\u00e9" * 100,
        "\u1e69" * 101,
        "\u0130",
        "\u03a3\u03b1\u03c2",
        "\ufb01",
        "\u01c5",
        "\u1e9e",
        "\ud55c\uad6d",
        "\U0001f469\u200d\U0001f467",
        "1\ufe0f\u20e3",
        "\U0001f1eb\U0001f1f7",
        "\u0644\u0627\u064e",
        "\u05e9\u05c1\u05b8",
        "\u4e2d\u6587",
        "\u2b820",
        "\U0002b820",
        "\uf900",
        "\U0002f800",
        "\u30c6\u309a",
        "a\u0323\u0307",
        "a\u0307\u0323",
        "\u2126",
        "\u212b",
        "\u037e",
    ]
    CONTROLS = [
        *range(32),
        *range(0x7F, 0xA1),
        0xAD,
        0x61C,
        0x115F,
        0x180E,
        *range(0x2000, 0x2010),
        *range(0x2028, 0x2030),
        0x205F,
        *range(0x2060, 0x206A),
        0x3000,
        0xFE0F,
        0xFEFF,
        *range(0xFFF9, 0xFFFE),
        0xE000,
        0xE0001,
        0xE0041,
    ]

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.assigned = [number for number in code_points() if unicodedata.category(chr(number)) != "Co"]
        self.marks = [number for number in self.assigned if unicodedata.category(chr(number))[0] == "M"]
        self.ordered_marks = [number for number in self.assigned if unicodedata.combining(chr(number))]
        self.punctuation = [
            number for number in self.assigned if unicodedata.category(chr(number))[0] in "PS"
        ]
        self.cased = [number for number in self.assigned if chr(number).lower() != chr(number)]
        self.composed = [number for number in self.assigned if unicodedata.decomposition(chr(number))]
        self.right_to_left = [
            number for number in self.assigned if unicodedata.bidirectional(chr(number)) in ("R", "AL")
        ]
        self.sets = [
            self.assigned,
            self.marks,
            self.ordered_marks,
            self.punctuation,
            self.cased,
            self.composed,
            self.right_to_left,
            self.CONTROLS,
            range(0x20, 0x7F),
            range(0x4E00, 0x4F00),
            range(0x1F300, 0x1F700),
        ]

    def text(self, max_parts=12):
        """One text: up to `max_parts` words of one or two kinds of characters, with spaces or without."""
        parts = []
        for _ in range(self.random.randint(1, max_parts)):
            if self.random.random() < 0.12:
                parts.append(self.random.choice(self.FRAGMENTS))
            else:
                kinds = self.random.choices(self.sets, k=2)
                numbers = [
                    self.random.choice(self.random.choice(kinds)) for _ in range(self.random.randint(1, 5))
                ]
                parts.append("".join(map(chr, numbers)))
            if self.random.random() < 0.4:
                parts.append(" ")
        return "".join(parts)


def reference(vocab, **options):
    """transformers' BertTokenizer with this vocabulary: {token: id}."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers import BertTokenizer

    return BertTokenizer(vocab=vocab, **options)


def ids_of(tokenizer, texts):
    """The ids of each text by BertTokenizer, without [CLS] and [SEP]."""
    return tokenizer(list(texts), add_special_tokens=False)["input_ids"]


def small_tokenizer():
    """A BertTokenizer with few tokens, unusual options and a special token of its own."""
    vocab = full_vocabulary("abÀÉ中文[]", pieces=["ab", "##É"])
    tokenizer = reference(vocab, do_lower_case=False, strip_accents=True, tokenize_chinese_chars=False)
    tokenizer.add_special_tokens({"additional_special_tokens": ["[E1]"]})
    return tokenizer


def encoded_pair(tokenizer, text, pair, max_length):
    """input_ids and token_type_ids of a pair by BertTokenizer, truncated longest first."""
    encoding = tokenizer(
        [text], [pair], truncation=True, max_length=max_length
    )  # not as a list, "" would mean no pair
    return encoding["input_ids"][0], encoding["token_type_ids"][0]


def characters_of(texts):
    """All characters that may stand in the words of these texts: as they are, decomposed, and lower-cased."""
    characters = set()
    for text in texts:
        for form in (text, unicodedata.normalize("NFD", text)):
            characters.update(form, form.lower())
    return sorted(characters - set(map(chr, SURROGATES)) - {"\n", "\r"})


def frequent_pieces(texts, min_count=3):
    """Frequent groups of two to four letters of these texts, as beginnings of words and as continuations."""
    counts = collections.Counter()
    for word in " ".join(texts).split():
        for start in range(len(word) - 1):
            counts.update(
                "##" * (start > 0) + word[start:end]
                for end in range(start + 2, min(len(word), start + 4) + 1)
            )
    return sorted(piece for piece, count in counts.items() if count >= min_count)


def full_vocabulary(characters, pieces=()):
    """A vocabulary in which no character is unknown, so that a wrong one shows in the ids: {token: id}."""
    tokens = dict.fromkeys(
        [*SPECIAL_TOKENS, *pieces, *characters, *("##" + character for character in characters)]
    )
    return {token: index for index, token in enumerate(tokens)}


def vocabulary_of(content):
    """The vocabulary that the ids in texts.json belong to."""
    texts = [entry[0] for name in ("generated", "options", "languages") for entry in content[name]]
    return full_vocabulary(characters_of(texts), content["pieces"][0])


def code_point_lines():
    """The words that BertTokenizer makes of each code point: lines "first-last uncased cased".

        =  kept       -  dropped       _  splits a word, as a space does      |  kept, and a word of its own
        +N, -N  replaced by the character N code points further on            %  decomposed, a Hangul syllable
        otherwise the hexadecimal code points that replace it, joined by "."; "20" in these splits

    Code points that are kept in both ways are left out.
    """
    from tokenizers import pre_tokenizers

    split = pre_tokenizers.BertPreTokenizer()

    def result(number, normalizer):
        character = chr(number)
        words = [word for word, _ in split.pre_tokenize_str(normalizer.normalize_str(f"a{character}b"))]
        text = " ".join(words)
        if text in (f"a{character}b", "ab", "a b", f"a {character} b"):
            return {f"a{character}b": "=", "ab": "-", "a b": "_"}.get(text, "|")
        if number in HANGUL:
            assert text[1:-1] == unicodedata.normalize("NFD", character)
            return "%"
        if len(text) == 3:
            return f"{ord(text[1]) - number:+d}"
        return ".".join(f"{ord(part):X}" for part in text[1:-1])

    results = []
    backends = [reference(full_vocabulary("ab"), **options).backend_tokenizer for options in (UNCASED, CASED)]
    for number in range(sys.maxunicode + 1):
        if number not in SURROGATES:
            results.append((number, " ".join(result(number, backend.normalizer) for backend in backends)))
    for both, run in itertools.groupby(results, key=lambda pair: pair[1]):
        numbers = [number for number, _ in run]
        if both != "= =":
            yield f"{numbers[0]:X}{f'-{numbers[-1]:X}' * (len(numbers) > 1)} {both}"


def words_with_mark(words, number):
    """The words of "a", a musical stem and a character, in both orders, by the function `words`.

    NFD sorts the marks on one letter by their combining class. The stem's is 216, and no step drops it.
    """
    return words(f"a{chr(number)}{STEM}b"), words(f"a{STEM}{chr(number)}b")


def moving_marks():
    """The code points that stay in an uncased text and are sorted: both orders become one."""
    from tokenizers import pre_tokenizers

    normalizer = reference(full_vocabulary("ab"), **UNCASED).backend_tokenizer.normalizer
    split = pre_tokenizers.BertPreTokenizer()

    def words(text):
        return [word for word, _ in split.pre_tokenize_str(normalizer.normalize_str(text))]

    moving = []
    for number in range(sys.maxunicode + 1):
        if number not in SURROGATES:
            first, second = words_with_mark(words, number)
            if first == second != [f"a{STEM}b"]:
                moving.append(number)
    return [f"{number:X}" for number in moving]


def make_texts():
    """The contents of texts.json."""
    import tokenizers
    import transformers

    generator = TextGenerator(seed=0)
    generated = [generator.text() for _ in range(NUM_GENERATED)] + HARD_TEXTS
    of_options = [generator.text(6) for _ in range(NUM_OF_OPTIONS)] + ["Été 中文 İ [MASK] ÀÉ\u0301\u0323x 한"]
    pieces = frequent_pieces(LANGUAGES.values())
    vocab = full_vocabulary(characters_of([*generated, *of_options, *LANGUAGES.values()]), pieces)
    uncased, cased = reference(vocab, **UNCASED), reference(vocab, **CASED)
    pairs = []
    for (length_a, length_b), max_length in itertools.product(LENGTHS, MAX_LENGTHS):
        text, pair = "a " * length_a, "b " * length_b
        pairs.append([text, pair, max_length, *encoded_pair(uncased, text, pair, max_length)])
    return {
        "made_with": {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__},
        "pieces": [pieces],
        "generated": list(zip(generated, ids_of(uncased, generated), ids_of(cased, generated))),
        "languages": [
            [text, *ids_of(uncased, [text]), *ids_of(cased, [text])] for text in LANGUAGES.values()
        ],
        "options": [
            [text, *ids]
            for text, *ids in zip(
                of_options, *(ids_of(reference(vocab, **options), of_options) for options in OTHER_OPTIONS)
            )
        ],
        "pairs": pairs,
        "moving_marks": [moving_marks()],
        "saved": list(zip(SAVED_TEXTS, ids_of(small_tokenizer(), SAVED_TEXTS))),
    }


def write_texts(path, content):
    """Write JSON with one entry a line."""
    parts = []
    for name, value in content.items():
        lines = (
            [json.dumps(entry, separators=(",", ":")) for entry in value] if isinstance(value, list) else None
        )
        parts.append(f'"{name}": ' + ("[\n" + ",\n".join(lines) + "\n]" if lines else json.dumps(value)))
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="ascii", newline="\n")


def main(directory=HERE):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "code_points.txt").write_text(
        "\n".join(code_point_lines()) + "\n", encoding="ascii", newline="\n"
    )
    write_texts(directory / "texts.json", make_texts())
    small_tokenizer().save_pretrained(directory / "saved")


if __name__ == "__main__":
    main(*sys.argv[1:])
