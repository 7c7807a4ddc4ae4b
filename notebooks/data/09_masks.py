"""Train the BERTs of lesson 09 on right and wrong masks, five seeds each: two minutes on one core.

    python notebooks/data/09_masks.py    # writes 09_masks.json beside it

On another machine the last bits differ, and after 300 steps more than those.
"""

import pathlib

import numpy as np
from threadpoolctl import threadpool_limits

import minibert
from minibert.course.experiments import definitions, store
from minibert.gradcheck import museum
from minibert.text.examples import mask_tokens
from minibert.text.toy import TOY
from minibert.text.toy.pairs import ToyExamples

LESSON = definitions(pathlib.Path(__file__).parents[1] / "09_text_to_batches.ipynb")
NUM_LEARNED, NUM_STEPS, BATCH_SIZE = 512, 800, 32  # pairs that are seen again and again

vocab = TOY.tokenizer().id_to_token
tokenizer = minibert.WordPieceTokenizer([*vocab, ".", "?"])
V, MASK = tokenizer.vocab_size, tokenizer.mask_token_id
LESSON.update(tokenizer=tokenizer, V=V, MASK=MASK)
exam = ToyExamples(TOY, tokenizer).held_out_pairs(1000)


def costs(model, seed):
    """Return the loss at one word of each of 1,000 new pairs: hidden, exchanged for another, left."""
    clean, rows, rng = exam.clean_ids, np.arange(1000), np.random.default_rng(seed + 2)
    place = np.where(clean > MASK, rng.random(clean.shape), 2.0).argmin(axis=1)
    labels = np.full(clean.shape, -100)
    labels[rows, place] = clean[rows, place]
    found = []
    for shown in (MASK, rng.integers(MASK + 1, V, size=1000), clean[rows, place]):
        ids = clean.copy()
        ids[rows, place] = shown
        output, _ = model.forward(ids, exam.batch.token_type_ids, exam.batch.attention_mask, labels=labels)
        found.append(output.loss)
    return found


def masks(seed):
    """Train with the right shares and with the nested ones: the curve's end, and the costs."""
    found = {}
    for name, mask in (("ours", mask_tokens), ("nested", museum.exhibits["nested-probabilities"].theirs)):
        model, losses = LESSON["train"](mask, seed=seed)
        found[name] = {"end": losses[-50:].mean(), "costs": costs(model, seed)}
    return found


def once_or_anew(seed):
    """Learn from 512 pairs, masked once or anew at each visit: loss on their own masks, and on new pairs."""
    pairs = ToyExamples(TOY, tokenizer, seed).pairs(NUM_LEARNED, np.random.default_rng([seed, 9]))
    fixed, found = pairs.batch, {}
    for name in ("once", "anew"):
        config = minibert.BertConfig(V, 32, 1, 4, 64, max_position_embeddings=24)
        model, losses = minibert.BertForPreTraining(config, seed), []
        optimizer, rng = minibert.AdamW(model.parameters(), lr=4e-3), np.random.default_rng(seed)
        for step in range(NUM_STEPS):
            some = np.arange(step * BATCH_SIZE, (step + 1) * BATCH_SIZE) % NUM_LEARNED
            clean, ids, labels = pairs.clean_ids[some], fixed.input_ids[some], fixed.labels[some]
            if name == "anew":
                ids, labels = mask_tokens(clean, clean > MASK, rng, V, MASK)
            model.zero_grad()
            output, cache = model.forward(ids, fixed.token_type_ids[some], fixed.attention_mask[some],
                                          labels=labels)
            model.backward(cache)
            optimizer.step()
            losses.append(output.loss)
        new, _ = model.forward(*exam.batch[:4])
        found[name] = {"last epoch": np.mean(losses[-NUM_LEARNED // BATCH_SIZE:]), "new pairs": new.loss}
    return found


def largest_deviation(seed):
    """Return how many standard errors the shares of 48,000 masked tokens are away, at most."""
    LESSON["text_ids"] = np.random.default_rng(seed).integers(MASK + 1, V, (48000, 8))
    measured, number = LESSON["shares"](mask_tokens, 48000, seed)
    expected = {"[MASK]": 0.8 + 0.1 / V, "itself": 0.1 + 0.1 / V, "another": 0.1 - 0.2 / V}
    return max(abs(measured[name] - share) / np.sqrt(share * (1 - share) / number)
               for name, share in expected.items())


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):
        store(__file__, lambda seed: {**masks(seed), **once_or_anew(seed), "away": largest_deviation(seed)})
