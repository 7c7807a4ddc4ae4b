"""Word2Vec: it learns, it can be repeated, its options do what they say, its errors say what is wrong."""

import numpy as np
import pytest
from helpers import sampled

from minibert.word_vectors import glove, word2vec
from minibert.word_vectors.glove import GloVe
from minibert.word_vectors.word2vec import Word2Vec

ANIMALS, FRUITS = "cat dog horse cow sheep".split(), "apple pear plum cherry fig".split()


def sentences(num_sentences=1500, seed=0):
    """Sentences about animals or about fruits: words of one kind occur together."""
    rng = np.random.default_rng(seed)
    verbs = [["runs", "sleeps", "eats"], ["ripens", "falls", "grows"]]
    for _ in range(num_sentences):
        kind = rng.integers(2)
        names = rng.choice([ANIMALS, FRUITS][kind], 3)
        first, second, third = map(str, names)
        yield ["the", first, "and", "the", second, str(rng.choice(verbs[kind])), "by", "the", third]


MODES = [{}, {"sg": 0}, {"hs": 1, "negative": 0}, {"sg": 0, "hs": 1, "negative": 0}, {"hs": 1}]


@pytest.mark.parametrize("options", sampled(MODES, every=2), ids=str)
def test_words_of_a_kind_become_alike(options):
    vectors = Word2Vec(sentences(), vector_size=16, alpha=0.05, **options)
    for kind in (ANIMALS, FRUITS):
        for word in kind:
            nearest = {other for other, _ in vectors.most_similar(word, topn=4)}
            assert not nearest & set(FRUITS if kind is ANIMALS else ANIMALS)


def test_equal_seeds_give_equal_vectors():
    runs = (Word2Vec(sentences(500), vector_size=8, epochs=1, seed=seed) for seed in (3, 3, 4))
    first, second, other = runs
    assert first.vectors.tobytes() == second.vectors.tobytes() != other.vectors.tobytes()


def test_what_it_holds():
    vectors = Word2Vec(sentences(), vector_size=8, epochs=1)
    assert vectors.words[0] == "the" and vectors.counts[0] == 4500
    assert vectors.vectors.shape == vectors.output_vectors.shape == (len(vectors.words), 8)
    assert vectors.num_words == 9 * 1500 and vectors.node_vectors is None
    tree = Word2Vec(sentences(), vector_size=8, epochs=1, hs=1, negative=0)
    assert tree.node_vectors.shape == (len(vectors.words) - 1, 8) and tree.output_vectors is None


@pytest.mark.parametrize("name", ["subsampling", "equal_negatives", "cbow_error"])
def test_options_of_paper_and_program(name):
    both = [{name: value} for value in ("program", "paper")]
    program, paper = (Word2Vec(sentences(500), vector_size=8, epochs=1, sg=0, **options) for options in both)
    assert np.abs(program.vectors - paper.vectors).max() > 1e-6


def test_text_that_repeats_itself_stays_finite():
    """The same sentence 1000 times: without a bound, the updates of a batch double from step to step."""
    for options in MODES[:4]:
        vectors = Word2Vec([["a", "b", "c", "d"]] * 1000, vector_size=8, sample=0, alpha=0.5, **options)
        assert np.isfinite(vectors.vectors).all() and np.abs(vectors.vectors).max() < 100


def test_rate_falls_in_a_straight_line(monkeypatch):
    """The rates of all steps, from alpha down to nearly min_alpha, in equal steps within an epoch."""
    rates = []
    monkeypatch.setattr(word2vec, "step_segments",
                        lambda model, table, word_ids, windows, negatives, rate: rates.append(rate))
    Word2Vec(sentences(), vector_size=8, epochs=2, alpha=0.5, min_alpha=0.1, sample=0)
    assert rates[0] == np.float32(0.5) and len(rates) > 50
    assert rates[-1] == pytest.approx(0.1, abs=0.01)
    np.testing.assert_allclose(rates, 0.5 - 0.4 * np.arange(len(rates)) / len(rates), atol=0.01)


def test_progress_counts_every_word():
    seen = []
    Word2Vec(sentences(), vector_size=8, epochs=3, on_progress=seen.append)
    assert len(seen) >= 3 and sum(seen) == 3 * 9 * 1500


@pytest.mark.parametrize(("text", "options", "message"), [
    ([["a", "b"]] * 3, {}, "no word occurs 5 times or more .min_count=5.; .* largest count of 2 words is 3"),
    ([], {}, "there is no text"),
    ("some text", {}, "got one string"),
    (["some text", "more text"], {}, "got the string 'some text'"),
    ([["a", "b", "c"]], {}, "no word occurs 5 times or more .* largest count of 3 words is 1"),
    ([["a"]] * 9, {}, "no sentence of 9 has two words"),
    ([[1, 2]] * 9, {}, "a word must be a str, got 1"),
    ([["a", "b"]] * 9, {"vector_size": 0}, "vector_size is 0"),
    ([["a", "b"]] * 9, {"window": 0}, "window is 0"),
    ([["a", "b"]] * 9, {"epochs": 2.5}, "epochs is 2.5; it must be a whole number, 1 or more"),
    ([["a", "b"]] * 9, {"alpha": float("nan")}, "alpha is nan; it must be a finite number, 0 or more"),
    ([["a", "b"]] * 9, {"sg": 2}, "sg is 2; it must be 0 or 1"),
    ([["a", "b"]] * 9, {"seed": -1}, "seed is -1; it must be a whole number, 0 or more"),
    ([["a", "b"]] * 9, {"workers": 0}, "workers is 0; it must be a whole number, 1 or more"),
    ([["a", None]] * 9, {}, "a word must be a str, got None"),
    (b"some text", {}, "got one string"),
    ([["a", "b"]] * 9, {"negative": 0}, "nothing would be learned"),
    ([["a", "b"]] * 9, {"cbow_error": "wrong"}, "cbow_error is 'wrong'"),
    ([["a", "a"]] * 9, {}, "one word only, 'a', without those below min_count=5"),
])
def test_errors(text, options, message):
    with pytest.raises(ValueError, match=message):
        Word2Vec(text, **options)


@pytest.mark.parametrize(("text", "options", "message"), [
    (None, {}, "sentences is None; it must be lists of words"),
    ([["a", "b"], None], {}, "sentence 2 is None; it must be a list of words"),
    ([["a"], float("nan")], {}, "sentence 2 is nan; it must be a list of words"),
    ([[["a", "b"], ["c", "d"]]] * 9, {}, "a word must be a str, got a list or similar in sentence 1"),
    ([["a", "b"]] * 9, {"window": "5"}, "window is '5'; it must be a whole number, 1 or more"),
    ([["a", "b"]] * 9, {"sample": None}, "sample is None; it must be a finite number, 0 or more"),
    ([["a", "b"]] * 9, {"ns_exponent": "1"}, "ns_exponent is '1'; it must be a finite number$"),
    ([["a", "b"]] * 9, {"size": 8}, "Word2Vec has no argument 'size': here it is vector_size"),
    ([["a", "b"]] * 9, {"batch_words": 8}, "Word2Vec has no argument 'batch_words': leave it out"),
    ([["a", "b"]] * 9, {"on_progress": 3}, "on_progress is 3; it must be a function"),
])
def test_arguments_of_another_type(text, options, message):
    with pytest.raises(TypeError, match=message):
        Word2Vec(text, **options)


def test_an_error_of_the_readers_own_generator_stays_as_it_is():
    def broken():
        yield ["a", "b"]
        raise TypeError("the file of the reader")

    with pytest.raises(TypeError, match="^the file of the reader$"):
        Word2Vec(broken())


@pytest.mark.parametrize("options", MODES[:4], ids=str)
def test_a_window_longer_than_every_sentence_is_the_sentence(options):
    """Gensim's way to say "the whole sentence"; near words weigh hardly more than far ones then."""
    vectors = Word2Vec(sentences(300), vector_size=8, epochs=3, window=10_000, alpha=0.05, **options)
    assert np.isfinite(vectors.vectors).all() and np.abs(vectors.vectors).max() > 0.08  # it begins at 0.06


@pytest.mark.parametrize("sg", [0, 1])
def test_long_windows_in_a_long_text(sg):
    text = [word for sentence in sentences(300) for word in sentence]
    vectors = Word2Vec([text], vector_size=8, epochs=1, window=150, sg=sg)
    assert np.isfinite(vectors.vectors).all() and np.abs(vectors.vectors).max() > 0.1


def test_workers_change_nothing():
    one, four = (Word2Vec(sentences(200), vector_size=8, epochs=1, workers=workers) for workers in (1, 4))
    assert one.vectors.tobytes() == four.vectors.tobytes()


def test_a_text_that_is_subsampled_away_is_said():
    with pytest.warns(UserWarning, match=r"sample=1e-06 leaves 11 of 2,700 words in an epoch, and 0 of them"):
        Word2Vec(sentences(300), vector_size=8, epochs=1, sample=1e-6)


@pytest.mark.filterwarnings("error::UserWarning")
def test_nothing_is_said_of_an_ordinary_text():
    Word2Vec(sentences(300), vector_size=8, epochs=1, sample=1e-3)


@pytest.mark.parametrize("word", ["new york", "", "a\nb", "a\ud800"])
@pytest.mark.parametrize("train", [Word2Vec, GloVe])
def test_words_that_no_file_can_hold_are_said_before_training(train, word, monkeypatch):
    """Before: the training itself is not reached."""
    monkeypatch.setattr(word2vec, "train", lambda *arguments: 1 / 0)
    monkeypatch.setattr(glove, "count_cooccurrences", lambda *arguments: 1 / 0)
    with pytest.warns(UserWarning, match="words that no file of vectors can hold: 1"):
        with pytest.raises(ZeroDivisionError):
            train([[word, "b", "c"]] * 9, min_count=1)


def test_one_long_sentence_will_do():
    text = [word for sentence in sentences(300) for word in sentence]
    assert len(Word2Vec([text], vector_size=8, epochs=1)) == 19
