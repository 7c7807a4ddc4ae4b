"""Ask ELMos of the whole toy language for the meaning of homographs: a probe on each layer, five seeds.

    python notebooks/data/04_homographs.py          # prints the bounds, and a line for each of five seeds
    python notebooks/data/04_homographs.py 0 1      # seeds 0 and 1 only

An ELMo is that of `minibert pretrain --model elmo --corpus toy --steps 500 --threads 1 --seed S`, a
minute of an idle core. A probe reads the state of the word (mint, perch, bank) and tells the topic whose
meaning it has. It is fitted on 5,000 sentences and judged on 5,000 others, before the training and after it.
"""

import json
import sys

from threadpoolctl import threadpool_limits

from minibert.course import elmo
from minibert.objectives.elmo import ELMoObjective
from minibert.training.memory import keep_freed_memory
from minibert.training.probes import probe_layers
from minibert.training.step import Training

SEEDS, NUM_STEPS, NUM_PROBED = range(5), 500, 5000


def silent(line):
    """Say nothing."""


def probed(model, fitted, judged):
    """Return the accuracies of a probe on each layer."""
    states, others = (elmo.features(model, asked) for asked in (fitted, judged))
    accuracies = probe_layers(states, fitted.labels, others, judged.labels, 3)
    return [round(accuracy, 4) for accuracy in accuracies]


def main(seeds):
    alone, limit = elmo.sense_bounds()
    print(json.dumps({"homograph alone": round(alone, 4), "sentence": round(limit, 4)}), flush=True)
    asked = [elmo.homographs(NUM_PROBED, seed) for seed in (1, 2)]
    for seed in seeds:
        recipe = ELMoObjective.Recipe.of(["toy"], num_steps=NUM_STEPS, seed=seed, threads=1)
        training = Training(ELMoObjective(recipe, say=silent))
        found = {"seed": seed, "new": probed(training.model, *asked)}
        for step in range(NUM_STEPS):
            training.step(step)
        found["trained"] = probed(training.model, *asked)
        loss = training.evaluate().next_loss
        found["loss above the limit"] = round(loss / training.objective.limits.next_loss - 1, 4)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    keep_freed_memory()
    with threadpool_limits(1, "blas"):
        main([int(seed) for seed in sys.argv[1:]] or SEEDS)
