"""WordPieceTokenizer beside transformers' BertTokenizer; needs `pip install -e ".[test,reference]"`."""

import itertools
import json
import os
import pathlib
import random
import sysconfig
import unicodedata

import pytest
from make_tokenizer_reference import (
    CASED,
    LANGUAGES,
    OTHER_OPTIONS,
    UNCASED,
    TextGenerator,
    characters_of,
    code_points,
    encoded_pair,
    full_vocabulary,
    ids_of,
    reference,
    vocabulary_of,
)
from test_tokenizer_stored import EXCEPTIONS, HERE

from minibert.text.corpora import python_docs
from minibert.text.tokenizer import WordPieceTokenizer

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
transformers = pytest.importorskip(
    "transformers", reason="needs transformers: pip install minibert[reference]"
)

NUM_TEXTS = 100_000
NUM_PAIRS = 2000
MEGABYTE = 1_000_000
BOTH = pytest.mark.parametrize("options", [UNCASED, CASED], ids=["uncased", "cased"])


def assert_same_ids(ours, theirs, texts):
    """Compare a thousand texts at a time, and show the first that differs."""
    texts = iter(texts)
    while some := list(itertools.islice(texts, 1000)):
        for text, ids in zip(some, ids_of(theirs, some)):
            if ours.ids(text) != ids:
                assert ours.tokenize(text) == theirs.convert_ids_to_tokens(ids), text


@pytest.fixture(scope="module")
def everything():
    """A vocabulary in which no assigned character is unknown."""
    return full_vocabulary(characters_of(map(chr, code_points())), pieces=["##ab", "##aba", "abab"])


@BOTH
def test_the_stored_ids_are_those_of_the_transformers_installed(options):
    stored = json.loads((HERE / "texts.json").read_text(encoding="ascii"))
    column = [UNCASED, CASED].index(options)
    theirs = reference(vocabulary_of(stored), **options)
    for name in ("generated", "languages"):
        assert ids_of(theirs, [entry[0] for entry in stored[name]]) == [
            entry[1 + column] for entry in stored[name]
        ]


@BOTH
def test_offsets(options):
    """But where the decomposition exchanges two accents."""
    stored = json.loads((HERE / "texts.json").read_text(encoding="ascii"))
    vocabulary = vocabulary_of(stored)
    ours, theirs = WordPieceTokenizer(vocabulary, **options), reference(vocabulary, **options)
    texts = [entry[0] for name in ("generated", "languages") for entry in stored[name]]
    num_different = 0
    for text in texts:
        found = theirs(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        if ours.ids_with_offsets(text)[1] != list(map(tuple, found)):
            visible = text.replace("\u200b", "")
            one_by_one = "".join(unicodedata.normalize("NFD", character) for character in visible)
            assert unicodedata.normalize("NFD", visible) != one_by_one, text
            num_different += 1
    assert num_different <= 2 < 0.03 * len(texts)


@pytest.mark.parametrize("options", [UNCASED, CASED, *OTHER_OPTIONS], ids=str)
def test_every_assigned_code_point(everything, options):
    ours, theirs = WordPieceTokenizer(everything, **options), reference(everything, **options)
    numbers = [number for number in code_points() if number not in EXCEPTIONS]
    lines = [
        " ".join(f"a{chr(number)}b" for number in numbers[start : start + 100])
        for start in range(0, len(numbers), 100)
    ]
    assert_same_ids(ours, theirs, lines)


@BOTH
def test_generated_texts(everything, options):
    generator = TextGenerator(seed=1 + options["do_lower_case"])
    texts = (generator.text() for _ in range(NUM_TEXTS))
    assert_same_ids(WordPieceTokenizer(everything, **options), reference(everything, **options), texts)


@BOTH
def test_truncated_pairs(everything, options):
    ours, theirs = WordPieceTokenizer(everything, **options), reference(everything, **options)
    generator = TextGenerator(seed=5)
    for _ in range(NUM_PAIRS):
        text, pair, max_length = generator.text(3), generator.text(3), generator.random.randint(3, 30)
        encoding = ours.encode(text, pair, max_length=max_length)
        expected = encoded_pair(theirs, text, pair, max_length)
        assert (encoding.input_ids.tolist(), encoding.token_type_ids.tolist()) == expected


@pytest.fixture(scope="module")
def real_text():
    """One megabyte: the sentence in all languages, English documentation, and source lines beyond ASCII."""
    texts = list(LANGUAGES.values())
    size = 0
    for sentence in python_docs().sentences:
        size += len(sentence.encode("utf-8"))
        texts.append(sentence)
        if size > MEGABYTE // 2:
            break
    folders = [pathlib.Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")]
    for path in itertools.chain(*(sorted(folder.rglob("*.py")) for folder in folders)):
        if size > MEGABYTE:
            break
        for line in path.read_text(encoding="utf-8", errors="ignore").splitlines():
            if not line.isascii():
                size += len(line.encode("utf-8"))
                texts.append(line)
    assert size > 0.75 * MEGABYTE
    return texts


@BOTH
def test_real_text(real_text, options):
    vocab = WordPieceTokenizer.train(real_text, vocab_size=8000, **options).vocab
    assert_same_ids(WordPieceTokenizer(vocab, **options), reference(vocab, **options), real_text)


ADDED_TEXTS = ["newtok", "NewTok", "My Tok", "zz", "ZZ", "É中", "a", "b", "c2", "new", "tok", "my", "é", "中",
               " ", " ", "_", "-", ".", "[MASK]", "[mask]", "\u0301", "x1", "<e>", "\u200d"]


def random_texts(number):
    generator = random.Random(0)
    return ["".join(generator.choices(ADDED_TEXTS, k=generator.randint(1, 9))) for _ in range(number)]


@pytest.mark.parametrize("options", [UNCASED, CASED, *OTHER_OPTIONS], ids=str)
def test_tokens_added_to_a_vocabulary(options, tmp_path):
    """Plain and special ones, in all ways that transformers 5 saves, and in transformers 4's file."""
    vocab = full_vocabulary("abcdeknotwyzxmÉé中1234_-.<>[]", pieces=["new", "##tok", "my", "c2", "##z", "zz"])
    (tmp_path / "vocab.txt").write_text("\n".join(vocab), encoding="utf-8", newline="\n")
    theirs = reference(vocab, **options)
    theirs.add_tokens(["newtok", "É中"])
    theirs.add_tokens([transformers.AddedToken("My Tok", single_word=True),
                       transformers.AddedToken("zz", normalized=False),
                       transformers.AddedToken("c2", normalized=False, single_word=True, lstrip=True)])
    theirs.add_tokens(["<e>"], special_tokens=True)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = WordPieceTokenizer.from_pretrained(tmp_path / "theirs")
    assert len(ours.added_tokens) == 5 and ours.extra_special_tokens == ["<e>"]
    texts = random_texts(2000)
    assert_same_ids(ours, theirs, texts)
    ours.save_pretrained(tmp_path / "ours")
    assert_same_ids(WordPieceTokenizer.from_pretrained(tmp_path / "ours"),
                    transformers.BertTokenizer.from_pretrained(tmp_path / "ours"), texts)
    config = {name: value for name, value in options.items()}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    added = {token: len(vocab) + number for number, token in enumerate(["newtok", "My Tok", "É中"])}
    (tmp_path / "added_tokens.json").write_text(json.dumps(added), encoding="utf-8")
    assert_same_ids(WordPieceTokenizer.from_pretrained(tmp_path),
                    transformers.BertTokenizer.from_pretrained(tmp_path), texts)


def test_a_token_twice_in_a_vocabulary(tmp_path):
    vocab = [*full_vocabulary("abc"), "a", "ab", "b"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocab), encoding="utf-8")
    ours = WordPieceTokenizer.from_pretrained(tmp_path)
    assert ours.vocab["a"] == len(vocab) - 3
    theirs = transformers.BertTokenizer.from_pretrained(tmp_path)
    assert_same_ids(ours, theirs, ["a", "b", "ab", "abc c b", "A B"])


@pytest.mark.parametrize("options", [UNCASED, CASED, *OTHER_OPTIONS], ids=str)
def test_directories_there_and_back(options, tmp_path):
    vocab = full_vocabulary("abÀÉàéae\u0301中文[]", pieces=["ab", "##É", "<url>", "[E1]"])
    texts = ["Àb É é e\u0301", "中文 a<url>b <URL>", "[E1]b[e1][MASK]"]
    ours = WordPieceTokenizer(vocab, extra_special_tokens=["<url>", "[E1]"], **options)
    ours.save_pretrained(tmp_path / "ours", model_max_length=32)
    theirs = transformers.BertTokenizer.from_pretrained(tmp_path / "ours")
    assert theirs.get_vocab() == vocab and theirs.model_max_length == 32
    assert_same_ids(ours, theirs, texts)
    theirs.save_pretrained(tmp_path / "theirs")
    assert not (tmp_path / "theirs" / "vocab.txt").exists()
    again = WordPieceTokenizer.from_pretrained(tmp_path / "theirs")
    assert again.id_to_token == ours.id_to_token
    assert_same_ids(again, theirs, texts)
