"""Each phenomenon needs what it is there for: both sides, order, distance, memory. In exact numbers."""

import itertools

import numpy as np
import pytest

from minibert.text import toy
from minibert.text.toy import grammar
from minibert.text.toy.dependencies import dependencies
from minibert.text.toy.documents import Documents
from minibert.text.toy.limits import Limits, losses_and_hits
from minibert.text.toy.pairs import ToyExamples
from minibert.text.toy.sentences import Sentences
from minibert.text.toy.tasks import best_accuracy

TOY = toy.TOY


@pytest.fixture(scope="module")
def limits():
    return Limits(TOY, TOY.tokenizer())


@pytest.fixture(scope="module")
def pairs():
    return ToyExamples(TOY, TOY.tokenizer()).held_out_pairs(3000)


def slots_of(plan):
    return TOY.templates[TOY.template[plan]][0]


def rows_with(pairs, *slots):
    """Return (Pairs whose first sentence has these slots, the columns of the slots (rows, slots))."""
    rows = [row for row, (plan, _) in enumerate(pairs.plans) if set(slots) <= set(slots_of(plan))]
    columns = np.array([[1 + slots_of(pairs.plans[row, 0]).index(slot) for slot in slots] for row in rows])
    batch = type(pairs.batch)(*(array[rows] for array in pairs.batch))
    return pairs._replace(plans=pairs.plans[rows], topics=pairs.topics[rows], batch=batch,
                          clean_ids=pairs.clean_ids[rows], tags=pairs.tags[rows]), columns


def together(limits, pairs, columns):
    """Return the total correlation of the words at columns (rows, slots), in nats."""
    hidden = np.zeros(pairs.tags.shape, bool)
    hidden[np.arange(len(hidden))[:, np.newaxis], columns] = True
    joint, independent = limits.together(pairs, hidden)
    return (independent - joint).mean()


def test_left_times_right_is_worth_nothing_where_both_sides_must_meet(limits, pairs):
    """"lovely but haunted": who joins a left and a right model is at ln 2, who sees both sides at 0."""
    some, columns = rows_with(pairs, "{but}")
    answers = limits.left_and_right(some, columns[:, 0])
    words = some.clean_ids[np.arange(len(columns)), columns[:, 0]]
    losses = {name: losses_and_hits(probs, words)[0].mean() for name, probs in answers.items()}
    assert len(words) > 100
    for name in ("left", "right", "product"):
        assert losses[name] == pytest.approx(np.log(2), rel=0.01)
    assert losses["both"] == pytest.approx(0, abs=1e-12)


def test_no_bag_of_words_knows_the_verdict():
    sentences = Sentences(TOY)
    weighted = [(groups, TOY.sentiment_of(plan), p * q) for plan, p in enumerate(sentences.of_plans)
                if "{verdict}" in slots_of(plan) for groups, q in sentences.of_plan(plan)]
    assert all(len(set(words)) == 7 for words, _, _ in weighted)  # never "lovely and lovely"
    assert best_accuracy(weighted, lambda words: tuple(sorted(words))) == pytest.approx(0.75, abs=1e-12)
    assert best_accuracy(weighted, lambda words: words) == pytest.approx(1, abs=1e-12)
    assert best_accuracy(weighted, lambda words: None) == pytest.approx(0.5, abs=1e-12)


def test_the_nearest_noun_says_nothing_about_the_verb():
    """Copying the number of the nearest noun, and flipping it, are right for half of the verbs each."""
    sentences, right, total = Sentences(TOY), 0.0, 0.0
    lemmas = [line.split() for topic in grammar.LEMMAS for line in topic]
    plural = {lemma[1] for lemma in lemmas} | {"trees", "stones", "baskets"}
    nouns = plural | {lemma[0] for lemma in lemmas} | {"tree", "stone", "basket"}
    several = {lemma[3] for lemma in lemmas}  # hop, crawl
    for plan, p in enumerate(sentences.of_plans):
        if "{verb}" in slots_of(plan):
            words = [TOY.words[TOY.word_probs[row].argmax()] for row in TOY.rows[plan]]
            verb = slots_of(plan).index("{verb}")
            nearest = next(word for word in reversed(words[:verb]) if word in nouns)
            right += p * ((nearest in plural) == (words[verb] in several))
            total += p
    assert right / total == pytest.approx(0.5, abs=1e-12)


def test_some_nouns_are_out_of_reach_of_five_words():
    """An order-5 n-gram sees four words before the verb: in two of four templates no word of its number."""
    nearest = {found.templates: found.distance for found in dependencies(TOY, "agreement")
               if (found.variable, found.target) == ("number", "{verb}")}
    assert sorted(nearest.values()) == [4, 4, 5, 5]


def test_two_places_that_must_agree(limits, pairs):
    """Hidden together, they cost less than one by one: number, feeling, and a country with its capital."""
    for slots in (("{which}", "{noun}"), ("{noun}", "{verb}")):
        some, columns = rows_with(pairs, *slots, "{other}")
        far = [row for row, plan in enumerate(some.plans[:, 0])
               if ("{which}" not in slots_of(plan)) == ("{verb}" in slots)]
        if slots == ("{which}", "{noun}"):
            far = [row for row in far if "{past}" in slots_of(some.plans[row, 0])]
        chosen = some._replace(plans=some.plans[far], topics=some.topics[far], tags=some.tags[far],
                               batch=type(some.batch)(*(array[far] for array in some.batch)),
                               clean_ids=some.clean_ids[far])
        assert len(far) > 30 and together(limits, chosen, columns[far, :2]) > 0.99 * np.log(2)
    some, columns = rows_with(pairs, "{capital}", "{country}")
    assert together(limits, some, columns) > 1
    some, columns = rows_with(pairs, "{liked}", "{quality}")
    assert together(limits, some, columns) > 0.6


@pytest.mark.exhaustive
def test_an_item_comes_again_after_seven_words_and_across_three_sentences(limits):
    for kinds, distance in ((("question", "answer"), 7), (("question", "pause", "answer"), 14)):
        found = [each for each in dependencies(TOY, *kinds) if each.variable == "item"]
        assert {each.distance for each in found} == {distance}
    rng = np.random.default_rng(0)
    plans, _ = TOY.sample_documents(40, rng)
    losses, _ = Documents(limits).next_token(TOY.sample_words(plans, rng))
    after_pause = [losses[document, number, 6] for document, number in np.ndindex(plans.shape)
                   if number > 1 and TOY.kind_of(plans[document, number]) == "answer"
                   and TOY.kind_of(plans[document, number - 1]) == "pause"]
    assert len(after_pause) > 5 and max(after_pause) < 1e-9  # who remembers the question knows the item
    pairs = ToyExamples(TOY, TOY.tokenizer()).held_out_pairs(1500)
    forgotten = [row for row, (a, b) in enumerate(pairs.plans)
                 if (TOY.kind_of(a), TOY.kind_of(b)) == ("pause", "answer")]
    losses, _ = limits.next_token(pairs)
    items = losses[forgotten, 1 + 7 + 1 + 6]
    assert len(items) > 10 and items.mean() > 1


def test_namesakes_are_persons_and_towns():
    tags = {word: set() for word in grammar.NAMESAKES.split()}
    sentences, weighted = Sentences(TOY), []
    for plan, p in enumerate(sentences.of_plans):
        for groups, q in sentences.of_plan(plan):
            for place, (slot, tag) in enumerate(zip(slots_of(plan), TOY.entities_of(plan))):
                if slot in ("{friend}", "{town}"):
                    weighted.append(((groups, place), tag, p * q))
    for row in {TOY.rows[plan, slots_of(plan).index(slot)] for plan in range(len(TOY.rows))
                for slot in ("{friend}", "{town}") if slot in slots_of(plan)}:
        for word in np.flatnonzero(TOY.word_probs[row]):
            tags[TOY.words[word]].add(row)
    assert {len(rows) for rows in tags.values()} == {2}
    assert best_accuracy(weighted, lambda x: x[0][x[1]]) == pytest.approx(0.5, abs=1e-12)
    # "Florence is very tiny in the morning" does not tell
    assert best_accuracy(weighted, lambda x: x) == pytest.approx(5 / 6, abs=1e-12)


def test_a_sense_may_need_the_document():
    """"nobody mentioned the strange mint again": only the sentences before tell which mint."""
    sentences = Sentences(TOY)
    weighted = [(groups, TOY.sense_of(plan), p * q) for plan, p in enumerate(sentences.of_plans)
                if "{homograph}" in slots_of(plan) for groups, q in sentences.of_plan(plan)]
    assert 0.8 < best_accuracy(weighted, lambda words: words) < 0.9


def test_a_sentence_has_seven_words_in_every_form():
    for template, _ in itertools.chain.from_iterable(grammar.SENTENCES.values()):
        assert len(template.split()) == 7
