"""GPT's tokenizer: lower-cased words, merges up to their ends, what is unknown, the files."""

import json

import numpy as np
import pytest

import minibert as mb
from minibert.text.gpt_tokenizer import UNK

TEXTS = [
    "The old dog sees the garden, and the garden sees the old dog.",
    "She is older than the oldest dog; the goldfish sees no dog.",
    "Ein alter Hund: 语言, λόγος, café.",
] * 3


@pytest.fixture(scope="module")
def tokenizer():
    return mb.OpenAIGPTTokenizer.train(TEXTS, vocab_size=120)


def small(merges, characters="abcd"):
    tokens = [UNK, *characters, *(f"{character}</w>" for character in characters), *map("".join, merges)]
    return mb.OpenAIGPTTokenizer({token: number for number, token in enumerate(tokens)}, merges)


def test_a_word_is_merged_up_to_its_end():
    tokenizer = small([("b", "c</w>"), ("a", "b"), ("bc</w>", "a"), ("a", "bc</w>")])
    assert tokenizer.tokenize("abc") == ["abc</w>"]  # b c</w> is the first pair learned
    assert tokenizer.tokenize("abca") == ["ab", "c", "a</w>"]  # c is not at the end, so c</w> is not there
    assert tokenizer.tokenize("a, b") == ["a</w>", UNK, "b</w>"]
    assert tokenizer.tokenize("ÁBC") == ["abc</w>"]  # lower-cased, and without accents


def test_each_unknown_character_is_one_token():
    tokenizer = small([("a", "b")])
    assert tokenizer.tokenize("axyb") == ["a", UNK, UNK, "b</w>"]
    assert tokenizer.tokenize("x") == [UNK]
    assert tokenizer.tokenize("a<unk>b") == ["a</w>", UNK, "b</w>"]  # kept whole, not < unk >
    assert tokenizer.tokenize("a\ud800b") == ["a", UNK, "b</w>"]
    assert tokenizer.tokenize("") == []


def test_training_takes_the_most_frequent_pair():
    tokenizer = mb.OpenAIGPTTokenizer.train(["abab abab abab", "Cd", "cd", "e <unk> \ud800\ud800"], 300)
    assert tokenizer.id_to_token[:6] == [UNK, "a", "b", "b</w>", "c", "d</w>"]  # e occurs once
    assert tokenizer.merges[:3] == [("a", "b"), ("a", "b</w>"), ("ab", "ab</w>")]
    assert mb.OpenAIGPTTokenizer.train(["abab abab abab"], 5).merges == [("a", "b")]


def test_text_comes_back_in_words(tokenizer):
    assert tokenizer.decode(tokenizer.ids("The OLD dog,  sees")) == "the old dog , sees"
    assert tokenizer.decode(tokenizer.ids("older")[:1]) in ("old", "o", "ol", "older")
    assert tokenizer.decode([]) == ""
    for text in TEXTS:
        assert tokenizer.ids(tokenizer.decode(tokenizer.ids(text))) == tokenizer.ids(text)


def test_a_batch_has_its_padding_on_the_left(tokenizer):
    batch = tokenizer.encode_batch(["the old dog", "", "dog"])
    lengths = [len(tokenizer.ids(text)) for text in ("the old dog", "", "dog")]
    assert batch.attention_mask.sum(axis=1).tolist() == lengths
    assert tokenizer.decode(batch.input_ids[2, -lengths[2] :]) == "dog"
    assert {array.dtype for array in batch} == {np.dtype(np.int64)}
    assert len(tokenizer.encode("the old dog", max_length=2).input_ids) == 2


@pytest.mark.parametrize("absent", ["tokenizer.json", "merges.txt"])
def test_files_come_back(tokenizer, tmp_path, absent):
    tokenizer.save_pretrained(tmp_path, model_max_length=64)
    assert json.loads((tmp_path / "tokenizer_config.json").read_text("utf-8")) == {
        "tokenizer_class": "OpenAIGPTTokenizer", "unk_token": "<unk>", "model_max_length": 64}
    (tmp_path / absent).unlink()
    back = mb.OpenAIGPTTokenizer.from_pretrained(tmp_path)
    assert back.vocab == tokenizer.vocab and back.merges == tokenizer.merges
    assert back.special_tokens == [UNK] and all(back.ids(text) == tokenizer.ids(text) for text in TEXTS)


def change(path, **parts):
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | parts), encoding="utf-8")


def test_added_tokens_are_kept_whole(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    added = {"content": "_Start_", "id": tokenizer.vocab_size, "special": True}
    change(tmp_path / "tokenizer.json", added_tokens=[added])
    back = mb.OpenAIGPTTokenizer.from_pretrained(tmp_path)
    assert back.vocab_size == tokenizer.vocab_size + 1
    assert back.ids("Dog_Start_dog") == [*back.ids("dog"), tokenizer.vocab_size, *back.ids("dog")]
    change(tmp_path / "tokenizer.json", added_tokens=[{**added, "normalized": True}])
    with pytest.raises(ValueError, match="added token '_Start_' has 'normalized', which is not supp"):
        mb.OpenAIGPTTokenizer.from_pretrained(tmp_path)


def test_files_that_cannot_be_read(tokenizer, tmp_path):
    def refused(message):
        with pytest.raises(ValueError, match=message):
            mb.OpenAIGPTTokenizer.from_pretrained(tmp_path)

    refused("holds no vocab.json with merges.txt, and no tokenizer.json")
    mb.ByteLevelBPETokenizer.train(TEXTS, 300).save_pretrained(tmp_path)
    refused("vocab.json: the vocabulary of 300 tokens has no '<unk>' for characters that it does not know")
    (tmp_path / "vocab.json").unlink()
    refused("json describes another tokenizer: its model has unk_token None; that of GPT has '<unk>'")
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "merges.txt").unlink()
    change(tmp_path / "tokenizer.json", normalizer=None)
    refused("its normalizer has type None; that of GPT has 'BertNormalizer'")
    change(tmp_path / "tokenizer.json", model=["merges"])
    refused("is not of the form that Hugging Face's tokenizers write")


def test_wrong_arguments(tokenizer):
    for call, message in (
        (lambda: tokenizer.ids(3), "a text must be a string, got the int 3"),
        (lambda: tokenizer.decode([300]), "id 300 is outside the vocabulary of"),
        (lambda: tokenizer.encode_batch("text"), "takes a list of one text or more"),
        (lambda: mb.OpenAIGPTTokenizer.train("text", 300), "got one string; put it into a list"),
        (lambda: mb.OpenAIGPTTokenizer.train(["aa", "aa"], 2), "needs <unk> and 2 characters; give 3"),
        (lambda: mb.OpenAIGPTTokenizer({"a": 0}, []), "the vocabulary of 1 tokens has no '<unk>'"),
        (lambda: mb.OpenAIGPTTokenizer({UNK: 1}, []), "ids of a vocabulary of 1 tokens must be 0 to 0"),
        (lambda: mb.OpenAIGPTTokenizer({UNK: 0}, [("a", "b")]), "the merge 'a b' needs the token 'a'"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
