"""Files of word vectors: the word2vec format, text and binary, and GloVe's, the text without its first line.

    text      "V D\\n", then a line for each word: the word, D numbers, with a space between
    binary    "V D\\n", then for each word: the word, a space, D float32 of four bytes, lowest byte first

The C program ends each binary vector with a line feed, and gensim does not; both are read. A word of GloVe's
may hold spaces (". . ." in the largest published file): the last D fields of a line are the numbers, and the
rest is the word. Lines end at the line feed and nowhere else, because words of the Web hold all that Unicode
calls a line end.
"""

import pathlib
import warnings

import numpy as np

from minibert.files import write_atomically

SAMPLE_BYTES = 1 << 16  # read to tell text from binary


class VectorsFileError(ValueError):
    """A file of word vectors is malformed; the message says where and what was expected."""


def write(path, words, vectors, binary=False):
    """Write words and vectors (V, D) in the word2vec format, all or nothing.

    Text has nine significant digits, which give back every float32 to the bit.

    Raises:
        ValueError: a word is empty or holds white space, with which the format cannot be read again.
    """
    for word in words:
        if not word or any(space in word for space in " \t\n\r\v\f"):
            raise ValueError(f"the word {word!r} cannot be saved: in this format a space ends the word")
    vectors = np.asarray(vectors, "<f4")
    header = f"{len(vectors)} {vectors.shape[1]}\n".encode()
    if binary:
        rows = [word.encode() + b" " + vector.tobytes() for word, vector in zip(words, vectors)]
        content = header + b"".join(rows)
    else:
        numbers = " ".join(["%.9g"] * vectors.shape[1])
        lines = [f"{word} {numbers % tuple(vector.tolist())}\n" for word, vector in zip(words, vectors)]
        content = header + "".join(lines).encode()
    write_atomically(pathlib.Path(path), content)


def read(path, binary=None):
    """Return (words, vectors (V, D) float32) of a file in one of the three formats; None tells them apart.

    Of duplicate words the first is kept, with a warning, as gensim does.

    Raises:
        OSError: there is no such file, or it cannot be read.
        VectorsFileError: the file is malformed; the message says which line, or which word of a binary file.
    """
    with open(path, "rb") as file:
        first = file.readline()
        sizes = _header(first)
        is_binary = binary
        if binary is None:
            is_binary = sizes is not None and _looks_binary(file.read(SAMPLE_BYTES))
        file.seek(0 if sizes is None else len(first))
        if is_binary:
            if sizes is None:
                raise VectorsFileError(f"{path}, line 1: a binary file begins with its number of words and "
                                       f"of dimensions (as in 10000 100), got {_shortened(first)}; is it "
                                       "text?")
            words, vectors = _read_binary(path, file, *sizes)
        else:
            words, vectors = _read_text(path, file, sizes)
    unusable = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(unusable):
        raise VectorsFileError(f"{path}, word {unusable[0] + 1} ({words[unusable[0]]!r}): a number is "
                               "infinite or not a number")
    return _without_repetitions(path, words, vectors)


def _header(line):
    """Return (number of words, number of dimensions) if the line is a header, and None if it is a word's."""
    fields = line.split()
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        return int(fields[0]), int(fields[1])
    return None


def _looks_binary(sample):
    """Vectors in binary hold control characters, which text does not, and bytes that are not UTF-8."""
    if any(byte < 32 and byte not in b"\t\n\r\v\f" for byte in sample):
        return True
    try:
        sample[:sample.rfind(b" ") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _read_text(path, file, sizes):
    """Return (words, vectors) of the lines of a text file; sizes are those of its header, or None."""
    number_before = 0 if sizes is None else 1  # the line of the header
    num_columns = None if sizes is None else sizes[1]
    words, rows = [], []
    for number, line in enumerate(file, start=number_before + 1):
        fields = line.strip(b" \t\r\n").split(b" ")
        if fields == [b""]:
            continue
        if num_columns is None:
            num_columns = len(fields) - 1
        is_short = num_columns < 1 or len(fields) <= num_columns
        is_long = sizes is not None and len(fields) > 1 + num_columns
        if is_short or is_long:
            raise VectorsFileError(f"{path}, line {number}: expected a word and {num_columns or 'its'} "
                                   f"numbers, with one space between, got {_shortened(line)}")
        try:
            words.append(b" ".join(fields[:-num_columns]).decode("utf-8"))
        except UnicodeDecodeError:
            raise VectorsFileError(
                f"{path}, line {number}: the word is not UTF-8: {_shortened(line)}") from None
        try:
            rows.append(np.array(fields[-num_columns:], np.float32))
        except ValueError as error:
            raise VectorsFileError(f"{path}, line {number}: {error}: {_shortened(line)}") from None
    if not words:
        raise VectorsFileError(
            f"{path}, line {number_before + 1}: expected a word and its numbers, got nothing")
    if sizes is not None and len(words) != sizes[0]:
        raise VectorsFileError(f"{path}, line 1: {sizes[0]} words are announced, but {len(words)} follow; "
                               "was the file cut short?")
    return words, np.stack(rows)


def _read_binary(path, file, num_words, num_columns):
    """Return (words, vectors) of what follows the header of a binary file."""
    words, rows = [], []
    content = file.read()
    start = 0
    for number in range(1, num_words + 1):
        start += content[start:start + 1] == b"\n"  # the C program ends a vector with a line feed
        space = content.find(b" ", start)
        end = space + 1 + 4 * num_columns
        if space < 0 or end > len(content):
            raise VectorsFileError(f"{path}, word {number} of {num_words}: the file ends within it, after "
                                   f"byte {file.tell()}; was it cut short?")
        try:
            words.append(content[start:space].decode("utf-8"))
        except UnicodeDecodeError:
            raise VectorsFileError(f"{path}, word {number} of {num_words}: the word is not UTF-8: "
                                   f"{_shortened(content[start:space])}; is {num_columns} its number of "
                                   "dimensions?") from None
        rows.append(np.frombuffer(content, "<f4", num_columns, offset=space + 1))
        start = end
    if content[start:].strip():
        raise VectorsFileError(f"{path}: {num_words} words of {num_columns} numbers are announced, but the "
                               f"file goes on for {len(content) - start} bytes after them")
    if not words or num_columns == 0:
        raise VectorsFileError(f"{path}, line 1: {num_words} words of {num_columns} numbers are announced: "
                               "there is nothing to read")
    return words, np.stack(rows).astype(np.float32)


def _without_repetitions(path, words, vectors):
    first_rows = {}
    for row, word in enumerate(words):
        first_rows.setdefault(word, row)
    if len(first_rows) == len(words):
        return words, vectors
    duplicate = next(word for row, word in enumerate(words) if first_rows[word] != row)
    warnings.warn(f"{path}: number of duplicate words {len(words) - len(first_rows)}, for instance "
                  f"{duplicate!r}; the first vector of each is kept", stacklevel=4)
    return list(first_rows), vectors[list(first_rows.values())]


def _shortened(line):
    text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
    return repr(text if len(text) <= 60 else text[:60] + "…")
