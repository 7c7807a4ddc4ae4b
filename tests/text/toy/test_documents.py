"""The filter over whole documents equals the enumeration of all chains and constants of a tiny language."""

import itertools

import numpy as np
import pytest
from tiny_language import TINY, chains, sentence_probs

from minibert.text import toy
from minibert.text.toy.documents import Documents
from minibert.text.toy.limits import Limits


@pytest.fixture(scope="module")
def enumerated(tiny):
    """A function: sentences (the last may be a beginning) → P(a document begins like this)."""
    p_topic, p_hero = TINY.variables["topic"], TINY.variables["hero"]
    constants = [(topic, hero, p_topic[topic] * p_hero[hero])
                 for topic, hero in itertools.product(range(len(p_topic)), range(len(p_hero)))]
    texts = {}

    def p_sentence(state, topic, hero, words, is_whole):
        key = state, topic, hero
        if key not in texts:
            texts[key] = sentence_probs(TINY, *state, topic, hero)
        if is_whole:
            return texts[key].get(words, 0.0)
        return sum(p for text, p in texts[key].items() if text[:len(words)] == words)

    def p_document(sentences, is_whole=True):
        total = 0.0
        for states, p in chains(TINY._replace(document_length=len(sentences))).items():
            for topic, hero, q in constants:
                whole = [True] * (len(sentences) - 1) + [is_whole]
                total += p * q * np.prod([p_sentence(state, topic, hero, words, ended)
                                          for state, words, ended in zip(states, sentences, whole)])
        return total

    return p_document


def test_the_next_token_of_a_document_equals_enumeration(tiny, enumerated):
    language, tokenizer, _ = tiny
    rng = np.random.default_rng(0)
    words = language.sample_words(language.sample_documents(12, rng)[0], rng)
    losses, right = Documents(Limits(language, tokenizer)).next_token(words, documents_at_once=5)
    assert losses.shape == (12, 4, words.shape[2] + 1) and right.any()
    for document, of_document in zip(words, losses):
        sentences = [tuple(language.words[word] for word in row[row >= 0]) for row in document]
        for number, (sentence, row) in enumerate(zip(sentences, of_document)):
            before = sentences[:number]
            reached = enumerated([*before, ()], is_whole=False)
            for place, word in enumerate(sentence):
                longer = enumerated([*before, (*sentence[:place], word)], is_whole=False)
                assert row[place] == pytest.approx(-np.log(longer / reached), abs=1e-12)
                reached = longer
            whole = enumerated([*before, sentence])
            assert row[len(sentence)] == pytest.approx(-np.log(whole / reached), abs=1e-12)
            assert (row[len(sentence) + 1:] == 0).all()


def test_the_losses_of_a_document_add_up_to_its_probability(tiny, enumerated):
    language, tokenizer, _ = tiny
    rng = np.random.default_rng(1)
    words = language.sample_words(language.sample_documents(5, rng)[0], rng)
    losses, _ = Documents(Limits(language, tokenizer)).next_token(words)
    for document, total in zip(words, losses.sum(axis=(1, 2))):
        sentences = [tuple(language.words[word] for word in row[row >= 0]) for row in document]
        assert total == pytest.approx(-np.log(enumerated(sentences)), abs=1e-12)


def test_a_longer_memory_is_worth_something():
    """On the toy language, the sixth sentence of a document costs less than the second."""
    language = toy.TOY
    limits = Limits(language, language.tokenizer())
    rng = np.random.default_rng(2)
    words = language.sample_words(language.sample_documents(24, rng)[0], rng)
    losses, _ = Documents(limits).next_token(words)
    per_sentence = losses.sum(axis=2).mean(axis=0)  # (12,), nats
    forgetful, _ = Documents(limits).next_token(words[:, :1])
    assert per_sentence[0] == pytest.approx(forgetful.sum(axis=2).mean(), abs=1e-9)
    assert per_sentence[6:].mean() < per_sentence[1:3].mean() - 0.5
