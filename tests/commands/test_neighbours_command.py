"""`minibert neighbours`: the nearest words, and analogies."""

import io

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
    assert "give one word, three for an analogy, or --similarity" in failing("neighbours", vectors)


def test_files_of_questions(vectors, output_of, tmp_path):
    pairs, questions = tmp_path / "pairs", tmp_path / "questions"
    pairs.write_text("king;prince;9,5\nking;man;7\nking;woman;1,5\nking;;2\n", encoding="utf-8")
    questions.write_text(": sex\nman king woman queen\nman king woman x\n", encoding="utf-8")
    options = ["--similarity", pairs, "--analogies", questions]
    ratings, section, total = output_of("neighbours", vectors, *options)
    assert ratings.endswith("Spearman 1.000 over 3 pairs; 0 pairs had a word without a vector; lines without "
                            "a word or a rating: 1")
    assert section.endswith("sex: 100.0% of 1; 1 had a word without a vector") and "total: 100.0%" in total
    assert output_of("neighbours", vectors, "king", "--top", 1, *options)[3].split()[1] == "prince"


def test_a_file_is_read_once_for_many_questions(vectors, output_of, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("king\n\nkin\nman king woman\nman king\n"))
    lines = output_of("neighbours", vectors, "-", "--top", 1)
    assert [line.split()[-1] for line in (lines[0], lines[3])] == ["prince", "queen"]
    assert lines[1].startswith("line 3: 'kin' is not among the 6 words; did you mean 'king'?")
    assert lines[2] == "man is to king as woman is to"
    assert lines[4] == "line 5: give one word, or three for an analogy, got 2"


def test_limit_encoding_and_errors(vectors, output_of, failing, tmp_path):
    assert len(output_of("neighbours", vectors, "king", "--limit", 3)) == 2
    (tmp_path / "v").write_bytes(b"k\xe9ng 1 2\nman 1 2\nwoman 2 1\n")
    assert "errors='replace'" in failing("neighbours", tmp_path / "v", "man")
    assert len(output_of("neighbours", tmp_path / "v", "man", "--errors", "replace")) == 2
    assert "kéng" in output_of("neighbours", tmp_path / "v", "man", "--encoding", "latin-1")[0]
