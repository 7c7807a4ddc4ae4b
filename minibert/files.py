"""Files that are whole or not there: atomic writes, JSON, the .safetensors format, compressed files.

Nothing in a file is believed before it is checked: sizes and names are compared with the file's true length
before memory is taken or a number is read, so that a broken or hostile file ends in a message at once.
"""

import bz2
import errno
import gzip
import json
import lzma
import math
import os
import pathlib
import shutil
from typing import NamedTuple

import numpy as np

# The number types of .safetensors files. NumPy has no bfloat16: its 16 bits are the upper half of a float32.
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
# Bytes; the header of BERT-large takes 50,000. Parsing a longer one could fill the memory.
MAX_JSON = 1 << 22
# What fsync says where there is nothing to flush to, or no way to.
CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF)


class CheckpointError(ValueError):
    """A checkpoint directory that cannot be read; the message names the file and the problem."""


# --- compressed files ---


def opener_of(start):
    """Return the function that opens a file which begins with these bytes (10 or more), if it is compressed.

    None for a file that is not.
    """
    if start.startswith(b"\x1f\x8b\x08"):
        return gzip.open
    if start.startswith(b"BZh") and start[4:10] == b"1AY&SY":  # "BZh" alone may be a word
        return bz2.open
    return lzma.open if start.startswith(b"\xfd7zXZ\0") else None


# --- writing ---


def write_atomically(path, content):
    """Write bytes so that `path` holds all of them or its earlier content, even after a power cut.

    A symbolic link is followed. A device or a pipe, such as /dev/stdout, is not replaced: the bytes
    are written to it.

    Raises:
        OSError: it cannot be written, with the name of the file; what it held before is still there.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            _replace(path.resolve(), content)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None  # a full disk names no file


def _replace(path, content):
    temporary = path.with_name(f".{path.name}.minibert")  # a name that nobody else has
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            sync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path, content):
    """Write `content` as JSON, atomically."""
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode("utf-8"))


def write_tensors(path, tensors, metadata=None):
    """Write {name: array} as a .safetensors file, atomically."""
    import safetensors.numpy

    # safetensors writes memory as it lies there: without order="C", a transposed or sliced view would come
    # out scrambled.
    in_order = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    write_atomically(path, safetensors.numpy.save(in_order, metadata))


def remove(folder):
    """Remove a folder and all it holds, if it is there."""
    if folder.exists():
        shutil.rmtree(folder)


def flush(path):
    """Flush a file, or a folder's list of names, to disk (folders only on POSIX systems, which alone can)."""
    if path.is_file() or os.name == "posix":
        handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            sync(handle)
        finally:
            os.close(handle)


def sync(handle):
    """Flush an open file or folder to disk, where its file system can.

    Some cannot flush folders (those of VirtualBox, SMB, FUSE) and say so. That is no reason not to write.
    """
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise


# --- reading ---


def read_json(path):
    """Return the object (a dict) that a JSON file of at most MAX_JSON bytes holds.

    UTF-8, or UTF-16 as Windows' tools write it; with a byte-order mark or without.
    """
    try:
        if path.stat().st_size > MAX_JSON:
            raise ValueError(f"{path.stat().st_size:,} bytes, and at most {MAX_JSON:,} are read")
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        with open(path, "rb") as file:
            found = kind_of_foreign(file.read(8))
        raise CheckpointError(f"{path} is not valid JSON: {found or error}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} must hold a JSON object, got a {type(content).__name__}")
    return content


class StoredTensor(NamedTuple):
    """Where a tensor lies in a .safetensors file; its numbers have not been read yet."""

    path: pathlib.Path
    name: str
    dtype: str  # as the file says it: "F32", "BF16", ...
    shape: tuple
    start: int  # its first byte in the file

    def dtype_name(self):
        """NumPy's name of the dtype where it has one: "int64" for "I64"."""
        return (
            np.dtype(DTYPES[self.dtype]).name if self.dtype in DTYPES and self.dtype != "BF16" else self.dtype
        )

    def read(self):
        """Return the numbers as a new array; bfloat16, the upper 16 bits of a float32, becomes float32."""
        if self.dtype not in DTYPES:
            raise CheckpointError(
                f"tensor {self.name!r} in {self.path} holds {brief(self.dtype)}, which NumPy cannot"
            )
        array = np.fromfile(self.path, DTYPES[self.dtype], math.prod(self.shape), offset=self.start)
        array = array.astype(array.dtype.newbyteorder("="), copy=False).reshape(self.shape)
        return (array.astype(np.uint32) << 16).view(np.float32) if self.dtype == "BF16" else array

    def equals(self, other):
        """Whether it is the other tensor, or holds the same numbers."""
        if self is other:
            return True
        alike = (self.dtype, self.shape) == (other.dtype, other.shape)
        return alike and np.array_equal(self.read(), other.read(), equal_nan=True)


def read_tensors(path):
    """Return {name: array} of a .safetensors file."""
    return {name: tensor.read() for name, tensor in stored_tensors(path).items()}


def stored_tensors(path):
    """Return {name: StoredTensor} of a .safetensors file, from its header alone.

    The file: 8 bytes with the length of the header; the header, {name: {"dtype", "shape", "data_offsets":
    [begin, end]}} in JSON; and the numbers of all tensors, one after the other, without gaps.

    Raises:
        CheckpointError: the file is missing, or holds less, more or something else than its header says.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist: the checkpoint is incomplete")
    try:
        with open(path, "rb") as file:
            num_bytes = os.fstat(file.fileno()).st_size
            first = file.read(8)
            header_length = int.from_bytes(first, "little")
            if not first:
                raise ValueError("it is empty")
            if len(first) < 8 or header_length > min(MAX_JSON, num_bytes - 8):
                found = kind_of_foreign(first)
                if found:
                    raise CheckpointError(f"{path} cannot be read: {found}")
                raise ValueError(
                    f"it says that its header has {header_length:,} bytes; the file has {num_bytes:,}, "
                    f"and a header at most {MAX_JSON:,}"
                )
            header = json.loads(file.read(header_length).decode("utf-8"))
        if not isinstance(header, dict):
            raise ValueError("its header is not a JSON object")
        return _checked(path, header, 8 + header_length, num_bytes)
    except CheckpointError:
        raise
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}): was it cut short when it was copied?"
        ) from None


def kind_of_foreign(first):
    """Return a clause that names the kind of a file in place of the right one, or "".

    Args:
        first: its first eight bytes, or more.

    Example:
        >>> kind_of_foreign(b"version https://git-lfs.github.com/spec/v1")
        'it is a Git LFS pointer, not the file; `git lfs pull` fetches that'
    """
    if first.startswith((b"PK\x03\x04", b"\x80\x02")):
        return "it is a zip file or a pickle, as torch.save writes, wrongly named"
    if first.startswith(b"version "):
        return "it is a Git LFS pointer, not the file; `git lfs pull` fetches that"
    if first.lstrip().lower().startswith((b"<!doc", b"<html")):
        return "it is a web page, not the file; download it again"
    return ""


def _checked(path, header, data_start, num_bytes):
    """Return {name: StoredTensor} of a parsed header; ValueError unless it describes the file to the byte."""
    tensors, spans = {}, []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
            numbers = [*shape, begin, end]
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f"tensor {brief(name)} needs dtype, shape and data_offsets, got {brief(entry)}"
            ) from None
        if (
            not isinstance(dtype, str)
            or len(shape) > 32
            or not all(type(n) is int and 0 <= n < 2**63 for n in numbers)
        ):
            raise ValueError(f"tensor {brief(name)} has an impossible dtype, shape or offset: {brief(entry)}")
        if dtype in DTYPES and end - begin != math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize:
            raise ValueError(
                f"tensor {brief(name)} claims {end - begin:,} bytes for {brief(shape)} of {dtype}"
            )
        tensors[name] = StoredTensor(path, name, dtype, tuple(shape), data_start + begin)
        spans.append((begin, end, name))
    position = 0
    for begin, end, name in sorted(spans):  # no gap and no overlap: many names cannot lead to the same bytes
        if begin != position:
            raise ValueError(
                f"tensor {brief(name)} begins at byte {begin:,} of the numbers, and {position:,} comes next"
            )
        position = end
    if data_start + position != num_bytes:
        raise ValueError(f"its tensors take {position:,} bytes, and there are {num_bytes - data_start:,}")
    return tensors


def brief(value):
    """Return repr(value), cut where it is long: the content of a broken file may be."""
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def listed(names, limit=4):
    """Return the first names of many, as text."""
    names = list(names)
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return (
        ", ".join(name if len(name) <= 120 else name[:117] + "..." for name in names[:limit]) + more
        or "nothing"
    )
