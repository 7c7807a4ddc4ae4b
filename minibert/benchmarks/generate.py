"""The cost of generating text with GPT-2: greedy, with state, 64 new tokens after a prompt of 16.

All contestants have the same weights, in float32. minibert writes with a GPT2Writer, and beside it with the
model itself. One of the others is transformers' `generate`, eager; one is a loop that does only what must be
done (pytorch_gpt.lean_writer). A table says whether they wrote the same tokens.
"""

import functools

import numpy as np

from minibert.arguments import positive
from minibert.benchmarks.bert import blas_threads
from minibert.benchmarks.harness import add_number, comparison, is_installed, seconds_of, take_turns
from minibert.generation import generate
from minibert.gpt2_writer import GPT2Writer
from minibert.models.gpt import GPT2Config, GPT2LMHeadModel

HELP = "GPT-2: time of generating text"
DESCRIPTION = (
    "Time the generation of text with a GPT-2: with the class that only writes, the model itself, and, where "
    "they are installed, transformers' generate and a lean loop under PyTorch."
)
PRESETS = {
    "tiny": {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 4000},
    "mini": {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 8000},
    "gpt2": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "vocab_size": 50257},
}
NUM_PROMPT, NUM_NEW = 16, 64


def add_options(command):
    """Add the options to an argparse parser."""
    command.add_argument(
        "--preset", nargs="+", choices=PRESETS, default=["tiny", "mini"], metavar="SIZE",
        help="sizes: tiny, mini, gpt2 (default: tiny mini)",
    )
    command.add_argument(
        "--batch-size", nargs="+", type=positive(int), default=[1, 16], metavar="B",
        help="sequences (default: 1 16)",
    )
    add_number(command, "--threads", 1, "threads of each contestant")
    add_number(command, "--rounds", 10, "texts that are timed")


def measure(options, say):
    """Time the contestants in turn at each size; return a dict with the seconds of each."""
    results = []
    for preset in options.preset:
        config = GPT2Config(**PRESETS[preset], max_position_embeddings=NUM_PROMPT + NUM_NEW)
        model = GPT2LMHeadModel(config, seed=0)
        writers = {name: make(model) for name, make in contestants().items()}
        for batch_size in options.batch_size:
            prompts = np.random.default_rng(0).integers(config.vocab_size, size=(batch_size, NUM_PROMPT))
            seconds, texts = measure_texts(writers, prompts, options.threads, options.rounds)
            alike = {name: np.array_equal(text, texts["minibert"]) for name, text in texts.items()}
            say(
                f"{preset} (H {config.hidden_size}, {config.num_hidden_layers} layers, V "
                f"{config.vocab_size}), batch {batch_size}, threads: {options.threads}, median of "
                f"{options.rounds} texts"
            )
            say("\n".join(comparison(seconds, "ms a text")))
            say("    the same tokens" if all(alike.values()) else f"    other tokens than minibert: {alike}")
            results.append({"preset": preset, "batch_size": batch_size, "seconds": seconds, "alike": alike})
    if "lean" not in writers:
        say("PyTorch and transformers are not installed here (pip install torch transformers).")
    return {"numpy": np.__version__, "threads": options.threads, "results": results}


def measure_texts(writers, prompts, num_threads, num_rounds):
    """Return {contestant: [seconds of a text, one for each round]} and {contestant: its ids}."""
    texts = {}

    def timed(name, round_number):
        def write():
            texts[name] = writers[name](prompts, NUM_NEW)

        with blas_threads("", num_threads):
            return seconds_of(write)

    turns = {name: functools.partial(timed, name) for name in writers}
    return take_turns(turns, num_rounds, num_warm_up=1), texts


def contestants():
    """Return {name: function that makes a writer (prompts, number → ids) of our model} of those installed."""
    found = {"minibert": minibert_writer, "model": model_writer}
    if is_installed("torch"):
        from minibert.benchmarks import pytorch_gpt

        if is_installed("transformers"):
            found["hugging-face"] = pytorch_gpt.hugging_face_writer
        found["lean"] = pytorch_gpt.lean_writer
    return found


def minibert_writer(model):
    """Return a function that goes on with prompts (B, T) by `number` tokens: (B, T + number)."""
    return model_writer(GPT2Writer(model))


def model_writer(model):
    """Return the same of the model itself, or of any other that generate takes."""
    return lambda prompts, number: generate(model, prompts, max_new_tokens=number)
