"""Classify sentences of the toy language with 20 to 1,000 labels: ULMFiT, its stages left out, and baselines.

    python notebooks/data/04_ulmfit_labels.py    # writes 04_ulmfit_labels.jsonl and 04_awd_lstm/ beside it

Each line of the file is a point: accuracies of one model. What is there is not computed again, so a run that
was stopped goes on.

    three stages        language model of the toy language; of 1,000 texts of the task; labels
    without stage 2     from the first language model to the labels
    without stage 1     stage 2 begins with new weights
    scratch             new weights, labels only
    bag of words        logistic regression on the words (no order)

The 1,000 texts of stage 2 are the same for every number of labels. A seed draws these texts, the labels among
them, the new weights and dropout. Three stages and scratch are tuned alike: of six SETTINGS, the best on 300
other sentences, with a seed that is used for nothing else. A model without one stage has the setting of three
stages. Accuracies are those of the last step, on 2,000 test sentences. On another machine the last bits
differ.
"""

import functools
import json
import pathlib
import tempfile
import time

import numpy as np
from threadpoolctl import threadpool_limits

import minibert as mb
from minibert.objectives.causal_lm import AWDLSTMObjective
from minibert.objectives.classification import Classification
from minibert.objectives.ulmfit import LanguageModelRecipe, TargetLanguageModel, ULMFiT, ULMFiTRecipe
from minibert.text.labelled import read_texts
from minibert.text.toy import TOY
from minibert.text.toy.tasks import as_file, examples
from minibert.training.memory import keep_freed_memory
from minibert.training.step import Training

HERE = pathlib.Path(__file__).parent
LANGUAGE_MODEL, POINTS = HERE / "04_awd_lstm", HERE / "04_ulmfit_labels.jsonl"
PRETRAINING = {"embedding_size": 64, "hidden_size": 64, "batch_size": 64, "num_steps": 1500}
TASKS, SEEDS, TUNING_SEED = ("topic", "acceptability"), range(5), 5
EPOCHS = {20: 40, 50: 30, 100: 20, 300: 15, 1000: 10}  # {number of labels: passes over them}
SETTINGS = [(rate, unfreeze) for rate in (0.003, 0.01, 0.03) for unfreeze in ("gradual", "all")]
NUM_TEXTS, NUM_DEV, NUM_TEST = 1000, 300, 2000
VARIANTS = {  # (language model of stage 1, stage 2)
    "three stages": (True, True), "without stage 2": (True, False), "without stage 1": (False, True),
    "scratch": (False, False),
}


def silent(line):
    """Say nothing."""


def pretrained():
    """Make the language model of stage 1, unless it is there."""
    if not LANGUAGE_MODEL.is_dir():
        training = trained(AWDLSTMObjective(AWDLSTMObjective.Recipe.of(["toy"], **PRETRAINING), say=silent))
        print("stage 1", training.objective.line(training.evaluate()), flush=True)
        save(training.model, LANGUAGE_MODEL)


def trained(objective):
    """Return the Training of an objective after all of its steps."""
    training = Training(objective)
    for step in range(training.recipe.num_steps):
        training.step(step)
    return training


def save(model, folder):
    """Write a language model and the vocabulary."""
    model.save_pretrained(folder)
    TOY.tokenizer().save_pretrained(folder)


class Laboratory:
    """The files of all points, in a folder; each is made when it is first asked for."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    @functools.cache
    def texts(self, task, name, number, seed):
        """Return the path of a file of labelled sentences."""
        path = self.folder / f"{task} {name} {seed}.tsv"
        drawn = examples(TOY, task, max(number, NUM_TEXTS), seed)  # document by document
        order = np.random.default_rng(seed).permutation(len(drawn))[:number]
        path.write_text(as_file(task, [drawn[place] for place in order]), encoding="utf-8")
        return str(path)

    def recipe(self, task, num_labels, seed, **changes):
        """Return a ULMFiTRecipe."""
        return ULMFiTRecipe.of(
            train=self.texts(task, f"first {num_labels} of", num_labels, 100 + seed),
            dev=self.texts(task, "dev", NUM_DEV, 200), seed=seed, **changes)

    @functools.cache
    def start(self, task, variant, seed):
        """Return the folder of the language model that stage 3 begins with."""
        is_pretrained, has_stage_2 = VARIANTS[variant]
        folder = str(LANGUAGE_MODEL) if is_pretrained else self.new_weights(seed)
        if has_stage_2:
            recipe = LanguageModelRecipe.before(self.recipe(task, NUM_TEXTS, seed, start=folder))
            folder = str(self.folder / f"{task} {variant} {seed}")
            save(trained(TargetLanguageModel(recipe, say=silent)).model, folder)
        return folder

    @functools.cache
    def new_weights(self, seed):
        """Return the folder of a language model that has learned nothing."""
        config = mb.AWDLSTMLanguageModel.from_pretrained(LANGUAGE_MODEL).config
        folder = str(self.folder / f"new {seed}")
        save(mb.AWDLSTMLanguageModel(config, seed=seed), folder)
        return folder

    def accuracies(self, task, num_labels, variant, seed, setting):
        """Return the accuracies of a point on dev and test sentences."""
        test = read_texts(self.texts(task, "test", NUM_TEST, 201))
        if variant == "bag of words":
            training = read_texts(self.texts(task, f"first {num_labels} of", num_labels, 100 + seed))
            dev = read_texts(self.texts(task, "dev", NUM_DEV, 200))
            labels = sorted({example.label for example in test})
            judged = [Classification.baselines(training, some, labels) for some in (dev, test)]
            return [evaluations[variant].accuracy for evaluations in judged]
        rate, unfreeze = setting
        training = trained(ULMFiT(self.recipe(
            task, num_labels, seed, start=self.start(task, variant, seed), learning_rate=rate,
            unfreeze=unfreeze, epochs=EPOCHS[num_labels]), say=silent))
        objective = training.objective
        rows, _ = objective.task.encode(test, objective.tokenizer, objective.max_length)
        answers = objective.task.answers(training.model, test, rows, objective.tokenizer)
        return training.evaluate().accuracy, objective.task.judged(answers, test).accuracy


class Points:
    """The points in the file, which grows by those that are asked for and are not there."""

    def __init__(self, path, laboratory):
        self.path, self.laboratory = path, laboratory
        lines = path.read_text(encoding="ascii").splitlines() if path.is_file() else []
        self.found = {self.key(**point): point for point in map(json.loads, lines)}

    @staticmethod
    def key(task, labels, variant, seed, rate, unfreeze, **others):
        """Return what tells a point from others."""
        return task, labels, variant, seed, rate, unfreeze

    def point(self, task, labels, variant, seed, rate=None, unfreeze=None):
        """Return a point as a dict."""
        given = {"task": task, "labels": labels, "variant": variant, "seed": seed, "rate": rate,
                 "unfreeze": unfreeze}
        key = self.key(**given)
        if key not in self.found:
            started = time.process_time()
            dev, test = self.laboratory.accuracies(task, labels, variant, seed, (rate, unfreeze))
            self.found[key] = {**given, "dev": round(dev, 4), "test": round(test, 4),
                               "seconds": round(time.process_time() - started, 1)}
            with self.path.open("a", encoding="ascii") as file:
                file.write(json.dumps(self.found[key]) + "\n")
            print(self.found[key], flush=True)
        return self.found[key]

    def best_setting(self, task, labels, variant):
        """Return the setting of the highest accuracy on the dev sentences."""
        tried = [self.point(task, labels, variant, TUNING_SEED, *setting) for setting in SETTINGS]
        best = int(np.argmax([point["dev"] for point in tried]))
        return SETTINGS[best]


def main():
    pretrained()
    with tempfile.TemporaryDirectory() as folder:
        points = Points(POINTS, Laboratory(folder))
        for num_labels in EPOCHS:
            for task in TASKS:
                of_stages, of_scratch = (
                    points.best_setting(task, num_labels, name) for name in ("three stages", "scratch"))
                for seed in SEEDS:
                    points.point(task, num_labels, "bag of words", seed)
                    for variant in VARIANTS:
                        setting = of_scratch if variant == "scratch" else of_stages
                        points.point(task, num_labels, variant, seed, *setting)


if __name__ == "__main__":
    keep_freed_memory()
    with threadpool_limits(1, "blas"):
        main()
