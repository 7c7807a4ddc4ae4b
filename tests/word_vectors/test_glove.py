"""GloVe: tiles, the plain loop and the fast one, small and wrong corpora."""

import numpy as np
import pytest

from minibert.word_vectors.glove import GloVe, Trainer
from minibert.word_vectors.glove_counts import Cooccurrences, count_cooccurrences
from minibert.word_vectors.glove_plain import GloVeObjective, start_as_the_program, train_entry_by_entry
from minibert.word_vectors.vectors import WordVectors

TOPICS = ["king queen prince crown throne royal".split(), "bread butter cheese milk salt bakery".split()]


def make_sentences(num_sentences=200, seed=0):
    """Sentences of six words, most of them of one topic, among words that occur everywhere.

    A few are of the other topic: GloVe learns from seen pairs alone, and nothing from pairs never seen.
    """
    rng = np.random.default_rng(seed)
    sentences = []
    for number in range(num_sentences):
        topics = TOPICS[number % 2] * 6 + TOPICS[1 - number % 2]
        words = [*rng.choice(topics, 6), *rng.choice(["the", "of", "and", "a"], 6, p=[0.5, 0.2, 0.2, 0.1])]
        sentences.append([str(word) for word in rng.permutation(words)])
    return sentences


def make_text(num_words=400, vocab_size=90, seed=0):
    """(word ids, sentence ids): words drawn in proportion to 1/rank, in lists of some ten."""
    rng = np.random.default_rng(seed)
    probs = 1 / np.arange(1, vocab_size + 1)
    word_ids = rng.choice(vocab_size, num_words, p=probs / probs.sum())
    sentence_ids = np.sort(rng.integers(0, num_words // 10, num_words))
    return word_ids, sentence_ids


# --- tiles ---


@pytest.mark.parametrize(
    ("strip", "max_entries", "max_cells"), [(1, 1, 1), (4, 10, 40), (64, 30, 10**6), (64, 10**6, 64 * 20)]
)
def test_every_entry_is_in_one_tile(strip, max_entries, max_cells):
    upper = count_cooccurrences(*make_text(), window=5)
    trainer = Trainer(upper, 90, 4, 10.0, 0.75, 0.05, 0, strip, max_entries, max_cells)
    found = []
    for tile in trainer.tiles:
        row_of_tile, column_of_tile = np.divmod(tile.cells, len(tile.columns))
        assert 0 < tile.last - tile.first <= strip and (row_of_tile < tile.last - tile.first).all()
        assert set(column_of_tile) == set(range(len(tile.columns)))         # no empty column
        assert len(tile.columns) == 1 or len(tile.cells) <= max_entries
        assert len(tile.columns) == 1 or (tile.last - tile.first) * len(tile.columns) <= max_cells
        found += zip(row_of_tile + tile.first, tile.columns[column_of_tile], tile.log_counts, tile.weights)
    found.sort()
    weights = np.minimum(1, (upper.counts / 10.0) ** 0.75) * np.where(upper.rows == upper.columns, 0.5, 1)
    expected = np.stack([upper.rows, upper.columns, np.log(upper.counts), weights], axis=1)
    np.testing.assert_allclose(np.array(found), expected, rtol=1e-6, atol=1e-7)


def test_tiles_of_one_entry_are_the_plain_loop():
    """One entry a tile, visited in the same order: the same vectors, but for rounding."""
    rows, columns = np.triu_indices(6, k=1)
    upper = Cooccurrences(rows.astype(np.int32), columns.astype(np.int32), np.linspace(0.2, 20, len(rows)))
    trainer = Trainer(upper, 6, 3, 10.0, 0.75, 0.3, 0, strip=1, max_entries=1)
    plain = trainer.plain_form()
    order = np.random.default_rng(8)
    trainer.rng = np.random.default_rng(8)
    for _ in range(4):  # AdaGrad's squares begin anew for the plain loop, so for the tiles, too
        for table in (trainer.words, trainer.contexts):
            table.squares[:, :] = np.where(np.isinf(table.squares), np.inf, 1)
        trainer.run_epoch()
        both = np.stack([rows, columns], axis=1).reshape(-1), np.stack([columns, rows], axis=1).reshape(-1)
        train_entry_by_entry(plain, *both, np.repeat(upper.counts, 2), eta=0.3, epochs=1, rng=order)
    fast = trainer.plain_form()
    for name, parameter in plain.parameters().items():
        trained = fast.parameters()[name].value
        np.testing.assert_allclose(trained, parameter.value, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.exhaustive
def test_objective_is_no_higher_than_the_plain_loops():
    """After 15 epochs, compared with the loop from the start of the authors' program, and from our start."""
    upper = count_cooccurrences(*make_text(500, 90), window=8)
    whole = upper.whole()
    trainer = Trainer(upper, 90, 20, 10.0, 0.75, 0.05, 0)
    program = start_as_the_program(90, 20, np.random.default_rng(1), x_max=10.0)
    same_start = trainer.plain_form()
    for _ in range(15):
        trainer.run_epoch()
    for plain in (program, same_start):
        train_entry_by_entry(plain, *whole, eta=0.05, epochs=15, rng=np.random.default_rng(2))
    assert trainer.objective() < program.forward(*whole)[0]
    assert trainer.objective() < 1.02 * same_start.forward(*whole)[0]


def test_start():
    """Vectors within ±1/√D, whatever D; biases 0; both depend on the seed alone."""
    upper = Cooccurrences(np.array([0], np.int32), np.array([1], np.int32), np.array([2.0]))
    for vector_size in (4, 100):
        start = Trainer(upper, 2, vector_size, 10.0, 0.75, 0.05, 0).plain_form()
        for vectors in (start.word_vectors.value, start.context_vectors.value):
            assert 0.8 < np.abs(vectors).max() * vector_size**0.5 < 1
        assert not start.word_bias.value.any() and not start.context_bias.value.any()


# --- the model ---


@pytest.fixture(scope="module")
def vectors():
    return GloVe(make_sentences(), vector_size=8, window=5, x_max=10, epochs=60)


def test_words_of_a_topic_are_alike(vectors):
    for topic, other in (TOPICS, TOPICS[::-1]):
        for word in topic:
            within = [vectors.similarity(word, neighbour) for neighbour in topic if neighbour != word]
            assert min(within) > max(vectors.similarity(word, stranger) for stranger in other)


def test_attributes(vectors):
    assert isinstance(vectors, WordVectors)
    assert len(vectors) == 16 and vectors.words[0] == "the"
    assert vectors.vectors.shape == vectors.word_vectors.shape == vectors.context_vectors.shape == (16, 8)
    np.testing.assert_array_equal(vectors.vectors, vectors.word_vectors + vectors.context_vectors)
    assert vectors.word_bias.shape == vectors.context_bias.shape == (16,)
    assert vectors.counts.sum() == vectors.num_words == 200 * 12
    assert len(vectors.objectives) == 60
    assert vectors.objective < vectors.objectives[-1] < 0.2 * vectors.objectives[0]


def test_objective_is_that_of_the_plain_form(vectors):
    words = {word: number for number, word in enumerate(vectors.words)}
    sentences = make_sentences()
    word_ids = np.array([words[word] for sentence in sentences for word in sentence])
    counts = count_cooccurrences(word_ids, np.repeat(np.arange(200), 12), window=5)
    plain = GloVeObjective(vectors.word_vectors, vectors.context_vectors, vectors.word_bias,
                           vectors.context_bias, x_max=10)
    loss, _ = plain.forward(*counts.whole())
    assert vectors.num_entries == counts.num_entries
    assert vectors.objective == pytest.approx(loss / counts.num_entries, rel=1e-5)


def test_equal_seeds_give_equal_vectors():
    one, same, other = (GloVe(make_sentences(), vector_size=5, epochs=3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.vectors, same.vectors)
    assert np.abs(one.vectors - other.vectors).max() > 0.01


def test_sentences_are_read_once_and_bound_the_context():
    given = (tuple(words) for words in [["a", "b"], ["c", "d"], ["a", "b"]])
    assert GloVe(given, vector_size=3, epochs=1).num_entries == 4       # ab, ba, cd, dc
    as_one_list = GloVe([["a", "b", "c", "d", "a", "b"]], vector_size=3, epochs=1)
    assert as_one_list.num_entries == 16 - 2  # not cc, dd


def test_rare_words_are_left_out_before_distances_are_measured():
    vectors = GloVe([["a", "rare", "b"], ["a", "b"]], vector_size=3, window=1, epochs=1, min_count=2)
    assert vectors.words == ["a", "b"] and vectors.num_entries == 2 and vectors.num_words == 5


@pytest.mark.parametrize("sentences", [
    [["a", "b"]],
    [["a", "a", "b"]],
    [["a", "b"], ["c"]],
    [["a", "b"]] * 500,
    [["a", "b"], [], ["b", "c"]],
    [[str(number) for number in range(300)]],
])
@pytest.mark.parametrize("x_max", [1, 100])
def test_small_corpora_are_safe(sentences, x_max):
    vectors = GloVe(sentences, vector_size=4, x_max=x_max, epochs=30)
    for numbers in (vectors.vectors, vectors.word_bias, vectors.context_bias, vectors.objectives):
        assert np.isfinite(numbers).all()
    assert vectors.objective < vectors.objectives[0]


def test_a_word_that_stands_alone_has_a_vector_of_zeros():
    vectors = GloVe([["a", "b"], ["c"]], vector_size=4, epochs=2)
    assert not vectors["c"].any() and vectors["a"].any()
    assert vectors.similarity("a", "c") == 0


def test_progress():
    calls = []
    GloVe([["a", "b", "a"]], vector_size=3, epochs=4, on_progress=lambda *numbers: calls.append(numbers))
    total = calls[-1][1]
    assert calls == sorted(calls) and len(calls) >= 4
    assert {number for _, number in calls} == {total} and calls[-1][0] == total


def test_save_and_load(vectors, tmp_path):
    vectors.save(tmp_path / "vectors.txt")
    read = WordVectors.load(tmp_path / "vectors.txt")
    assert read.words == vectors.words
    np.testing.assert_array_equal(read.vectors, vectors.vectors)


# --- errors ---


@pytest.mark.parametrize(("sentences", "options", "message"), [
    ([], {}, "there is no text"),
    ([[]], {}, "there is no text"),
    ([["a", "b", "a"]], {"min_count": 3}, "no word occurs 3 times or more .* largest count of 2 words is 2"),
    ([["a"]], {}, "no sentence of 1 has two words"),
    ([["a"], ["b"]], {}, "no sentence of 2 has two words"),
    ([["a", "a", "a"]], {}, "one word only, 'a'"),
    ([["a", "a", "b"]], {"min_count": 2}, "one word only, 'a'.*min_count=2"),
    ("a b", {}, "got one string"),
    (["a b"], {}, "must be a list of words"),
    ([["a", "b"]], {"vector_size": 0}, "vector_size is 0; it must be a whole number, 1 or more"),
    ([["a", "b"]], {"vector_size": 2.5}, "vector_size is 2.5"),
    ([["a", "b"]], {"window": 0}, "window is 0"),
    ([["a", "b"]], {"epochs": 0}, "epochs is 0"),
    ([["a", "b"]], {"min_count": 0}, "min_count is 0"),
    ([["a", "b"]], {"x_max": 0}, "x_max is 0; it must be above 0"),
    ([["a", "b"]], {"alpha": -1}, "alpha is -1"),
    ([["a", "b"]], {"eta": float("nan")}, "eta is nan"),
])
def test_errors(sentences, options, message):
    with pytest.raises(ValueError, match=message):
        GloVe(sentences, **options)


def test_a_rate_that_is_too_large():
    with pytest.raises(FloatingPointError, match="no longer finite in epoch 1; try a rate below eta=1e"):
        GloVe(make_sentences(), vector_size=4, eta=1e30)


def test_a_count_of_zero_has_no_logarithm():
    plain = start_as_the_program(3, 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="counts must be positive, got 0.0"):
        plain.forward(np.array([0, 1]), np.array([1, 2]), np.array([1.0, 0.0]))
