"""Corpora: where the text comes from. A corpus is a list of documents, and a document a list of sentences.

- `python_docs()` reads the English prose of the reader's own Python installation;
- `read_files(paths)` reads UTF-8 text files, compressed or not, folders of them, pipes and standard input,
  with a blank line between documents (`layout.py`: the meaning of a line end);
- `load_corpus(names)` is both, for a command line;
- `check_pairs(corpus)` refuses a text that no sentence pairs can be made of; word vectors need none;
- `split_held_out(corpus)` sets documents apart for evaluation that share no sentence with the others.
"""

import hashlib
import os
import re
import stat
import sys
from pathlib import Path

from minibert.text.basic_tokenizer import IDEOGRAPHS
from minibert.text.decoding import decoded
from minibert.text.documentation import read_documentation
from minibert.text.layout import keeps_lines, split_documents

IDEOGRAPH = re.compile(f"[{IDEOGRAPHS}]")
PYTHON_DOCS = "python-docs"  # the name of a corpus that is not a path
STANDARD_INPUT = "-"


class CorpusError(ValueError):
    """A corpus is missing, unreadable or too small; the message says which, and how to mend it."""


class Corpus:
    """A text, as documents of sentences.

    Attributes:
        name: where it comes from, for people to read.
        documents: a list of documents, each a list of sentences (str).
        passages: the same sentences as a list of lists that no context window of words may leave: the
            documents, or single lines where the text keeps its lines apart.
        note: a choice that was made in reading it, for people to read; "" for none.

    Raises:
        ValueError: the documents are strings, not lists of sentences.
    """

    def __init__(self, name, documents, passages=None, note=""):
        if any(isinstance(document, str) for document in [documents, *documents]):
            raise ValueError("a Corpus takes a list of documents, each a list of sentences; got a string in "
                             "place of a list: put it into one")
        self.name = name
        self.documents = documents
        self.passages = documents if passages is None else passages
        self.note = note

    @property
    def sentences(self):
        """All sentences in order: a list of str."""
        return [sentence for document in self.documents for sentence in document]

    @property
    def num_words(self):
        """The number of words, as separated by spaces; an ideograph is one."""
        return sum(map(_count_words, self.documents))

    @property
    def fingerprint(self):
        """The first 12 hexadecimal digits of the text's SHA-256: they change with any change of the text."""
        return hashlib.sha256(_as_bytes("\n\n".join(map("\n".join, self.documents)))).hexdigest()[:12]

    def __repr__(self):
        return (f"Corpus({self.name}: {self.num_words:,} words, {len(self.sentences):,} sentences, "
                f"{len(self.documents):,} documents, fingerprint {self.fingerprint}"
                f"{self.note and '; '}{self.note})")


# --- reading ---

def python_docs():
    """Return the English prose of this Python installation: half a million words.

    It is about Python, NumPy and Matplotlib, and differs a little between versions, which the fingerprint
    tells apart. `documentation.py` describes the selection.

    Raises:
        CorpusError: Python, NumPy and Matplotlib were installed without their sources.
    """
    return load_corpus([PYTHON_DOCS])


def read_files(paths, lines=None):
    """Return the text of UTF-8 files, and of folders of them, read at all levels in the order of their names.

    A blank line ends a document, and so does the end of a file. Hidden files are left out. Files may be
    compressed (gzip, bzip2, xz). UTF-16 is read where a byte-order mark says so.

    Args:
        paths: a list of str or Path, or one of them; "-" is standard input, and pipes are read, too.
        lines: True: a line is a sentence. False: line ends are spaces, and the text is split into
            sentences by its punctuation. None: as each text looks (see `layout.keeps_lines`), and the note of
            the corpus says which was chosen.

    Raises:
        CorpusError: a path does not exist, a folder holds no files, a file is binary or not UTF-8, or there
            is no text in any of them.
    """
    return _read(_listed(paths), {}, [PYTHON_DOCS], lines)


def load_corpus(names, others=None, lines=None):
    """Return the corpus of "python-docs", of paths of files and folders, or of several of these.

    Args:
        names: a list of str or Path, or one of them; "-" is standard input.
        others: {name: function that returns its Corpus}, further names that are not paths.
        lines: the meaning of a line end in a file, see `read_files`.

    Raises:
        CorpusError: as `python_docs` and `read_files`.
    """
    others = {PYTHON_DOCS: _documentation, **(others or {})}
    return _read(_listed(names), others, list(others), lines)


def _documentation():
    return Corpus(PYTHON_DOCS, read_documentation())


def _listed(names):
    """A single name or path is a list of one, and never a list of letters."""
    return [names] if isinstance(names, (str, os.PathLike)) else list(names)


def _joined(names):
    return ", ".join("standard input" if name == STANDARD_INPUT else str(name) for name in names)


def _read(names, corpora, known_names, lines):
    """Return the Corpus of names and paths, one after the other; `known_names` are those that errors list."""
    documents, passages, choices = [], [], []
    for name in names:
        if name in corpora:
            corpus = corpora[name]()
            documents += corpus.documents
            passages += corpus.passages
            continue
        for text in _texts_of(name, known_names):
            choice = keeps_lines(text) if lines is None else None
            found = split_documents(text, lines, choice)
            documents += found[0]
            passages += found[1]
            choices.append(choice)
    if not documents:
        raise CorpusError(f"corpus {_joined(names)} is empty; give a text of two documents or more, or "
                          "of one for word vectors")
    return Corpus(_joined(names), documents, passages, _note(choices))


def _note(choices):
    """Return how lines were read, where there was a choice: the answers of `keeps_lines` for each text."""
    choices = [choice for choice in choices if choice is not None]
    if not any(choices):
        return "line ends read as spaces, as the text looks (--lines decides)" if choices else ""
    texts = "" if all(choices) else f" in {sum(choices)} of {len(choices)} texts"
    return f"line ends read as ends of sentences{texts}, as the text looks (--no-lines decides)"


def check_pairs(corpus):
    """Return the corpus if sentence pairs can be made of it.

    Raises:
        CorpusError: there are fewer than two documents, or none with two sentences.
    """
    longest = max(map(len, corpus.documents), default=0)
    if len(corpus.documents) < 2 or longest < 2:
        raise CorpusError(f"corpus {corpus.name} is too small for sentence pairs: documents "
                          f"{len(corpus.documents)}, sentences in the longest {longest}; give two documents "
                          "or more, with a blank line between them, and two sentences or more in one of them")
    return corpus


def _texts_of(name, known_names):
    """Yield the text of a file, of the files of a folder, of a pipe or of standard input."""
    if not str(name):
        raise CorpusError("the name of a corpus is empty; give a text file, a folder of text files, or -")
    if name == STANDARD_INPUT:
        if sys.stdin is None:
            raise CorpusError("corpus - is standard input, but it is closed; give a file")
        yield decoded(sys.stdin.buffer.read(), "corpus standard input", CorpusError)
        return
    for file in _files_in(Path(name), known_names):
        try:
            content = file.read_bytes()
        except OSError as error:
            raise CorpusError(f"corpus file {file} cannot be read: {error.strerror}") from None
        yield decoded(content, f"corpus file {file}", CorpusError)


def _files_in(path, known_names):
    if _can_be_read(path):
        return [path]
    if not path.is_dir():
        raise CorpusError(f"corpus {path} does not exist; give {_joined(known_names)}, a text file, or a "
                          "folder of text files")
    files = [file for file in sorted(path.rglob("*")) if file.is_file()
             and not any(part.startswith(".") for part in file.relative_to(path).parts)]
    if not files:
        raise CorpusError(f"corpus folder {path} holds no files; give a folder of UTF-8 text files")
    return files


def _can_be_read(path):
    """Return whether a path is a file or a pipe; CorpusError for a device, which may never end."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    if stat.S_ISBLK(mode) or stat.S_ISCHR(mode) and not (path.samefile(os.devnull) or _is_terminal(path)):
        raise CorpusError(f"corpus {path} is a device; give a text file, a folder of text files, or a pipe")
    return not stat.S_ISDIR(mode)


def _is_terminal(path):
    with open(path, "rb") as stream:
        return stream.isatty()


# --- held-out text ---

def split_held_out(corpus, fraction=0.05, seed=0):
    """Return (training corpus, held-out corpus): whole documents set apart, with no sentence in common.

    The documents are put in an order that depends on each one's text and on `seed` alone (a hash), and taken
    from its start until they hold `fraction` of the words; one that would be too much is passed over. Then
    each sentence that a training document holds as well, whatever its case and spacing, is removed from the
    held-out documents: a model can remember a sentence it was trained on, and evaluation measures something
    else. Documents left with fewer than two sentences are dropped, because they have no pair. Where fewer
    than two documents are left (a "not next" sentence comes from another one), larger fractions are tried, up
    to one half.

    Raises:
        CorpusError: the corpus is too small for it.
    """
    order = sorted(range(len(corpus.documents)), key=lambda index: _hash(corpus.documents[index], seed))
    while True:
        training, held_out = _split_documents(corpus.documents, order, fraction)
        if len(held_out) >= 2 and len(training) >= 2 and max(map(len, training)) >= 2:
            return (Corpus(f"{corpus.name} (training)", training),
                    Corpus(f"{corpus.name} (held out)", held_out))
        if fraction >= 0.5:
            raise CorpusError(
                f"corpus {corpus.name} is too small to hold out text for evaluation: of its "
                f"{len(corpus.documents)} documents, two must be held out, with two sentences each that no "
                "other document holds; give more text, with a blank line between documents")
        fraction = min(2 * fraction, 0.5)


def split_held_out_texts(corpus, fraction=0.05):
    """Return (training corpus, held-out corpus) of a text without pairs: its last sentences are held out.

    Those that the training text holds as well are left out, as in `split_held_out`.

    Raises:
        CorpusError: there are too few sentences.
    """
    sentences = corpus.sentences
    while True:
        num_training = len(sentences) - max(1, int(fraction * len(sentences)))
        seen = {_normalised(sentence) for sentence in sentences[:num_training]}
        held_out = [sentence for sentence in sentences[num_training:] if _normalised(sentence) not in seen]
        if held_out and seen:
            break
        if fraction >= 0.5:
            raise CorpusError(f"corpus {corpus.name} is too small to hold out text for evaluation: it has "
                              f"{len(sentences)} sentences; give more text")
        fraction = min(2 * fraction, 0.5)
    training, left = [], num_training
    for document in corpus.documents:
        training += [document[:left]] if left > 0 else []
        left -= len(document)
    return (Corpus(f"{corpus.name} (training)", training),
            Corpus(f"{corpus.name} (held out)", [held_out]))


def _split_documents(documents, order, fraction):
    """Return (training documents, held-out documents)."""
    lengths = [_count_words(document) for document in documents]
    allowance = fraction * sum(lengths)
    chosen = set()
    for index in order:
        if len(documents[index]) >= 2 and lengths[index] <= allowance:
            allowance -= lengths[index]
            chosen.add(index)
    training = [document for index, document in enumerate(documents) if index not in chosen]
    seen = {_normalised(sentence) for document in training for sentence in document}
    held_out = []
    for index in sorted(chosen):
        document = [sentence for sentence in documents[index] if _normalised(sentence) not in seen]
        if len(document) >= 2:
            held_out.append(document)
    return training, held_out


def _hash(document, seed):
    return hashlib.sha256(_as_bytes("\n".join([str(seed), *document]))).digest()


def _as_bytes(text):
    return text.encode("utf-8", "backslashreplace")  # documentation about Unicode may hold lone surrogates


def _count_words(document):
    return sum(len((sentence if sentence.isascii() else IDEOGRAPH.sub(" x ", sentence)).split())
               for sentence in document)


def _normalised(sentence):
    return " ".join(sentence.casefold().split())
