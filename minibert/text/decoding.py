"""Bytes in, text out: encodings, byte-order marks, compressed files, line ends."""

import codecs
import io
import zlib
from lzma import LZMAError

from minibert.files import opener_of


def decoded(content, name, error_class):
    """Return the text of a file that holds these bytes, with "\\n" for all line ends.

    UTF-8, with a byte-order mark or without; UTF-16 where one says so; compressed or not.

    Args:
        content: bytes.
        name: of the file, for errors: "corpus file a.txt".
        error_class: is raised, with a sentence, where the bytes are not a text.
    """
    content = _unpacked(content, name, error_class)
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:  # "sig": Windows editors put a byte-order mark in front
        text = "\0" if b"\0" in content and not is_utf16 else content.decode(
            "utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise error_class(f"{name} is not {'UTF-16' if is_utf16 else 'UTF-8'}: byte "
                          f"{content[error.start]:#04x} at offset {error.start}; save it again with the "
                          "encoding UTF-8") from None
    if "\0" in text:
        raise error_class(f"{name} is binary, or in UTF-16 or UTF-32, because it holds NUL bytes; "
                          "give text files saved as UTF-8, and keep other files out of a folder of them")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _unpacked(content, name, error_class):
    """Return the bytes of a file without compression."""
    opener = opener_of(content[:10])
    if opener is None:
        return content
    try:
        with opener(io.BytesIO(content)) as file:
            return file.read()
    except (OSError, EOFError, LZMAError, zlib.error) as error:
        raise error_class(f"{name} is a compressed file that is cut short or broken ({error}); give "
                          "a whole one") from None
