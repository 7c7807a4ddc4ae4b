"""Time budgets of the tests, from pytest's JUnit reports: print a table, and fail if one is exceeded.

    python .ci/budgets.py pace PACES             measure how fast the machine is now: a line is added to PACES
    python .ci/budgets.py check PACES REPORT...  compare reports (pytest --junitxml=REPORT) with the budgets

A budget holds for the machine it was set on: two cores, both busy. On a machine that is slower, always or
today, every budget is multiplied by its pace: the time of a fixed piece of work on all cores at once,
relative to that machine. Measure it before and after the tests: the slowest counts. A faster machine has
the same budgets. Runs of one test on a shared machine differ: what is over TOLERANCE times its budget is run
again, alone, and its shorter time counts. What is over its budget is marked; the check fails over TOLERANCE
times a budget.

    model family   all tests about one file of models/ or word_vectors/ with its companions (glove_counts is
                   glove's): those of a file named after it, tests/*/test_FAMILY*.py, and those of
                   tests/gradients whose parameters begin with a class of it or with its path. A new model
                   needs no line here.
    gradient case  one test of tests/gradients
    lesson         all tests of tests/notebooks about a lesson and its solutions

tests/gradients/test_mutants.py and test_weak_checks.py have no budget: they check the checks, on samples of
fixed size.
"""

import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from typing import NamedTuple

import numpy as np

ROOT = pathlib.Path(__file__).parents[1]
SECONDS = {"model family": 8.0, "gradient case": 0.6, "lesson": 35.0}
TOLERANCE = 1.25  # times the budget
PACE = 0.51  # seconds that `work` takes on each of the two cores of the machine of the budgets
NUM_SHOWN = 5  # of the gradient cases, of which there are many


class Test(NamedTuple):
    """A test of a report: its file, its name with parameters, and its seconds with set-up and clean-up."""

    file: str
    name: str
    seconds: float


def work():
    """Do the fixed piece of work: small and large arrays, complex numbers, and plain Python."""
    rng = np.random.default_rng(0)
    small = rng.standard_normal((12, 12)) + 0j
    large = rng.standard_normal((256, 256)).astype(np.float32)
    total = 0
    for k in range(16000):
        small = np.tanh(small @ small)
        total += sum(number * number for number in range(100))
        if k % 50 == 0:
            large = np.exp(-abs(large @ large))
    return total


def pace():
    """Return the seconds that `work` takes, done on every core at once: of the slowest."""
    num_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    command = [sys.executable, __file__, "work"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, encoding="ascii")
        for _ in range(min(num_cores, 8))
    ]
    return max(float(worker.communicate()[0]) for worker in workers)


def read(path):
    """Return the Tests of a JUnit report that were run."""
    cases = xml.etree.ElementTree.parse(path).getroot().iter("testcase")
    run = [case for case in cases if case.find("skipped") is None]
    return [
        Test(case.get("classname").replace(".", "/"), case.get("name"), float(case.get("time")))
        for case in run
    ]


def families():
    """Return {name of a model family: [names of its classes, and the paths of its files]}."""
    paths = [
        path for folder in ("models", "word_vectors") for path in (ROOT / "minibert" / folder).glob("*.py")
    ]
    stems = {path.stem for path in paths} - {"__init__"}
    found = collections.defaultdict(list)
    for path in paths:
        family = longest_match(path.stem, {stem for stem in stems if not longest_match(stem, stems - {stem})})
        if family:
            classes = re.findall(r"^class (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
            found[family] += [*classes, f"{path.parent.name}/{path.name}"]
    return dict(found)


def longest_match(stem, names):
    """Return the longest name that the stem is or begins with, "glove" for "glove_counts", or None."""
    matches = [name for name in names if stem == name or stem.startswith(f"{name}_")]
    return max(matches, key=len, default=None)


def family_of(test, known):
    """Return the name of the model family that a test is about; None if there is none."""
    family = longest_match(pathlib.PurePath(test.file).name.removeprefix("test_"), known)
    if family or not test.file.startswith("tests/gradients/"):
        return family
    parameters = test.name.partition("[")[2]
    first = re.split(r"[ \]-]", parameters)[0]
    return next((family for family, names in known.items() if first in names), None)


def lesson_of(test):
    """Return the number of the lesson that a test of the notebooks is about; None if there is none."""
    match = re.search(r"\[(?:solutions/)?(\d\d)_", test.name)
    return match[1] if match and test.file.startswith("tests/notebooks/") else None


def groups(tests):
    """Return {kind of budget: {what: its tests}}."""
    known = families()
    found = {kind: collections.defaultdict(list) for kind in SECONDS}
    for test in tests:
        if test.file.endswith(("/test_mutants", "/test_weak_checks")):
            continue
        family, lesson = family_of(test, known), lesson_of(test)
        if family:
            found["model family"][family].append(test)
        if lesson:
            found["lesson"][lesson].append(test)
        if test.file.startswith("tests/gradients/"):
            found["gradient case"][f"{pathlib.PurePath(test.file).name} {test.name}"].append(test)
    return found


def spent(tests):
    """Return the seconds of the tests together."""
    return sum(test.seconds for test in tests)


def too_long(found, slowness):
    """Return [(kind, name, its tests)] of what is over its budget by more than the tolerance."""
    return [
        (kind, name, tests)
        for kind, entries in found.items()
        for name, tests in entries.items()
        if spent(tests) > TOLERANCE * SECONDS[kind] * slowness
    ]


def run_alone(tests):
    """Run the tests once more, one after the other; return them with their new seconds."""
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-m", "", "--numprocesses=0", f"--junitxml={report}"]
        nodes = [f"{test.file}.py::{test.name}" for test in tests]
        subprocess.run(command + nodes, cwd=ROOT)
        return read(report)


def with_second_times(tests, slowness):
    """Return the tests; those that took too long with the shorter time of two, if they ran again."""
    doubtful = {test for *_, group in too_long(groups(tests), slowness) for test in group}
    if not doubtful:
        return tests
    second = {(test.file, test.name): test.seconds for test in run_alone(sorted(doubtful))}
    return [
        test._replace(seconds=min(test.seconds, second.get((test.file, test.name), test.seconds)))
        for test in tests
    ]


def table(found, slowness):
    """Return the lines of the table, the longest first."""
    lines = [f"{'':13}  {'seconds':>7}  {'budget':>6}"]
    for kind, entries in found.items():
        budget = SECONDS[kind] * slowness
        longest = sorted(((spent(tests), name) for name, tests in entries.items()), reverse=True)
        for seconds, name in longest[: NUM_SHOWN if kind == "gradient case" else None]:
            mark = "  OVER" if seconds > budget else ""
            lines.append(f"{kind:13}  {seconds:7.2f}  {budget:6.2f}  {name}{mark}")
    return lines


def check(paces, reports):
    """Print the tables of the reports; return 1 if something is over budget, else 0."""
    measured = [float(line) for line in pathlib.Path(paces).read_text(encoding="ascii").split()]
    slowness = max(1.0, max(measured) / PACE)
    tests = with_second_times([test for report in reports for test in read(report)], slowness)
    found = groups(tests)
    print("\n".join(table(found, slowness)))
    print(
        f"{len(tests):,} tests, {spent(tests):.0f} s together; "
        f"this machine takes {slowness:.2f} times as long as the one of the budgets"
    )
    over = too_long(found, slowness)
    for kind, name, group in over:
        print(f"over budget: {kind} {name}: {spent(group):.2f} s of {SECONDS[kind] * slowness:.2f}")
    if not over:
        print("nothing is over its budget by more than the tolerance")
    return 1 if over else 0


def main(command, *arguments):
    if command == "work":
        start = time.perf_counter()
        work()
        print(time.perf_counter() - start)
    elif command == "pace":
        with open(arguments[0], "a", encoding="ascii") as file:
            file.write(f"{pace():.4f}\n")
    elif command == "check":
        return check(arguments[0], arguments[1:])
    else:
        raise SystemExit(f"unknown command {command!r}: pace or check")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
