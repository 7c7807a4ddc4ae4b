"""`minibert word2vec`."""

import numpy as np

from minibert.text.corpora import load_corpus
from minibert.text.words import words_of
from minibert.word_vectors.vectors import WordVectors
from minibert.word_vectors.word2vec import Word2Vec

SMALL = ["--vector-size", 6, "--epochs", 2, "--min-count", 2]


def test_the_vectors_are_those_of_the_class(corpus, tmp_path, output_of):
    path = tmp_path / "vectors.txt"
    lines = output_of("word2vec", "--corpus", corpus, "--output", path, *SMALL, "--seed", 3)
    sentences = words_of(load_corpus([corpus]))
    expected = Word2Vec(sentences, vector_size=6, epochs=2, min_count=2, seed=3)
    vectors = WordVectors.load(path)
    assert vectors.words == expected.words
    np.testing.assert_allclose(vectors.vectors, expected.vectors, rtol=1e-5)
    assert "fingerprint" in lines[0] and f"{len(vectors)} words, 6 dimensions" in lines[1]
    assert lines[2].startswith(f"The vectors are in {path}. Try: minibert neighbours {path} ")


def test_cbow_and_hierarchical_softmax_in_the_binary_format(corpus, tmp_path, output_of):
    path = tmp_path / "vectors.bin"
    output_of("word2vec", "--corpus", corpus, "--output", path, *SMALL, "--cbow", "--hs", "--binary")
    sentences = words_of(load_corpus([corpus]))
    expected = Word2Vec(sentences, vector_size=6, epochs=2, min_count=2, sg=0, hs=1, negative=0)
    np.testing.assert_array_equal(WordVectors.load(path, binary=True).vectors, expected.vectors)


def test_the_folder_must_exist_before_anything_is_read(tmp_path, failing):
    error = failing("word2vec", "--corpus", tmp_path / "none", "--output", tmp_path / "no" / "v.txt")
    assert "there is no folder" in error
