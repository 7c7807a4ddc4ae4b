"""Files of word vectors: the word2vec format, text and binary, and GloVe's, the text without its first line.

    text      "V D\\n", then a line for each word: the word, D numbers, with a space between
    binary    "V D\\n", then for each word: the word, a space, D float32 of four bytes, lowest byte first

The C program ends each binary vector with a line feed, and gensim does not; both are read. A word of a text
file may hold spaces (". . ." in GloVe's largest file): the last D fields of a line are the numbers, and the
rest is the word. Lines end at the line feed and nowhere else, because words of the Web hold all that Unicode
calls a line end.

Nothing in a file says which of the three it is. `_layout` decides by the lines it begins with, and a file
whose lines fit none of the three is refused.
"""

import codecs
import collections
import contextlib
import gzip
import io
import lzma
import os
import pathlib
import re
import tempfile
import warnings
import zlib
from typing import NamedTuple

import numpy as np

from minibert.files import opener_of, write_atomically

SAMPLE_BYTES = 1 << 18  # read to tell the formats apart
SAMPLE_LINES = 50
CHUNK_BYTES = 1 << 18  # of a binary file, held beside the vectors
NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?(?:nan|inf|infinity)", re.IGNORECASE)
SPREAD = 40  # powers of two that half of the numbers of a table lie within; misread ones are all over
INTEGER = re.compile(rb"[-+]?\d+")
UNSAVEABLE = re.compile(r"[ \t\n\r\v\f\ud800-\udfff]")
FOREIGN = {
    b"PK\x03\x04": "a zip file; unpack it first",
    b"\x80": "a pickle, as gensim's own `save` writes; write it with model.wv.save_word2vec_format(path)",
    b"\xba\x16\x4f\x2f": "a model of fastText; give its .vec file",
    b"version https://git-lfs": "a Git LFS pointer and not the file, which `git lfs pull` fetches",
}
SKIP_HINT = "(errors='skip' leaves out malformed words)"


class VectorsFileError(ValueError):
    """A file of word vectors is malformed; the message names the place and the form expected."""


class Layout(NamedTuple):
    """The form of a file, as its first lines show it."""

    num_lines: int  # before the first word: blank lines, comments, the header
    num_words: int | None  # as announced; None without a header
    num_columns: int
    is_binary: bool


class Table:
    """The words that were read, and an array that grows, so that the vectors are in memory once."""

    def __init__(self, num_columns, num_rows):
        self.vectors = np.empty((max(num_rows, 1), num_columns), np.float32)
        self.rows = {}  # {word: row}
        self.duplicates = collections.Counter()

    def add(self, word, vector):
        """Add a word; a word that is there already keeps its first vector."""
        row = len(self.rows)
        if self.rows.setdefault(word, row) != row:
            self.duplicates[word] += 1
            return
        if row == len(self.vectors):
            self.vectors.resize((row + row // 2 + 1, self.vectors.shape[1]), refcheck=False)
        self.vectors[row] = vector

    def finish(self):
        """Return (words, vectors)."""
        self.vectors.resize((len(self.rows), self.vectors.shape[1]), refcheck=False)
        return list(self.rows), self.vectors


# --- writing ---


def unsaveable(words):
    """Return the words that no file can hold: empty, with white space of ASCII, or with half a surrogate."""
    return [word for word in words if not word or UNSAVEABLE.search(word)]


def write(path, words, vectors, binary=False):
    """Write words and vectors (V, D) in the word2vec format, all or nothing; gzipped if `path` ends in .gz.

    Text has nine significant digits, which give back every float32 to the bit.

    Raises:
        ValueError: a word is one that the format cannot hold, see `unsaveable`.
    """
    problems = unsaveable(words)
    if problems:
        raise ValueError(f"the word {problems[0]!r} cannot be saved: in this format a space ends the word, "
                         "and all of it must be valid in UTF-8")
    vectors = np.asarray(vectors, "<f4")
    header = f"{len(vectors)} {vectors.shape[1]}\n".encode()
    if binary:
        rows = [word.encode() + b" " + vector.tobytes() for word, vector in zip(words, vectors)]
        content = header + b"".join(rows)
    else:
        numbers = " ".join(["%.9g"] * vectors.shape[1])
        lines = [f"{word} {numbers % tuple(vector.tolist())}\n" for word, vector in zip(words, vectors)]
        content = header + "".join(lines).encode()
    path = pathlib.Path(path)
    write_atomically(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


# --- reading ---


def read(path, binary=None, *, encoding="utf-8", errors="strict", limit=None):
    """Return (words, vectors (V, D) float32) of a file in one of the three formats; None tells them apart.

    Of duplicate words the first is kept, with a warning, as gensim does.

    Args:
        path: a file, which may be compressed (gzip, bzip2, xz), or a pipe.
        binary: True, False, or None to find out.
        encoding: of the words.
        errors: "strict" refuses a malformed file. "skip" leaves out malformed words and says how many:
            those that are not in the encoding, are empty, have too few numbers, or one that is not finite.
            "replace", "ignore" and the other names of `bytes.decode` read a word that is not in the encoding.
        limit: read no more than this number of words.

    Raises:
        OSError: there is no such file, or it cannot be read.
        VectorsFileError: the file is malformed; the message says which line, or which word of a binary file.
        ValueError: encoding, errors or limit are not as described.
    """
    _check_options(encoding, errors, limit)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_errors_of_compression(path))
        stack.enter_context(np.errstate(over="ignore"))  # 1e39 is infinite, and refused as such
        file = _opened(stack, path, encoding, errors)
        sample = file.read(SAMPLE_BYTES)
        for magic, name in FOREIGN.items():
            if sample.startswith(magic):
                raise VectorsFileError(f"{path} is {name}")
        num_mark = 3 * sample.startswith(codecs.BOM_UTF8)
        layout = _layout(path, sample[num_mark:], len(sample) < SAMPLE_BYTES, binary)
        del sample
        file.seek(num_mark)
        for _ in range(layout.num_lines):
            file.readline()
        num_bytes = _num_bytes(file) - file.tell()
        if _is_wide(encoding):  # its lines come as UTF-8
            encoding = "utf-8"
        reader = _read_binary if layout.is_binary else _read_text
        table, skipped = reader(path, file, layout, num_bytes, encoding, errors, limit)
    words, vectors = table.finish()
    if not words:
        raise VectorsFileError(f"{path}, line {layout.num_lines + 1}: expected a word and its numbers, got "
                               "nothing" + (f" but the skipped: {skipped[0]}" if skipped else ""))
    if skipped:
        warnings.warn(f"{path}: {len(skipped)} malformed words were left out, the first at {skipped[0]}",
                      stacklevel=3)
    if table.duplicates:
        warnings.warn(f"{path}: number of duplicate words {table.duplicates.total()}, for instance "
                      f"{next(iter(table.duplicates))!r}; the first vector of each is kept", stacklevel=3)
    return words, vectors


@contextlib.contextmanager
def _errors_of_compression(path):
    """Turn the errors of a compressed file that is broken into a VectorsFileError."""
    try:
        yield
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the file, not of its content
            raise
        raise VectorsFileError(f"{path} is a compressed file that is cut short or broken ({error}); give a "
                               "whole one") from None


def _check_options(encoding, errors, limit):
    try:
        codecs.lookup(encoding)
    except (LookupError, TypeError):
        raise ValueError(f"encoding is {encoding!r}; expected the name of one, such as 'utf-8' or 'latin-1'"
                         ) from None
    try:
        codecs.lookup_error("strict" if errors == "skip" else errors)
    except (LookupError, TypeError):
        raise ValueError(f"errors is {errors!r}; expected 'strict', 'skip', 'replace', 'ignore' or another "
                         "name that bytes.decode takes") from None
    if limit is not None and not (isinstance(limit, (int, np.integer)) and limit >= 1):
        raise ValueError(f"limit is {limit!r}; it must be a whole number of words, 1 or more, or None")


def _is_wide(encoding):
    """Whether a space takes more bytes than one, as in UTF-16."""
    return len(" ".encode(encoding)) > 1


def _opened(stack, path, encoding, errors):
    """Open a file for reading bytes: unpacked, seekable, and in UTF-8 if its encoding is a wide one."""
    file = stack.enter_context(open(path, "rb"))
    if not file.seekable():
        file = stack.enter_context(_copied(file))
    magic = file.read(10)
    file.seek(0)
    opener = opener_of(magic)
    if opener is not None:
        file = stack.enter_context(opener(file))
    if _is_wide(encoding):
        handler = "strict" if errors == "skip" else errors
        decoded = stack.enter_context(io.TextIOWrapper(file, encoding, handler, newline="\n"))
        file = stack.enter_context(_copied(line.encode("utf-8", "surrogatepass") for line in decoded))
    elif magic.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise VectorsFileError(f"{path}, line 1: begins as UTF-16 does: give encoding='utf-16'")
    return file


def _copied(parts):
    """Return a temporary file that holds the bytes of an iterable."""
    file = tempfile.TemporaryFile()
    file.writelines(parts)
    file.seek(0)
    return file


def _num_bytes(file):
    """Return the size of a file; of a compressed one a guess, since only reading it would tell."""
    num_bytes = os.fstat(file.fileno()).st_size
    return num_bytes if isinstance(file, io.BufferedReader | io.BufferedRandom) else 4 * num_bytes


# --- the formats told apart ---


def _layout(path, sample, is_whole, binary):
    """Return the Layout of a file that begins with the sample.

    A header has to fit the lines after it. Without one, D is the number of numbers that most lines end with.
    """
    lines = sample.split(b"\n")
    if not is_whole and len(lines) > 1:
        lines.pop()  # it is cut
    rows = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    begun = next((place for place, (_, line) in enumerate(rows) if not line.startswith(b"#")), 0)
    if not rows:
        raise VectorsFileError(f"{path}, line 1: expected a word and its numbers, got an empty file")
    header_line, header = rows[begun]
    sizes = _header(header)
    if sizes is None and binary:
        raise VectorsFileError(f"{path}, line {header_line}: a binary file begins with its number of words "
                               f"and of dimensions (as in 10000 100), got {_shortened(header)}; is it text?")
    if sizes is not None:
        layout = Layout(header_line, *sizes, is_binary=bool(binary))
        body = rows[begun + 1:begun + 1 + SAMPLE_LINES]
        num_fitting = sum(_numbers_at_end(line) >= sizes[1] > 0 for _, line in body)
        rest = sample[sum(len(line) + 1 for line in lines[:header_line]):]
        if binary and 2 * num_fitting > len(body):
            raise VectorsFileError(f"{path}, line {body[0][0]}: binary=True, but the lines are text: "
                                   f"{_shortened(body[0][1])}")
        if binary or 0 in sizes:
            return layout
        if binary is None and 2 * num_fitting < max(len(body), 1) and _looks_binary(rest, *sizes, is_whole):
            return layout._replace(is_binary=True)
        if num_fitting or not body:
            return layout
        if not all(_numbers_at_end(line) == 1 == line.count(b" ") for _, line in body):
            number, line = body[0]
            raise VectorsFileError(
                f"{path}, line {number}: line {header_line} announces {sizes[1]} numbers for each word, "
                f"and this is not a word with {sizes[1]} numbers, neither in text nor in "
                f"binary: {_shortened(line)}")
    body = [line for _, line in rows if not line.startswith(b"#")] or [line for _, line in rows]
    found = collections.Counter(filter(None, map(_numbers_at_end, body[:SAMPLE_LINES])))
    if not found:
        raise VectorsFileError(f"{path}, line {header_line}: expected a word and its numbers, got "
                               f"{_shortened(header)}")
    num_columns = found.most_common(1)[0][0]
    comments = [number for number, line in rows[:begun] if _numbers_at_end(line) < num_columns]
    return Layout(len(comments) and comments[-1], None, num_columns, is_binary=False)


def _header(line):
    """Return (number of words, number of dimensions) if the line may be a header, and None if not."""
    fields = line.split()
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        return int(fields[0]), int(fields[1])
    return None


def _numbers_at_end(line):
    """Return the number of fields at the end of a line that are numbers; the first field is a word."""
    fields = line.split()[1:]
    others = (place for place, field in enumerate(reversed(fields)) if not NUMBER.fullmatch(field))
    return next(others, len(fields))


def _looks_binary(rest, num_words, num_columns, is_whole):
    """Whether the rest of a file is words, each with a space and D float32, and does not read as text."""
    start = 0
    ends = []
    while len(ends) < num_words:
        start += rest[start:start + 1] == b"\n"
        space = rest.find(b" ", start)
        end = space + 1 + 4 * num_columns
        if b"\n" in rest[start:space if space >= 0 else start]:
            return False
        if space < 0 or end > len(rest):
            break
        ends.append((space + 1, end))
        start = end
    if is_whole and len(ends) == num_words and not rest[start:].strip():
        return True
    numbers = b"".join(rest[first:end] for first, end in ends[:SAMPLE_LINES])
    return any(byte < 32 and byte not in b"\t\n\r\v\f" for byte in numbers) or not _is_utf8(rest[:start])


def _is_utf8(content):
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


# --- text ---


def _read_text(path, file, layout, num_bytes, encoding, errors, limit):
    """Return (Table, places of skipped lines) of the lines of a text file."""
    num_columns, announced = layout.num_columns, layout.num_words
    least_bytes = 2 * num_columns + 2  # of a line
    table = Table(num_columns, min(announced or 1 << 12, num_bytes // least_bytes + 1, limit or 1 << 60))
    skipped, num_read = [], 0
    for number, line in enumerate(file, start=layout.num_lines + 1):
        if not line.strip() or _is_comment(line, num_columns):
            continue
        if num_read == limit:
            break
        num_read += 1
        try:
            word, vector = _parse(line, num_columns, encoding, errors)
            if not np.isfinite(vector).all():
                raise ValueError(f"word {num_read} ({word!r}): a number is infinite or not a number")
            table.add(word, vector)
        except ValueError as error:
            if errors != "skip":
                raise VectorsFileError(f"{path}, line {number}: {error} {SKIP_HINT}") from None
            skipped.append(f"line {number}")
    else:
        if announced not in (None, num_read):
            message = (f"{path}, line {layout.num_lines}: {announced} words are announced, but {num_read} "
                       "follow; was the file cut short?")
            if errors != "skip":
                raise VectorsFileError(message)
            warnings.warn(message, stacklevel=4)
    return table, skipped


def _is_comment(line, num_columns):
    """Whether a line begins with # and is not the vector of such a word."""
    return line.startswith(b"#") and _numbers_at_end(line) < min(2, num_columns)


def _parse(line, num_columns, encoding, errors):
    """Return the word of a line and its vector (D,); a ValueError names the problem."""
    fields = line.strip().rsplit(None, num_columns)
    if len(fields) == num_columns and line[:1].isspace():
        raise ValueError(f"the word is empty: {_shortened(line)}")
    if num_columns < 1 or len(fields) <= num_columns or _is_long(fields):
        raise ValueError(f"expected a word and {num_columns or 'its'} numbers, separated by spaces, got "
                         f"{_shortened(line)}")
    try:
        word = fields[0].decode(encoding, "strict" if errors == "skip" else errors)
    except UnicodeDecodeError:
        raise ValueError(f"the word is not {_name(encoding)}: {_shortened(line)}; give another encoding, or "
                         "errors='replace'") from None
    if b"\r" in fields[0]:
        raise ValueError("a carriage return within a line: save the file with line feeds as line ends")
    try:
        if any(b"_" in field for field in fields[1:]):  # Python takes 1_0 for 10
            raise ValueError("_ in a number")
        vector = np.array(fields[1:], np.float32)
    except ValueError as error:
        raise ValueError(f"{error}: {_shortened(line)}") from None
    return word, vector


def _is_long(fields):
    """Whether the word, which may hold spaces, ends with a number that seems to be one of the vector's."""
    word, *numbers = fields
    if b" " not in word and b"\t" not in word:
        return False
    last = word.split()[-1]
    if not NUMBER.fullmatch(last):
        return False
    return not INTEGER.fullmatch(last) or all(map(INTEGER.fullmatch, numbers))  # "windows 95" 0.1 0.2


def _name(encoding):
    return "UTF-8" if encoding == "utf-8" else encoding


# --- binary ---


def _read_binary(path, file, layout, num_bytes, encoding, errors, limit):
    """Return (Table, places of skipped words) of the rest after the header of a binary file."""
    num_words, num_columns = layout.num_words, layout.num_columns
    if num_words == 0 or num_columns == 0:
        raise VectorsFileError(f"{path}, line {layout.num_lines}: {num_words} words of {num_columns} numbers "
                               "are announced: there is nothing to read")
    length = 4 * num_columns
    table = Table(num_columns, min(num_words, num_bytes // (length + 2) + 1, limit or num_words))
    skipped, content, start = [], b"", 0
    for number in range(1, min(num_words, limit or num_words) + 1):
        if len(content) - start < length + CHUNK_BYTES // 4:
            content, start = content[start:] + file.read(CHUNK_BYTES + length), 0
        start += content[start:start + 1] == b"\n"  # the C program ends a vector with a line feed
        space = content.find(b" ", start)
        end = space + 1 + length
        place = f"word {number} of {num_words}"
        if space < 0 or end > len(content):
            raise VectorsFileError(f"{path}, {place}: the file ends within it, after byte {file.tell()}; was "
                                   "it cut short?")
        vector = np.frombuffer(content, "<f4", num_columns, offset=space + 1)
        try:
            word = _binary_word(content[start:space], vector, encoding, errors)
            table.add(word, vector)
        except ValueError as error:
            if errors != "skip":
                hint = f" {SKIP_HINT}" if number > 1 else f"; is {num_columns} its number of dimensions?"
                raise VectorsFileError(f"{path}, {place}{error}{hint}") from None
            skipped.append(place)
        start = end
    _warn_of_absurd(path, table.vectors[:min(len(table.rows), SAMPLE_LINES)])
    rest = content[start:] + file.read() if limit is None else b""
    if rest.strip():
        raise VectorsFileError(f"{path}: {num_words} words of {num_columns} numbers are announced, but the "
                               f"file continues for {len(rest)} bytes after them")
    return table, skipped


def _warn_of_absurd(path, vectors):
    """Warn if these numbers (N, D) are hardly float32 with the lowest byte first, but others misread."""
    sizes = np.abs(vectors[vectors != 0])
    if sizes.size == 0:
        return
    lower, upper = np.percentile(np.log2(sizes), [25, 75])
    if np.median(sizes) < np.finfo(np.float32).tiny or (sizes.size >= 16 and upper - lower > SPREAD):
        warnings.warn(f"{path}: the numbers of its first words make no sense, such as {sizes.min():.1e} and "
                      f"{sizes.max():.1e}: are they float32, with the lowest byte first?", stacklevel=5)


def _binary_word(content, vector, encoding, errors):
    """Return the word in some bytes; a ValueError names the problem with it or its vector."""
    if not content:
        raise ValueError(": the word is empty")
    try:
        word = content.decode(encoding, "strict" if errors == "skip" else errors)
    except UnicodeDecodeError:
        raise ValueError(f": the word is not {_name(encoding)}: {_shortened(content)}; give another "
                         "encoding, or errors='replace'") from None
    if not np.isfinite(vector).all():
        raise ValueError(f" ({word!r}): a number is infinite or not a number")
    return word


def _shortened(line):
    text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
    return repr(text if len(text) <= 60 else text[:60] + "…")
