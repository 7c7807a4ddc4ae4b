"""Measure first losses and train the poolers of lesson 10, five seeds each: two minutes on one core.

    python notebooks/data/10_bert_forward.py    # writes 10_bert_forward.json beside it

On another machine the last bits differ, and after 120 steps more than those.
"""

import pathlib

import numpy as np
from threadpoolctl import threadpool_limits

import minibert
from minibert.course.experiments import definitions, store
from minibert.gradcheck import museum
from minibert.layers import Layer
from minibert.text.toy import TOY
from minibert.text.toy.pairs import ToyExamples
from minibert.trace import example

LESSON = definitions(pathlib.Path(__file__).parents[1] / "10_bert_forward.ipynb")
V, NUM_STEPS = 1000, 300
TOKENIZER = TOY.tokenizer()


class NoNorm(Layer):
    """In the place of a LayerNorm that somebody forgot."""

    def forward(self, x):
        return x, None


def first_loss(seed, changes="", initializer_range=0.02, hidden_size=32):
    """Return the MLM loss of an untrained model on random text, its LayerNorms taken out where named."""
    config = minibert.BertConfig(V, hidden_size, num_hidden_layers=2, intermediate_size=48,
                                 initializer_range=initializer_range)
    model = minibert.BertForPreTraining(config, seed, np.float64)
    if "head" in changes:
        model.mlm_head.norm = NoNorm()
    if "embeddings" in changes:
        model.bert.embeddings.norm = NoNorm()
    if "blocks" in changes:
        for block in model.bert.encoder:
            block.attention_norm = block.output_norm = NoNorm()
    input_ids, labels = np.random.default_rng(seed).integers(V, size=(2, 10, 30))
    return model.forward(input_ids, labels=labels)[0].loss


def first_losses(seed):
    """Return the first loss, and what mistakes make of it."""
    without = ("head", "embeddings", "blocks", "head, embeddings, blocks")
    found = {f"without norms of {changes}": first_loss(seed, changes) for changes in without}
    wide = {f"{name}, weights of 1": first_loss(seed, changes, 1.0)
            for name, changes in (("right", ""), ("without norms of head", "head"))}
    return {"first loss": first_loss(seed), "weights of 0.3": first_loss(seed, "", 0.3), **found, **wide}


def steps_where_the_answer_is_seen(seed, below=0.1):
    """Train on labels that are visible in input_ids; return after how many steps the loss is small."""
    config = minibert.BertConfig(TOKENIZER.vocab_size, 32, intermediate_size=64, max_position_embeddings=40)
    examples, model = ToyExamples(TOY, TOKENIZER, seed), minibert.BertForPreTraining(config, seed)
    optimizer = minibert.AdamW(model.parameters(), lr=3e-3)
    for step in range(NUM_STEPS):
        batch = examples.batch(step, 16)
        seen = np.where(batch.labels == -100, batch.input_ids, batch.labels)
        model.zero_grad()
        output, cache = model.forward(seen, *batch[1:4])
        model.backward(cache)
        optimizer.step()
        if output.loss < below:
            return step + 1
    return None


def poolers(seed):
    """Train the right pooler, the mean of all tokens, and layers built in forward: losses, and answers."""
    examples = ToyExamples(TOY, TOKENIZER, seed)
    pairs, new_pairs = examples.batch(0, 16), examples.batch(1, 64)
    LESSON.update(pairs=pairs, new_pairs=new_pairs)
    config = minibert.BertConfig(TOKENIZER.vocab_size, hidden_size=32, intermediate_size=64,
                                 max_position_embeddings=40)
    ours = minibert.BertForPreTraining(config, seed)
    models = {"ours": ours, "from all": museum.plant(ours, "pooled-from-all"),
              "built in forward": museum.plant(ours, "weights-in-forward")}
    counts, found = range(40 - new_pairs.input_ids.shape[1] + 1), {}
    for name, model in models.items():
        losses = LESSON["train"](model)
        answers = np.array([LESSON["probability_of_next"](model, count) for count in counts])
        swings = np.ptp(answers, axis=0)
        crossed = np.mean((answers.max(axis=0) > 0.5) & (answers.min(axis=0) < 0.5))
        found[name] = {"losses": [losses[0], losses[59], losses[-1]], "largest swing": swings.max(),
                       "median swing": np.median(swings), "other answer": crossed}
    return found


def forgotten_mask(seed):
    """Return how far two [PAD] move the real tokens of section 4's model without a mask: least, and most."""
    subject = example.by_hand(seed)
    LESSON.update(model=subject.model)
    right, _ = LESSON["run"](subject.batch)
    forgotten, _ = LESSON["run"](subject.batch, use_mask=False)
    moved = np.abs(forgotten - right).max(axis=-1)
    return [moved.min(), moved.max()]


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):
        store(__file__, lambda seed: {**first_losses(seed), **poolers(seed), "moved": forgotten_mask(seed),
                                      "steps": steps_where_the_answer_is_seen(seed)})
