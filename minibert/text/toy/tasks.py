"""Labelled tasks of the toy language, each with the accuracy that nobody can beat.

    acceptability   is the sentence as the language makes it? (half of them are spoiled)
    topic           of a sentence that shows it
    sentiment       of an opinion
    sense           the topic whose meaning a homograph has: mint of the garden, or of money
    entities        is a word of a sentence a person, a place, or neither?
    same opinion    are two opinions of two documents both good or both bad? (neither tells alone)
    span            "what was watered": where in two sentences of a script is the answer?

An example x has a label y, and all P(x, y) are known. Who sees only v(x) cannot be right more often than

    A(v) = Σ_v max_y P(v(x) = v, y)

    majority       v = nothing
    bag of words   v = the words, each with its count but no place (entities: and the word that is asked for)
    word           v = the word that is asked for, only for entities
    limit          v = x

The bag of words is the best one: any function of the counts, not only a linear one. Sums over all x are
possible because words that no plan tells apart are taken as one (sentences.py).

`examples(language, task, number, seed)` draws from the same P(x, y), and `as_file` writes what it drew.
"""

import itertools
import json
from collections import defaultdict
from typing import NamedTuple

import numpy as np

from minibert.text.toy.generator import OTHER_NUMBER, spoilings
from minibert.text.toy.sentences import Sentences

TASKS = ("acceptability", "topic", "sentiment", "sense", "entities", "same opinion", "span")
DOCUMENTS_AT_ONCE, SEEDS = 100, 1000  # a seed has so many seeds of documents for its own
ASKED = ("what", "was")  # before what was done: "what was watered"
NAMES = {  # of False and True
    "acceptability": ("spoiled", "acceptable"),
    "same opinion": ("different", "same"),
}


class Accuracies(NamedTuple):
    """The best accuracies of who sees less and less of an example; `word` is None but for entities."""

    majority: float
    word: float
    bag: float
    limit: float


class Example(NamedTuple):
    """An example and its label.

    Attributes:
        words: a tuple of words, or of two such tuples: two sentences; a question and its passage.
        label: of acceptability and same opinion a bool (acceptable, the same); of topic, sentiment and sense
            a str; of entities a tuple of "PER", "LOC" or "O"; of span (first, last) word of the passage.
    """

    words: tuple
    label: object


def accuracies(language, task):
    """Return the Accuracies of a task of TASKS."""
    weighted = list(_WEIGHTED[_known(task)](Sentences(language)))
    is_tagging = task == "entities"

    def bag(x):
        words, place = x if is_tagging else (x, None)
        joined = itertools.chain(*words) if isinstance(words[0], tuple) else words
        return tuple(sorted(joined)), words[place] if is_tagging else None

    return Accuracies(majority=best_accuracy(weighted, lambda x: None),
                      word=best_accuracy(weighted, lambda x: x[0][x[1]]) if is_tagging else None,
                      bag=best_accuracy(weighted, bag),
                      limit=best_accuracy(weighted, lambda x: x))


def best_accuracy(weighted, view):
    """Return Σ_v max_y P(v, y) of who sees view(x), for a list of (x, label, weight)."""
    table = defaultdict(lambda: defaultdict(float))
    for x, label, weight in weighted:
        table[view(x)][label] += weight
    total = sum(weight for _, _, weight in weighted)
    return sum(max(of_labels.values()) for of_labels in table.values()) / total


def _known(task):
    if task not in TASKS:
        raise ValueError(f"there is no task {task!r}: choose one of {', '.join(TASKS)}")
    return task


# --- all examples with their weights, (x, label, P); words are groups ---

def _labelled(sentences, label_of):
    """Yield the sentences of the plans whose label_of(plan) is not None."""
    for plan, p in enumerate(sentences.of_plans):
        label = label_of(plan)
        if label is not None:
            for groups, q in sentences.of_plan(plan):
                yield groups, label, p * q


def _topics(sentences):
    return _labelled(sentences, sentences.language.topic_of)


def _sentiments(sentences):
    return _labelled(sentences, sentences.language.sentiment_of)


def _senses(sentences):
    return _labelled(sentences, sentences.language.sense_of)


def _entities(sentences):
    language = sentences.language
    for plan, p in enumerate(sentences.of_plans):
        for groups, q in sentences.of_plan(plan):
            for place, entity in enumerate(language.entities_of(plan)):
                yield (groups, place), entity, p * q


def _acceptabilities(sentences):
    language = sentences.language
    ids = {word: number for number, word in enumerate(language.words)}
    other = {int(sentences.group[ids[word]]): int(sentences.group[ids[form]])
             for word, form in OTHER_NUMBER.items() if word in ids}
    agreement = language.phenomena.index("agreement") if "agreement" in language.phenomena else None
    for plan, p in enumerate(sentences.of_plans):
        tags = language.tags[plan, :language.lengths[plan]]
        for groups, q in sentences.of_plan(plan):
            yield groups, True, p * q / 2
            spoiled = spoilings(groups, [tag == agreement for tag in tags], other)
            for words in spoiled:
                yield words, False, p * q / 2 / len(spoiled)


def _same_opinions(sentences):
    opinions = defaultdict(float)
    for groups, sentiment, p in _sentiments(sentences):
        opinions[groups, sentiment] += p
    for ((a, of_a), p), ((b, of_b), q) in itertools.product(opinions.items(), opinions.items()):
        yield (a, b), of_a == of_b, p * q


def _spans(sentences):
    """Yield ((question, passage), span): two neighbouring steps of a document, one of them asked for."""
    language = sentences.language
    group_of = dict(zip(language.words, sentences.group.tolist()))
    steps = [plan for plan in range(len(language.state)) if language.kind_of(plan).startswith("step")]
    together = np.ix_(language.state[steps], language.state[steps])
    together = language.next_states[together] * np.outer(language.weight[steps], language.weight[steps])
    for name in language.grammar.document:
        members = language.members[name][language.codes[name][steps]]           # (steps, values)
        together *= (members * language.grammar.variables[name]) @ members.T
    for (i, j), p in np.ndenumerate(together):
        first, second = steps[i], steps[j]
        if p > 0 and language.kind_of(first) != language.kind_of(second):
            told = [[(_two_forms(language, plan, groups, group_of.get), q)
                     for groups, q in sentences.of_plan(plan)] for plan in (first, second)]
            for (a, q), (b, r) in itertools.product(*told):
                found = questions(a, b, group_of.get)
                for x, span in found:
                    yield x, span, p * q * r / len(found)


def _two_forms(language, plan, words, number_of):
    """Return the sentence of a plan and its rewritten form, as (words, place of what was done) each."""
    slots, rewritten = language.templates[language.template[plan]]
    by_slot = dict(zip(slots, words))
    forms = [[by_slot[slot] if slot in by_slot else number_of(slot) for slot in form]
             for form in (slots, rewritten)]
    return [(tuple(form), next(place for place, slot in enumerate(order) if slot.startswith("{did")))
            for form, order in zip(forms, (slots, rewritten))]


def questions(first, second, number_of=str):
    """Return [((question, passage), (first word, last word) of the answer)], all equally likely.

    Args:
        first, second: of two steps, the two forms, (words, place of what was done) each. Each step is told in
            either form, the two in either order, and either is asked for.
        number_of: gives the words of the question the form of the others.
    """
    found = []
    for a, b in itertools.product(first, second):
        for told in ((a, b), (b, a)):
            passage = told[0][0] + told[1][0]
            for start, (words, did) in zip((0, len(told[0][0])), told):
                question = (*map(number_of, ASKED), words[did])
                found.append(((question, passage), (start + did + 1, start + len(words) - 1)))
    return found


_WEIGHTED = {"acceptability": _acceptabilities, "topic": _topics, "sentiment": _sentiments, "sense": _senses,
             "entities": _entities, "same opinion": _same_opinions, "span": _spans}


# --- drawing examples ---

def examples(language, task, number, seed=0):
    """Return `number` Examples of a task of TASKS, the same for the same seed on every machine."""
    if _known(task) == "acceptability":
        return [Example(words, label) for words, label in language.acceptability(number, seed)]
    if task == "entities":
        return [Example(sentence.words, sentence.entities)
                for sentence in _first(language, number, seed, lambda sentence: True)]
    if task == "same opinion":
        pairs = zip(*(_first(language, number, 2 * seed + side, lambda sentence: sentence.sentiment)
                      for side in (0, 1)))
        return [Example((a.words, b.words), a.sentiment == b.sentiment) for a, b in pairs]
    if task == "span":
        return _draw_questions(language, number, seed)
    sentences = _first(language, number, seed, lambda sentence: getattr(sentence, task))
    return [Example(sentence.words, getattr(sentence, task)) for sentence in sentences]


def as_file(task, found):
    """Return Examples of a task as the text of a labelled file, as minibert/text/labelled.py reads it.

    TSV with a header; of entities CoNLL columns, a word a line; of span JSON lines.
    """
    if _known(task) == "entities":
        sentences = ("".join(f"{word} {tag}\n" for word, tag in zip(*example)) for example in found)
        return "\n".join(sentences)
    if task == "span":
        return "".join(json.dumps(_as_question(*example)) + "\n" for example in found)
    header = ("sentence1", "sentence2", "label") if task == "same opinion" else ("text", "label")
    rows = [header]
    for words, label in found:
        texts = words if task == "same opinion" else [words]
        rows.append((*map(" ".join, texts), NAMES[task][label] if task in NAMES else label))
    return "".join("\t".join(row) + "\n" for row in rows)


def _as_question(words, span):
    (question, passage), (first, last) = words, span
    return {
        "question": " ".join(question), "context": " ".join(passage),
        "answer": " ".join(passage[first : last + 1]),
        "answer_start": len("".join(f"{word} " for word in passage[:first])),
    }


def _collect(language, number, seed, find):
    """Return the first `number` of all that find(document) finds in ever more documents."""
    found = []
    for batch in itertools.count():
        if len(found) >= number:
            return found[:number]
        for document in language.documents(DOCUMENTS_AT_ONCE, SEEDS * seed + batch):
            found += find(document)


def _first(language, number, seed, is_wanted):
    """Return the first `number` sentences for which is_wanted(sentence)."""
    return _collect(language, number, seed, lambda document: list(filter(is_wanted, document)))


def _draw_questions(language, number, seed):
    def neighbours(document):
        return [(a, b) for a, b in itertools.pairwise(document)
                if a.kind.startswith("step") and b.kind.startswith("step") and a.kind != b.kind]

    pairs = _collect(language, number, seed, neighbours)
    rng = np.random.default_rng([seed, number, 2])
    found = []
    for pair in pairs:
        dids = [sentence.words[sentence.phenomena.index("script")] for sentence in pair]
        asked = questions(*([(form, form.index(did)) for form in (sentence.words, sentence.rewritten)]
                            for sentence, did in zip(pair, dids)))
        found.append(Example(*asked[int(rng.integers(len(asked)))]))
    return found
