"""OpenAIGPTTokenizer beside transformers and tokenizers; needs `pip install -e ".[test,reference]"`."""

import os
import random
import sys
import unicodedata

import pytest

import minibert
from minibert.commands import generate
from minibert.text.corpora import python_docs
from minibert.text.gpt_tokenizer import OpenAIGPTTokenizer

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
tokenizers = pytest.importorskip("tokenizers", reason="needs tokenizers: pip install minibert[reference]")
transformers = pytest.importorskip(
    "transformers", reason="needs transformers: pip install minibert[reference]"
)

NUM_TEXTS = 20_000
KNOWN = [  # assigned in this Python's Unicode, and no surrogate
    chr(number) for number in range(sys.maxunicode + 1)
    if unicodedata.category(chr(number)) not in ("Cn", "Cs")
]
COMMON = [*map(chr, range(0x20, 0x250)), *"etaoin shrdlu" * 20, *" \n\t" * 9, "語", "👍", "\u0301", "<unk>"]


def generated_texts(count, seed):
    """Texts of up to 30 characters, from all scripts, or mostly from few letters."""
    rng = random.Random(seed)
    for _ in range(count):
        drawn = COMMON if rng.random() < 0.5 else KNOWN
        yield "".join(rng.choice(drawn) if rng.random() < 0.6 else rng.choice(COMMON)
                      for _ in range(rng.randrange(30)))


@pytest.fixture(scope="module")
def sentences():
    return [sentence for document in python_docs().documents[:200] for sentence in document]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, sentences):
    """A GPT and a tokenizer of ours, learned from python-docs and from texts of all scripts."""
    directory = tmp_path_factory.mktemp("gpt")
    tokenizer = OpenAIGPTTokenizer.train([*sentences, *generated_texts(2000, 1)], 3000)
    tokenizer.save_pretrained(directory)
    config = minibert.OpenAIGPTConfig(tokenizer.vocab_size, 8, 1, 2, max_position_embeddings=40)
    minibert.OpenAIGPTLMHeadModel(config).save_pretrained(directory)
    return directory


@pytest.mark.parametrize("kind", ["vocab.json", "tokenizer.json"])
def test_the_ids_are_those_of_transformers(folder, tmp_path, sentences, kind):
    names = ["config.json", "tokenizer_config.json"]
    names += ["vocab.json", "merges.txt"] if kind == "vocab.json" else ["tokenizer.json"]
    for name in names:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = OpenAIGPTTokenizer.from_pretrained(tmp_path)
    assert type(theirs).__name__ == "OpenAIGPTTokenizer" and len(theirs) == ours.vocab_size
    assert theirs.unk_token_id == ours.unk_token_id
    texts = [*sentences[:3000], *generated_texts(NUM_TEXTS, 2)]
    for text, ids in zip(texts, theirs(texts)["input_ids"]):
        assert ours.ids(text) == ids, text
    for text in texts[::50]:
        assert ours.decode(ours.ids(text)) == theirs.decode(ours.ids(text)), text


def test_we_read_what_transformers_and_tokenizers_write(folder, tmp_path, sentences):
    learned = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    learned.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    learned.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=2000, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False
    )
    learned.train_from_iterator(sentences, trainer)
    learned.model.save(str(tmp_path))
    theirs = transformers.OpenAIGPTTokenizer.from_pretrained(tmp_path)
    theirs.save_pretrained(tmp_path / "saved")
    texts = list(generated_texts(3000, 3))
    for directory in (tmp_path, tmp_path / "saved"):
        ours = generate.load_tokenizer(directory)
        assert isinstance(ours, OpenAIGPTTokenizer)
        assert [ours.ids(text) for text in texts] == theirs(texts)["input_ids"]
    # Ties are broken in another order, so merges differ; the number of tokens of a text hardly does.
    learned_here = OpenAIGPTTokenizer.train(sentences, ours.vocab_size)
    counts = [sum(len(each.ids(text)) for text in sentences) for each in (learned_here, ours)]
    assert abs(counts[0] / counts[1] - 1) < 0.005
