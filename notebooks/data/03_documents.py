"""Train LSTMs on whole documents of the toy language, their state kept from sentence to sentence.

    python notebooks/data/03_documents.py          # prints the limit, and a line for each of five seeds
    python notebooks/data/03_documents.py 0 1      # seeds 0 and 1 only

A document is a row, and its windows of 24 tokens are read one after the other: the gradient ends where a
window begins, the state goes on. The model is judged on 300 other documents, with its state kept, beside the
best possible model that remembers the document. A seed takes a minute of an idle core.
"""

import json
import sys

import numpy as np
from threadpoolctl import threadpool_limits

import minibert as mb
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.objectives.causal_lm import losses_and_right
from minibert.text.toy import TOY
from minibert.text.toy.documents import Documents
from minibert.text.toy.limits import Limits
from minibert.training.memory import keep_freed_memory
from minibert.training.optimizers import clip_gradients
from minibert.training.schedules import linear_schedule

SEEDS, NUM_BATCHES, BATCH_SIZE, WINDOW, RATE = range(5), 200, 64, 24, 1e-2
TOKENIZER = TOY.tokenizer()
LIMITS = Limits(TOY, TOKENIZER)


def drawn(number, rng):
    """Return the words of documents, (N, sentences, L), -1 after the end of a sentence."""
    return TOY.sample_words(TOY.sample_documents(number, rng)[0], rng)


def rows_of(words):
    """Return input ids and labels, (N, T) each: a [SEP], then the sentences, each with a [SEP] at its end."""
    tokens = np.pad(LIMITS.word_ids(words), ((0, 0), (0, 0), (0, 1)), constant_values=LIMITS.sep)
    rows = [document[is_token] for document, is_token in zip(tokens, asked(words))]
    length = max(map(len, rows))
    labels = np.stack([np.pad(row, (0, length - len(row)), constant_values=IGNORE_INDEX) for row in rows])
    inputs = np.pad(labels[:, :-1], ((0, 0), (1, 0)), constant_values=LIMITS.sep)
    return np.where(inputs == IGNORE_INDEX, 0, inputs), labels


def asked(words):
    """Return where documents have a token to predict, bool (N, sentences, L + 1): a word or a [SEP]."""
    return np.arange(words.shape[2] + 1) <= (words >= 0).sum(axis=2)[..., np.newaxis]


def trained(seed):
    """Return an LSTM after NUM_BATCHES of documents."""
    config = mb.LSTMConfig(TOKENIZER.vocab_size, tie_word_embeddings=True)
    model, rng = mb.LSTMLanguageModel(config, seed=seed), np.random.default_rng([seed, 1])
    optimizer = mb.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    for number in range(NUM_BATCHES):
        inputs, labels = rows_of(drawn(BATCH_SIZE, rng))
        optimizer.lr, state = linear_schedule(number, NUM_BATCHES, NUM_BATCHES // 10, RATE), None
        for start in range(0, labels.shape[1], WINDOW):
            here = np.s_[:, start:start + WINDOW]
            model.zero_grad()
            output, cache = model.forward(inputs[here], labels[here], state)
            model.backward(cache)
            clip_gradients(optimizer.parameters, 1.0)
            optimizer.step()
            state = output.state
    return model


def loss_of(model, words):
    """Return the nats per token of a model that reads documents with its state kept."""
    inputs, labels = rows_of(words)
    output, _ = model.forward(inputs, labels)
    return float(losses_and_right(output.logits, labels[labels >= 0])[0].mean())


def best_loss(words):
    """Return the nats per token of the best model that remembers the documents."""
    losses, _ = Documents(LIMITS).next_token(words)
    return float(losses[asked(words)].mean())


def main(seeds):
    words = drawn(300, np.random.default_rng(1))
    limit = best_loss(words)
    print(json.dumps({"limit": round(limit, 4)}), flush=True)
    for seed in seeds:
        loss = loss_of(trained(seed), words)
        found = {"seed": seed, "loss": round(loss, 4), "above the limit": round(loss / limit - 1, 4)}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    keep_freed_memory()
    with threadpool_limits(1, "blas"):
        main([int(seed) for seed in sys.argv[1:]] or SEEDS)
