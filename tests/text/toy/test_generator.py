"""The toy language: its sentences, their labels, and the distribution of its documents."""

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest

from minibert.text import toy
from minibert.text.toy import generator, grammar


def test_neighbours_in_documents_are_distributed_like_next_pairs(tiny):
    language, tokenizer, probs = tiny
    expected = {(a, b): 2 * p for (a, b, label), p in probs.items() if label == 0}
    number, seed = 20_000, 5
    rng = np.random.default_rng([seed, number])
    words = language.sample_words(language.sample_documents(number, rng)[0], rng)  # (documents, sentences, L)
    pairs = np.stack([words[:, :-1], words[:, 1:]], axis=2).reshape(-1, 2, words.shape[2])
    pairs, pair_counts = np.unique(pairs, axis=0, return_counts=True)
    ids = np.array([tokenizer.vocab[word] for word in language.words])

    def text(sentence):
        return tuple(ids[sentence[sentence >= 0]].tolist())

    counts = Counter()
    for (first, second), count in zip(pairs, pair_counts):
        counts[text(first), text(second)] += int(count)
    assert set(counts) <= set(expected)
    likely = {pair: p for pair, p in expected.items() if p > 0.002}
    for pair, p in likely.items():
        error = np.sqrt(3 * p / counts.total())  # the three pairs of a document may be alike
        assert counts[pair] / counts.total() == pytest.approx(p, abs=4 * error)
    assert len(likely) > 40


def test_documents_are_the_sampled_words():
    rng = np.random.default_rng([5, 20])
    words = toy.TOY.sample_words(toy.TOY.sample_documents(20, rng)[0], rng)
    for document, expected in zip(toy.TOY.documents(20, seed=5), words, strict=True):
        for sentence, word_ids in zip(document, expected, strict=True):
            assert sentence.words == tuple(toy.TOY.words[word_id] for word_id in word_ids[word_ids >= 0])


def test_size_of_the_language(documents):
    sentences = [sentence for document in documents for sentence in document]
    assert 150 <= len(toy.TOY.words) <= 400
    assert {len(document) for document in documents} == {12}
    assert all(4 <= len(sentence.words) <= 12 for sentence in sentences)
    word_counts = Counter(word for sentence in sentences for word in sentence.words)
    counts = np.array(sorted(word_counts.values(), reverse=True))
    assert len(counts) >= 0.95 * len(set(toy.TOY.words))
    slope = np.polyfit(np.log(np.arange(10, 200)), np.log(counts[10:200]), 1)[0]
    assert -1.5 < slope < -0.5  # Zipf's law has -1


def test_every_machine_makes_the_same_text():
    corpus = toy.corpus()
    assert (corpus.name, corpus.fingerprint) == ("toy", "38460b7aee10")
    assert len(corpus.documents) == 4000


def test_another_seed_gives_other_documents():
    assert toy.TOY.documents(2, seed=1) == toy.TOY.documents(2, seed=1) != toy.TOY.documents(2, seed=2)


def test_one_word_is_one_token(documents):
    tokenizer = toy.TOY.tokenizer()
    for sentence in documents[0]:
        assert tokenizer.tokenize(" ".join(sentence.words)) == list(sentence.words)
        assert tokenizer.tokenize(" ".join(sentence.rewritten)) == list(sentence.rewritten)


def test_verbs_agree_with_the_subject_whatever_its_neighbour(documents):
    lemmas = [line.split() for topic in toy.LEMMAS for line in topic]
    verb_of = {line[0]: line[2] for line in lemmas} | {line[1]: line[3] for line in lemmas}
    plurals = {line[1] for line in lemmas}
    same = []
    sentences = [sentence for document in documents for sentence in document]
    for sentence in (sentence for sentence in sentences if sentence.kind == "agreement"):
        nouns = [word for word in sentence.words if word in verb_of]
        others = [word for word in sentence.words
                  if word in ("tree", "stone", "basket", "trees", "stones", "baskets")]
        assert len(nouns) == 1
        verbs = [word for word in sentence.words if word in generator.OTHER_NUMBER]
        if verbs:
            assert verbs == [verb_of[nouns[0]]]
            [other] = others
            same.append(other.endswith("s") == (nouns[0] in plurals))
    assert len(same) > 100 and np.mean(same) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(same)))


def test_pronouns_fit_the_name_before(documents):
    women, seen = set(grammar.WOMEN.split()), 0
    for document in documents:
        for first, second in itertools.pairwise(document):
            names = [word for word, tag in zip(first.words, first.phenomena) if tag == "name"]
            for word, tag in zip(second.words, second.phenomena):
                if names and tag == "pronoun":
                    assert (names[0] in women) == (word in ("she", "her"))
                    seen += 1
    assert seen > 300


def test_scripts_go_forward_and_answers_repeat_the_item(documents):
    items, answers, pauses, steps = set(grammar.ITEMS.split()), 0, 0, 0
    for document in documents:
        for number, (first, second) in enumerate(itertools.pairwise(document)):
            assert (second.kind in ("answer", "pause")) == (first.kind in ("question", "pause"))
            if second.kind == "answer":
                question = document[number - 1] if first.kind == "pause" else first
                assert question.kind == "question"
                assert items & set(question.words) == items & set(second.words) != set()
                answers += 1
                pauses += first.kind == "pause"
            if first.kind.startswith("step") and second.kind.startswith("step"):
                assert int(second.kind[-1]) == int(first.kind[-1]) + 1
                steps += 1
    assert answers > 100 and pauses > 30 and steps > 300


def test_a_homograph_means_what_the_topic_says(documents):
    said = defaultdict(set)
    sentences = [sentence for document in documents for sentence in document]
    for sentence in (sentence for sentence in sentences if sentence.kind == "sense"):
        words = [word for word, tag in zip(sentence.words, sentence.phenomena) if tag == "sense"]
        said[words[0], sentence.topic].update(words[1:])  # not every sentence has an adjective
    assert said["bank", "river"] == {"muddy", "grassy"} and said["bank", "money"] == {"closed", "wealthy"}
    assert len(said) == 6


def test_labels(documents):
    names = f"{grammar.WOMEN} {grammar.MEN}".split()
    places = f"{grammar.CAPITALS} {grammar.COUNTRIES}".split()
    namesakes = grammar.NAMESAKES.split()
    for sentence in (sentence for document in documents for sentence in document):
        assert len(sentence.words) == len(sentence.phenomena) == len(sentence.entities)
        for word, entity in zip(sentence.words, sentence.entities):
            if word in namesakes:
                assert entity in ("PER", "LOC")
            else:
                assert entity == ("PER" if word in names else "LOC" if word in places else "O")
        if sentence.words[-2] == "wonderful":
            assert sentence.sentiment == "positive"
        if sentence.words[-1] == "awful":
            assert sentence.sentiment == "negative"
        assert (sentence.sentiment is None) == (sentence.kind not in ("opinion", "verdict"))


def test_acceptability(documents):
    said = {sentence.words for document in documents for sentence in document}
    pairs = toy.TOY.acceptability(400, seed=7)
    assert 150 < sum(acceptable for _, acceptable in pairs) < 250
    assert not any(words in said for words, acceptable in pairs if not acceptable)
