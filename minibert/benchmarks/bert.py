"""The cost of one training step of a BERT, beside its matrix products alone and beside PyTorch.

A step is forward, backward and AdamW on one batch, in float32, with dropout 0.1 and exact GELU, 15 % of the
tokens predicted, no padding. Memory is how far the resident set rises during a step, above the model, its
gradients and the optimizer's moments.
"""

import functools
import itertools
import statistics

import numpy as np

from minibert.benchmarks.harness import (
    add_number,
    is_installed,
    measure_memory,
    median_ratio,
    seconds_of,
    take_turns,
    training_step,
)
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.models.bert import BertConfig, BertForPreTraining
from minibert.objectives.masked_lm import SIZES
from minibert.text.examples import PairBatch
from minibert.training.optimizers import AdamW
from minibert.training.parallel import DataParallel

HELP = "BERT: time and memory of a training step"
DESCRIPTION = (
    "Time a training step of a BERT, beside its matrix products alone and, where they are installed, "
    "Hugging Face's model and a lean one under PyTorch."
)
PRESETS = {  # batch size, tokens in a sequence, and the model's sizes
    "tiny": (16, 64, {**SIZES["tiny"], "vocab_size": 2000}),
    "mini": (16, 128, {**SIZES["mini"], "vocab_size": 8000}),
    "small": (8, 128, {**SIZES["small"], "vocab_size": 16000}),
    "base": (2, 128, {**SIZES["base"], "vocab_size": 30522}),
}
ROUNDS = {"tiny": 40, "mini": 10, "small": 10, "base": 5}
MLM_PROBABILITY = 0.15
CONTESTANTS = ("minibert", "products", "hugging-face", "lean", "uncut")
USUAL = CONTESTANTS[:4]


def add_options(command):
    """Add the options to an argparse parser."""
    command.add_argument(
        "--preset", nargs="+", choices=PRESETS, default=list(PRESETS), metavar="SIZE",
        help=f"sizes (default: {', '.join(PRESETS)})",
    )
    add_number(command, "--threads", 1, "threads of each contestant")
    add_number(command, "--rounds", None, "steps that are timed (default: 40, 10, 10 and 5)")
    command.add_argument(
        "--only", nargs="+", choices=CONTESTANTS, default=list(USUAL), metavar="NAME",
        help=f"contestants (default: {', '.join(USUAL)}, if installed); uncut is minibert with the threads "
        "in BLAS, in place of a share of the batch for each",
    )


def measure(options, say):
    """Measure each preset; return {"numpy": its version, "results": a dict for each preset}."""
    results = []
    for preset in options.preset:
        batch_size, num_tokens, sizes = PRESETS[preset]
        config = configuration(sizes)
        batch = random_batch(config, batch_size, num_tokens)
        num_rounds = options.rounds or ROUNDS[preset]
        seconds = measure_steps(config, batch, options.threads, num_rounds, options.only)
        memory = {
            name: measure_memory(__name__, "step_of", name, batch_size, num_tokens, sizes, options.threads)
            for name in seconds if name != "products"
        }
        results.append({
            "preset": preset, "batch_size": batch_size, "tokens": num_tokens, **sizes,
            "threads": options.threads, "seconds": seconds, "memory": memory,
        })
        say("\n".join(table(results[-1])))
    missing = [name for name in options.only if name not in results[0]["seconds"]]
    if missing:
        say(f"not installed here: {', '.join(missing)} (pip install torch transformers)")
    return {"numpy": np.__version__, "results": results}


def table(result):
    """Yield the lines of a preset: times, ours as a share of each other's, memory."""
    seconds, memory = result["seconds"], result["memory"]
    num_rounds = len(next(iter(seconds.values())))
    sizes = (
        f"B {result['batch_size']}, T {result['tokens']}, H {result['hidden_size']}, "
        f"{result['num_hidden_layers']} layers, V {result['vocab_size']}"
    )
    yield f"{result['preset']} ({sizes}), threads: {result['threads']}, median of {num_rounds} steps"
    yield f"    {'':<16}{'ms a step':>10}{'minibert / it':>15}{'memory, MB':>12}{'minibert / it':>15}"
    for name, times in seconds.items():
        is_other = name != "minibert"
        line = f"    {name:<16}{1e3 * statistics.median(times):>10.1f}"
        if is_other and "minibert" in seconds:
            line += f"{median_ratio(seconds['minibert'], times):>15.2f}"
        else:
            line += f"{'':>15}"
        if memory.get(name):
            line += f"{memory[name] / 1e6:>12.0f}"
            if is_other and memory.get("minibert"):
                line += f"{memory['minibert'] / memory[name]:>15.2f}"
        yield line.rstrip()


def measure_steps(config, batch, num_threads, num_rounds, chosen=CONTESTANTS):
    """Return {contestant: [seconds of a step, one for each round]}; a round before these warms up.

    Of every two steps the second is timed, as in a loop: the first wakes the threads, while those of the
    contestant before, which spin for a while when their work is done, go to sleep.
    """
    def second_of_two(name, step, round_number):
        with blas_threads(name, num_threads):
            step(batch)
            return seconds_of(step, batch)

    turns = {}
    for name, make in contestants(chosen).items():
        turns[name] = functools.partial(second_of_two, name, make(config, num_threads))
    return take_turns(turns, num_rounds, num_warm_up=1)


def blas_threads(name, num_threads):
    """Limit the threads of BLAS for a contestant: minibert has one in each of its own threads."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1 if name == "minibert" else num_threads, "blas")


def step_of(name, batch_size, num_tokens, sizes, num_threads):
    """Return a function that makes one training step of a contestant, for its memory to be measured."""
    config = configuration(sizes)
    step = contestants()[name](config, num_threads)
    blas_threads(name, num_threads)  # for the rest of the process
    step(random_batch(config, num_threads, 8))  # gradients, moments and libraries are in memory after this
    return functools.partial(step, random_batch(config, batch_size, num_tokens))


def configuration(sizes):
    """Return the BertConfig of a preset's sizes."""
    return BertConfig(**sizes, intermediate_size=4 * sizes["hidden_size"])


def random_batch(config, batch_size, num_tokens, seed=0):
    """Return {argument: array} of a batch without padding, 15 % of its tokens to be predicted."""
    rng = np.random.default_rng(seed)
    shape = (batch_size, num_tokens)
    predicted = np.zeros(batch_size * num_tokens, bool)
    predicted[rng.choice(predicted.size, round(MLM_PROBABILITY * predicted.size), replace=False)] = True
    return {
        "input_ids": rng.integers(5, config.vocab_size, shape),
        "token_type_ids": np.broadcast_to(np.arange(num_tokens) >= num_tokens // 2, shape).astype(np.int64),
        "attention_mask": np.ones(shape, np.int64),
        "labels": np.where(predicted.reshape(shape), rng.integers(5, config.vocab_size, shape), IGNORE_INDEX),
        "next_sentence_label": rng.integers(0, 2, batch_size),
    }


# --- the contestants: each makes, from (config, num_threads), a function that does one step on a batch ---


def contestants(chosen=CONTESTANTS):
    """Return {name: function that makes its step} of the chosen contestants that are installed."""
    found = {"minibert": minibert_step, "uncut": uncut_step, "products": products_step}
    if is_installed("torch"):
        from minibert.benchmarks import pytorch

        found["lean"] = pytorch.lean
        if is_installed("transformers"):
            found["hugging-face"] = pytorch.hugging_face
    return {name: found[name] for name in chosen if name in found}


def minibert_step(config, num_threads):
    """Return a function that makes one training step of minibert on a batch."""
    model = BertForPreTraining(config, seed=0)
    if num_threads == 1:
        return training_step(model, 1e-4, np.random.default_rng(0))
    optimizer = AdamW(model.parameters(), lr=1e-4)
    parallel, steps = DataParallel(model, num_threads), itertools.count()

    def step(batch):
        _, cache = parallel.forward(PairBatch(**batch), seed=[0, next(steps)])
        parallel.zero_grad()
        parallel.backward(cache)
        optimizer.step(parallel.spread)

    return step


def uncut_step(config, num_threads):
    """Return a function that makes one training step of minibert on a whole batch; BLAS has the threads."""
    return minibert_step(config, num_threads=1)


def products_step(config, num_threads):
    """Return a function that computes every matrix product of a step on a batch, and nothing else.

    A linear layer has three: y = x W, d_W = xᵀ d_y, d_x = d_y Wᵀ. Attention has six for each head: scores,
    weighted values, and two gradients of each. Operands and results are allocated before, in the layout of a
    step.
    """
    made = {}  # shape of a batch: its products

    def step(batch):
        shape = (*batch["input_ids"].shape, np.count_nonzero(batch["labels"] != IGNORE_INDEX))
        if shape not in made:
            made[shape] = _products(config, *shape)
        for left, right, result in made[shape]:
            np.matmul(left, right, out=result)

    return step


def _products(config, batch_size, num_tokens, num_predicted):
    """Return [(left, right, result)] of a step."""
    size, inner, num_heads = config.hidden_size, config.intermediate_size, config.num_attention_heads
    num_layers, num_rows = config.num_hidden_layers, batch_size * num_tokens
    linear = [(num_rows, size, size)] * 4 + [(num_rows, size, inner), (num_rows, inner, size)]
    linear *= num_layers
    linear += [(num_predicted, size, size), (num_predicted, size, config.vocab_size)]
    linear += [(batch_size, size, size), (batch_size, size, 2)]
    random, arrays = np.random.default_rng(0), {}

    def array(*shape):
        """One array for each shape: they hold numbers, so that no product is special."""
        if shape not in arrays:
            arrays[shape] = random.standard_normal(shape, np.float32)
        return arrays[shape]

    products = []
    for rows, inputs, outputs in linear:
        x, weight, d_y = array(rows, inputs), array(inputs, outputs), array(rows, outputs)
        products.append((x, weight, np.empty_like(d_y)))
        products.append((x.T, d_y, np.empty_like(weight)))
        products.append((d_y, weight.T, np.empty_like(x)))
    heads = array(batch_size, num_tokens, num_heads, size // num_heads)
    heads = heads.transpose(0, 2, 1, 3)                                 # (B, A, T, D), a view
    probs = array(batch_size, num_heads, num_tokens, num_tokens)        # (B, A, T, T)
    scores = (heads, heads.swapaxes(-1, -2), np.empty_like(probs))
    weighted = (probs, heads, np.empty(heads.shape, np.float32))
    flipped = (probs.swapaxes(-1, -2), heads, np.empty(heads.shape, np.float32))
    return products + [scores, weighted, scores, flipped, weighted, flipped] * num_layers
