"""Every limit of a task equals the enumeration of all its examples in a tiny language."""

import itertools
from collections import defaultdict

import numpy as np
import pytest
from helpers import sampled
from tiny_language import chains, sentence_probs

from minibert.text import toy
from minibert.text.toy import tasks

# Words that are in several classes, kinds and topics, so that no task is trivial.
TINY = toy.Grammar(
    variables={
        "topic": np.array([0.6, 0.4]),
        "hero": np.array([0.3, 0.7]),
        "crop": np.array([0.8, 0.2]),
        "mood": np.array([0.55, 0.45]),
    },
    document=("topic", "hero", "crop"),
    derived={"gender": ("hero", np.array([0, 1]))},
    words={
        "name": (("hero",), "name", ["ann", "tom"]),
        "pronoun": (("gender",), "pronoun", ["she", "he"]),
        "did1": (("topic",), "script", ["found", "watered"]),
        "did2": (("topic",), "script", ["sold", "sold"]),
        "look": ((), "choice", "old tiny"),
        "thing": (("topic", "crop"), "copy", [["figs", "nuts"], ["figs", "hats"]]),
        "capital": ((), "capital", "rome ann"),
        "verb": (("mood",), "agreement", ["hops", "hop"]),
        "noun": (("mood",), "topic", ["snail fish", "snails fish"]),
        "quality": (("mood",), "sentiment", ["good odd", "bad odd"]),
        "homograph": (("topic",), "sense", ["mint", "mint bank"]),
    },
    sentences={
        "first": [("then {who} saw {capital} there", "in {capital} then {who}"),
                  ("the {noun} there {verb}", "there the {noun} {verb}")],
        "step 1": [("then {who} {did1} the {look} {thing}",
                    "it was {who} who then {did1} the {look} {thing}")],
        "step 2": [("then {who} {did2} the {look} {thing}",
                    "it was {who} who then {did2} the {look} {thing}")],
        "end": [("this was {quality} but {quality}", "what this was but {quality}"),
                ("all the {homograph} was {look}", "{look} was the {homograph}")],
    },
    follows={"end": {"step 1": 1}, "step 1": {"step 2": 3, "end": 1}},
    any={"step 1": 2, "end": 2, "first": 1},
    pronoun=0.6,
    document_length=3,
)


@pytest.fixture(scope="module")
def language():
    return toy.Language(TINY)


@pytest.fixture(scope="module")
def said():
    """[(template, words, topic, mood, P)] at a random place of a document, from the grammar alone."""
    found = defaultdict(float)
    for kind, how, (topic, p_topic), (hero, p_hero), (crop, p_crop), (mood, p_mood) in itertools.product(
            TINY.sentences, ("name", "pronoun", ""), *(enumerate(TINY.variables[name])
                                                      for name in TINY.variables)):
        p = sum(q * states.count((kind, how)) / len(states) for states, q in chains(TINY).items())
        for template in TINY.sentences[kind] if p else ():
            for words, q in said_by(kind, template, how, topic, hero, crop, mood).items():
                found[template[0], words, topic, mood] += p * p_topic * p_hero * p_crop * p_mood * q / len(
                    TINY.sentences[kind])
    return [(*key, p) for key, p in found.items() if p]


def said_by(kind, template, how, topic, hero, crop, mood):
    """Return {words: P} of a template with all variables given."""
    fixed = TINY._replace(
        variables={**TINY.variables, "mood": np.eye(2)[mood]},
        words={**TINY.words, "thing": ((), "copy", TINY.words["thing"][2][topic][crop])},
        sentences={**TINY.sentences, kind: [template]})
    return {words: p for words, p in sentence_probs(fixed, kind, how, topic, hero).items() if p}


def best(examples, view):
    table = defaultdict(lambda: defaultdict(float))
    for x, label, p in examples:
        table[view(x)][label] += p
    return sum(max(of_labels.values()) for of_labels in table.values()) / sum(p for _, _, p in examples)


def bag(words):
    return frozenset((word, words.count(word)) for word in words)


def check(language, task, examples, bag_of):
    found = tasks.accuracies(language, task)
    assert found.majority == pytest.approx(best(examples, lambda x: 0), abs=1e-12)
    assert found.bag == pytest.approx(best(examples, bag_of), abs=1e-12)
    assert found.limit == pytest.approx(best(examples, lambda x: x), abs=1e-12)
    return found


def test_the_enumeration_is_of_everything(said):
    assert sum(p for *_, p in said) == pytest.approx(1, abs=1e-12) and len(said) > 60


def test_acceptability(language, said):
    examples = [(words, True, p / 2) for _, words, _, _, p in said]
    for template, words, _, _, p in said:
        if "{verb}" in template:
            examples.append(((*words[:3], {"hops": "hop", "hop": "hops"}[words[3]]), False, p / 2))
            continue
        for k in range(1, len(words) - 2):
            swapped = list(words)
            swapped[k], swapped[k + 1] = words[k + 1], words[k]
            examples.append((tuple(swapped), False, p / 2 / (len(words) - 3)))
    found = check(language, "acceptability", examples, bag)
    assert 0.5 < found.bag < found.limit < 1  # "the fish there hops" is always possible


@pytest.mark.parametrize("task", ["topic", "sense"])
def test_topic_and_sense(language, said, task):
    shows = ("{thing}", "{did1}", "{homograph}") if task == "topic" else ("{homograph}",)
    examples = [(words, topic, p) for template, words, topic, _, p in said
                if any(slot in template for slot in shows)]
    found = check(language, task, examples, bag)
    assert found.majority < found.limit < 1  # the mint may be either


def test_sentiment(language, said):
    examples = [(words, mood, p) for template, words, _, mood, p in said if "{quality}" in template]
    found = check(language, "sentiment", examples, bag)
    assert 0.55 == pytest.approx(found.majority) and found.majority < found.limit < 1


def test_entities(language, said):
    examples = []
    for template, words, _, _, p in said:
        for place, (slot, _) in enumerate(zip(template.split(), words)):
            entity = "LOC" if slot == "{capital}" else "O"
            if slot == "{who}" and words[place] not in ("she", "he"):
                entity = "PER"
            examples.append(((words, place), entity, p))
    found = check(language, "entities", examples, lambda x: (bag(x[0]), x[0][x[1]]))
    assert found.word == pytest.approx(best(examples, lambda x: x[0][x[1]]), abs=1e-12)
    assert found.word < found.bag < found.limit == pytest.approx(1)  # Ann is a town, too


def test_same_opinion(language, said):
    opinions = [(words, mood, p) for template, words, _, mood, p in said if "{quality}" in template]
    examples = [((a, b), of_a == of_b, p * q)
                for (a, of_a, p), (b, of_b, q) in itertools.product(opinions, opinions)]
    found = check(language, "same opinion", examples, lambda x: bag(x[0] + x[1]))
    alone = best(examples, lambda x: x[0])
    assert found.limit > alone + 0.1


def rewritten(words):
    return "it", "was", words[1], "who", "then", *words[2:]


def test_spans(language):
    neighbours = defaultdict(float)
    for states, p in chains(TINY).items():
        for a, b in itertools.pairwise(states):
            if a[0] == "step 1" and b[0] == "step 2":
                neighbours[a[1], b[1]] += p
    examples = []
    for (how_a, how_b), p in neighbours.items():
        for topic, hero, crop in itertools.product(range(2), repeat=3):
            weight = p * np.prod([TINY.variables[name][value] for name, value in
                                  (("topic", topic), ("hero", hero), ("crop", crop))])
            steps = [said_by(kind, TINY.sentences[kind][0], how, topic, hero, crop, 0)
                     for kind, how in (("step 1", how_a), ("step 2", how_b))]
            for (a, q), (b, r) in itertools.product(*(step.items() for step in steps)):
                for forms in itertools.product((False, True), repeat=2):
                    told = [(rewritten(words) if is_rewritten else words, words[2])
                            for words, is_rewritten in zip((a, b), forms)]
                    for passage, asked in itertools.product((told, told[::-1]), (0, 1)):
                        text = passage[0][0] + passage[1][0]
                        did = passage[asked][1]
                        end = len(text) - 1 if asked else len(passage[0][0]) - 1
                        question = ("what", "was", did)
                        examples.append(((question, text), (end - 2, end), weight * q * r / 16))
    found = check(language, "span", examples, lambda x: (bag(x[0] + x[1])))
    assert found.limit == pytest.approx(1) and found.majority < found.bag < 0.6


# --- examples of the toy language ---

@pytest.mark.parametrize("task", sampled(tasks.TASKS, every=3))
def test_examples_are_drawn_from_the_same_distribution(task):
    """The best answer from the majority is right as often as the exact accuracy says."""
    number = 200
    examples = tasks.examples(toy.TOY, task, number, seed=3)
    assert len(examples) == number and examples == tasks.examples(toy.TOY, task, number, seed=3)
    labels = [label for _, label in examples]
    if task == "entities":
        labels = [label for of_words in labels for label in of_words]
    frequent = max(map(labels.count, set(labels))) / len(labels)
    expected = tasks.accuracies(toy.TOY, task).majority
    # a document has one topic
    assert frequent == pytest.approx(expected, abs=4 * np.sqrt(12 * 0.25 / number))
    assert examples != tasks.examples(toy.TOY, task, number, seed=4)


def test_a_span_is_what_was_done_to(documents):
    for (question, passage), (start, end) in tasks.examples(toy.TOY, "span", 200):
        assert question[:2] == ("what", "was") and passage[start - 1] == question[2]
        assert passage[start] == "the" and end - start == 2


def test_a_task_that_does_not_exist():
    with pytest.raises(ValueError, match="no task 'parsing': choose one of acceptability, topic, "):
        tasks.accuracies(toy.TOY, "parsing")
