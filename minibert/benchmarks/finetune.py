"""The cost of one step of fine-tuning a classifier, every parameter of it, beside PyTorch.

A step is forward, backward and AdamW on one batch, in float32, with dropout 0.1 and exact GELU, no padding,
at the sizes of MiniLM: 6 layers of 384, 22 million parameters. More than half of these are the token
embeddings, of which a batch reads a few hundred rows, and AdamW steps them all.
"""

import functools

import numpy as np

from minibert.benchmarks.harness import (
    add_number,
    comparison,
    is_installed,
    measure_steps,
    training_step,
)
from minibert.models.bert import BertConfig
from minibert.models.heads import BertForSequenceClassification

HELP = "fine-tuning: time of a step at the sizes of MiniLM"
DESCRIPTION = (
    "Time a step of fine-tuning a classifier at the sizes of MiniLM, beside Hugging Face's model under "
    "PyTorch with its usual AdamW and with the fused one, where they are installed."
)
SIZES = {
    "vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
    "intermediate_size": 1536, "max_position_embeddings": 512,
}
BATCH_SIZE, NUM_TOKENS = 16, 32


def add_options(command):
    """Add the options to an argparse parser."""
    add_number(command, "--batch-size", BATCH_SIZE, "sequences")
    add_number(command, "--tokens", NUM_TOKENS, "tokens in each")
    add_number(command, "--threads", 1, "threads of BLAS")
    add_number(command, "--rounds", 15, "steps that are timed")


def measure(options, say):
    """Time the contestants in turn; return a dict: seconds of each, one for each round, and the sizes."""
    config = BertConfig(**SIZES)
    batch = random_batch(config, options.batch_size, options.tokens)
    steps = {name: make(config, options.threads) for name, make in contestants().items()}
    seconds = measure_steps(steps, batch, options.threads, options.rounds)
    result = {
        "numpy": np.__version__, "batch_size": options.batch_size, "tokens": options.tokens,
        "threads": options.threads, "seconds": seconds,
    }
    say("\n".join(table(result)))
    if len(seconds) == 1:
        say("Hugging Face's model is not installed here (pip install torch transformers).")
    return result


def table(result):
    """Yield the lines: the time of a step of each, and ours as a share of it."""
    num_rounds = len(result["seconds"]["minibert"])
    yield (
        f"a step of fine-tuning MiniLM (B {result['batch_size']}, T {result['tokens']}), threads: "
        f"{result['threads']}, median of {num_rounds} steps"
    )
    yield from comparison(result["seconds"], "ms a step")


def random_batch(config, batch_size, num_tokens, seed=0):
    """Return {argument: array} of a batch without padding."""
    rng = np.random.default_rng(seed)
    shape = (batch_size, num_tokens)
    return {
        "input_ids": rng.integers(5, config.vocab_size, shape),
        "token_type_ids": np.zeros(shape, np.int64),
        "attention_mask": np.ones(shape, np.int64),
        "labels": rng.integers(config.num_labels, size=batch_size),
    }


def contestants():
    """Return {name: function that makes its step, from (config, num_threads)} of those installed."""
    found = {"minibert": minibert_step}
    if is_installed("torch", "transformers"):
        from minibert.benchmarks import pytorch

        found["hugging-face"] = functools.partial(pytorch.classifier, fused=None)
        found["hugging-face, fused"] = functools.partial(pytorch.classifier, fused=True)
    return found


def minibert_step(config, num_threads):
    """Return a function that makes one step of fine-tuning on a batch; BLAS has all the threads."""
    return training_step(BertForSequenceClassification(config, seed=0), 2e-5, np.random.default_rng(0))
