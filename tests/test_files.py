"""files.py: tensor files are read bit by bit, and a broken or hostile one ends in a message at once."""

import json
import os
import pathlib
import threading

import numpy as np
import pytest
from helpers import memory_below, safetensors_bytes, with_header

from minibert import files
from minibert.files import CheckpointError


def test_bfloat16_bit_by_bit(tmp_path):
    bits = np.array([0x3F80, 0xC000, 0x3EAB, 0x7F7F, 0x0001, 0x8000, 0x7F80, 0xFF80, 0x7FC0], "<u2")
    (tmp_path / "x").write_bytes(
        safetensors_bytes({"x": ("BF16", (3, 3), bits.tobytes()), "n": ("I16", (), b"\2\0")})
    )
    arrays = files.read_tensors(tmp_path / "x")
    expected = [1, -2, 0.333984375, (2 - 2**-7) * 2.0**127, 2.0**-133, -0.0, np.inf, -np.inf, np.nan]
    assert arrays["x"].dtype == np.float32 and arrays["x"].shape == (3, 3)
    assert np.array_equal(arrays["x"].ravel(), np.array(expected, np.float32), equal_nan=True)
    assert np.signbit(arrays["x"].ravel()[5])
    assert arrays["n"] == 2 and arrays["n"].shape == () and arrays["n"].dtype == np.int16


# --- broken and hostile files: a message at once, and little memory ---


def entry(shape=(2,), offsets=(0, 8), dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


TEN_TERABYTES = 10 * 2**40
HOSTILE = {
    "empty": (b"", "it is empty"),
    "half a length": (b"\1\2", "the file has 2,"),
    "header of 10 TB": (
        TEN_TERABYTES.to_bytes(8, "little") + b"{}",
        "header has 10,995,116,277,760 bytes; the file has 10,",
    ),
    "header of 2**64 - 1": (b"\xff" * 8 + b"{}", "header has 18,446,744,073,709,551,615 bytes"),
    "header as long as a film": (
        with_header(b" " * (5 << 20)),
        "has 5,242,880 bytes; .* a header at most 4,194,304",
    ),
    "tensor of 10 TB": (
        {"x": entry((TEN_TERABYTES // 4,), (0, TEN_TERABYTES))},
        "take 10,995,116,277,760 bytes, and there are 8",
    ),
    "sizes that overflow": ({"x": entry((2**32, 2**32, 4), (0, 0))}, "'x' claims 0 bytes for .* of F32"),
    "negative size": ({"x": entry((-2,), (0, 8))}, "impossible dtype, shape or offset: .*-2"),
    "two negative sizes": ({"x": entry((-2, -1), (0, 8))}, "impossible"),
    "negative offset": ({"x": entry((2,), (-8, 0))}, "impossible"),
    "offsets backwards": ({"x": entry((2,), (8, 0))}, "'x' claims -8 bytes"),
    "a size that is no number": ({"x": entry(("2",))}, "impossible"),
    "a size that is true": ({"x": entry((True, 2))}, "impossible"),
    "a size with a point": ({"x": entry((2.0,))}, "impossible"),
    "an enormous size": ({"x": entry((10**400,))}, "impossible"),
    "a dtype that is no name": ({"x": entry(dtype=["F32"])}, "impossible"),
    "many axes": ({"x": entry([1] * 100_000)}, "impossible"),
    "a shape that is no list": ({"x": entry(shape=2)}, "needs dtype, shape and data_offsets"),
    "three offsets": ({"x": entry(offsets=(0, 4, 8))}, "needs dtype, shape and data_offsets"),
    "no offsets": ({"x": {"dtype": "F32", "shape": [2]}}, "needs dtype, shape and data_offsets"),
    "a tensor that is a number": ({"x": 3}, "needs dtype, shape and data_offsets, got 3"),
    "many names for the same bytes": (
        {f"x{k}": entry() for k in range(9)},
        "begins at byte 0 of the numbers, and 8 comes next",
    ),
    "a gap": (
        {"x": entry((1,), (0, 4)), "y": entry((0,), (8, 8))},
        "'y' begins at byte 8 of the numbers, and 4 comes next",
    ),
    "bytes left over": ({"x": entry((1,), (0, 4))}, "its tensors take 4 bytes, and there are 8"),
    "a list": ([1, 2], "its header is not a JSON object"),
    "no JSON": (with_header(b"{]"), "Expecting property name"),
    "no UTF-8": (with_header(b'{"\xff": 1}'), "can't decode byte 0xff"),
    "nested without end": (with_header(b"[" * 200_000), "recursion"),
    "a zip archive": (b"PK\3\4" + bytes(500), "a zip file or a pickle, as torch.save writes"),
    "a Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid",
        "Git LFS pointer, .*git lfs pull",
    ),
    "a web page": (b"\n<!DOCTYPE html><html>", "a web page, not the file; download it again"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tensor_files(name, tmp_path):
    content, message = HOSTILE[name]
    content = content if isinstance(content, bytes) else with_header(json.dumps(content).encode(), bytes(8))
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with (
        memory_below(10_000_000),
        pytest.raises(CheckpointError, match=f"{path.name} cannot be read.*{message}") as refusal,
    ):
        files.read_tensors(path)
    assert len(str(refusal.value)) < 600


def test_a_file_cut_short_anywhere(tmp_path):
    content = safetensors_bytes({"x": ("F32", (3,), bytes(12)), "y": ("BF16", (2, 1), bytes(4))})
    (tmp_path / "x").write_bytes(content)
    assert files.read_tensors(tmp_path / "x").keys() == {"x", "y"}
    for length in range(len(content)):
        (tmp_path / "x").write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="was it cut short when it was copied"):
            files.read_tensors(tmp_path / "x")


def test_what_safetensors_writes_is_read(tmp_path):
    """Every type that its NumPy part can write, empty arrays and single numbers too."""
    rng = np.random.default_rng(0)
    names = (
        "float64",
        "float32",
        "float16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint64",
        "uint32",
        "uint16",
        "uint8",
        "bool",
    )
    arrays = {
        f"{name} {shape}": (100 * rng.standard_normal(shape)).astype("int8").astype(name)
        for name in names
        for shape in [(), (3,), (0, 4), (2, 3, 5)]
    }
    files.write_tensors(tmp_path / "x", arrays, {"about": "nothing"})
    read = files.read_tensors(tmp_path / "x")
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (
            read[name].dtype == array.dtype
            and read[name].shape == array.shape
            and np.array_equal(read[name], array)
        )


# --- writing ---


def test_a_link_is_followed_and_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "kept").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    files.write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "kept").read_bytes() == b"new"

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device: '.*kept'"):
        files.write_atomically(tmp_path / "kept", b"newer")
    assert (tmp_path / "kept").read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "link"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    files.write_atomically(pipe, b"words")
    reader.join(timeout=10)
    assert read == [b"words"] and pipe.is_fifo()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_device_that_is_full_is_named():
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        files.write_atomically(pathlib.Path("/dev/full"), bytes(100_000))
