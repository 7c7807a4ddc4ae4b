"""The corpora that a command line or a recipe may name: python-docs, the toy language, and paths."""

from minibert.text import corpora, toy

PYTHON_DOCS, TOY = corpora.PYTHON_DOCS, "toy"  # the names of corpora that are not paths


def load_corpus(names, lines=None):
    """Return the corpus of "python-docs", "toy", paths of files and folders, or several of these.

    Args:
        names: a list, or one name or path; "-" is standard input.
        lines: the meaning of a line end in a file, see `minibert.text.read_files`.

    Raises:
        CorpusError: a path does not exist, a folder holds no files, a file is binary or not UTF-8, or there
            is no text.
    """
    return corpora.load_corpus(names, others={TOY: toy.corpus}, lines=lines)
