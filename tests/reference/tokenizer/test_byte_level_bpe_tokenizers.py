"""ByteLevelBPETokenizer beside the library tokenizers; needs `pip install -e ".[test,reference]"`."""

import os
import random
import sys
import unicodedata

import make_character_classes
import pytest

from minibert.text.byte_level_bpe import PARTS, ByteLevelBPETokenizer
from minibert.text.corpora import python_docs

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
tokenizers = pytest.importorskip("tokenizers", reason="needs tokenizers: pip install minibert[reference]")

NUM_TEXTS = 50_000
KNOWN = [  # to both: assigned in this Python's Unicode, which is older than ours, and no surrogate
    chr(number) for number in range(sys.maxunicode + 1)
    if unicodedata.category(chr(number)) not in ("Cn", "Cs")
]
COMMON = [*map(chr, range(0x250)), *"'s't're've'm'll'd" * 3, *" \n\t" * 20, "\u3000", "語", "👍", "\u0301"]


def generated_texts(count, seed):
    """Texts of up to 30 characters, from all scripts, or from few characters that make contractions."""
    rng = random.Random(seed)
    for _ in range(count):
        drawn = COMMON if rng.random() < 0.5 else KNOWN
        yield "".join(rng.choice(drawn) if rng.random() < 0.6 else rng.choice(COMMON)
                      for _ in range(rng.randrange(30)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tokenizer of ours, learned from python-docs and from texts of all scripts."""
    directory = tmp_path_factory.mktemp("bpe")
    sentences = [sentence for document in python_docs().documents[:200] for sentence in document]
    ByteLevelBPETokenizer.train([*sentences, *generated_texts(2000, 1)], 3000).save_pretrained(directory)
    return directory


def test_the_parts_are_those_of_tokenizers():
    splitting = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    for character in KNOWN:
        text = f"a{character}1{character}!{character}  {character}"
        ends = [end for _, (_, end) in splitting.pre_tokenize_str(text)]
        assert [match.end() for match in PARTS.finditer(text)] == ends, hex(ord(character))


@pytest.mark.parametrize("kind", ["vocab.json", "tokenizer.json"])
def test_the_ids_are_those_of_tokenizers(folder, kind):
    ours = ByteLevelBPETokenizer.from_pretrained(folder)
    if kind == "tokenizer.json":
        theirs = tokenizers.Tokenizer.from_file(str(folder / kind))
    else:
        theirs = tokenizers.ByteLevelBPETokenizer(str(folder / kind), str(folder / "merges.txt"))
    texts = list(generated_texts(NUM_TEXTS, 2))
    for text, encoding in zip(texts, theirs.encode_batch(texts)):
        assert ours.ids(text) == encoding.ids, text
        assert ours.decode(encoding.ids) == text


def test_the_merges_learned_are_worth_as_much(folder):
    """Ties are broken in another order, so merges differ; the number of tokens of a text hardly does."""
    sentences = [sentence for document in python_docs().documents[:200] for sentence in document]
    ours = ByteLevelBPETokenizer.train(sentences, 2000)
    theirs = tokenizers.ByteLevelBPETokenizer()
    theirs.train_from_iterator(sentences, 2000 - 1, min_frequency=2, show_progress=False)
    counts = [sum(len(ids) for ids in every) for every in (
        map(ours.ids, sentences), (encoding.ids for encoding in theirs.encode_batch(sentences)))]
    assert abs(counts[0] / counts[1] - 1) < 0.002


def test_transformers_reads_our_folder(folder):
    transformers = pytest.importorskip("transformers")
    ours = ByteLevelBPETokenizer.from_pretrained(folder)
    theirs = transformers.GPT2TokenizerFast.from_pretrained(folder)
    assert theirs.eos_token_id == ours.eos_token_id and len(theirs) == ours.vocab_size
    for text in (*generated_texts(500, 3), "one<|endoftext|> two"):
        assert theirs(text)["input_ids"] == ours.ids(text), text


def test_the_stored_table_is_what_the_script_makes(tmp_path):
    pytest.importorskip("regex")
    make_character_classes.main(tmp_path / "made.py")
    made, stored = (
        path.read_text(encoding="ascii").partition("UNICODE_VERSION")[2]
        for path in (tmp_path / "made.py", make_character_classes.FILE)
    )
    if made.split("\n")[0] != stored.split("\n")[0]:
        pytest.skip("the regex installed knows another Unicode")
    assert made == stored
