"""The experiments of lesson 14: orders of a sentence, shuffled text, one stream and two, stored data."""

import pathlib

import numpy as np
import pytest

import minibert as mb
from minibert.course import experiments, xlnet
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text.toy import TOY
from minibert.text.toy.limits import Limits

DATA = pathlib.Path(__file__).parents[2] / "notebooks" / "data"


@pytest.fixture(scope="module")
def model():
    return mb.XLNetLMHeadModel.from_pretrained(DATA / "14_xlnet")


@pytest.fixture(scope="module")
def rows():
    return xlnet.capitals_and_countries(300)


# --- two words ---


class BertPosterior:
    """The best possible answers to masked words, called as a BERT."""

    def __init__(self, pairs, hidden):
        self.pairs, self.hidden, self.asked = pairs, hidden, []
        self.limits = Limits(TOY, TOY.tokenizer())

    def forward(self, input_ids, token_type_ids, attention_mask):
        visible = np.ones_like(self.hidden)
        visible[:, : input_ids.shape[1]] = input_ids != TOY.tokenizer().mask_token_id
        self.asked.append((~visible).sum(axis=1).tolist())
        asked = ~visible
        probs, _ = self.limits.given(self.pairs, visible)
        logits = np.zeros((*self.hidden.shape, probs.shape[1]))
        logits[asked] = np.log(np.maximum(probs, 1e-300))
        return type("Output", (), {"prediction_logits": logits[:, : input_ids.shape[1]]}), None


def test_the_best_bert_is_as_good_as_the_best_xlnet_one_by_one_and_not_at_once(rows):
    pairs, hidden = rows
    best = BertPosterior(pairs, hidden)
    losses = xlnet.of_two_words_in_bert(best, pairs, hidden, (*xlnet.ORDERS, (1, 1)))
    together = best.limits.together(pairs, hidden)
    np.testing.assert_allclose(losses[:, 0], together.joint, atol=1e-9)
    np.testing.assert_allclose(losses[:, 1], together.joint, atol=1e-9)
    np.testing.assert_allclose(losses[:, 2], together.independent, atol=1e-9)
    masks = [sorted(set(asked)) for asked in best.asked]
    assert masks == [[2], [1], [1], [2], [2], [2]]  # the first word, the second; in both orders; at once


def test_the_joint_table_is_that_of_the_language(rows):
    table = xlnet.joint_table(*rows)
    country = 1 / np.arange(1, 7) / (1 / np.arange(1, 7)).sum()     # Zipf's law
    np.testing.assert_allclose(table, np.diag(country), atol=1e-12)


# --- orders ---


def test_words_are_predicted_in_the_given_order():
    given = xlnet.in_order("france", "paris")
    words = [TOY.tokenizer().id_to_token[index] for index in given["input_ids"][0]]
    assert " ".join(words) == f"{xlnet.SENTENCE} [SEP] {xlnet.ANOTHER} [SEP] [CLS]"
    assert [words[place] for place in given["target_mapping"][0].argmax(axis=-1)] == ["france", "paris"]
    assert [words.index(word) for word in ("france", "paris")] == [6, 0]
    may_look = ~given["perm_mask"][0]
    assert may_look[0, 6] and not may_look[6, 0] and not may_look[0, 0]
    assert not may_look[1, [0, 6]].any() and may_look[[0, 1, 6], 3].all()


def test_what_is_drawn_is_what_the_model_may_look_at(model):
    (names, content), (predicted, query) = xlnet.looks("france", "paris")
    assert names[0] == "paris 2" and names[1] == "is" and predicted == ["france 1", "paris 2"]
    given = xlnet.in_order("france", "paris")
    _, cache = model.forward(**given)
    seen = cache.transformer.layers[0].attention.probs[0].max(axis=0) > 0           # (T + M, T)
    np.testing.assert_array_equal(content, seen[:7, :7])
    np.testing.assert_array_equal(query, seen[-2:, :7])


def test_shuffled_text_has_the_same_words_and_the_same_order(model):
    batch = xlnet.held_out(20)
    moved = xlnet.shuffled(batch)
    assert (batch.input_ids != moved.input_ids).any() and np.array_equal(batch.labels, moved.labels)

    def seen(batch):
        """For each predicted word: the word, and the words that it may look at, sorted."""
        row, target = np.nonzero(batch.labels != IGNORE_INDEX)
        place = batch.target_mapping[row, target].argmax(axis=-1)
        may_look = ~batch.perm_mask[row, place] & (batch.attention_mask[row] == 1)
        words = [sorted(batch.input_ids[r][looks]) for r, looks in zip(row, may_look)]
        return batch.input_ids[row, place].tolist(), words

    assert seen(batch) == seen(moved)


def test_without_distances_shuffled_text_is_the_same(model):
    """What the shuffling changes is distances alone."""
    model = model.astype(np.float64)
    for layer in model.transformer.layers:
        layer.attention.position.key.weight.value = 0 * layer.attention.position.key.weight.value
    batch = xlnet.held_out(20)
    losses = [xlnet.loss_of(model, each) for each in (batch, xlnet.shuffled(batch))]
    np.testing.assert_allclose(*losses, rtol=1e-12)


# --- one stream, two streams ---


@pytest.mark.parametrize("kind", [*xlnet.ONE_STREAM, "two streams"])
def test_a_row_depends_on_earlier_words_and_in_one_stream_on_itself(kind):
    [order] = xlnet.FIVE_ORDER
    earlier, itself = order < order[:, np.newaxis], np.eye(5, dtype=bool)
    expected = {"begins empty": 0 * earlier, "two streams": earlier}.get(kind, earlier | itself)
    np.testing.assert_array_equal(xlnet.depends(kind, seed=3), expected)


@pytest.mark.parametrize("kind", xlnet.ONE_STREAM)
def test_a_row_looks_at_itself_where_the_kind_says_so(kind):
    model = xlnet.XLNetModel(mb.XLNetConfig(7, hidden_size=6), dtype=np.float64)
    _, caches = xlnet.one_stream(model, np.arange(5)[np.newaxis], *xlnet.ONE_STREAM[kind])
    for cache in caches:
        diagonal = cache.attention.probs[0].diagonal(axis1=-2, axis2=-1)
        assert (diagonal > 0).all() if xlnet.ONE_STREAM[kind][1] else (diagonal == 0).all()


@pytest.mark.parametrize("kind", xlnet.ONE_STREAM)
def test_the_gradient_of_one_stream_is_right(kind):
    """Beside a difference, of one number."""
    model = xlnet.XLNetModel(mb.XLNetConfig(7, hidden_size=6, initializer_range=0.5), 1, np.float64)
    ids, size, options = np.arange(5)[np.newaxis], 1e-6, xlnet.ONE_STREAM[kind]
    states, caches = xlnet.one_stream(model, ids, *options)
    d_states = np.random.default_rng(0).standard_normal(states.shape)
    d_tokens = xlnet.one_stream_back(model, d_states, caches, options[0])
    losses = []
    for step in (size, -size):
        model.embeddings.token.weight.value[3, 2] += step
        losses.append((xlnet.one_stream(model, ids, *options)[0] * d_states).sum())
        model.embeddings.token.weight.value[3, 2] -= step
    np.testing.assert_allclose(d_tokens[0, 3, 2], (losses[0] - losses[1]) / (2 * size), atol=1e-7)


# --- memory ---


def test_a_memory_reaches_as_far_as_the_exercise_says():
    """T = 3, M = 2, L = 3: the last of four pieces depends on (L - 1) T + M = 8 tokens before it."""
    T, M, L, pieces = 3, 2, 3, 4
    config = mb.XLNetConfig(9, hidden_size=8, num_hidden_layers=L, memory_length=M, initializer_range=0.5)
    model = mb.XLNetLMHeadModel(config, dtype=np.float64)

    def last_logits(ids):
        state = None
        for piece in range(pieces):
            output, _ = model.forward(ids[:, piece * T:(piece + 1) * T], state=state)
            state = output.state
        assert [part.shape for part in state] == [(1, M, 8)] * L
        return output.logits

    ids = np.arange(pieces * T)[np.newaxis] % 9
    before, reached = last_logits(ids), []
    for place in range((pieces - 1) * T):
        other = ids.copy()
        other[0, place] = (other[0, place] + 1) % 9
        if (last_logits(other) != before).any():
            reached.append((pieces - 1) * T - place)
    assert max(reached) == (L - 1) * T + M


# --- stored data ---


@pytest.fixture(scope="module")
def stored():
    return experiments.over_seeds(DATA / "14_xlnet.json")


def test_stored_results_have_five_seeds(stored):
    assert stored("xlnet", "ordered").shape == stored("bert", "ordered").shape == (5, 2)
    assert stored("loss").shape == (5, 2) and stored("bert", "apart").shape == (5,)


@pytest.mark.exhaustive
def test_the_stored_model_is_the_first_of_the_five(stored, model):
    batch = xlnet.held_out()
    losses = [xlnet.loss_of(model, each) for each in (batch, xlnet.shuffled(batch))]
    np.testing.assert_allclose(losses, stored("loss")[0], rtol=1e-3)


@pytest.mark.exhaustive
def test_a_seed_is_measured(model, rows):
    bert = mb.BertForPreTraining.from_pretrained(DATA / "12_toy_bert")
    found = xlnet.measured(model, bert, number=300)
    assert found["xlnet"]["ordered"].shape == (2,) and found["bert"]["ordered"].shape == (2,)
    pairs, hidden = rows
    losses = xlnet.of_two_words(model, pairs, hidden)
    np.testing.assert_allclose(found["xlnet"]["ordered"], losses.mean(axis=0))
    assert found["xlnet"]["gap"] == pytest.approx(abs(losses[:, 0] - losses[:, 1]).mean())
