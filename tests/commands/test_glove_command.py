"""`minibert glove`."""

from minibert.word_vectors.vectors import WordVectors


def test_vectors(corpus, tmp_path, output_of):
    path = tmp_path / "vectors.txt"
    options = ["--vector-size", 6, "--epochs", 2, "--min-count", 2]
    printed = "\n".join(output_of("glove", "--corpus", corpus, "--output", path, *options))
    vectors = WordVectors.load(path)
    assert vectors.vector_size == 6 and "teacher" in vectors
    assert f"{len(vectors)} words, 6 dimensions" in printed and f"minibert neighbours {path}" in printed


def test_the_binary_format(corpus, tmp_path, output_of):
    path = tmp_path / "vectors.bin"
    output_of("glove", "--corpus", corpus, "--output", path, "--vector-size", 6, "--epochs", 1, "--binary")
    assert WordVectors.load(path, binary=True).vector_size == 6


def test_the_folder_must_exist(corpus, tmp_path, failing):
    error = failing("glove", "--corpus", corpus, "--output", tmp_path / "missing" / "vectors.txt")
    assert "there is no folder" in error and "missing; make it first" in error
