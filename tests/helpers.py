"""What many test files need: seeded numbers, parameters, comparisons, commands, what is made once."""

import argparse
import contextlib
import json
import os
import shutil
import time
import tracemalloc

import numpy as np
import pytest

# The sizes of the tests of layers and models, pairwise different, so that a shape identifies its axis.
B, T, S, H, A, D, F, V = 4, 5, 8, 6, 2, 3, 7, 11  # S: tokens attended to, where they are others

INPUT_IDS = np.array([[2, 7, 7, 4, 3], [2, 9, 7, 0, 0], [2, 3, 0, 0, 0], [2, 8, 1, 3, 0]])  # (B, T)
ATTENTION_MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])  # (B, T)
KEY_MASK = ATTENTION_MASK.astype(bool)[:, np.newaxis, np.newaxis, :]  # (B, 1, 1, T)

# --- a sample ---


def sampled(cases, every):
    """Return the cases for `parametrize`: each `every`-th in the plain run, all in the exhaustive one.

    A tuple is a case of several arguments.
    """
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=[pytest.mark.exhaustive] * (number % every != 0),
        )
        for number, case in enumerate(cases)
    ]


# --- numbers and parameters ---


def random(*shape, seed=1):
    """Standard normal numbers: the same at every call, others for another shape or seed."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def scrambled(layer):
    """Give every parameter standard normal values, gains and biases included; return the layer."""
    for number, parameter in enumerate(layer.parameters().values()):
        parameter.value[...] = random(*parameter.value.shape, seed=number)
    return layer


def dropped(x, probability, generator):
    """Dropout by hand: 16-bit draws below k = round(65536 p) are dropped, the others scaled."""
    threshold = round(65536 * probability)
    draws = np.array([int.from_bytes(pair, "little") for pair in batched(generator.bytes(2 * x.size))])
    return x * (draws.reshape(x.shape) >= threshold) * 65536 / (65536 - threshold)


def batched(content):
    """The bytes in pairs."""
    return [content[start : start + 2] for start in range(0, len(content), 2)]


def values(layer):
    """A copy of every parameter's value, by name."""
    return {name: parameter.value.copy() for name, parameter in layer.parameters().items()}


def grads(layer):
    """A copy of every parameter's gradient, by name."""
    return {name: parameter.grad.copy() for name, parameter in layer.parameters().items()}


def gradients_of(model, **batch):
    """The gradients of one forward and backward pass, from zero."""
    model.zero_grad()
    _, cache = model.forward(**batch)
    model.backward(cache)
    return grads(model)


# --- comparisons ---


def assert_same(first, second, name=""):
    """Equal to the last bit and in dtype: arrays, None, and tuples, lists and (ordered) dicts of them."""
    if isinstance(first, dict):
        assert list(first) == list(second), name
        for key in first:
            assert_same(first[key], second[key], f"{name}.{key}")
    elif isinstance(first, (tuple, list)):
        assert len(first) == len(second), name
        for index, (one, other) in enumerate(zip(first, second)):
            assert_same(one, other, f"{name}[{index}]")
    elif first is None:
        assert second is None, name
    else:
        np.testing.assert_array_equal(first, second, err_msg=name, strict=True)


def assert_all_close(first, second, tolerance=1e-12):
    """Dicts with the same keys in the same order, whose arrays differ by at most the tolerance."""
    assert list(first) == list(second)
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=tolerance, atol=tolerance, err_msg=name)


# --- files ---


def safetensors_bytes(entries):
    """A .safetensors file of {name: (dtype, shape, bytes)}, put together here by hand."""
    header, data = {}, b""
    for name, (dtype, shape, content) in entries.items():
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [len(data), len(data) + len(content)],
        }
        data += content
    return with_header(json.dumps(header).encode(), data)


def with_header(header, data=b""):
    return len(header).to_bytes(8, "little") + header + data


@contextlib.contextmanager
def memory_below(limit):
    """Fail where more bytes than that are taken at any time; NumPy's arrays are counted."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


# --- commands and runs ---


def run_command(modules, *arguments):
    """Run `minibert ARGUMENTS` in this process, with the commands of these modules; return the exit code.

    Errors are raised; it is cli.main that prints them as a sentence.
    """
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    for module in modules:
        module.add(commands)
    options = parser.parse_args([str(argument) for argument in arguments])
    return options.run(options)


def quiet(line):
    """The `say` of a run that prints nothing."""


def contents(directory):
    """{relative path: bytes} of all files of a run's directory except its pictures."""
    paths = [path for path in directory.rglob("*") if path.is_file() and path.suffix != ".png"]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}


# --- once in a run of pytest ---


def made_once(tmp_path_factory, name, make, timeout=300):
    """Return the directory `name`, filled by make(directory) once in a run of pytest: by the first worker.

    For costly fixtures, because each worker of pytest-xdist makes its own session fixtures. The directory
    belongs to all workers: a test that changes something in it copies it first.

    Args:
        tmp_path_factory: pytest's fixture.
        name: of the directory, unique in the run.
        make: fills an empty directory; called again by the next worker if it raises.
        timeout: seconds to wait for the worker that makes it.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each worker has a folder of its own in that of the run
    directory, lock, unfinished = base / name, base / f"{name}.lock", base / f"{name}.unfinished"
    deadline = time.monotonic() + timeout
    while not directory.exists():
        try:
            lock.mkdir()  # atomic: one worker succeeds
        except FileExistsError:
            assert time.monotonic() < deadline, f"{name}: not made by another worker after {timeout} seconds"
            time.sleep(0.02)
            continue
        try:
            if not directory.exists():
                unfinished.mkdir()
                make(unfinished)
                unfinished.rename(directory)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
            lock.rmdir()
    return directory
