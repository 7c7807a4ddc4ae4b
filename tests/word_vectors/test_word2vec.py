"""Word2Vec: it learns, it can be repeated, its options do what they say, its errors say what is wrong."""

import argparse

import numpy as np
import pytest

from minibert.commands import neighbours
from minibert.commands import word2vec as command
from minibert.word_vectors.vectors import WordVectors
from minibert.word_vectors.word2vec import Word2Vec
from minibert.word_vectors.word2vec_fast import SkipGramSegments
from minibert.word_vectors.word2vec_text import (
    huffman_tree,
    keep_probabilities,
    noise_probabilities,
    read_vocabulary,
)

ANIMALS, FRUITS = "cat dog horse cow sheep".split(), "apple pear plum cherry fig".split()


def sentences(num_sentences=1500, seed=0):
    """Sentences about animals or about fruits: words of one kind stand together."""
    rng = np.random.default_rng(seed)
    verbs = [["runs", "sleeps", "eats"], ["ripens", "falls", "grows"]]
    for _ in range(num_sentences):
        kind = rng.integers(2)
        names = rng.choice([ANIMALS, FRUITS][kind], 3)
        yield ["the", str(names[0]), "and", "the", str(names[1]), str(rng.choice(verbs[kind])), "by", "the", str(names[2])]


MODES = [{}, {"sg": 0}, {"hs": 1, "negative": 0}, {"sg": 0, "hs": 1, "negative": 0}, {"hs": 1}]


@pytest.mark.parametrize("options", MODES, ids=str)
def test_words_of_a_kind_become_alike(options):
    vectors = Word2Vec(sentences(), vector_size=16, alpha=0.05, **options)
    for kind in (ANIMALS, FRUITS):
        for word in kind:
            nearest = {other for other, _ in vectors.most_similar(word, topn=4)}
            assert not nearest & set(FRUITS if kind is ANIMALS else ANIMALS)


def test_equal_seeds_give_equal_vectors():
    first, second, other = (Word2Vec(sentences(), vector_size=8, epochs=1, seed=seed) for seed in (3, 3, 4))
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
    program, paper = (Word2Vec(sentences(), vector_size=8, epochs=1, sg=0, **options) for options in both)
    assert np.abs(program.vectors - paper.vectors).max() > 1e-6


def test_text_that_repeats_itself_stays_finite():
    """The same sentence 3000 times: summed without a bound, the updates of one batch double from step to step."""
    for options in MODES[:4]:
        vectors = Word2Vec([["a", "b", "c", "d"]] * 3000, vector_size=8, sample=0, alpha=0.5, **options)
        assert np.isfinite(vectors.vectors).all() and np.abs(vectors.vectors).max() < 100


def test_rate_falls_in_a_straight_line(monkeypatch):
    """The rates of all steps, from alpha down to nearly min_alpha, in equal steps within an epoch."""
    rates = []
    monkeypatch.setattr(SkipGramSegments, "step", lambda self, table, word_ids, windows, negatives, rate: rates.append(rate))
    Word2Vec(sentences(), vector_size=8, epochs=2, alpha=0.5, min_alpha=0.1, sample=0)
    assert rates[0] == np.float32(0.5) and len(rates) > 50
    assert rates[-1] == pytest.approx(0.1, abs=0.01)
    np.testing.assert_allclose(rates, 0.5 - 0.4 * np.arange(len(rates)) / len(rates), atol=0.01)


def test_progress_counts_every_word():
    seen = []
    Word2Vec(sentences(), vector_size=8, epochs=3, on_progress=seen.append)
    assert len(seen) >= 3 and sum(seen) == 3 * 9 * 1500


def test_vocabulary():
    vocabulary = read_vocabulary((line.split() for line in ["b a b", "c", "a b"]), min_count=2)
    assert vocabulary.words == ["b", "a"] and vocabulary.counts.tolist() == [3, 2]
    assert vocabulary.word_ids.tolist() == [0, 1, 0, 1, 0] and vocabulary.sentence_ids.tolist() == [0, 0, 0, 2, 2]
    assert vocabulary.num_words == 6


def test_keep_probabilities():
    counts = np.array([90, 9, 1])
    kept = keep_probabilities(counts, 0.09)
    assert kept.tolist() == pytest.approx([0.1**0.5 + 0.1, 1, 1])
    assert keep_probabilities(counts, 0.09, "paper").tolist() == pytest.approx([0.1**0.5, 1, 1])
    assert keep_probabilities(counts, 0).tolist() == [1, 1, 1]


def test_noise_probabilities():
    assert noise_probabilities(np.array([16, 1])).tolist() == pytest.approx([8 / 9, 1 / 9])


def test_huffman_tree_is_the_shortest():
    counts = np.array([40, 21, 13, 8, 5, 3, 2])
    tree = huffman_tree(counts)
    assert tree.is_on_path.sum(axis=1).tolist() == [1, 2, 3, 4, 5, 6, 6]
    codes = {tuple(labels[on]) for labels, on in zip(tree.labels, tree.is_on_path)}
    assert len(codes) == 7 and tree.nodes.max() == 5
    assert (tree.nodes[:, 0] == 5).all()  # the root is the last node made


@pytest.mark.parametrize(("text", "options", "message"), [
    ([["a", "b"]] * 3, {}, "none of the 2 words stands 5 times, as min_count asks \\(the most frequent: 3\\)"),
    ([], {}, "there is no text"),
    ("some text", {}, "got one string"),
    (["some text", "more text"], {}, "got the string 'some text'"),
    ([["a", "b", "c"]], {}, "none of the 3 words stands 5 times"),
    ([["a"]] * 9, {}, "no sentence of 9 has two words"),
    ([[1, 2]] * 9, {}, "a word must be a str, got 1"),
    ([["a", "b"]] * 9, {"vector_size": 0}, "vector_size is 0"),
    ([["a", "b"]] * 9, {"window": 0}, "window is 0"),
    ([["a", "b"]] * 9, {"window": 128}, "window is 128; it must be below 64"),
    ([["a", "b"]] * 9, {"negative": 0}, "nothing would be learned"),
    ([["a", "b"]] * 9, {"cbow_error": "wrong"}, "cbow_error is 'wrong'"),
    ([["a", "a"]] * 9, {"hs": 1}, "hierarchical softmax needs two words"),
])  # fmt: skip
def test_errors(text, options, message):
    with pytest.raises(ValueError, match=message):
        Word2Vec(text, **options)


def test_one_long_sentence_will_do():
    text = [word for sentence in sentences(300) for word in sentence]
    assert len(Word2Vec([text], vector_size=8, epochs=1)) == 19


# --- commands ---


def run(*arguments):
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command")
    command.add(commands)
    neighbours.add(commands)
    options = parser.parse_args([str(argument) for argument in arguments])
    return options.run(options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("word2vec")
    lines = [" ".join(sentence).capitalize() + "." for sentence in sentences(600)]
    (folder / "text.txt").write_text("\n\n".join(" ".join(lines[start:start + 5]) for start in range(0, 600, 5)),
                                     encoding="utf-8")
    run("word2vec", "--corpus", folder / "text.txt", "--output", folder / "v.txt", "--vector-size", 12, "--alpha", 0.05)
    return folder / "v.txt"


def test_command_writes_vectors(trained):
    vectors = WordVectors.load(trained)
    assert vectors.vectors.shape == (19, 12) and "horse" in vectors


def test_neighbours_command(trained, capsys):
    run("neighbours", trained, "Horse", "--top", 4)
    words = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert len(words) == 4 and not set(words) & set(FRUITS)
    run("neighbours", trained, "cat", "dog", "pear", "--top", 3)
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_command_errors(trained, tmp_path):
    with pytest.raises(ValueError, match="'hors' is not among the 19 words; did you mean 'horse'?"):
        run("neighbours", trained, "hors")
    with pytest.raises(ValueError, match="one word, or three"):
        run("neighbours", trained, "cat", "dog")
    with pytest.raises(ValueError, match="there is no folder"):
        run("word2vec", "--corpus", tmp_path / "none", "--output", tmp_path / "no" / "v.txt")
