"""What a pretrained model is worth, from the stored points of lesson 13: accuracy by the number of labels.

A grid is {task: {system: {labels: accuracies (S,)}}}, the seeds in order. The worth of a system is measured
against the better of two that were not pretrained: a bag of words and the same model from new weights.
"""

import json
import pathlib

import numpy as np

BASELINES = "bag-of-words", "bert-scratch"
TUNING_SEED = 1000  # a point with this seed chose a setting


def read_grid(path, tasks=None, num_seeds=5):
    """Return the grid of a file of points, as `minibert bench transfer` writes it.

    Args:
        path: of JSON lines.  tasks: names; None for all, in the order of the file.
        num_seeds: S; cells with fewer are left out, because a run may have been stopped, and so are systems
            without a whole cell.
    """
    grid = {task: {} for task in tasks or ()}
    for point in map(json.loads, pathlib.Path(path).read_text(encoding="ascii").splitlines()):
        if point["seed"] < TUNING_SEED and (tasks is None or point["task"] in tasks):
            cells = grid.setdefault(point["task"], {}).setdefault(point["system"], {})
            cells.setdefault(point["labels"], {})[point["seed"]] = point["accuracy"]
    for task, systems in grid.items():
        whole = {
            name: {number: np.array([found[seed] for seed in sorted(found)])
                   for number, found in sorted(cells.items()) if len(found) == num_seeds}
            for name, cells in systems.items()
        }
        grid[task] = {name: cells for name, cells in whole.items() if cells}
    return grid


def panels(grid, systems):
    """Return {task: {system: [(labels, mean, lowest, highest)]}} of some systems, for a picture."""
    return {
        task: {name: [(number, found.mean(), found.min(), found.max())
                      for number, found in of_task[name].items()] for name in systems if name in of_task}
        for task, of_task in grid.items()
    }


def differences(systems, name, others):
    """Return {labels: (S,)}: in each seed, the accuracy of a system less that of the best of others.

    The best is the one with the highest mean at that number of labels, so the same in all seeds.

    Args:
        systems: of a task of a grid.  name: of one of them.  others: names.

    Example:
        >>> cells = {"a": {5: np.array([0.75, 1.0])}, "b": {5: np.array([0.5, 0.25])}, "c": {5: np.zeros(2)}}
        >>> differences(cells, "a", ["b", "c"])[5].tolist()
        [0.25, 0.75]
    """
    found = {}
    for number, accuracies in systems[name].items():
        theirs = [systems[other][number] for other in others if number in systems.get(other, {})]
        if theirs:
            found[number] = accuracies - max(theirs, key=np.mean)
    return found


def labels_needed(systems, names, accuracy, start=0):
    """Return how many labels, `start` or more, the best of some systems needs for a mean accuracy.

    Between two numbers of labels the accuracy is a straight line over their logarithm. The answer is inf if
    it has that accuracy nowhere in the grid.

    Example:
        >>> cells = {"a": {10: np.array([0.5]), 1000: np.array([0.7])}}
        >>> [round(labels_needed(cells, ["a"], accuracy)) for accuracy in (0.4, 0.6, 0.7)]
        [10, 100, 1000]
    """
    best = {}
    for name in names:
        for number, found in systems.get(name, {}).items():
            if number >= start:
                best[number] = max(found.mean(), best.get(number, 0))
    before = None
    for number, mean in sorted(best.items()):
        if mean >= accuracy:
            if before is None:
                return number
            share = (accuracy - best[before]) / (mean - best[before])
            return float(before * (number / before) ** share)
        before = number
    return np.inf


def worth(systems, name, baselines=BASELINES):
    """Return {labels: (differences (S,), labels that the better baseline needs for as good a mean)}."""
    return {
        number: (found, labels_needed(systems, baselines, systems[name][number].mean(), start=number))
        for number, found in differences(systems, name, baselines).items()
    }


def table_of_worth(grid, name, baselines=BASELINES):
    """Yield lines: by labels, what a system has above the better baseline in the mean, and what that saves.

    "+0.18 x 3.2" says: above it in every seed, and the baseline needs 3.2 times as many labels for the same
    mean; "x 50+": more than the most in the grid, which are 50 times as many. "+0.02 3/5": in three of five.
    """
    numbers = sorted({number for systems in grid.values() for number in systems.get(name, {})})
    yield f"{'labels':14}" + "".join(f"{number:>13,}" for number in numbers)
    for task, systems in grid.items():
        if name in systems:
            found = worth(systems, name, baselines)
            most = max(number for other in baselines for number in systems.get(other, [0]))
            cells = [_cell(number, most, *found[number]) if number in found else "" for number in numbers]
            yield f"{task:14}" + "".join(f"{cell:>13}" for cell in cells)


def _cell(number, most, found, needed):
    num_above = int((found > 0).sum())
    if num_above < len(found):
        return f"{found.mean():+.2f} {num_above}/{len(found)}"
    return f"{found.mean():+.2f} " + (
        f"x {most / number:.0f}+" if np.isinf(needed) else f"x {needed / number:.1f}")
