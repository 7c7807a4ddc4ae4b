"""A tiny language and the list of all its texts, made straight from the grammar, without plans or keys."""

import itertools
from collections import defaultdict

import numpy as np

from minibert.text import toy
from minibert.text.toy.pairs import SAME_TOPIC

TINY = toy.Grammar(
    variables={
        "topic": np.array([0.7, 0.3]),
        "hero": np.array([0.5, 0.2, 0.3]),
        "mood": np.array([0.6, 0.4]),
    },
    document=("topic", "hero"),
    derived={"gender": ("hero", np.array([0, 1, 1]))},
    words={
        "name": (("hero",), "name", ["ann", "tom", "bob"]),
        "pronoun": (("gender",), "pronoun", ["she", "he"]),
        "does": (("topic", "mood"), "topic", [["digs sings", "sulks"], ["swims", "sulks dives"]]),
        "how": ((), "choice", "well again"),
    },
    sentences={
        "first": [("{who} {does}", "{does} {who}"), ("{who} {does} {how}", "{how} {who} {does}")],
        "then": [("then {who} {does}", "{who} {does} then")],
        "end": [("all is {how}", "{how} is all"), ("{how} {how}", "{how} {how}")],
    },
    follows={"end": {"then": 1}},
    any={"then": 2, "end": 1, "first": 1},
    pronoun=0.6,
    document_length=4,
)


def sentence_probs(grammar, kind, how, topic, hero):
    """Return {words: P(words | kind, how the hero is mentioned, document)}."""
    probs = defaultdict(float)
    templates = grammar.sentences[kind]
    for (template, _), (mood, p_mood) in itertools.product(templates, enumerate(grammar.variables["mood"])):
        values = {"topic": topic, "hero": hero, "gender": grammar.derived["gender"][1][hero], "mood": mood}
        choices = []
        for word in template.replace("{who}", f"{{{how}}}").split():
            if not word.startswith("{"):
                choices.append([(word, 1.0)])
                continue
            variables, _, table = grammar.words[word.strip("{}")]
            for name in variables:
                table = table[values[name]]
            options = table.split()
            total = sum(1 / (rank + 1) for rank in range(len(options)))
            choices.append([(option, 1 / (rank + 1) / total) for rank, option in enumerate(options)])
        for combination in itertools.product(*choices):
            words = tuple(word for word, _ in combination)
            probs[words] += p_mood / len(templates) * np.prod([p for _, p in combination])
    return probs


def chains(grammar):
    """Return {states of a whole document: probability}; a state is (kind, how the hero is mentioned)."""
    found = {(("first", "name"),): 1.0}
    for _ in range(grammar.document_length - 1):
        longer = defaultdict(float)
        for states, p in found.items():
            kind, how = states[-1]
            weights = grammar.follows.get(kind, grammar.any)
            for following, weight in weights.items():
                p_kind = p * weight / sum(weights.values())
                if following == "end":
                    longer[*states, (following, "")] += p_kind
                elif how:
                    longer[*states, (following, "pronoun")] += p_kind * grammar.pronoun
                    longer[*states, (following, "name")] += p_kind * (1 - grammar.pronoun)
                else:
                    longer[*states, (following, "name")] += p_kind
        found = longer
    return found


def pair_probs(grammar):
    """Return {(words of A, words of B, label): probability} of the pretraining examples."""
    neighbours = defaultdict(float)
    for states, p in chains(grammar).items():
        for here, there in itertools.pairwise(states):
            neighbours[here, there] += p / (grammar.document_length - 1)
    first, second = defaultdict(float), defaultdict(float)
    for (here, there), p in neighbours.items():
        first[here] += p
        second[there] += p
    p_topic, p_hero = grammar.variables["topic"], grammar.variables["hero"]
    documents = [(topic, hero, p_topic[topic] * p_hero[hero])
                 for topic, hero in itertools.product(range(len(p_topic)), range(len(p_hero)))]
    texts = {(state, topic, hero): sentence_probs(grammar, *state, topic, hero)
             for state in {*first, *second} for topic, hero, _ in documents}
    probs = defaultdict(float)

    def add(state_a, document_a, state_b, document_b, label, p):
        if p:
            texts_a, texts_b = texts[state_a, *document_a], texts[state_b, *document_b]
            for a, b in itertools.product(texts_a.items(), texts_b.items()):
                probs[a[0], b[0], label] += p * a[1] * b[1]

    for topic, hero, p in documents:
        for (here, there), q in neighbours.items():
            add(here, (topic, hero), there, (topic, hero), 0, p * q / 2)
        for other_topic, other_hero, r in documents:
            p_other = SAME_TOPIC * (topic == other_topic) * p_hero[other_hero] + (1 - SAME_TOPIC) * r
            for here, there in itertools.product(first, second):
                p_not_next = p * p_other * first[here] * second[there] / 2
                add(here, (topic, hero), there, (other_topic, other_hero), 1, p_not_next)
    return probs
