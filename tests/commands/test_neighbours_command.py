"""`minibert neighbours`: the nearest words, and analogies."""

import numpy as np
import pytest

from minibert.word_vectors.vectors import WordVectors


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """The path of a file of six words: the second coordinate is the sex, the first the rank."""
    path = tmp_path_factory.mktemp("vectors") / "vectors.txt"
    table = {
        "king": [1, 1, 0.1], "queen": [1, -1, 0.1], "man": [0, 1, 0.3], "woman": [0, -1, 0.3],
        "prince": [0.9, 1, 0.2], "Paris": [0, 0, 1],
    }
    WordVectors(list(table), np.array(list(table.values()), np.float32)).save(path)
    return path


def test_the_nearest_words(vectors, output_of):
    lines = output_of("neighbours", vectors, "king", "--top", 2)
    assert [line.split()[1] for line in lines] == ["prince", "man"]
    cosine = (0.9 + 1 + 0.02) / np.sqrt((1 + 1 + 0.01) * (0.81 + 1 + 0.04))
    assert float(lines[0].split()[0]) == pytest.approx(cosine, abs=5e-4)


def test_an_analogy(vectors, output_of):
    title, first = output_of("neighbours", vectors, "man", "king", "woman", "--top", 1)
    assert title == "man is to king as woman is to" and first.split()[1] == "queen"


def test_upper_case_where_only_lower_case_is_known(vectors, output_of):
    assert output_of("neighbours", vectors, "KING") == output_of("neighbours", vectors, "king")
    assert "Paris" not in " ".join(output_of("neighbours", vectors, "Paris"))


def test_errors(vectors, failing):
    assert "'kin' is not among the 6 words; did you mean 'king'?" in failing("neighbours", vectors, "kin")
    assert "give one word, or three for an analogy, got 2" in failing("neighbours", vectors, "king", "man")
