"""The promise that all examples keep: batches named like the arguments of forward, and held-out streams."""

import inspect

import numpy as np
import pytest

import minibert as mb
from minibert.text import toy
from minibert.text.examples import (
    LabelledExamples,
    MaskedTexts,
    Permutations,
    SentenceOrder,
    SentencePairs,
    SingleTexts,
    SpelledWords,
    Streams,
    TagBatch,
    TextBatch,
    Translations,
    Windows,
    encode_tagged,
    encode_texts,
    word_table,
)
from minibert.text.examples.ends import ends_of
from minibert.text.labelled import LabelledText, TaggedWords
from minibert.text.toy.masked import ToyMasked
from minibert.text.toy.next_tokens import ToyNextTokens, ToyWords
from minibert.text.toy.order import ToyOrder
from minibert.text.toy.pairs import ToyExamples
from minibert.text.toy.rewriting import ToyRewriting


def labelled(text, batch_class, seed):
    """LabelledExamples of the first 70 sentences: a label each, or one for each word."""
    tokenizer, sentences = text[0], text[1].sentences[:70]
    if batch_class is TextBatch:
        examples = [LabelledText(0, sentence, None, "x") for sentence in sentences]
        rows, _ = encode_texts(examples, tokenizer, 32, {"x": 0})
    else:
        words = [sentence.split() for sentence in sentences]
        examples = [TaggedWords(0, each, ["x"] * len(each)) for each in words]
        rows, _ = encode_tagged(examples, tokenizer, 64, {"x": 0})
    return LabelledExamples(rows, batch_class, tokenizer.pad_token_id, seed)


def spelled_words(text, tokenized, seed):
    """SpelledWords whose words are the pieces of a tokenizer."""
    streams = Streams(tokenized, text[0], seq_length=5, seed=seed)
    return SpelledWords(streams, streams, word_table(text[0].id_to_token, 10))


def translations(text, seed):
    """Translations of each of the first 70 sentences into the next one."""
    tokenizer, sentences = text[0], text[1].sentences[:71]
    pairs = list(zip(map(tokenizer.ids, sentences), map(tokenizer.ids, sentences[1:])))
    return Translations(pairs, ends_of(tokenizer), seed)


@pytest.fixture(params=["SentencePairs", "SingleTexts", "ToyExamples", "Streams", "Windows", "ToyNextTokens",
                        "SpelledWords", "ToyWords", "labelled texts", "labelled words", "Translations",
                        "ToyRewriting", "Permutations", "SentenceOrder", "ToyOrder",
                        "MaskedTexts", "ToyMasked"])
def kind(request, text, tokenized):
    """(a function that makes the examples, the model that learns from them)."""
    make = {
        "SentencePairs": lambda seed: SentencePairs(tokenized, text[0], seq_length=32, seed=seed),
        "SingleTexts": lambda seed: SingleTexts(tokenized, text[0], seq_length=32, seed=seed),
        "ToyExamples": lambda seed: ToyExamples(toy.TOY, toy.TOY.tokenizer(), seed=seed),
        "Streams": lambda seed: Streams(tokenized, text[0], seq_length=5, seed=seed),
        "Windows": lambda seed: Windows(tokenized, text[0], seq_length=5, seed=seed),
        "ToyNextTokens": lambda seed: ToyNextTokens(toy.TOY, toy.TOY.tokenizer(), seed=seed),
        "SpelledWords": lambda seed: spelled_words(text, tokenized, seed),
        "ToyWords": lambda seed: ToyWords(toy.TOY, toy.TOY.tokenizer(), seed=seed),
        "labelled texts": lambda seed: labelled(text, TextBatch, seed),
        "labelled words": lambda seed: labelled(text, TagBatch, seed),
        "Translations": lambda seed: translations(text, seed),
        "ToyRewriting": lambda seed: ToyRewriting(toy.TOY, toy.TOY.tokenizer(), seed),
        "Permutations": lambda seed: Permutations(
            SentencePairs(tokenized, text[0], seq_length=32, seed=seed), text[0], seed),
        "SentenceOrder": lambda seed: SentenceOrder(tokenized, text[0], seq_length=32, seed=seed),
        "ToyOrder": lambda seed: ToyOrder(toy.TOY, toy.TOY.tokenizer(), seed=seed),
        "MaskedTexts": lambda seed: MaskedTexts(tokenized, text[0], seq_length=32, seed=seed),
        "ToyMasked": lambda seed: ToyMasked(toy.TOY, toy.TOY.tokenizer(), seed=seed),
    }
    models = dict.fromkeys(("Streams", "Windows", "ToyNextTokens"), mb.LSTMLanguageModel) | {
        "SpelledWords": mb.ELMo,
        "ToyWords": mb.ELMo,
        "labelled texts": mb.BertForSequenceClassification,
        "labelled words": mb.BertForTokenClassification,
        "Translations": mb.Transformer,
        "ToyRewriting": mb.Transformer,
        "Permutations": mb.XLNetLMHeadModel,
        "SentenceOrder": mb.AlbertForPreTraining,
        "ToyOrder": mb.AlbertForPreTraining,
        "MaskedTexts": mb.ElectraPair,
        "ToyMasked": mb.ElectraPair,
    }
    return make[request.param], models.get(request.param, mb.BertForPreTraining)


def same(one, other):
    return all(a is b is None or np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_batches_are_named_like_the_arguments_of_forward(kind):
    make, model_class = kind
    arguments = list(inspect.signature(model_class.forward).parameters)
    [[held_out, *_], *_] = make(0).held_out(7)
    for batch in (make(0).batch(0, 7), held_out):
        assert set(batch._fields) <= set(arguments)
        assert {len(array) for array in batch if array is not None} == {7}  # batch first


def test_a_batch_depends_on_the_step_and_the_seed(kind):
    make, _ = kind
    examples = make(0)
    later, first = examples.batch(5, 7), examples.batch(0, 7)
    assert same(first, make(0).batch(0, 7)) and same(later, make(0).batch(5, 7))
    for other in (later, make(1).batch(0, 7)):
        assert not same(first, other)


def test_held_out_streams_are_the_same_at_every_call(kind):
    make, _ = kind
    examples = make(0)
    streams = examples.held_out(7)
    examples.batch(3, 7)
    for stream, again, anew in zip(streams, examples.held_out(7), make(0).held_out(7), strict=True):
        assert isinstance(stream, list)
        for batch, other, another in zip(stream, again, anew, strict=True):
            assert same(batch, other) and same(batch, another)
