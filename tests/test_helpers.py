"""Helpers that could be wrong: what is made once in a run, and a comparison that must see differences."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import assert_same, made_once


@pytest.fixture
def once(tmp_path, monkeypatch):
    """made_once as in a worker of a run whose folder is tmp_path."""
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    factory = SimpleNamespace(getbasetemp=lambda: tmp_path / "popen-gw0")
    return lambda name, make: made_once(factory, name, make)


def test_a_directory_is_made_once_by_the_first_of_many_workers(once, tmp_path):
    made = []

    def make(directory):
        made.append(directory)
        time.sleep(0.05)
        (directory / "whole").write_text("yes", encoding="utf-8")

    found = []
    workers = [threading.Thread(target=lambda: found.append(once("run", make))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(made) == 1
    assert found == [tmp_path / "run"] * 4
    assert (tmp_path / "run" / "whole").read_text(encoding="utf-8") == "yes"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_where_one_worker_fails_the_next_one_tries_again(once, tmp_path):
    def fail(directory):
        (directory / "half").touch()
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        once("run", fail)
    assert list(tmp_path.iterdir()) == []
    directory = once("run", lambda directory: (directory / "whole").touch())
    assert list(directory.iterdir()) == [tmp_path / "run" / "whole"]


@pytest.mark.parametrize(
    "first, second",
    [
        (np.ones(2), np.ones(2, np.float32)),
        (np.ones(2), np.array([1, np.nextafter(1, 2)])),
        ({"a": np.ones(2), "b": None}, {"b": None, "a": np.ones(2)}),
        ([np.ones(2)], [np.ones(2), np.ones(2)]),
        ((None,), (np.ones(2),)),
        (np.ones(2), np.ones((1, 2))),
    ],
    ids=["dtype", "last bit", "order", "length", "None", "shape"],
)
def test_what_differs_is_not_the_same(first, second):
    assert_same(first, first)
    with pytest.raises(AssertionError):
        assert_same(first, second)
