"""`minibert bench`: what one training step of a BERT costs, beside its matrix products alone and beside PyTorch.

A step is forward, backward and AdamW on one batch, in float32, with dropout 0.1 and exact GELU, 15 % of the tokens predicted, no
padding. The contestants take turns, round after round, so that a machine that slows down slows all of them; a ratio is the
median of the rounds' ratios. Memory is measured in a process of its own for each contestant: how far the resident set rises
during a step (the most of four), above what the model, its gradients and the optimizer's moments take.
"""

import contextlib
import ctypes
import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.models.bert import BertConfig, BertForPreTraining
from minibert.training.optimizers import AdamW
from minibert.training.parallel import DataParallel

PRESETS = {  # batch size, tokens in a sequence, and the model's sizes
    "tiny": (16, 64, {"vocab_size": 2000, "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}),
    "mini": (16, 128, {"vocab_size": 8000, "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4}),
    "small": (8, 128, {"vocab_size": 16000, "hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8}),
    "base": (2, 128, {"vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}),
}
ROUNDS = {"tiny": 40, "mini": 10, "small": 10, "base": 5}
MLM_PROBABILITY = 0.15
CONTESTANTS = ("minibert", "products", "hugging-face", "lean", "uncut")


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


def minibert_step(config, num_threads):
    """Return a function that makes one training step of ours on a batch."""
    model = BertForPreTraining(config, seed=0)
    optimizer = AdamW(model.parameters(), lr=1e-4)
    if num_threads > 1:
        parallel, count = DataParallel(model, num_threads), iter(range(10**9))

        def step(batch):
            parallel.forward_backward(list(batch.values()), seed=[0, next(count)])
            optimizer.step(parallel.spread)

        return step
    rng = np.random.default_rng(0)

    def step(batch):
        model.zero_grad()
        output, cache = model.forward(**batch, rng=rng)
        model.backward(cache)
        optimizer.step()

    return step


def uncut_step(config, num_threads):
    """Return a function that makes one training step of ours on a whole batch: the threads are left to BLAS."""
    return minibert_step(config, num_threads=1)


def products_step(config, num_threads):
    """Return a function that computes every matrix product of a step on a batch, and nothing else.

    A linear layer has three: y = x W, d_W = xᵀ d_y, d_x = d_y Wᵀ. Attention has six for each head: scores, weighted values, and two
    gradients of each. Operands and results lie ready, in the layout that a step has them in.
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
    size, num_heads, num_rows = config.hidden_size, config.num_attention_heads, batch_size * num_tokens
    linear = [(num_rows, size, size)] * 4 + [(num_rows, size, config.intermediate_size), (num_rows, config.intermediate_size, size)]
    linear *= config.num_hidden_layers
    linear += [(num_predicted, size, size), (num_predicted, size, config.vocab_size), (batch_size, size, size), (batch_size, size, 2)]
    random, arrays = np.random.default_rng(0), {}

    def array(*shape):
        """One array for each shape: they hold numbers, so that no product is special."""
        if shape not in arrays:
            arrays[shape] = random.standard_normal(shape, np.float32)
        return arrays[shape]

    products = []
    for rows, inputs, outputs in linear:
        x, weight, d_y = array(rows, inputs), array(inputs, outputs), array(rows, outputs)
        products += [(x, weight, np.empty_like(d_y)), (x.T, d_y, np.empty_like(weight)), (d_y, weight.T, np.empty_like(x))]
    split = array(batch_size, num_tokens, num_heads, size // num_heads).transpose(0, 2, 1, 3)      # (B, A, T, D), as a view
    probs = array(batch_size, num_heads, num_tokens, num_tokens)
    across, along = (split, split.swapaxes(-1, -2), np.empty_like(probs)), (probs, split, np.empty(split.shape, np.float32))
    flipped = (probs.swapaxes(-1, -2), split, np.empty(split.shape, np.float32))
    return products + [across, along, across, flipped, along, flipped] * config.num_hidden_layers


def contestants(chosen=CONTESTANTS):
    """Return {name: function of (config, num_threads) that returns a step} of those chosen that can run here."""
    found = {"minibert": minibert_step, "uncut": uncut_step, "products": products_step}
    if importlib.util.find_spec("torch"):
        from minibert.benchmarks import pytorch

        found["lean"] = pytorch.lean
        if importlib.util.find_spec("transformers"):
            found["hugging-face"] = pytorch.hugging_face
    return {name: found[name] for name in chosen if name in found}


def measure_steps(config, batch, num_threads, num_rounds, chosen=CONTESTANTS):
    """Return {contestant: [seconds of a step, one for each round]}; a round before these warms up.

    Of every two steps the second is timed, as in a loop: the first wakes the threads, while those of the contestant before, which
    spin for a while when their work is done, go to sleep.
    """
    from threadpoolctl import threadpool_limits

    steps = {name: make(config, num_threads) for name, make in contestants(chosen).items()}
    seconds = {name: [] for name in steps}
    for round_number in range(-1, num_rounds):
        for name, step in steps.items():
            ours = 1 if name == "minibert" else num_threads  # one thread of BLAS in each of our threads
            with threadpool_limits(ours, "blas"):
                step(batch)
                start = time.perf_counter()
                step(batch)
                if round_number >= 0:
                    seconds[name].append(time.perf_counter() - start)
    return seconds


# --- memory -----------------------------------------------------------------------------------------------------------


def measure_memory(name, preset, num_threads):
    """Return the bytes by which a step of a contestant raises the peak of its memory, or None where nobody can tell (not on Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    command = [sys.executable, "-m", "minibert.benchmarks.bert", name, preset, str(num_threads)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    return int(done.stdout) if done.returncode == 0 else None


def _peak_of_a_step(name, preset, num_threads):
    batch_size, num_tokens, sizes = PRESETS[preset]
    config = configuration(sizes)
    step = contestants()[name](config, num_threads)
    step(random_batch(config, num_threads, 8))  # gradients, moments and libraries are in memory after this
    batch, rises = random_batch(config, batch_size, num_tokens), []
    for _ in range(4):
        with contextlib.suppress(AttributeError):  # glibc has it: give memory that is free back to the system
            ctypes.CDLL(None).malloc_trim(0)
        before = _memory("VmRSS")
        pathlib.Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak is counted from here on
        step(batch)
        rises.append(_memory("VmHWM") - before)
    return max(rises)  # later steps may find what the allocator kept of the first


def _memory(field):
    status = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field))


# --- the command ------------------------------------------------------------------------------------------------------


def add_options(command):
    """Add the options of `minibert bench` without a name."""
    command.set_defaults(run=run)
    command.add_argument("--preset", nargs="+", choices=PRESETS, default=list(PRESETS), help="sizes (default: all four)")
    command.add_argument("--threads", type=int, default=1, metavar="N", help="of each contestant (default: %(default)s)")
    command.add_argument("--rounds", type=int, metavar="N", help="steps that are timed (default: 40, 10, 10 and 5)")
    command.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS[:4]), metavar="NAME",
                         help=f"who takes part (default: {', '.join(CONTESTANTS[:4])}, if installed); uncut is minibert with the "
                              "threads in BLAS, in place of a share of the batch for each")  # fmt: skip
    command.add_argument("--json", action="store_true", help="print one JSON object")


def run(options):
    """Run `minibert bench`."""
    results = []
    for preset in options.preset:
        batch_size, num_tokens, sizes = PRESETS[preset]
        config = configuration(sizes)
        num_rounds = options.rounds or ROUNDS[preset]
        seconds = measure_steps(config, random_batch(config, batch_size, num_tokens), options.threads, num_rounds, options.only)
        memory = {name: measure_memory(name, preset, options.threads) for name in seconds if name != "products"}
        results.append({"preset": preset, "batch_size": batch_size, "tokens": num_tokens, **sizes, "threads": options.threads,
                        "seconds": seconds, "memory": memory})  # fmt: skip
        if not options.json:
            print("\n".join(table(results[-1])), flush=True)
    if options.json:
        print(json.dumps({"numpy": np.__version__, "results": results}, indent=1))
        return
    missing = [name for name in options.only if name not in results[0]["seconds"]]
    if missing:
        print(f"not installed here: {', '.join(missing)} (pip install torch transformers)")


def table(result):
    """Yield the lines of a preset: times, ours as a share of each other's, memory."""
    seconds, memory = result["seconds"], result["memory"]
    sizes = f"B {result['batch_size']}, T {result['tokens']}, H {result['hidden_size']}, {result['num_hidden_layers']} layers, V {result['vocab_size']}"
    rounds = len(next(iter(seconds.values())))
    yield f"{result['preset']} ({sizes}), threads: {result['threads']}, median of {rounds} steps"
    yield f"    {'':<16}{'ms a step':>10}{'minibert / it':>15}{'memory, MB':>12}{'minibert / it':>15}"
    for name, times in seconds.items():
        line = f"    {name:<16}{1e3 * statistics.median(times):>10.1f}"
        line += f"{ratio(seconds, name):>15.2f}" if name != "minibert" and "minibert" in seconds else f"{'':>15}"
        if memory.get(name):
            line += f"{memory[name] / 1e6:>12.0f}"
            if name != "minibert" and memory.get("minibert"):
                line += f"{memory['minibert'] / memory[name]:>15.2f}"
        yield line.rstrip()


def ratio(seconds, name):
    """Our time as a share of another's: the median of the rounds' ratios."""
    return statistics.median(ours / theirs for ours, theirs in zip(seconds["minibert"], seconds[name]))


if __name__ == "__main__":
    print(_peak_of_a_step(sys.argv[1], sys.argv[2], int(sys.argv[3])))
