"""Exact inference in the toy language equals the enumeration of all texts of a tiny language."""

import itertools
from collections import defaultdict

import numpy as np
import pytest

import minibert as mb
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text import toy
from minibert.text.examples import PairBatch
from minibert.text.toy.limits import Limits, losses_and_hits
from minibert.text.toy.masked import MaskedLimits, ToyMasked
from minibert.text.toy.order import OrderLimits, ToyOrder
from minibert.text.toy.pairs import NUM_SPECIAL, ToyExamples, split


def test_the_enumeration_is_of_everything(tiny):
    _, _, probs = tiny
    assert len(probs) > 500
    assert sum(probs.values()) == pytest.approx(1, abs=1e-12)


def neighbours(probs):
    """The probabilities of all texts, as ToyOrder makes them: neighbours, in order (0) or swapped (1)."""
    follows = {(a, b): p for (a, b, label), p in probs.items() if label == 0}
    in_order = {(a, b, 0): p for (a, b), p in follows.items()}
    return in_order | {(b, a, 1): p for (a, b), p in follows.items()}


@pytest.mark.parametrize("examples, best, all_texts", [
    (ToyExamples, Limits, dict), (ToyOrder, OrderLimits, neighbours), (ToyMasked, MaskedLimits, dict),
])
def test_posteriors_equal_enumeration(tiny, examples, best, all_texts):
    language, tokenizer, probs = tiny
    probs = all_texts(probs)
    pairs = examples(language, tokenizer, seed=3, mlm_probability=0.4).pairs(25, np.random.default_rng(0))
    vocab_size, mask_id = tokenizer.vocab_size, tokenizer.mask_token_id
    token_probs, not_next = best(language, tokenizer, 0.4).posteriors(pairs.batch)
    masked, random, kept = examples.hiding
    corrupted = (pairs.batch.input_ids != pairs.clean_ids) & (pairs.batch.input_ids != mask_id)
    assert corrupted.any() == (random > 0)  # random tokens occur, too

    def selected(seen, words):
        return masked * (seen == mask_id) + kept * (seen == words) + random / vocab_size

    def unknown(seen, words):
        return 0.6 * (seen == words) + 0.4 * selected(seen, words)

    row = 0
    for number, (input_ids, labels) in enumerate(zip(pairs.batch.input_ids, pairs.batch.labels)):
        seps = np.flatnonzero(pairs.clean_ids[number] == tokenizer.sep_token_id)
        spans = range(1, seps[0]), range(seps[0] + 1, seps[1])
        places = [*spans[0], *spans[1]]
        fitting = [((*a, *b), label, p) for (a, b, label), p in probs.items()
                   if (len(a), len(b)) == (len(spans[0]), len(spans[1]))]
        texts = np.array([text for text, _, _ in fitting])                      # (texts, words)
        text_labels = np.array([label for _, label, _ in fitting])
        likelihoods = unknown(input_ids[places], texts)                         # (texts, words)
        joint = np.array([p for _, _, p in fitting]) * likelihoods.prod(axis=1)  # (texts,)
        assert not_next[number] == pytest.approx(joint[text_labels == 1].sum() / joint.sum(), abs=1e-12)
        for index, place in enumerate(places):
            if labels[place] == IGNORE_INDEX:
                continue
            words = texts[:, index]
            likelihood = likelihoods[:, index]
            without = np.divide(joint, likelihood, out=np.zeros_like(joint), where=likelihood > 0)
            of_texts = without * selected(input_ids[place], words)
            of_word = np.bincount(words, of_texts, vocab_size)
            np.testing.assert_allclose(token_probs[row], of_word / of_word.sum(), rtol=0, atol=1e-12)
            row += 1
    assert row == len(token_probs) > 40


def test_next_token_equals_enumeration(tiny):
    language, tokenizer, probs = tiny
    sep, vocab_size = tokenizer.sep_token_id, tokenizer.vocab_size
    pairs = ToyExamples(language, tokenizer).pairs(40, np.random.default_rng(1))
    losses, right = Limits(language, tokenizer).next_token(pairs)
    texts = np.full((len(probs), pairs.clean_ids.shape[1] + 1), -1)  # with [SEP] after each sentence
    for row, (a, b, _) in zip(texts, probs):
        row[:len(a) + len(b) + 2] = [*a, sep, *b, sep]
    of_texts = np.array(list(probs.values()))
    for ids, length, row, hits in zip(pairs.clean_ids, pairs.batch.attention_mask.sum(axis=1), losses, right):
        assert (row[length:] == 0).all() and row[0] == 0
        fits = np.ones(len(texts), bool)  # the texts that begin like this one
        for place in range(1, length):
            here = texts[:, place - 1]
            following = np.bincount(here[fits], of_texts[fits], vocab_size)     # (V,)
            expected = -np.log(following[ids[place]] / following.sum())
            assert row[place] == pytest.approx(expected, abs=1e-12)
            if hits[place]:
                assert following[ids[place]] >= following.max() - 1e-12
            fits &= here == ids[place]


def test_previous_token_equals_enumeration(tiny):
    language, tokenizer, probs = tiny
    sep, vocab_size = tokenizer.sep_token_id, tokenizer.vocab_size
    pairs = ToyExamples(language, tokenizer).pairs(40, np.random.default_rng(1))
    limits = Limits(language, tokenizer)
    losses, right = limits.previous_token(pairs)
    texts = np.full((len(probs), pairs.clean_ids.shape[1] + 1), -1)  # from the last word back, an end after A
    for row, (a, b, _) in zip(texts, probs):
        row[:len(a) + len(b) + 2] = [*b[::-1], sep, *a[::-1], sep]
    of_texts = np.array(list(probs.values()))
    for ids, length, row, hits in zip(pairs.clean_ids, pairs.batch.attention_mask.sum(axis=1), losses, right):
        assert (row[length - 1:] == 0).all() and not hits[length - 1:].any()
        fits = np.ones(len(texts), bool)  # the texts that end like this one
        for distance, place in enumerate(reversed(range(length - 1))):
            token = sep if place == 0 else ids[place]
            before = np.bincount(texts[fits, distance], of_texts[fits], vocab_size)     # (V,)
            assert row[place] == pytest.approx(-np.log(before[token] / before.sum()), abs=1e-12)
            if hits[place]:
                assert before[token] >= before.max() - 1e-12
            fits &= texts[:, distance] == token
    ahead, _ = limits.next_token(pairs)
    np.testing.assert_allclose(losses.sum(axis=1), ahead.sum(axis=1), atol=1e-12)  # -log P(row), both ways


def test_baselines_equal_enumeration(tiny):
    language, tokenizer, probs = tiny
    pairs = ToyExamples(language, tokenizer).pairs(300, np.random.default_rng(2))
    answers = Limits(language, tokenizer).baselines(pairs)
    words = np.zeros(tokenizer.vocab_size)
    neighbours = defaultdict(lambda: np.zeros(tokenizer.vocab_size))
    for (a, b, _), p in probs.items():
        for text in (a, b):
            for left, word in itertools.pairwise((tokenizer.sep_token_id, *text)):
                words[word] += p
                neighbours[left][word] += p
    np.testing.assert_allclose(answers["unigram"][0], words / words.sum(), atol=1e-12)
    for row, (k, place) in enumerate(zip(*np.nonzero(pairs.batch.labels != IGNORE_INDEX))):
        seen, clean = pairs.batch.input_ids[k, place - 1], pairs.clean_ids[k, place - 1]
        if seen == tokenizer.mask_token_id:  # any word but the first of a sentence may follow
            expected = sum(neighbours[left] for left in neighbours if left != tokenizer.sep_token_id)
        elif clean < NUM_SPECIAL:
            expected = neighbours[tokenizer.sep_token_id]
        else:
            continue
        np.testing.assert_allclose(answers["bigram"][row], expected / expected.sum(), atol=1e-12)
    assert (np.abs(answers["topic"].sum(axis=1) - 1) < 1e-12).all()
    assert len(np.unique(answers["topic"], axis=0)) == 2


# --- any set of visible words ---

def placed(pairs, probs, tokenizer, row):
    """Return (places of the words, texts of this shape (texts, words), their probabilities) of a row."""
    seps = np.flatnonzero(pairs.clean_ids[row] == tokenizer.sep_token_id)
    places = [*range(1, seps[0]), *range(seps[0] + 1, seps[1])]
    lengths = seps[0] - 1, seps[1] - seps[0] - 1
    fitting = [((*a, *b), p) for (a, b, _), p in probs.items() if (len(a), len(b)) == lengths]
    texts, of_texts = zip(*fitting)
    return places, np.array(texts), np.array(of_texts)


@pytest.fixture(scope="module")
def clean(tiny):
    """(Pairs, Limits) of the tiny language."""
    language, tokenizer, _ = tiny
    pairs = ToyExamples(language, tokenizer).pairs(30, np.random.default_rng(4))
    return pairs, Limits(language, tokenizer)


def test_any_visible_words_equal_enumeration(tiny, clean):
    _, tokenizer, probs = tiny
    pairs, limits = clean
    visible = np.random.default_rng(5).random(pairs.tags.shape) < 0.5
    token_probs, of_visible = limits.given(pairs, visible)
    answers = iter(token_probs)
    for row, ids in enumerate(pairs.clean_ids):
        places, texts, of_texts = placed(pairs, probs, tokenizer, row)
        shown = visible[row, places]
        fits = of_texts * (texts[:, shown] == ids[places][shown]).all(axis=1)
        assert of_visible[row] == pytest.approx(np.log(fits.sum()), abs=1e-12)
        for index in np.flatnonzero(~shown):
            expected = np.bincount(texts[:, index], fits, tokenizer.vocab_size) / fits.sum()
            np.testing.assert_allclose(next(answers), expected, rtol=0, atol=1e-12)
    assert next(answers, None) is None and len(token_probs) > 40
    some, hidden = np.random.default_rng(7).random(visible.shape) < 0.5, (pairs.tags >= 0) & ~visible
    asked_probs, _ = limits.given(pairs, visible, asked=some)
    np.testing.assert_allclose(asked_probs, token_probs[some[hidden]], rtol=0, atol=1e-12)


def test_every_order_gives_a_row_the_same_probability(clean):
    pairs, limits = clean
    hidden = (pairs.tags >= 0)
    everything = -limits.together(pairs, hidden).joint
    for seed in range(3):
        rank = np.where(hidden, np.random.default_rng(seed).random(hidden.shape), 2.0)
        order, total = np.argsort(rank, axis=1), 0.0
        rows, visible = np.arange(len(rank)), ~hidden
        for column in order[:, :hidden.sum(axis=1).max()].T:
            asked = hidden[rows, column]
            before = visible.copy()
            visible[rows, column] = True
            step = limits.given(pairs, visible)[1] - limits.given(pairs, before)[1]
            assert (step[~asked] == 0).all()
            total = total + step
        np.testing.assert_allclose(total, everything, atol=1e-12)


def test_hidden_words_together_and_one_by_one_equal_enumeration(tiny, clean):
    _, tokenizer, probs = tiny
    pairs, limits = clean
    hidden = (pairs.tags >= 0) & (np.random.default_rng(6).random(pairs.tags.shape) < 0.6)
    joint, independent = limits.together(pairs, hidden)
    for row, ids in enumerate(pairs.clean_ids):
        places, texts, of_texts = placed(pairs, probs, tokenizer, row)
        asked, words = hidden[row, places], ids[places]
        fits = of_texts * (texts[:, ~asked] == words[~asked]).all(axis=1)
        both = fits * (texts == words).all(axis=1)
        assert joint[row] == pytest.approx(-np.log(both.sum() / fits.sum()), abs=1e-12)
        alone = [fits[texts[:, index] == words[index]].sum() / fits.sum() for index in np.flatnonzero(asked)]
        assert independent[row] == pytest.approx(-np.log(alone).sum(), abs=1e-12)
    assert (independent - joint).mean() > 0.05


def test_left_right_and_their_product_equal_enumeration(tiny, clean):
    _, tokenizer, probs = tiny
    pairs, limits = clean
    chosen = np.array([np.random.default_rng(row).choice(np.flatnonzero(tags >= 0))
                       for row, tags in enumerate(pairs.tags)])
    answers = limits.left_and_right(pairs, chosen)
    for row, ids in enumerate(pairs.clean_ids):
        places, texts, of_texts = placed(pairs, probs, tokenizer, row)
        index = places.index(chosen[row])
        same = texts == ids[places]
        others = np.arange(len(places)) != index
        views = {"left": same[:, :index].all(axis=1), "right": same[:, index + 1:].all(axis=1),
                 "both": same[:, others].all(axis=1), "prior": np.ones(len(texts), bool)}
        expected = {name: np.bincount(texts[:, index], of_texts * fits, tokenizer.vocab_size)
                    for name, fits in views.items()}
        expected = {name: counts / counts.sum() for name, counts in expected.items()}
        for name in ("left", "right", "both"):
            np.testing.assert_allclose(answers[name][row], expected[name], rtol=0, atol=1e-12)
        prior = np.maximum(expected["prior"], 1e-300)
        product = expected["left"] * expected["right"] / prior
        np.testing.assert_allclose(answers["product"][row], product / product.sum(), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match=r"row 0 has no word at place 0: give places of words"):
        limits.left_and_right(pairs, np.zeros_like(chosen))


# --- models and the limit ---

def train(language, tokenizer, seed):
    """Return a small BERT after 200 steps in the tiny language."""
    config = mb.BertConfig(vocab_size=tokenizer.vocab_size, hidden_size=24, num_hidden_layers=1,
                           num_attention_heads=2, intermediate_size=48, max_position_embeddings=16,
                           initializer_range=0.1)
    model = mb.BertForPreTraining(config, seed=seed)
    optimizer = mb.AdamW(model.parameters(), lr=5e-3)
    examples = ToyExamples(language, tokenizer, seed)
    for step in range(200):
        model.zero_grad()
        _, cache = model.forward(**examples.batch(step, 64)._asdict())
        model.backward(cache)
        optimizer.step()
    return model


def losses_of(model, batch):
    """Return the model's loss of each masked token (M,) and of each pair (N,), in nats."""
    output, _ = model.forward(**batch._asdict())
    answers = [(output.prediction_logits, batch.labels[batch.labels != IGNORE_INDEX]),
               (output.seq_relationship_logits, batch.next_sentence_label)]
    return [np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]
            for logits, labels in answers]


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(10))
def test_no_model_beats_the_limit(tiny, seed):
    """A trained model is near the limit, and not below it by more than the sampling error."""
    language, tokenizer, _ = tiny
    batch = ToyExamples(language, tokenizer).held_out_pairs(1500).batch
    best = Limits(language, tokenizer).scores(batch)
    model = train(language, tokenizer, seed)
    parts = [losses_of(model, part) for part in split(batch, 500)]
    token_losses, pair_losses = (np.concatenate(losses) for losses in zip(*parts))
    for losses, limits in ((token_losses, best.token_losses), (pair_losses, best.pair_losses)):
        difference = losses - limits
        error = difference.std() / np.sqrt(len(difference))
        assert difference.mean() > -3 * error
    assert token_losses.mean() < 1.6 * best.token_losses.mean()  # it has learnt: this test could fail


def test_the_limit_of_the_toy_language_is_below_every_baseline():
    language = toy.TOY
    tokenizer = language.tokenizer()
    pairs = ToyExamples(language, tokenizer).held_out_pairs(300)
    limits = Limits(language, tokenizer)
    labels = pairs.batch.labels[pairs.batch.labels != IGNORE_INDEX]
    best = limits.scores(pairs.batch).token_losses.mean()
    losses = {name: losses_and_hits(probs, labels)[0].mean()
              for name, probs in limits.baselines(pairs).items()}
    assert best + 1 < losses["bigram"] < losses["unigram"] and losses["topic"] < losses["unigram"]


@pytest.mark.exhaustive
def test_clean_context_is_no_bound():
    """A loss given the true words around a mask is below the limit: no model can reach it."""
    language = toy.TOY
    tokenizer = language.tokenizer()
    pairs = ToyExamples(language, tokenizer).held_out_pairs(1500)
    limits = Limits(language, tokenizer)
    exact = limits.scores(pairs.batch).token_losses
    is_masked = pairs.batch.labels != IGNORE_INDEX
    one_at_a_time, labels = [], np.full_like(pairs.batch.labels, IGNORE_INDEX)
    for column in range(pairs.clean_ids.shape[1]):
        here = is_masked[:, column]
        ids, only = pairs.clean_ids[here].copy(), labels[here].copy()
        ids[:, column], only[:, column] = tokenizer.mask_token_id, pairs.batch.labels[here, column]
        batch = PairBatch(input_ids=ids,
                          token_type_ids=pairs.batch.token_type_ids[here],
                          attention_mask=pairs.batch.attention_mask[here],
                          labels=only,
                          next_sentence_label=pairs.batch.next_sentence_label[here])
        one_at_a_time.append(limits.scores(batch).token_losses if here.any() else [])
    clean = np.concatenate(one_at_a_time)
    order = np.argsort(np.nonzero(is_masked)[1], kind="stable")  # column by column, as `clean` is
    hidden = (pairs.batch.input_ids[is_masked] == tokenizer.mask_token_id)[order]
    assert 0.03 < 1 - clean[hidden].mean() / exact[order][hidden].mean() < 0.5
