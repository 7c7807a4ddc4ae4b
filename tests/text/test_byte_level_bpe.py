"""GPT-2's tokenizer: the rule that splits, the merges, what comes back, the files."""

import json
import random
import re
import unicodedata

import numpy as np
import pytest

import minibert as mb
from minibert.text.byte_level_bpe import BYTE_CHARACTERS, END, PARTS
from minibert.text.character_classes import UNICODE_VERSION

TEXTS = [
    "The old dog sees the garden, and the garden sees the old dog.\n\nIt's 1984; they'll see 2 dogs.",
    "der alte Hund 语言 λόγος café 👍🏽 naïve\t\t tabs  and   spaces ",
    "def f(x):\n    return x + 1  # the end\n",
]


@pytest.fixture(scope="module")
def tokenizer():
    return mb.ByteLevelBPETokenizer.train(TEXTS * 3, vocab_size=300)


# Made with tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False), version 0.23.3.
SPLITS = {
    "Hello world": ["Hello", " world"],
    "it's they'll IT'S 'tis": ["it", "'s", " they", "'ll", " IT", "'", "S", " '", "tis"],
    "a  b": ["a", " ", " b"],
    "a \n\n b \n": ["a", " \n\n", " b", " \n"],
    "x1y2 3.14": ["x", "1", "y", "2", " 3", ".", "14"],
    "!? ... naïve 语言": ["!?", " ...", " naïve", " 语言"],
    "e\u0301 ½ Ⅷ _a": ["e", "\u0301", " ½", " Ⅷ", " _", "a"],
    "\x1c\xa0\u3000\u2028a": ["\x1c", "\xa0\u3000", "\u2028", "a"],
}


@pytest.mark.parametrize("text", SPLITS)
def test_the_rule_that_splits(text):
    assert PARTS.findall(text) == SPLITS[text]


def test_letters_and_numbers_are_those_of_pythons_unicode():
    """The stored table is of a later Unicode: what this Python knows is in it as this Python has it."""
    assert int(UNICODE_VERSION.split(".")[0]) >= int(unicodedata.unidata_version.split(".")[0])
    rng = random.Random(0)
    for number in [*range(0x800), *rng.sample(range(0x800, 0x30000), 1000)]:
        character = chr(number)
        kind = unicodedata.category(character)[0]
        if unicodedata.category(character) not in ("Cn", "Cs"):
            joined = {other: len(PARTS.findall(other + character)) == 1 for other in "a1!"}
            is_space = re.fullmatch(r"\s", character) is not None and not 0x1C <= number <= 0x1F
            expected = {"a": kind == "L", "1": kind == "N", "!": kind not in "LN" and not is_space}
            assert joined == expected, hex(number)


def test_every_byte_has_a_character_that_can_be_seen():
    assert sorted(BYTE_CHARACTERS) == list(range(256)) and len(set(BYTE_CHARACTERS.values())) == 256
    assert BYTE_CHARACTERS[ord("A")] == "A" and BYTE_CHARACTERS[ord(" ")] == "Ġ"
    assert BYTE_CHARACTERS[ord("\n")] == "Ċ" and BYTE_CHARACTERS[0xAD] == chr(256 + 67)


def test_the_pair_of_lowest_rank_merges_first_and_everywhere():
    characters = {character: number for number, character in enumerate(BYTE_CHARACTERS.values())}
    merges = [("b", "c"), ("a", "b"), ("bc", "bc"), ("a", "a")]
    vocab = characters | {"".join(pair): 256 + number for number, pair in enumerate(merges)}
    tokenizer = mb.ByteLevelBPETokenizer(vocab, merges)
    assert tokenizer.tokenize("abc") == ["a", "bc"]  # not ab, which is first in the text
    assert tokenizer.tokenize("abcbcbc") == ["a", "bcbc", "bc"]
    assert tokenizer.tokenize("aaa") == ["aa", "a"]
    assert tokenizer.tokenize("abxab") == ["ab", "x", "ab"]


def test_what_is_encoded_comes_back(tokenizer):
    rng = random.Random(1)
    for _ in range(300):
        drawn = [rng.choice([rng.randrange(0xD800), rng.randrange(128), 0x1F600]) for _ in range(9)]
        text = "".join(map(chr, drawn))
        assert tokenizer.decode(tokenizer.encode(text).input_ids) == text
    for text in (*TEXTS, "", f"one{END} two {END}{END}"):
        assert tokenizer.decode(tokenizer.ids(text)) == text
    assert tokenizer.decode(tokenizer.ids("é")[:1]) in ("é", "\ufffd")  # a character cut in two


def test_the_end_of_a_text_is_one_token(tokenizer):
    assert tokenizer.eos_token_id == tokenizer.vocab_size - 1 == tokenizer.vocab[END]
    assert tokenizer.ids(f"a{END}b") == [*tokenizer.ids("a"), tokenizer.eos_token_id, *tokenizer.ids("b")]


def test_training_takes_the_most_frequent_pair():
    tokenizer = mb.ByteLevelBPETokenizer.train(["abab abab abab", "cd"], vocab_size=300)
    assert tokenizer.merges[:3] == [("a", "b"), ("ab", "ab"), ("Ġ", "abab")]
    assert tokenizer.vocab_size == 256 + 3 + 1  # no other pair occurs twice
    assert mb.ByteLevelBPETokenizer.train(["abab abab abab"], vocab_size=258).merges == [("a", "b")]
    assert mb.ByteLevelBPETokenizer.train([], vocab_size=257).vocab_size == 257


def test_a_batch_has_its_padding_on_the_left(tokenizer):
    batch = tokenizer.encode_batch(["the old dog", "", "dog"])
    lengths = batch.attention_mask.sum(axis=1).tolist()
    assert lengths == [len(tokenizer.ids(text)) for text in ("the old dog", "", "dog")]
    assert batch.attention_mask[0].all() and not batch.attention_mask[1].any()
    assert tokenizer.decode(batch.input_ids[2, -lengths[2] :]) == "dog"
    assert (batch.input_ids[batch.attention_mask == 0] == tokenizer.pad_token_id).all()
    assert len(tokenizer.encode("the old dog", max_length=2).input_ids) == 2


@pytest.mark.parametrize("absent", ["tokenizer.json", "merges.txt"])
def test_files_come_back(tokenizer, tmp_path, absent):
    tokenizer.save_pretrained(tmp_path, model_max_length=64)
    assert (tmp_path / "merges.txt").read_text(encoding="utf-8").startswith("#version: 0.2\n")
    (tmp_path / absent).unlink()
    back = mb.ByteLevelBPETokenizer.from_pretrained(tmp_path)
    assert back.vocab == tokenizer.vocab and back.merges == tokenizer.merges
    assert back.special_tokens == [END] and all(back.ids(text) == tokenizer.ids(text) for text in TEXTS)


def change(path, **parts):
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | parts), encoding="utf-8")


def test_files_that_cannot_be_read(tokenizer, tmp_path):
    def refused(message):
        with pytest.raises(ValueError, match=message):
            mb.ByteLevelBPETokenizer.from_pretrained(tmp_path)

    with pytest.raises(ValueError, match="is not a directory"):
        mb.ByteLevelBPETokenizer.from_pretrained(tmp_path / "nothing")
    refused("holds no vocab.json with merges.txt, and no tokenizer.json")
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "merges.txt").write_text("a zz\n", encoding="utf-8")
    refused("vocab.json: the merge 'a zz' needs the token 'zz', which is not in the vocabulary")
    (tmp_path / "vocab.json").unlink()
    change(tmp_path / "tokenizer.json", normalizer={"type": "NFC"})
    refused("has a normalizer, which is not supported")
    change(tmp_path / "tokenizer.json", normalizer=None, pre_tokenizer={"type": "Whitespace"})
    refused("describes another tokenizer: model 'BPE' after 'Whitespace'")
    change(tmp_path / "tokenizer.json", model=[])
    refused("is not of the form that Hugging Face's tokenizers write")
    (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
    refused("is not JSON")


def test_wrong_arguments(tokenizer):
    for call, message in (
        (lambda: tokenizer.ids(3), "a text must be a string, got the int 3"),
        (lambda: tokenizer.ids("a\ud800"), "half a character, '.ud800', at place 1"),
        (lambda: tokenizer.decode([300]), "id 300 is outside the vocabulary of"),
        (lambda: tokenizer.encode_batch("text"), "takes a list of one text or more"),
        (lambda: mb.ByteLevelBPETokenizer.train("text", 300), "got one string; put it into a list"),
        (lambda: mb.ByteLevelBPETokenizer.train(["text"], 256), "there are 256 bytes and <.endoftext.>"),
        (lambda: mb.ByteLevelBPETokenizer({"a": 0}, []), "no token for 255 of the 256 bytes"),
        (lambda: mb.ByteLevelBPETokenizer({"a": 1}, []), "ids of a vocabulary of 1 tokens must be 0 to 0"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_ids_are_int64(tokenizer):
    assert {array.dtype for array in tokenizer.encode("a")} == {np.dtype(np.int64)}
