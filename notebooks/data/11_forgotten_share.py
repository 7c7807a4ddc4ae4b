"""Train right and wrong BERTs of lesson 11, five seeds each: 30 runs of 200 steps, a minute on two cores.

    python notebooks/data/11_forgotten_share.py    # writes 11_forgotten_share.json beside it

On another machine the last bits differ, and after 200 steps more than those.
"""

import json
import pathlib

import numpy as np
from threadpoolctl import threadpool_limits

import minibert
from minibert.course import bert_backward
from minibert.gradcheck import museum

SEEDS = range(5)
RATES = (1e-3, 3e-3, 1e-2)
COSINE_AT = (0, 50, 100, 150, 200)


def cosine_to_the_right_gradient(planted, right, batch):
    """Return the cosine of the angle between the gradient of `planted` and the right one at its weights.

    Args:
        right: a model of the same sizes without the mistake; it takes over the weights.
    """
    for theirs, ours in zip(planted.parameters().values(), right.parameters().values()):
        ours.value[...] = theirs.value
    _, wrong_gradient = bert_backward.flat_gradient(planted, batch)
    _, right_gradient = bert_backward.flat_gradient(right, batch)
    lengths = np.linalg.norm(wrong_gradient) * np.linalg.norm(right_gradient)
    return float(wrong_gradient @ right_gradient / lengths)


def runs_of(seed):
    """Return the curves and cosines of one seed."""
    model, examples = bert_backward.toy_bert(seed)
    right, curves = bert_backward.toy_bert(seed)[0], {}
    curves["right"] = bert_backward.train(right, examples)
    curves["divided-twice"] = bert_backward.train(museum.plant(model, "divided-twice"), examples)
    for rate in RATES:
        planted = museum.plant(model, "forgotten-share")
        curves[f"forgotten-share {rate:g}"] = bert_backward.train(planted, examples, learning_rate=rate)
    planted, cosines = museum.plant(model, "forgotten-share"), []
    optimizer = minibert.AdamW(planted.parameters(), lr=3e-3)
    for step in range(COSINE_AT[-1] + 1):
        batch = examples.batch(step, 16)._asdict()
        if step in COSINE_AT:
            cosines.append(cosine_to_the_right_gradient(planted, right, batch))
        bert_backward.flat_gradient(planted, batch)
        optimizer.step()
    return {
        "curves": {name: np.round(curve, 4).tolist() for name, curve in curves.items()},
        "cosines": np.round(cosines, 4).tolist(),
    }


def main():
    with threadpool_limits(1, "blas"):
        found = {seed: runs_of(seed) for seed in SEEDS}
    text = "{\n" + ",\n".join(f'"{seed}": {json.dumps(runs)}' for seed, runs in found.items()) + "\n}\n"
    pathlib.Path(__file__).with_suffix(".json").write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
