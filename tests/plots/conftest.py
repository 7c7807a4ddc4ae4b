"""A tiny model and the record of its forward pass, whose arrays are drawn."""

import pytest

import minibert.trace.example


@pytest.fixture(scope="session")
def tiny():
    return minibert.trace.example.by_hand()


@pytest.fixture(scope="session")
def cache(tiny):
    return tiny.model.forward(**tiny.batch)[1]
