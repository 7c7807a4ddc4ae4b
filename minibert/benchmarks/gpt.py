"""The cost of one training step of GPT-2, beside Hugging Face's model under PyTorch.

A step is forward, backward and AdamW on one batch, in float32, with dropout 0.1, no padding, and the next
token of every position predicted.
"""

import numpy as np

from minibert.benchmarks.harness import (
    add_number,
    comparison,
    is_installed,
    measure_steps,
    training_step,
)
from minibert.models.gpt import GPT2Config, GPT2LMHeadModel

HELP = "GPT-2: time of a training step"
DESCRIPTION = (
    "Time a training step of a GPT-2, beside Hugging Face's eager model under PyTorch, where it is installed."
)
PRESETS = {  # batch size, tokens in a sequence, and the model's sizes
    "tiny": (16, 64, {
        "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 4000}),
    "mini": (8, 128, {
        "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 8000}),
}


def add_options(command):
    """Add the options to an argparse parser."""
    command.add_argument(
        "--preset", nargs="+", choices=PRESETS, default=list(PRESETS), metavar="SIZE",
        help=f"sizes (default: {', '.join(PRESETS)})",
    )
    add_number(command, "--threads", 1, "threads of BLAS")
    add_number(command, "--rounds", 20, "steps that are timed")


def measure(options, say):
    """Time the contestants in turn at each size; return a dict with the seconds of each."""
    results = []
    for preset in options.preset:
        batch_size, num_tokens, sizes = PRESETS[preset]
        config = GPT2Config(**sizes, max_position_embeddings=num_tokens)
        ids = np.random.default_rng(0).integers(config.vocab_size, size=(batch_size, num_tokens))
        batch = {"input_ids": ids, "labels": ids}  # shifted inside
        steps = {name: make(config, options.threads) for name, make in contestants().items()}
        seconds = measure_steps(steps, batch, options.threads, options.rounds)
        say(
            f"{preset} (B {batch_size}, T {num_tokens}, H {config.hidden_size}, {config.num_hidden_layers} "
            f"layers, V {config.vocab_size}), threads: {options.threads}, median of {options.rounds} steps"
        )
        say("\n".join(comparison(seconds, "ms a step")))
        results.append({"preset": preset, "threads": options.threads, "seconds": seconds})
    if len(seconds) == 1:
        say("Hugging Face's model is not installed here (pip install torch transformers).")
    return {"numpy": np.__version__, "results": results}


def contestants():
    """Return {name: function that makes its step, from (config, num_threads)} of those installed."""
    found = {"minibert": minibert_step}
    if is_installed("torch", "transformers"):
        from minibert.benchmarks import pytorch_gpt

        found["hugging-face"] = pytorch_gpt.training_step
    return found


def minibert_step(config, num_threads):
    """Return a function that makes one training step on a batch; BLAS has all the threads."""
    return training_step(GPT2LMHeadModel(config, seed=0), 1e-4, np.random.default_rng(0))
