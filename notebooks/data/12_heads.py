"""Ask five BERTs what their heads are worth, as section 7 of lesson 12 does.

    python notebooks/data/12_heads.py    # writes 12_heads.json beside it; eight minutes and more, two cores

The models are those of 90 seconds on the toy language that the training guide tells of: the recipe "fast",
with the steps that fitted. On another machine the last bits differ, and after so many steps more than those.
"""

import copy

import numpy as np
from threadpoolctl import threadpool_limits

from minibert.course import pretraining
from minibert.course.experiments import store
from minibert.objectives.masked_lm import MaskedLM, MaskedLMRecipe
from minibert.text.toy import TOY
from minibert.training.step import Training

NUM_STEPS = (1056, 640, 684, 993, 1186)


def trained(seed):
    """Return the model of one seed after the steps that fitted into 90 seconds."""
    run = Training(MaskedLM(MaskedLMRecipe.of(["toy"], seed=seed, num_steps=NUM_STEPS[seed], threads=2)))
    for step in range(NUM_STEPS[seed]):
        run.step(step)
    return run.model


def without(model, places):
    """Return a copy of the model in which nobody reads what these heads, (layer, head) each, found."""
    smaller = copy.deepcopy(model)
    for layer, head in places:
        attention = smaller.bert.encoder[layer].attention
        size = len(attention.output.weight.value) // attention.num_heads
        attention.output.weight.value[head * size : (head + 1) * size] = 0
    return smaller


def worth_of_heads(model):
    """Return {question: how often the right form is the likelier one, in each setting of the lesson}."""
    vocab, found = TOY.tokenizer().vocab, {}
    questions = {"number": pretraining.number_question(vocab), "gender": pretraining.gender_question(vocab)}
    every = [vocab[word] for word in ("every", "many")]
    for name, asked in questions.items():
        looks = np.stack([
            layer[np.arange(len(asked.ids)), :, asked.source].mean(axis=0)
            for layer in pretraining.ask(model, asked).attention
        ])                                                                  # (layers, A)
        by_looks = sorted(np.ndindex(looks.shape), key=lambda place: looks[place])
        many = int((looks > 0.2).sum())
        hidden = pretraining.hide_source(asked, vocab)
        no_every = asked._replace(ids=np.where(np.isin(asked.ids, every), vocab["[MASK]"], asked.ids))
        neither = pretraining.hide_source(no_every, vocab)
        settings = {
            "whole": (model, asked),
            "no head": (without(model, by_looks[-1:]), asked),
            "no looking": (without(model, by_looks[len(by_looks) - many :]), asked),
            "no others": (without(model, by_looks[:many]), asked),
            "no source": (model, hidden),
            "no every": (model, no_every),
            "no every, no head": (without(model, by_looks[-1:]), no_every),
            "neither": (model, neither),
        }
        right = {setting: pretraining.ask(*each).right for setting, each in settings.items()}
        found[name] = {"look": looks.max(), "many": many, **right}
    return found


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):
        store(__file__, lambda seed: worth_of_heads(trained(seed)))
