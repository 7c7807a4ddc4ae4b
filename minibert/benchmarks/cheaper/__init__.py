"""What makes pretraining cheaper: held-out loss against time, for every way to pretrain.

All ways have the same seconds, of the processor time of training: making the model (Word2Vec's vectors, too)
and its steps, with one thread. Evaluations are not timed. Learning rate and curricula follow the clock:
before every step the number of steps is planned again from the share of the time that is over, so every run
comes to its end, whatever its steps cost. So the same run, done again, has a few steps more or less.

All are judged on the same thing: the MLM loss on held-out text, 15 % of it masked, as BERT's pairs. ELECTRA
is not: its loss is that of its generator, a smaller model, on single texts of another split.

Each run is a line of a JSON-lines file, appended at its end. What is in the file is not computed again, and
two commands with other --recipes may fill one file.
"""

import dataclasses
import pathlib
import statistics
import time
from numbers import Real

import numpy as np
from threadpoolctl import threadpool_limits

from minibert.arguments import add_corpus, path, positive
from minibert.benchmarks.cheaper.recipes import WAYS
from minibert.benchmarks.harness import add_number
from minibert.benchmarks.points import Points
from minibert.benchmarks.race import time_to
from minibert.layers.encoder_layer import EncoderLayer
from minibert.layers.walk import num_bytes
from minibert.objectives.masked_lm import MaskedLM, losses_and_hits
from minibert.text.corpora import STANDARD_INPUT
from minibert.training.step import Training

HELP = "every way to pretrain: loss against time, memory, parameters, tokens"
DESCRIPTION = (
    "Pretrain at preset tiny in many ways, with the same processor time each, and judge all on the same "
    "held-out text. Every run is appended to a file, and a run in the file is not done again."
)
NUM_EVALUATIONS = 10
MANY = 10**6  # steps, before the first one tells how long it takes
NUM_MEASURED = 4  # batches of a kind, whose largest record counts
NOT_COMPARABLE = "electra"
PANELS = {
    "how it learns": ("fast", "bert", "adamw", "random-start", "full-length", "small-batches"),
    "what it learns": ("fast", "albert", "electra", "mask-15", "whole-words", "recomputed"),
}


def add_options(command):
    """Add the options to an argparse parser."""
    add_corpus(command)
    command.add_argument(
        "--recipes", nargs="+", choices=WAYS, default=list(WAYS), metavar="NAME",
        help=f"some of {', '.join(WAYS)} (default: all)")
    add_number(command, "--seeds", 3, "seeds 0 to N - 1")
    command.add_argument(
        "--seconds", type=positive(float), default=300.0, metavar="S",
        help="processor time of each run (default: 300)")
    command.add_argument(
        "--points", type=path, default="cheaper.jsonl", metavar="FILE",
        help="file of the runs (default: %(default)s)")
    command.add_argument("--picture", type=path, metavar="FILE", help="draw loss against time, as a PNG file")
    command.add_argument(
        "--show", action="store_true", help="compute nothing: the table of the runs that are there")


def stored(file, say=print):
    """Return the Points of a file."""
    key = {"recipe": str, "corpus": list, "seconds": Real, "seed": int}
    counts = dict.fromkeys(("steps", "tokens", "parameters", "record_bytes"), int)
    return Points(file, say, key, {"curve": list, **counts, "loss": Real, "evaluation": dict})


def measure(options, say):
    """Do the runs that are asked for and not in the file; return {"rows": [...], "runs": [points]}."""
    if STANDARD_INPUT in options.corpus:
        raise ValueError("each run reads the text, and standard input can be read once: give --corpus a file")
    points = stored(options.points, say)
    if not options.show:
        points.make_writable()
        with threadpool_limits(1, "blas"):
            fill(points, options, say)
    found = [
        point for point in points.found.values()
        if point["recipe"] in options.recipes and point["seed"] < options.seeds
        and (point["corpus"], point["seconds"]) == (options.corpus, options.seconds)
    ]
    if not found:
        say(f"There are no such runs in {options.points}.")
        if options.picture:
            raise ValueError(f"there is nothing to draw: {options.points} has no such runs")
    rows = summary(found)
    for line in table(rows):
        say(line)
    return {"rows": rows, "runs": found}


# --- the runs ---


def fill(points, options, say):
    """Do what is missing, all ways of a seed before the next seed."""
    held_out = None
    for seed in range(options.seeds):
        for name in dict.fromkeys(options.recipes):
            point = {"recipe": name, "corpus": options.corpus, "seconds": options.seconds, "seed": seed}
            if points.key_of(point) in points.found:
                continue
            if held_out is None:
                recipe = MaskedLM.Recipe.of(options.corpus, recipe="bert")
                held_out = MaskedLM(recipe, say=_say_nothing).held_out
            way = WAYS[name]
            recipe = way.objective.Recipe.of(options.corpus, seed=seed, **way.changes)
            run = Run(way.objective(recipe, say=_say_nothing), options.seconds, held_out)
            if not run.steps:
                raise ValueError(
                    f"{name} does not come to its first step in {options.seconds:g} s: give more --seconds")
            points.add({**point, **run.result()})
            say(f"{name}, seed {seed}: {run.steps:,} steps, loss {run.curve[-1][-1]:.3f}")


class Run:
    """A pretraining that lasts so many seconds of processor time.

    Args:
        objective: of MaskedLM or a class of its kind.
        seconds: of training.
        held_out: streams of PairBatches that judge it.

    Attributes:
        training: Training.  steps, tokens: that were done.
        curve: [[seconds, tokens, MLM loss]], before the first step and at ten equal parts of the time.
    """

    def __init__(self, objective, seconds, held_out):
        self.seconds, self.held_out, self.steps, self.tokens = seconds, held_out, 0, 0
        started = time.process_time()
        self.training = Training(objective)
        start = time.process_time() - started
        self.record_bytes = self.largest_record()
        self.curve = [self.point(start)]
        self.learn(start)

    def learn(self, start):
        """Do steps until the time is over; `start` seconds of it are."""
        spent = start
        while spent < self.seconds:
            started = time.process_time()
            self.plan((spent - start) / (self.seconds - start))
            self.tokens += self.training.step(self.steps)["tokens"]
            self.steps += 1
            before, spent = spent, spent + time.process_time() - started
            if self.part(spent) > self.part(before):
                self.curve.append(self.point(spent))

    def part(self, spent):
        """Return how many of the ten parts of the time are over."""
        return int(NUM_EVALUATIONS * spent / self.seconds)

    def plan(self, share):
        """Plan the number of steps so that this share of them is done."""
        self.set_num_steps(max(self.steps + 1, round(self.steps / share)) if self.steps else MANY)

    def set_num_steps(self, number):
        """Set the number of steps in the recipe, for the learning rate and the curricula."""
        recipe = dataclasses.replace(self.training.recipe, num_steps=number)
        self.training.recipe = self.training.objective.recipe = recipe

    def point(self, spent):
        """Return a point of the curve."""
        objective, model = self.training.objective, self.training.model
        is_comparable = objective.name != NOT_COMPARABLE
        loss = masked_loss(model, self.held_out) if is_comparable else self.training.evaluate().mlm_loss
        return [round(spent, 2), self.tokens, round(loss, 4)]

    def largest_record(self):
        """Return the bytes of the arrays that a step holds at its peak, of short and of full batches."""
        sizes = []
        for num_steps in (MANY, 0):  # a run at its beginning, and one without curricula
            self.set_num_steps(num_steps)
            for number in range(NUM_MEASURED):
                sizes.append(record_bytes(self.training, self.training.objective.batch(number)))
        return max(sizes)

    def result(self):
        """Return the results of the point in the file."""
        evaluation = self.training.evaluate()._asdict()
        del evaluation["phenomena"]
        parameters = self.training.model.parameters().values()
        return {
            "curve": self.curve, "steps": self.steps, "tokens": self.tokens,
            "parameters": sum(parameter.value.size for parameter in parameters),
            "record_bytes": self.record_bytes, "loss": self.curve[-1][-1],
            "evaluation": {
                name: None if value is None else round(value, 4) for name, value in evaluation.items()},
        }


def masked_loss(model, held_out):
    """Return the mean loss of the masked tokens of streams of one PairBatch each, in nats."""
    losses = []
    for [batch] in held_out:
        output, _ = model.forward(*batch[:4])
        losses.append(losses_and_hits(output.prediction_logits, batch.labels[batch.labels >= 0])[0])
    return float(np.concatenate(losses).mean())


def record_bytes(training, batch):
    """Return the bytes of the arrays in the record of a batch, and in a layer's that backward computes again.
    """
    _, cache = training.workers.forward(batch, None, [0, 0])
    again = ()
    if training.recipe.recompute:
        layer, kept = training.model.bert.encoder[-1], cache.shares[0].bert.encoder[-1]
        _, again = EncoderLayer.forward(layer, kept.x, kept.mask)
    return num_bytes((cache.shares, again))


def _say_nothing(line):
    pass


# --- what the file says ---


def summary(points):
    """Return a row for each recipe among the points, in the order of WAYS.

    A row is a dict: recipe, seeds (how many), steps and tokens (means), parameters, record_bytes, loss
    (mean), lowest, highest, and seconds_to_bert: the mean time to the last loss of bert with the same seed,
    None where a seed does not come to it.
    """
    last = {point["seed"]: point["loss"] for point in points if point["recipe"] == "bert"}
    rows = []
    for name in WAYS:
        found = [point for point in points if point["recipe"] == name]
        if found:
            losses = [point["loss"] for point in found]
            rows.append({
                "recipe": name, "seeds": len(found),
                **{part: round(statistics.fmean(point[part] for point in found)) for part in (
                    "steps", "tokens", "parameters", "record_bytes")},
                "loss": round(statistics.fmean(losses), 4), "lowest": min(losses), "highest": max(losses),
                "seconds_to_bert": _mean_time(found, last),
            })
    return rows


def _mean_time(points, last):
    """Return the mean of the seconds that runs take to the losses `last` {seed: loss}, or None."""
    comparable = [point for point in points if point["seed"] in last and point["recipe"] != NOT_COMPARABLE]
    if not comparable or any(
            min(loss for *_, loss in point["curve"]) > last[point["seed"]] for point in comparable):
        return None
    return round(statistics.fmean(
        time_to(last[point["seed"]], [[0, tokens, seconds, loss] for seconds, tokens, loss in point["curve"]])
        for point in comparable), 1)


def table(rows):
    """Yield the lines of the rows."""
    if not rows:
        return
    yield (f"{'':<15}{'steps':>7}{'tokens':>12}{'parameters':>12}{'MB of record':>14}"
           f"{'held-out MLM loss':>25}{'s to it of bert':>17}")
    for row in rows:
        loss = f"{row['loss']:.3f} ({row['lowest']:.3f}-{row['highest']:.3f})"
        time_to_bert = "" if row["seconds_to_bert"] is None else f"{row['seconds_to_bert']:.0f}"
        yield (f"{row['recipe']:<15}{row['steps']:>7,}{row['tokens']:>12,}{row['parameters']:>12,}"
               f"{row['record_bytes'] / 1e6:>14.1f}{loss:>25}{time_to_bert:>17}")
    yield "Nats per masked piece: mean of the seeds (lowest-highest). Of electra: its generator's."


def pictured(result):
    """Return {panel: {recipe: [array (S, 2) of seconds and loss, for each seed]}} for plots.loss_by_time."""
    panels = {}
    for title, names in PANELS.items():
        curves = {
            f"{name}: generator" if name == NOT_COMPARABLE else name: [
                np.array(point["curve"])[:, [0, 2]] for point in result["runs"] if point["recipe"] == name]
            for name in names
        }
        curves = {name: found for name, found in curves.items() if found}
        if curves:
            panels[title] = curves
    return panels
