"""Evaluation of word vectors: rank correlation, similarity files and analogy files."""

import numpy as np
import pytest

from minibert.word_vectors import evaluation


def test_ranks_share_the_mean_of_ties():
    assert evaluation.ranks(np.array([3, 1, 3, 2, 3])).tolist() == [4, 1, 4, 2, 4]


def test_spearman():
    """The value with ties was computed by scipy.stats.spearmanr (1.17.1)."""
    assert evaluation.spearman([1, 2, 3], [10, 100, 1000]) == pytest.approx(1)
    assert evaluation.spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert evaluation.spearman([1, 2, 2, 4, 5], [2, 1, 3, 3, 9]) == pytest.approx(0.7631578947368421)
    assert np.isnan(evaluation.spearman([1], [1])) and np.isnan(evaluation.spearman([1, 1], [1, 2]))


@pytest.mark.parametrize("lines", [
    "# a comment\nWord 1,Word 2,Human (mean)\nking,queen,9\nMan,woman,7\napple,king,1\napple,tree,5\n",
    "king\tqueen\t9\nMan\twoman\t7\napple\tking\t1\napple\ttree\t5\n",
    "king queen 9\nMan woman 7\napple king 1\napple tree 5\n",
    "word1\tword2\tPOS\tSimLex999\nking\tqueen\tN\t9\nMan\twoman\tN\t7\napple\tking\tN\t1\n"
    "apple\ttree\tN\t5\n",
])
def test_similarity_files(royal, tmp_path, lines):
    (tmp_path / "pairs").write_text(lines, encoding="utf-8")
    result = royal.evaluate_similarity(tmp_path / "pairs")
    cosines = [24 / 26, 0, royal.similarity("apple", "king")]
    assert result.spearman == pytest.approx(evaluation.spearman(cosines, [9, 7, 1]))
    assert (result.num_pairs, result.num_missing, result.missing_words) == (3, 1, ["tree"])


def test_analogy_files(royal, tmp_path):
    text = ": royal\nman king woman queen\nMan King Woman Queen\nking man queen apple\n"
    text += ": fruit\nking man apple pear\na b c d\n"
    (tmp_path / "questions").write_text(text, encoding="utf-8")
    results = royal.evaluate_analogies(tmp_path / "questions")
    assert [result.name for result in results] == ["royal", "fruit", "total"]
    assert tuple(results[0])[1:] == (2, 3, 0) and results[0].accuracy == pytest.approx(2 / 3)
    assert tuple(results[1])[2:] == (1, 1)
    royal_result, fruit_result, total = results
    assert tuple(total)[2:] == (4, 1)
    assert total.num_correct == royal_result.num_correct + fruit_result.num_correct


@pytest.mark.parametrize(("method", "text", "message"), [
    ("evaluate_similarity", "a b 1\na b\n", "line 2: expected two words and a rating, got 'a b'"),
    ("evaluate_similarity", "", "holds no pairs"),
    ("evaluate_analogies", ": s\na b c d\na b c\n", "line 3: expected four words"),
    ("evaluate_analogies", ": s\n", "holds no questions"),
])
def test_malformed_questions(royal, tmp_path, method, text, message):
    (tmp_path / "file").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        getattr(royal, method)(tmp_path / "file")
