"""The promise that all examples keep: batches named like the arguments of forward, and held-out streams."""

import inspect

import numpy as np
import pytest

import minibert as mb
from minibert.text import toy
from minibert.text.examples import SentencePairs, SingleTexts, Streams, Windows
from minibert.text.toy.next_tokens import ToyNextTokens
from minibert.text.toy.pairs import ToyExamples


@pytest.fixture(params=["SentencePairs", "SingleTexts", "ToyExamples", "Streams", "Windows", "ToyNextTokens"])
def kind(request, text, tokenized):
    """(a function that makes the examples, the model that learns from them)."""
    make = {
        "SentencePairs": lambda seed: SentencePairs(tokenized, text[0], seq_length=32, seed=seed),
        "SingleTexts": lambda seed: SingleTexts(tokenized, text[0], seq_length=32, seed=seed),
        "ToyExamples": lambda seed: ToyExamples(toy.TOY, toy.TOY.tokenizer(), seed=seed),
        "Streams": lambda seed: Streams(tokenized, text[0], seq_length=5, seed=seed),
        "Windows": lambda seed: Windows(tokenized, text[0], seq_length=5, seed=seed),
        "ToyNextTokens": lambda seed: ToyNextTokens(toy.TOY, toy.TOY.tokenizer(), seed=seed),
    }
    is_next = request.param in ("Streams", "Windows", "ToyNextTokens")
    return make[request.param], mb.LSTMLanguageModel if is_next else mb.BertForPreTraining


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
