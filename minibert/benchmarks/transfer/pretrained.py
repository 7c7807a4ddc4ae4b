"""The pretrained models of the comparison: each is trained once, on the toy language, and kept in a folder.

A model of each seed, so that the range over seeds is that of pretraining, too. Numbers of steps are fixed.
"""

import os
import pathlib
import shutil
import tempfile
import time

from threadpoolctl import threadpool_limits

from minibert.objectives.causal_lm import AWDLSTMObjective
from minibert.objectives.elmo import ELMoObjective
from minibert.objectives.gpt import GPTObjective
from minibert.objectives.masked_lm import MaskedLM
from minibert.objectives.permutation_lm import PermutationLM
from minibert.text.toy import TOY
from minibert.training.step import Training
from minibert.word_vectors.glove import GloVe
from minibert.word_vectors.word2vec import Word2Vec

BATCH_SIZE = 64
STEPS = {  # optimizer steps of 64 rows; "new-bert" is the model before the first one
    "bert": 1500, "bert-without-nsp": 1500, "new-bert": 0, "gpt": 1000, "xlnet": 1000, "awd-lstm": 1000,
    "elmo": 600,
}
NUM_DOCUMENTS, VECTOR_SIZE, EPOCHS = 4000, 64, 10  # of Word2Vec and GloVe
VECTORS = "vectors.txt"


class MaskedOnly(MaskedLM):
    """The same pairs and masks, so equal tokens, but nothing is asked about the next sentence."""

    def batch(self, step):
        """Return the PairBatch of a training step, without the answers to "is it the next sentence?"."""
        return super().batch(step)._replace(next_sentence_label=None)


OBJECTIVES = {
    "bert": (MaskedLM, {}), "bert-without-nsp": (MaskedOnly, {}), "new-bert": (MaskedLM, {}),
    "gpt": (GPTObjective, {}), "xlnet": (PermutationLM, {}), "elmo": (ELMoObjective, {}),
    "awd-lstm": (AWDLSTMObjective, {"embedding_size": 64, "hidden_size": 64}),
}
WORD_VECTORS = {
    "word2vec": lambda sentences, seed: Word2Vec(
        sentences, vector_size=VECTOR_SIZE, min_count=1, epochs=EPOCHS, seed=seed),
    "glove": lambda sentences, seed: GloVe(
        sentences, vector_size=VECTOR_SIZE, x_max=10, epochs=EPOCHS, seed=seed),
}


class Pretrained:
    """The models in a folder; one that is asked for and not there is trained.

    Args:
        folder: of the models, a folder each.
        say: function that takes a line of progress.
    """

    def __init__(self, folder, say):
        self.folder, self.say = pathlib.Path(folder), say

    def path(self, name, seed):
        """Return the folder of a model, a str: a name of OBJECTIVES or WORD_VECTORS."""
        path = self.folder / f"{name}-{seed}"
        if not path.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = pathlib.Path(tempfile.mkdtemp(prefix=".unfinished-", dir=self.folder))
            try:
                made = unfinished / "model"
                made.mkdir()
                started = time.process_time()
                line = make(name, seed, made)
                self.say(f"pretrained {name}, seed {seed}: {line} "
                         f"({time.process_time() - started:.0f} s of processor time)")
                try:
                    os.replace(made, path)
                except OSError:
                    if not path.is_dir():
                        raise
                    # Another command was faster, and its model is the same.
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
        return str(path)


def make(name, seed, folder):
    """Train a model, write it and its vocabulary into a folder, and return how good it is in a line."""
    if name in WORD_VECTORS:
        sentences = [
            list(sentence.words) for document in TOY.documents(NUM_DOCUMENTS, seed) for sentence in document]
        WORD_VECTORS[name](sentences, seed).save(folder / VECTORS)
        return f"{len(sentences):,} sentences, {EPOCHS} times"
    objective_class, changes = OBJECTIVES[name]
    recipe = objective_class.Recipe.of(
        ["toy"], seed=seed, num_steps=STEPS[name], batch_size=BATCH_SIZE, **changes)
    training = trained(objective_class(recipe, say=silent))
    objective = training.objective
    training.model.save_pretrained(folder)
    objective.tokenizer.save_pretrained(folder)
    return objective.line(training.evaluate())


def trained(objective):
    """Return the Training of an objective after all of its steps, on one thread."""
    training = Training(objective)
    with threadpool_limits(1, "blas"):
        for step in range(objective.recipe.num_steps):
            training.step(step)
    return training


def silent(line):
    """Say nothing."""
