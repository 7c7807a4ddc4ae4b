"""The benchmark of GloVe: what it measures, and its two outputs."""

import argparse
import json

from minibert.benchmarks import glove


def run(*arguments):
    """Run `minibert bench glove` with arguments."""
    parser = argparse.ArgumentParser()
    glove.add(parser.add_subparsers())
    options = parser.parse_args(["glove", *map(str, arguments)])
    return options.run(options)


def test_benchmark(corpus, capsys):
    arguments = ["--corpus", corpus, "--vector-size", 5, "--epochs", 2, "--plain-words", 100]
    run(*arguments, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["whole"]["entries"] > 0 and len(found["whole"]["epochs"]) == 2
    assert found["whole"]["microseconds"] > 0 and found["plain"]["plain_microseconds"] > 0
    assert found["plain"]["words"] == 100
    assert 0 < found["plain"]["objective"] and 0 < found["plain"]["plain_objective"]
    run(*arguments)
    assert "plain loop" in capsys.readouterr().out


def test_benchmark_without_the_plain_loop(corpus, capsys):
    run("--corpus", corpus, "--vector-size", 5, "--epochs", 1, "--plain-words", 0)
    assert "plain loop" not in capsys.readouterr().out
