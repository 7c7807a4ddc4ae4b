"""Evaluation of word vectors: rank correlation, similarity files and analogy files."""

import numpy as np
import pytest

from minibert.word_vectors import evaluation
from minibert.word_vectors.vectors import WordVectors


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


PAIRS = [("king", "queen", "8.58"), ("man", "woman", "7"), ("king", "apple", "1.5"), ("king", "pear", "1.25")]


def written(separator, row="{}", decimal="."):
    rows = [separator.join(pair[:2] + (pair[2].replace(".", decimal),)) for pair in PAIRS]
    return "".join(row.format(text) + "\n" for text in rows)


@pytest.mark.parametrize("text", [
    written(";", decimal=","), written("\t", decimal=","), written(" ", decimal=","), written(","),
    written(":"), written(":", "{}:n:n"), written('","', '"{}"'), written('","', '"{}"', decimal=","),
    written('" "', '"{}"'), written('"; "', '"{}"'), written(", "), written("\t", "{}\t3\t4"),
    "0,1,2\n" + written(","), "Word 1\tWord 2\t2002\n" + written("\t"), "word1 word2 100\n" + written(" "),
    "first word,second word,7\n" + written(","),
    ",a,b,c\n" + "".join(f"{row},{','.join(pair)}\n" for row, pair in enumerate(PAIRS)),
    "\ufeff# ratings\n\n" + written(","), written("|"), "a heading of one word each\n" + written("\t"),
    "| one | other | mean |\n|:---|---|---:|\n" + written(" | ", "| {} |"), written(",", ",{}"),
], ids=ascii)
def test_ratings_as_they_are_written(tmp_path, text):
    (tmp_path / "pairs").write_text(text, encoding="utf-8")
    pairs, num_skipped = evaluation.read_pairs(tmp_path / "pairs")
    assert pairs == [(first, second, float(rating)) for first, second, rating in PAIRS] and num_skipped == 0


def test_a_year_over_the_ratings_is_a_heading(tmp_path):
    text = "Begriff,Vergleich,2002\n" + 4 * written(",")
    (tmp_path / "pairs").write_text(text, encoding="utf-8")
    assert len(evaluation.read_pairs(tmp_path / "pairs")[0]) == 16


@pytest.mark.parametrize("bad", ["king,man,,2", "king,man,", "king,,7,2", "king,man,n/a,3", "king,man,nan,3"])
def test_lines_without_a_rating_are_counted_and_said(royal, tmp_path, bad):
    (tmp_path / "pairs").write_text(written(",", "{},9") + bad + "\n", encoding="utf-8")
    pairs, num_skipped = evaluation.read_pairs(tmp_path / "pairs")
    assert len(pairs) == 4 and num_skipped == 1
    assert "lines without a word or a rating: 1" in str(royal.evaluate_similarity(tmp_path / "pairs"))


def test_an_empty_first_rating_is_no_heading(tmp_path):
    """Nor are its commas decimal ones."""
    for empty in ("", "N/A", "nan", "-"):
        text = f"king,man,{empty},5\nking,queen,9,2\nman,woman,7,3\n"
        (tmp_path / "pairs").write_text(text, encoding="utf-8")
        assert evaluation.read_pairs(tmp_path / "pairs") == ([("king", "queen", 9), ("man", "woman", 7)], 1)


def test_the_minus_sign_of_typesetters(tmp_path):
    (tmp_path / "pairs").write_text("king\tman\t\u22120.5\n", encoding="utf-8")
    assert evaluation.read_pairs(tmp_path / "pairs") == ([("king", "man", -0.5)], 0)


@pytest.mark.parametrize("text", [
    "king,queen,8,58\nman,woman,7,0\n", "a,b,c\nking,queen,8,58\nman,woman,7\n"])
def test_a_comma_that_may_be_two_things_is_refused(tmp_path, text):
    (tmp_path / "pairs").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="line .: .* the last comma may separate columns, or be that of"):
        evaluation.read_pairs(tmp_path / "pairs")


@pytest.mark.parametrize("line", [
    "man king woman queen", "man\tking\twoman\tqueen", "man,king,woman,queen", '"man";"king";"woman";"queen"',
    "man:king::woman:queen", "man : king :: woman : queen", "man, king, woman, queen",
    "man|king|woman|queen"])
def test_analogies_as_they_are_written(tmp_path, line):
    (tmp_path / "questions").write_text(f": royal\n{line}\n", encoding="utf-8")
    expected = {"royal": [["man", "king", "woman", "queen"]]}
    assert evaluation.read_analogies(tmp_path / "questions") == expected


def test_a_long_vector_is_no_better_answer(tmp_path):
    vectors = WordVectors(list("abcde"), [[1, 0], [1, 0.1], [0, 1], [0.1, 1], [30, 50]])
    (tmp_path / "questions").write_text("a b c d\n", encoding="utf-8")
    assert vectors.evaluate_analogies(tmp_path / "questions")[-1].num_correct == 1


def test_analogies_make_no_second_table(tmp_path, peak_of):
    vectors = WordVectors(list(map(str, range(20_000))), np.ones((20_000, 50)))
    (tmp_path / "questions").write_text("1 2 3 4\n", encoding="utf-8")
    assert peak_of(vectors.evaluate_analogies, tmp_path / "questions") < vectors.vectors.nbytes / 2


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
