"""The corpora that a command line or a recipe may name: python-docs, the toy language, and paths."""

from minibert.text import corpora, toy

PYTHON_DOCS, TOY = corpora.PYTHON_DOCS, "toy"  # the names of corpora that are not paths


def load_corpus(names):
    """Return the corpus of "python-docs", "toy", paths of files and folders, or several of these.

    Raises:
        CorpusError: a path does not exist, a folder holds no files, a file is binary or not UTF-8, or the
            whole text is too small for sentence pairs: fewer than two documents, or none with two sentences.
    """
    return corpora.load_corpus(names, others={TOY: toy.corpus})
