"""The setting of the C library."""

import ctypes
import sys

import pytest

from minibert.training import memory


@pytest.fixture
def calls(monkeypatch):
    """The calls of mallopt, none of which is made."""
    made = []

    class Library:
        def __init__(self, name):
            assert name is None  # the process itself

        def mallopt(self, option, value):
            made.append((option, value))

    monkeypatch.setattr(ctypes, "CDLL", Library)
    return made


def test_freed_memory_is_kept(calls, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    memory.keep_freed_memory()
    assert calls == [(-1, 2**30), (-4, 0)]


def test_nothing_is_done_where_there_is_no_glibc(calls, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    memory.keep_freed_memory()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())  # musl has no mallopt
    memory.keep_freed_memory()
    assert calls == []
