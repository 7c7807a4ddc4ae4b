"""Fixtures for the tests of commands: run one, and a model to be changed."""

import shutil

import pytest

from minibert import cli


@pytest.fixture
def failing(capfd):
    """A function that runs a command that must fail; returns what it printed as its error, a single line."""
    def run(*arguments):
        capfd.readouterr()
        assert cli.main([str(argument) for argument in arguments]) == 2
        stderr = capfd.readouterr().err
        assert "Traceback" not in stderr
        last_line = stderr.rstrip("\n").split("\n")[-1]
        assert last_line.startswith(f"minibert {arguments[0]}: error: ")
        return last_line

    return run


@pytest.fixture
def output_of(capfd):
    """A function that runs a command that must succeed; returns the lines of its output."""
    def run(*arguments):
        capfd.readouterr()
        assert cli.main([str(argument) for argument in arguments]) == 0
        return capfd.readouterr().out.splitlines()

    return run


@pytest.fixture
def model_copy(finished_run, tmp_path):
    """A copy of a finished model, to be changed."""
    return shutil.copytree(finished_run, tmp_path / "model")
