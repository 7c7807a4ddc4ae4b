"""How all benchmarks measure: contestants in turn, medians of ratios, memory in a process of its own.

Contestants take turns, round after round, so that a machine that slows down slows all of them. A comparison
is the median of the rounds' ratios.
"""

import contextlib
import ctypes
import functools
import importlib
import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys
import time

from minibert.arguments import positive
from minibert.training.memory import keep_freed_memory
from minibert.training.optimizers import AdamW

NUM_CALLS = 4  # whose memory is measured: a later call may find arrays that the allocator kept from the first


def add_number(command, flag, default, text, kind=int, metavar="N"):
    """Add an option that takes a number above 0."""
    shown = "" if default is None else " (default: %(default)s)"
    command.add_argument(flag, type=positive(kind), default=default, metavar=metavar, help=text + shown)


def is_installed(*packages):
    """Tell whether all these packages can be imported; they are not."""
    return all(importlib.util.find_spec(package) for package in packages)


# --- time ---


def take_turns(contestants, num_rounds, num_warm_up=0):
    """Let every contestant run once in each round.

    Args:
        contestants: {name: function of the round's number, from 0 on}.
        num_rounds: rounds that count.
        num_warm_up: rounds before them, with numbers below 0.

    Returns:
        {name: [the results of the function, one for each round that counts]}.
    """
    results = {name: [] for name in contestants}
    for round_number in range(-num_warm_up, num_rounds):
        for name, contestant in contestants.items():
            result = contestant(round_number)
            if round_number >= 0:
                results[name].append(result)
    return results


def seconds_of(function, *arguments):
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def median_ratio(ours, theirs):
    """Return the median of the rounds' ratios ours / theirs."""
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))


def comparison(seconds, unit):
    """Yield the lines of {contestant: [seconds, one for each round]}: milliseconds, ours as a share of it."""
    yield f"    {'':<22}{unit:>10}{'minibert / it':>15}"
    for name, times in seconds.items():
        share = "" if name == "minibert" else f"{median_ratio(seconds['minibert'], times):>15.2f}"
        yield f"    {name:<22}{1e3 * statistics.median(times):>10.1f}{share}"


def spread(values):
    """Return the median and half the range of some values as text."""
    return f"{statistics.median(values):.3f} ± {(max(values) - min(values)) / 2:.3f}" if values else "-"


# --- training steps ---


def training_step(model, learning_rate, rng=None):
    """Return a function that makes one training step of a model on a batch, {argument: array}.

    rng is for dropout, None for none. All the threads are those of BLAS.
    """
    optimizer = AdamW(model.parameters(), lr=learning_rate)

    def step(batch):
        model.zero_grad()
        _, cache = model.forward(**batch, rng=rng)
        model.backward(cache)
        optimizer.step()

    return step


def measure_steps(steps, batch, num_threads, num_rounds):
    """Let every contestant train on a batch, a step in each round; two rounds before these warm up.

    Args:
        steps: {contestant: function that makes a step on a batch}.
        batch: {argument: array}.
        num_threads: of BLAS.

    Returns:
        {contestant: [seconds of a step, one for each round]}.
    """
    from threadpoolctl import threadpool_limits

    def timed(step, round_number):
        with threadpool_limits(num_threads, "blas"):
            return seconds_of(step, batch)

    turns = {name: functools.partial(timed, step) for name, step in steps.items()}
    return take_turns(turns, num_rounds, num_warm_up=2)


# --- memory ---


def measure_memory(module, function, *arguments):
    """Measure in a process of its own how far a call raises the resident memory.

    Args:
        module, function: names; function(*arguments) returns the function that is called without arguments.
        arguments: plain data: numbers, strings, lists, dicts.

    Returns:
        bytes, the largest rise of four calls; None where it cannot be measured: on other systems than Linux,
        or if the process failed.
    """
    if not sys.platform.startswith("linux"):
        return None
    command = [sys.executable, "-m", "minibert.benchmarks.harness", module, function, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    return int(done.stdout) if done.returncode == 0 else None


def _largest_rise(function):
    rises = []
    for _ in range(NUM_CALLS):
        with contextlib.suppress(AttributeError):  # glibc has it: give free memory back to the system
            ctypes.CDLL(None).malloc_trim(0)
        before = _memory("VmRSS")
        pathlib.Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # starts a new peak
        function()
        rises.append(_memory("VmHWM") - before)
    return max(rises)


def _memory(field):
    """Return a field of /proc/self/status in bytes."""
    status = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field))


def _main(module, function, arguments):
    keep_freed_memory()
    prepare = getattr(importlib.import_module(module), function)
    print(_largest_rise(prepare(*json.loads(arguments))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
