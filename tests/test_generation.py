"""Generation: each way of choosing against a calculation by hand, over GPT and any model with a state."""

import itertools
import types

import numpy as np
import pytest
from helpers import random, scrambled

import minibert as mb
from minibert import generation

V, L = 4, 3  # small enough to list all texts of L tokens
PROMPT = np.array([[1, 3, 2], [2, 2, 0]])


@pytest.fixture(scope="module")
def gpt2():
    config = mb.GPT2Config(
        V, hidden_size=6, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=9
    )
    return scrambled(mb.GPT2LMHeadModel(config, dtype=np.float64))


class Counter:
    """A model of one line: the next token is probably the last one plus the number of those before it."""

    config, generates = types.SimpleNamespace(vocab_size=5), "continuation"

    def forward(self, input_ids, labels=None, state=None, rng=None):
        total = 0 if state is None else state[0]
        sums = total + np.cumsum(input_ids, axis=1)
        logits = np.stack([sums % 5 == token for token in range(5)], axis=-1) * 2.0
        return types.SimpleNamespace(logits=logits, state=(sums[:, -1:],)), None


def log_probs_of_all_texts(logits_of, prompt):
    """{text of L tokens: its log probability}, each text by a pass of its own over all tokens."""
    found = {}
    for text in itertools.product(range(V), repeat=L):
        ids = np.concatenate([prompt, text])[np.newaxis]
        logits = logits_of(ids)[0, len(prompt) - 1 : -1]
        log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        found[text] = log_probs[np.arange(L), list(text)].sum()
    return found


def test_greedy_takes_the_likeliest_token_of_a_full_pass(gpt2):
    ids = mb.generate(gpt2, PROMPT, max_new_tokens=5)
    expected = PROMPT
    for _ in range(5):
        best = gpt2.forward(expected)[0].logits[:, -1].argmax(axis=1)
        expected = np.concatenate([expected, best[:, np.newaxis]], axis=1)
    assert np.array_equal(ids, expected) and ids.shape == (2, 8)


def test_any_model_that_hands_on_a_state():
    ids = mb.generate(Counter(), np.array([[1, 2], [0, 1]]), max_new_tokens=4)
    assert ids.tolist() == [[1, 2, 3, 1, 2, 4], [0, 1, 1, 2, 4, 3]]
    beams = mb.generate(Counter(), np.array([[1, 2], [0, 1]]), max_new_tokens=4, num_beams=3)
    assert np.array_equal(beams, ids)


def test_padding_on_the_left_changes_nothing(gpt2):
    padded = np.array([[0, 0, 0, 1], [0, 2, 3, 1], [3, 2, 3, 1]])
    mask = np.array([[0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 1]])
    for options in ({}, {"num_beams": 3}):
        together = mb.generate(gpt2, padded, mask, max_new_tokens=4, **options)
        for row in range(3):
            alone = mb.generate(gpt2, padded[row : row + 1, mask[row] == 1], max_new_tokens=4, **options)
            assert np.array_equal(together[row, -4:], alone[0, -4:])


@pytest.fixture(scope="module")
def transformer():
    """A random one that writes another text for each source of the test below."""
    config = mb.TransformerConfig(V, 6, 1, 2, 7, initializer_range=1.0, bos_token_id=1)
    model = mb.Transformer(config, seed=5, dtype=np.float64)
    model.embeddings.token.weight.value[...] = np.random.default_rng(5).standard_normal((V, 6)) * 0.4
    return model


def test_a_translation_is_that_of_full_passes(transformer):
    source = np.array([[1, 3, 2], [3, 2, 0], [2, 2, 1]])
    mask = np.array([[1, 1, 1], [1, 1, 0], [1, 1, 1]])
    ids = mb.generate(transformer, source, mask, max_new_tokens=5)
    expected = np.ones((3, 1), int)
    for _ in range(5):
        best = transformer.forward(source, expected, mask)[0].logits[:, -1].argmax(axis=1)
        expected = np.concatenate([expected, best[:, np.newaxis]], axis=1)
    assert np.array_equal(ids, expected) and len(np.unique(ids, axis=0)) == 3
    beams = mb.generate(transformer, source, mask, max_new_tokens=L, num_beams=V**L)
    for row in range(3):
        given = {"source_ids": source[row : row + 1], "source_mask": mask[row : row + 1]}
        log_probs = log_probs_of_all_texts(
            lambda ids: transformer.forward(target_ids=ids, **given)[0].logits, np.array([1]))
        assert tuple(beams[row, 1:]) == max(log_probs, key=log_probs.get)


def test_a_translation_needs_a_first_token():
    model = mb.Transformer(mb.TransformerConfig(V, 6, 1, 2, 7))
    with pytest.raises(ValueError, match="bos_token_id is None: say there which token begins"):
        mb.generate(model, PROMPT)


def test_beams_as_many_as_all_texts_find_the_likeliest(gpt2):
    for prompt, found in zip(PROMPT, mb.generate(gpt2, PROMPT, max_new_tokens=L, num_beams=V**L)):
        by_hand = log_probs_of_all_texts(lambda ids: gpt2.forward(ids)[0].logits, prompt)
        assert tuple(found[-L:]) == max(by_hand, key=by_hand.get)


def test_one_beam_is_greedy(gpt2):
    one = generation._beams(generation._Reader(gpt2, PROMPT), None, 5, 1, None, 0.0)
    assert np.array_equal(one, mb.generate(gpt2, PROMPT, max_new_tokens=5))


def test_beams_that_end(gpt2):
    """All texts of up to L tokens, with token 0 as the end: enumeration, with and without a penalty."""
    for length_penalty in (0.0, 2.0):
        found = mb.generate(
            gpt2, PROMPT[:1], max_new_tokens=L, num_beams=V**L, eos_token_id=0, length_penalty=length_penalty
        )[0, 3:]
        best = {}
        for text in itertools.product(range(V), repeat=L):
            length = text.index(0) + 1 if 0 in text else L
            logits = gpt2.forward(np.array([[*PROMPT[0], *text]]))[0].logits[0, 2:-1]
            log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
            score = log_probs[np.arange(length), list(text[:length])].sum()
            best[text[:length]] = score / ((5 + length) / 6) ** length_penalty
        expected = max(best, key=best.get)
        assert tuple(found) == expected + (0,) * (len(found) - len(expected)), length_penalty


def test_the_token_that_crosses_p_is_kept():
    logits = np.log([[0.5, 0.3, 0.15, 0.05]])
    for p, kept in ((1e-9, 1), (0.5, 1), (0.6, 2), (0.79, 2), (0.81, 3), (0.96, 4), (1, 4)):
        probs = generation.next_probs(logits, top_p=p)
        assert np.count_nonzero(probs) == kept and abs(probs.sum() - 1) < 1e-15
        if kept == 2:
            np.testing.assert_allclose(probs[0], [0.625, 0.375, 0, 0], rtol=1e-14)


def test_top_k_and_temperature():
    logits = np.log([[0.15, 0.5, 0.05, 0.3], [0.25, 0.25, 0.25, 0.25]])
    probs = generation.next_probs(logits, top_k=2)
    np.testing.assert_allclose(probs, [[0, 0.625, 0, 0.375], [0.25] * 4], rtol=1e-14)  # equal ones stay
    np.testing.assert_allclose(generation.next_probs(logits, top_k=9), np.exp(logits), rtol=1e-14)
    squared = np.exp(2 * logits)
    expected = squared / squared.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(generation.next_probs(logits, temperature=0.5), expected, rtol=1e-14)


@pytest.mark.parametrize("options", [{}, {"temperature": 0.7, "top_k": 3}, {"top_p": 0.8}])
def test_random_texts_have_their_probabilities(gpt2, options):
    """4,000 texts of two tokens: χ² against the exact probability of each of the V² texts."""
    count = 4_000
    texts = mb.generate(
        gpt2, np.repeat(PROMPT[:1], count, axis=0), max_new_tokens=2, do_sample=True, seed=3, **options
    )[:, 3:]
    observed = np.bincount(texts @ [V, 1], minlength=V * V)
    first = generation.next_probs(gpt2.forward(PROMPT[:1])[0].logits[:, -1], **options)[0]
    each = np.array([[*PROMPT[0], token] for token in range(V)])
    second = generation.next_probs(gpt2.forward(each)[0].logits[:, -1], **options)
    expected = count * (first[:, np.newaxis] * second).reshape(-1)
    assert not observed[expected == 0].any()
    seen = expected > 0
    chi_square = ((observed - expected)[seen] ** 2 / expected[seen]).sum()
    assert chi_square < 40  # 15 degrees of freedom at most: 0.05 % are above


def test_the_seed_decides(gpt2):
    texts = [
        mb.generate(gpt2, PROMPT, max_new_tokens=6, do_sample=True, seed=seed).tolist() for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_after_the_end_comes_padding(gpt2):
    greedy = mb.generate(gpt2, PROMPT, max_new_tokens=5)
    ends = int(greedy[0, 4])
    ids = mb.generate(gpt2, PROMPT, max_new_tokens=5, eos_token_id=ends)
    for row, plain in zip(ids[:, 3:].tolist(), greedy[:, 3:].tolist()):
        length = plain.index(ends) + 1 if ends in plain else len(row)
        assert row == plain[:length] + [ends] * (len(row) - length)
    assert mb.generate(gpt2, PROMPT[:1], max_new_tokens=5, eos_token_id=ends).shape[1] <= 5


@pytest.mark.parametrize("options, message", [
    ({"temperature": 0.0, "do_sample": True}, "temperature must be above 0, got 0.0"),
    ({"top_k": 0, "do_sample": True}, "top_k must be a whole number of 1 or more"),
    ({"top_p": 1.5, "do_sample": True}, "top_p must be above 0 and at most 1"),
    ({"top_p": 0.5}, "give do_sample=True"),
    ({"num_beams": 2, "do_sample": True}, "give one or the other"),
    ({"num_beams": 0}, "num_beams must be 1 or more"),
    ({"max_new_tokens": 0}, "max_new_tokens must be a whole number of 1 or more"),
    ({"max_new_tokens": 8}, "a prompt of 3 tokens and max_new_tokens 8 .* ask for 7 or fewer"),
    ({"attention_mask": [[1, 1, 0], [1, 1, 1]]}, "put the padding on the left"),
    ({"attention_mask": [[1, 1]]}, "expected that of input_ids"),
])
def test_wrong_arguments(gpt2, options, message):
    with pytest.raises(ValueError, match=message):
        mb.generate(gpt2, PROMPT, **{"max_new_tokens": 2} | options)


def test_models_that_cannot():
    with pytest.raises(ValueError, match="Counter knows no padding"):
        mb.generate(Counter(), PROMPT, np.array([[0, 1, 1], [1, 1, 1]]))
    with pytest.raises(ValueError, match="XLNetLMHeadModel does not say that it predicts the next token"):
        mb.generate(mb.XLNetLMHeadModel(mb.XLNetConfig(V, 6, 1, 1)), PROMPT)
    with pytest.raises(ValueError, match='Linear does not .* of your own with generates = "continuation"'):
        mb.generate(mb.Linear(2, 3), PROMPT)
    with pytest.raises(ValueError, match="must be integers of shape"):
        mb.generate(Counter(), random(2, 3))


def test_a_stream_is_refused_before_its_first_token(gpt2):
    with pytest.raises(ValueError, match="ask for 7 or fewer"):
        generation.stream(gpt2, PROMPT, max_new_tokens=8)


def test_seven_new_tokens_are_what_it_reads(gpt2):
    assert mb.generate(gpt2, PROMPT, max_new_tokens=7).shape == (2, 10)
