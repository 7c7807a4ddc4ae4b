"""The probability of any sentence, and the likeliest one, equal the enumeration of a tiny language."""

import itertools
from collections import defaultdict

import numpy as np
import pytest
from tiny_language import TINY, chains, sentence_probs

from minibert.text import toy
from minibert.text.toy.sentences import Sentences


@pytest.fixture(scope="module")
def enumerated():
    """{words: P(words)} at a random place of a document, and {kind: the same, of this kind}."""
    p_topic, p_hero = TINY.variables["topic"], TINY.variables["hero"]
    probs, of_kind = defaultdict(float), defaultdict(lambda: defaultdict(float))
    for states, p in chains(TINY).items():
        for state, topic, hero in itertools.product(states, range(len(p_topic)), range(len(p_hero))):
            for words, q in sentence_probs(TINY, *state, topic, hero).items():
                share = p * p_topic[topic] * p_hero[hero] * q / len(states)
                probs[words] += share
                of_kind[state[0]][words] += share
    return probs, of_kind


def test_probabilities_equal_enumeration(tiny, enumerated):
    language, _, _ = tiny
    probs, _ = enumerated
    sentences = Sentences(language)
    assert sum(probs.values()) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(np.exp(sentences.log_prob(probs)), list(probs.values()), rtol=0, atol=1e-12)
    assert sentences.log_prob([("ann", "well"), ("ann", "flies"), ("ann",)]).tolist() == [-np.inf] * 3


def test_the_entries_of_all_plans_add_up_to_the_probabilities(tiny, enumerated):
    language, _, _ = tiny
    probs, _ = enumerated
    sentences = Sentences(language)
    number = {word: k for k, word in enumerate(language.words)}
    of_groups, expected = defaultdict(float), defaultdict(float)
    for plan, p in enumerate(sentences.of_plans):
        for groups, q in sentences.of_plan(plan):
            of_groups[groups] += p * q
    for words, p in probs.items():
        expected[tuple(sentences.group[[number[word] for word in words]].tolist())] += p
    assert of_groups == pytest.approx(expected, abs=1e-12)
    assert len(of_groups) < len(probs)  # "well" and "again" are one


@pytest.mark.parametrize("kind", [None, "first", "then", "end"])
def test_the_mode_equals_enumeration(tiny, enumerated, kind):
    language, _, _ = tiny
    probs, of_kind = enumerated
    table = probs if kind is None else of_kind[kind]
    words, log_prob = Sentences(language).mode(kind)
    assert table[words] == pytest.approx(max(table.values()), abs=1e-12)
    assert log_prob == pytest.approx(np.log(probs[words]), abs=1e-12)


def test_a_kind_that_does_not_exist(tiny):
    with pytest.raises(ValueError, match="no kind of sentence 'last': choose one of first, then, end"):
        Sentences(tiny[0]).mode("last")


def test_every_sentence_of_the_toy_language_has_a_probability(documents):
    sentences = Sentences(toy.TOY)
    said = [sentence.words for document in documents[:10] for sentence in document]
    assert np.isfinite(sentences.log_prob(said)).all()
    shuffled = [(*words[1:], words[0]) for words in said]
    assert np.isneginf(sentences.log_prob(shuffled)).all()
    too_long = [(*words, *words) for words in said[:3]]  # no sentence has so many words
    assert np.isneginf(sentences.log_prob(too_long)).all()
    assert sentences.of_plans.sum() == pytest.approx(1, abs=1e-12)
    assert sentences.mode()[1] >= sentences.log_prob(said).max()
