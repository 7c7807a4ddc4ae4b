"""The worth of pretraining: accuracy against the number of labels, for systems from a bag of words to BERT.

Five tasks of the toy language, whose best possible accuracy is known. A seed draws the examples with labels,
the pretrained model, the new weights and the order. The first n examples of a seed are those with labels, for
every n. Settings are the best of six on 300 other sentences, after learning from sentences that are used for
nothing else; for more than 500 labels, those chosen with 500. Every accuracy is that after the last step, on
the same 2,000 test sentences. Some of them are among the training sentences; for "sense" most are, with 500
labels or more.

Each point is a line of a JSON-lines file, appended when it is known. What is in the file is not computed
again, so a run that was stopped goes on, and two commands with other --systems may fill one file. Seconds are
of processor time, without pretraining; what a point shares with another (vectors, ULMFiT's stage 2) is in
those of the first.
"""

import argparse
import pathlib
import statistics
import tempfile
import time
from numbers import Real

from threadpoolctl import threadpool_limits

from minibert.arguments import path, positive
from minibert.benchmarks.points import Points
from minibert.benchmarks.transfer.examples import (
    KINDS,
    LEAST_LABELS,
    MOST_LABELS,
    MOST_SEEDS,
    NUM_TEXTS,
    Files,
)
from minibert.benchmarks.transfer.pretrained import Pretrained
from minibert.benchmarks.transfer.systems import SYSTEMS, Work
from minibert.text.toy import TOY
from minibert.text.toy.tasks import accuracies

HELP = "the worth of pretraining: accuracy by the number of labels, from a bag of words to BERT"
DESCRIPTION = (
    "Learn tasks of the toy language from few labels to many, with each system, and judge it beside the best "
    "possible accuracy. Every point is appended to a file, and a point in the file is not computed again."
)
LABELS = (5, 20, 100, 500, 2000, 5000)
TUNING_SEED, MOST_TUNED = 1000, 500
MOST_PICTURED = 6  # systems; of more, the first of these
PICTURED = (
    "bert", "bert-scratch", "bag-of-words", "gpt", "ulmfit", "elmo", "bert-frozen", "word2vec", "xlnet",
    "glove", "bert-without-nsp", "majority",
)


def add_options(command):
    """Add the options to an argparse parser."""
    for option, names in (("--tasks", KINDS), ("--systems", SYSTEMS)):
        command.add_argument(
            option, nargs="+", choices=names, default=list(names), metavar="NAME",
            help=f"some of {', '.join(names)} (default: all)")
    command.add_argument(
        "--labels", nargs="+", type=_number_of_labels, default=list(LABELS), metavar="N",
        help=f"examples with labels, {LEAST_LABELS} to {MOST_LABELS} (default: {' '.join(map(str, LABELS))})")
    command.add_argument(
        "--seeds", type=_number_of_seeds, default=5, metavar="N",
        help=f"seeds 0 to N - 1, {MOST_SEEDS} at most (default: 5)")
    command.add_argument(
        "--points", type=path, default="transfer.jsonl", metavar="FILE",
        help="file of the points (default: %(default)s)")
    command.add_argument(
        "--models", type=path, metavar="DIR",
        help="folder of the pretrained models (default: beside the points, FILE-models)")
    command.add_argument(
        "--picture", type=path, metavar="FILE", help="draw the points, six systems at most, as a PNG file")
    command.add_argument(
        "--show", action="store_true", help="compute nothing: the table of the points that are there")


def _number_of_labels(text):
    number = positive(int)(text)
    if not LEAST_LABELS <= number <= MOST_LABELS:
        raise argparse.ArgumentTypeError(f"expected {LEAST_LABELS} to {MOST_LABELS} labels, got {text}")
    return number


def _number_of_seeds(text):
    number = positive(int)(text)
    if number > MOST_SEEDS:
        raise argparse.ArgumentTypeError(f"expected {MOST_SEEDS} seeds at most, got {text}")
    return number


def stored(file, say=print):
    """Return the Points of a file."""
    key = {"task": str, "system": str, "labels": int, "seed": int, "setting": object}
    return Points(file, say, key, {"accuracy": Real, "seconds": Real})


def measure(options, say):
    """Compute the points that are asked for and not in the file; return a summary of them as a dict."""
    points, file = stored(options.points, say), pathlib.Path(options.points)
    if not options.show:
        points.make_writable()
        models = options.models or file.with_name(f"{file.stem}-models")
        with tempfile.TemporaryDirectory() as folder, threadpool_limits(1, "blas"):
            Grid(points, Files(folder), Pretrained(models, say), say).fill(options)
    result = summary(points.found.values(), options)
    if not result["rows"]:
        say(f"There are no such points in {options.points}.")
    for line in table(result):
        say(line)
    if options.picture and not result["rows"]:
        raise ValueError(f"there is nothing to draw: {options.points} has no such points")
    return result


class Grid:
    """The points of the comparison.

    Args:
        points: Points.  files: Files.  pretrained: Pretrained.
        say: function that takes a line of progress.
    """

    def __init__(self, points, files, pretrained, say):
        self.points, self.files, self.pretrained, self.say = points, files, pretrained, say

    def fill(self, options):
        """Compute what is missing, the smallest numbers of labels first."""
        for num_labels in sorted(set(options.labels)):
            for task in options.tasks:
                for name in options.systems:
                    system = SYSTEMS[name]
                    if KINDS[task] in system.kinds:
                        setting = self.best_setting(task, system, num_labels)
                        for seed in range(options.seeds):
                            self.point(task, system, num_labels, seed, setting)

    def best_setting(self, task, system, num_labels):
        """Return the setting with the highest accuracy on the dev examples; of equal ones the first."""
        if len(system.settings) == 1:
            return system.settings[0]
        number = min(num_labels, MOST_TUNED)
        return max(system.settings, key=lambda setting: self.point(
            task, system, number, TUNING_SEED, setting)["accuracy"])

    def point(self, task, system, num_labels, seed, setting):
        """Return a point, from the file or computed now."""
        point = {
            "task": task, "system": system.name, "labels": num_labels, "seed": seed, "setting": setting}
        key = self.points.key_of(point)
        if key not in self.points.found:
            work = self.work(task, num_labels, seed)
            if system.model:
                self.pretrained.path(system.model, work.seed)  # no part of the point's seconds
            started = time.process_time()
            accuracy = system.accuracy(work, setting)
            seconds = time.process_time() - started
            self.points.add({**point, "accuracy": round(accuracy, 4), "seconds": round(seconds, 2)})
            self.say(f"{task}, {system.name}, {num_labels:,} labels, seed {seed}, setting {setting}: "
                     f"accuracy {accuracy:.3f}, {seconds:.1f} s")
        return self.points.found[key]

    def work(self, task, num_labels, seed):
        """Return the Work of a point; settings are judged on the dev examples, and with the models of seed 0.
        """
        is_tuning = seed == TUNING_SEED
        return Work(
            kind=KINDS[task], train=self.files.training(task, num_labels, seed),
            test=self.files.dev(task) if is_tuning else self.files.test(task), num_labels=num_labels,
            texts=self.files.training(task, NUM_TEXTS, seed), seed=0 if is_tuning else seed,
            pretrained=self.pretrained)


# --- what the file says ---


def summary(points, options):
    """Return {"limits": {task: as limits_of}, "rows": [...]} of the points that are asked for.

    A row is a dict: task, system, labels, seeds (how many), mean, lowest, highest.
    """
    of_cell = {}
    for point in points:
        cell = point["task"], point["system"], point["labels"]
        if point["seed"] < options.seeds:
            of_cell.setdefault(cell, []).append(point["accuracy"])
    rows = [
        {"task": task, "system": name, "labels": number, "seeds": len(found),
         "mean": round(statistics.fmean(found), 4), "lowest": min(found), "highest": max(found)}
        for task in dict.fromkeys(options.tasks) for name in dict.fromkeys(options.systems)
        for number in sorted(set(options.labels))
        if (found := of_cell.get((task, name, number)))
    ]
    asked = dict.fromkeys(row["task"] for row in rows)
    return {"limits": {task: limits_of(task) for task in asked}, "rows": rows}


def limits_of(task):
    """Return {"bag": the best possible accuracy of a bag of words, "limit": that of who sees everything}."""
    found = accuracies(TOY, task)
    return {"bag": round(float(found.bag), 4), "limit": round(float(found.limit), 4)}


def table(result):
    """Yield the lines: of each task the mean accuracy of each system by labels, and its range over seeds."""
    rows = result["rows"]
    for task, limits in result["limits"].items():
        here = [row for row in rows if row["task"] == task]
        labels = sorted({row["labels"] for row in here})
        of_cell = {(row["system"], row["labels"]): row for row in here}
        yield ""
        yield f"{task}: the best possible {limits['limit']:.3f}, of a bag of words {limits['bag']:.3f}"
        yield f"{'labels':<18}" + "".join(f"{number:>20,}" for number in labels)
        for name in dict.fromkeys(row["system"] for row in here):
            yield f"{name:<18}" + "".join(f"{_cell(of_cell.get((name, number))):>20}" for number in labels)
    if rows:
        yield ""
        yield "Accuracy on 2,000 test sentences: mean of the seeds (lowest to highest)."


def _cell(row):
    if row is None:
        return ""
    return f"{row['mean']:.3f} ({row['lowest']:.3f}-{row['highest']:.3f})"


def pictured(result):
    """Return {task: {system: [(labels, mean, lowest, highest)]}}, six systems at most, and {task: limit}."""
    names = list(dict.fromkeys(row["system"] for row in result["rows"]))
    chosen = [name for name in PICTURED if name in names][:MOST_PICTURED]
    names = [name for name in names if name in chosen]
    panels = {
        task: {
            name: cells for name in names
            if (cells := [(row["labels"], row["mean"], row["lowest"], row["highest"])
                          for row in result["rows"] if (row["task"], row["system"]) == (task, name)])
        }
        for task in result["limits"]
    }
    return panels, {task: limits["limit"] for task, limits in result["limits"].items()}
