"""The commands that train word vectors, and the one that looks at them."""

import argparse

import numpy as np
import pytest

from minibert.commands import glove, neighbours, word2vec
from minibert.word_vectors.vectors import WordVectors

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


def run(*arguments):
    """Run `minibert` with arguments."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command")
    for command in (word2vec, neighbours, glove):
        command.add(commands)
    options = parser.parse_args([str(argument) for argument in arguments])
    return options.run(options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("word2vec")
    lines = [" ".join(sentence).capitalize() + "." for sentence in sentences(600)]
    documents = [" ".join(lines[start:start + 5]) for start in range(0, 600, 5)]
    (folder / "text.txt").write_text("\n\n".join(documents), encoding="utf-8")
    run("word2vec", "--corpus", folder / "text.txt", "--output", folder / "v.txt", "--vector-size", 12,
        "--alpha", 0.05)
    return folder / "v.txt"


def test_word2vec_writes_vectors(trained):
    vectors = WordVectors.load(trained)
    assert vectors.vectors.shape == (19, 12) and "horse" in vectors


def test_neighbours(trained, capsys):
    run("neighbours", trained, "Horse", "--top", 4)
    words = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert len(words) == 4 and not set(words) & set(FRUITS)
    run("neighbours", trained, "cat", "dog", "pear", "--top", 3)
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_errors(trained, tmp_path):
    with pytest.raises(ValueError, match="'hors' is not among the 19 words; did you mean 'horse'?"):
        run("neighbours", trained, "hors")
    with pytest.raises(ValueError, match="one word, or three"):
        run("neighbours", trained, "cat", "dog")
    with pytest.raises(ValueError, match="there is no folder"):
        run("word2vec", "--corpus", tmp_path / "none", "--output", tmp_path / "no" / "v.txt")


def test_glove(corpus, tmp_path, capsys):
    path = tmp_path / "vectors.txt"
    run("glove", "--corpus", corpus, "--output", path, "--vector-size", 6, "--epochs", 2, "--min-count", 2)
    printed = capsys.readouterr().out
    vectors = WordVectors.load(path)
    assert vectors.vector_size == 6 and "teacher" in vectors
    assert f"{len(vectors)} words, 6 dimensions" in printed and f"minibert neighbours {path}" in printed


def test_glove_writes_the_binary_format(corpus, tmp_path):
    path = tmp_path / "vectors.bin"
    run("glove", "--corpus", corpus, "--output", path, "--vector-size", 6, "--epochs", 1, "--binary")
    assert WordVectors.load(path, binary=True).vector_size == 6


def test_glove_without_the_folder_of_its_output(corpus, tmp_path):
    with pytest.raises(ValueError, match="there is no folder .*missing"):
        run("glove", "--corpus", corpus, "--output", tmp_path / "missing" / "vectors.txt")
