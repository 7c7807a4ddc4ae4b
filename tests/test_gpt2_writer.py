"""GPT2Writer against GPT2LMHeadModel: the same logits, texts and beams; and what it refuses."""

import numpy as np
import pytest
from helpers import scrambled

import minibert as mb
from minibert.gpt2_writer import GPT2Writer

V = 7


@pytest.fixture(scope="module")
def model():
    config = mb.GPT2Config(
        V, hidden_size=6, num_hidden_layers=2, num_attention_heads=3, max_position_embeddings=9)
    return scrambled(mb.GPT2LMHeadModel(config, dtype=np.float64))


def test_the_logits_are_the_models(model):
    ids = np.random.default_rng(1).integers(V, size=(4, 9))
    full = model.forward(ids)[0].logits                                 # (B, T, V)
    writer, state, start = GPT2Writer(model), None, 0
    for length in (3, 1, 1, 4):
        output, _ = writer.forward(ids[:, start : start + length], state)
        state, start = output.state, start + length
        np.testing.assert_allclose(output.logits[:, 0], full[:, start - 1], rtol=0, atol=1e-12)
    assert abs(full).max() > 0.5


def test_the_texts_are_the_models(model):
    prompts = np.random.default_rng(2).integers(V, size=(4, 3))
    for choice in ({}, {"num_beams": 3}, {"do_sample": True, "seed": 4}):
        ours, theirs = (mb.generate(each, prompts, max_new_tokens=7, **choice)
                        for each in (GPT2Writer(model), model))
        assert np.array_equal(ours, theirs)


def test_what_it_refuses(model):
    class Attention(mb.MultiHeadAttention):
        pass

    other = model.replica()
    other.blocks[1].attention.__class__ = Attention
    with pytest.raises(ValueError, match="MultiHeadAttention does, got Attention: give generate the model"):
        GPT2Writer(other)
    with pytest.raises(ValueError, match="GPT2LMHeadModel does, got Linear"):
        GPT2Writer(mb.Linear(2, 3))
    with pytest.raises(ValueError, match="GPT2Writer knows no padding"):
        mb.generate(GPT2Writer(model), [[0, 1]], [[0, 1]], max_new_tokens=1)
    with pytest.raises(ValueError, match="outside the table"):
        GPT2Writer(model).forward(np.array([[V]]))


def test_a_state_goes_on_once(model):
    writer, ids = GPT2Writer(model), np.array([[1, 2]])
    state = writer.forward(ids)[0].state
    state = writer.forward(ids[:, :1], state)[0].state
    with pytest.raises(ValueError, match="outside the table"):
        writer.forward(np.array([[V]]), state)
    with pytest.raises(ValueError, match="the state is of 1 sequences, input_ids of 2"):
        writer.forward(np.array([[1], [2]]), state)
    after, _ = writer.forward(ids[:, :1], state)
    with pytest.raises(ValueError, match="this state went on before.*the model itself"):
        writer.forward(ids[:, 1:], state)
    assert writer.forward(ids[:, 1:], after.state)[0].logits.shape == (1, 1, V)
