"""The cost of one training step of XLNet, beside Hugging Face's model under PyTorch.

A step is forward, backward and AdamW on one batch, in float32, with dropout 0.1, no padding, no state, two
segments, and a quarter of the tokens predicted, in a random order.
"""

import functools

import numpy as np

from minibert.benchmarks.bert import blas_threads
from minibert.benchmarks.harness import add_number, comparison, is_installed, seconds_of, take_turns
from minibert.models.xlnet import XLNetConfig, XLNetLMHeadModel
from minibert.text.examples.permutations import order_mask, targets
from minibert.training.optimizers import AdamW

HELP = "XLNet: time of a training step"
DESCRIPTION = (
    "Time a training step of an XLNet, beside Hugging Face's model under PyTorch, where it is installed."
)
BATCH_SIZE, NUM_TOKENS, NUM_TARGETS = 16, 64, 16
CONFIG = XLNetConfig(vocab_size=4000, hidden_size=128, num_hidden_layers=2, num_attention_heads=4)


def add_options(command):
    """Add the options to an argparse parser."""
    add_number(command, "--threads", 1, "threads of BLAS")
    add_number(command, "--rounds", 20, "steps that are timed")


def measure(options, say):
    """Time the contestants in turn; return a dict with the seconds of each."""
    batch = random_batch(CONFIG)

    def timed(step, round_number):
        with blas_threads("", options.threads):
            return seconds_of(step, batch)

    turns = {
        name: functools.partial(timed, make(CONFIG, options.threads))
        for name, make in contestants().items()
    }
    seconds = take_turns(turns, options.rounds, num_warm_up=2)
    say(
        f"B {BATCH_SIZE}, T {NUM_TOKENS}, {NUM_TARGETS} predicted, H {CONFIG.hidden_size}, "
        f"{CONFIG.num_hidden_layers} layers, {CONFIG.num_attention_heads} heads, V {CONFIG.vocab_size}, "
        f"threads: {options.threads}, median of {options.rounds} steps"
    )
    say("\n".join(comparison(seconds, "ms a step")))
    if len(seconds) == 1:
        say("Hugging Face's model is not installed here (pip install torch transformers).")
    return {"numpy": np.__version__, "threads": options.threads, "seconds": seconds}


def random_batch(config):
    """Return the arguments of forward, the same at every call."""
    rng = np.random.default_rng(0)
    input_ids = rng.integers(config.vocab_size, size=(BATCH_SIZE, NUM_TOKENS))
    ranks = rng.random(input_ids.shape).argsort(axis=1)
    order = np.maximum(ranks - (NUM_TOKENS - NUM_TARGETS) + 1, 0)  # 1, 2, ... for the targets
    target_mapping, labels = targets(input_ids, order > 0)
    return {
        "input_ids": input_ids,
        "token_type_ids": np.tile(np.arange(NUM_TOKENS) // (NUM_TOKENS // 2), (BATCH_SIZE, 1)),
        "perm_mask": order_mask(order), "target_mapping": target_mapping, "labels": labels,
    }


def contestants():
    """Return {name: function that makes its step, from (config, num_threads)} of those installed."""
    found = {"minibert": minibert_step}
    if is_installed("torch", "transformers"):
        found["hugging-face"] = hugging_face_step
    return found


def minibert_step(config, num_threads):
    """Return a function that makes one training step on a batch; BLAS has all the threads."""
    model = XLNetLMHeadModel(config, seed=0)
    optimizer = AdamW(model.parameters(), lr=1e-4)
    rng = np.random.default_rng(0)

    def step(batch):
        model.zero_grad()
        _, cache = model.forward(**batch, rng=rng)
        model.backward(cache)
        optimizer.step()

    return step


def hugging_face_step(config, num_threads):
    """Return a function that makes one step of transformers' XLNetLMHeadModel, with plain AdamW."""
    import torch
    import transformers

    from minibert.benchmarks.pytorch import step_of

    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(num_threads)
    torch.manual_seed(0)
    model = transformers.XLNetLMHeadModel(transformers.XLNetConfig(
        vocab_size=config.vocab_size, d_model=config.hidden_size, n_layer=config.num_hidden_layers,
        n_head=config.num_attention_heads, d_inner=config.intermediate_size)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)

    def loss_of(batch):
        real = {name: batch[name].float() for name in ("perm_mask", "target_mapping")}
        return model(**batch | real).loss

    return step_of(loss_of, optimizer, num_threads)
