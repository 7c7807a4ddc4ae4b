"""Measure the stacks of lesson 06 and train its planted BERT, five seeds each: a minute on one core.

    python notebooks/data/06_encoder_block.py    # writes 06_encoder_block.json beside it

On another machine the last bits differ, and after 400 steps more than those.
"""

import pathlib

import numpy as np
from threadpoolctl import threadpool_limits

import minibert
from minibert.course.bert_backward import flat_gradient
from minibert.course.experiments import definitions, store
from minibert.gradcheck import museum
from minibert.text.toy import TOY
from minibert.text.toy.pairs import ToyExamples

LESSON = definitions(pathlib.Path(__file__).parents[1] / "06_encoder_block.ipynb")
FORMS, DEPTHS = ("neither", "skip alone", "rescaled", "post-norm", "pre-norm"), (2, 4, 8, 16, 32)
NUM_STEPS, COSINE_AT = 400, (0, 100, 200, 300, 399)


def power(values):
    """Return the power of the depth with which values at DEPTHS grow."""
    return np.polyfit(np.log(DEPTHS), np.log(values), 1)[0]


def stacks(seed):
    """Return for each form how much the gradient grows on its way down, and x on its way up."""
    found = {}
    for form in FORMS:
        runs = {depth: LESSON["gradient_by_depth"](form, depth, seed) for depth in (24, *DEPTHS)}
        norms, _, sizes = runs[24]
        found[form] = {"gradient": norms[0] / norms[-1], "size": sizes[-1] / sizes[0],
                       "top, power": power([runs[depth][1] for depth in DEPTHS]),
                       "size, power": power([runs[depth][2][-1] for depth in DEPTHS])}
    return found


def planted(seed):
    """Train a right BERT and one with skip-around-norm; return their ends, and cosines on the way."""
    tokenizer = TOY.tokenizer()
    examples = ToyExamples(TOY, tokenizer, seed)
    config = minibert.BertConfig(tokenizer.vocab_size, 48, 2, 2, 96, max_position_embeddings=64)
    right = minibert.BertForPreTraining(config, seed)
    wrong, found = museum.plant(right, "skip-around-norm"), {}
    for name, model in (("right", right), ("wrong", wrong)):
        optimizer, losses, cosines = minibert.AdamW(model.parameters(), lr=2e-3), [], []
        for step in range(NUM_STEPS):
            batch = examples.batch(step, 16)._asdict()
            if name == "wrong" and step in COSINE_AT:
                cosines.append(cosine(model, right, batch))
            loss, _ = flat_gradient(model, batch)
            optimizer.step()
            losses.append(loss)
        found[name] = np.mean(losses[-40:])
        found[f"{name}, start"] = np.mean(losses[:10])
    return {**found, "cosines": cosines}


def cosine(wrong, right, batch):
    """Return the cosine of the angle between the gradient of `wrong` and the right one at its weights."""
    for theirs, ours in zip(wrong.parameters().values(), right.parameters().values()):
        ours.value[...] = theirs.value
    one, other = flat_gradient(wrong, batch)[1], flat_gradient(right, batch)[1]
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):
        store(__file__, lambda seed: {**stacks(seed), **planted(seed)})
