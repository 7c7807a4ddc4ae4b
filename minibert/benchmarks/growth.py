"""How the time of a training step grows with each size; `minibert bench growth` draws it."""

import statistics

from minibert.benchmarks.bert import PRESETS, configuration, measure_steps, random_batch
from minibert.benchmarks.harness import add_number

HELP = "how the time of a step grows with B, T, H and V: a picture"
DESCRIPTION = "Time a step of the tiny preset with each size in turn smaller and larger, and draw it."
SIZES = {  # of the tiny preset, one at a time
    "B": ("batch_size", (4, 8, 16, 32)),
    "T": ("num_tokens", (32, 64, 128, 256)),
    "H": ("hidden_size", (64, 128, 256, 512)),
    "V": ("vocab_size", (1000, 2000, 4000, 8000)),
}
NAMES = {"B": "sequences in a batch", "T": "tokens in a sequence", "H": "hidden size", "V": "vocabulary"}


def add_options(command):
    """Add the options to an argparse parser."""
    command.add_argument(
        "--output", dest="picture", default="growth.png", metavar="FILE",
        help="picture to write (default: %(default)s)",
    )
    add_number(command, "--rounds", 7, "steps that are timed")


def measure(options, say):
    """Return {letter: [(size, seconds of a step, seconds of its matrix products)]}."""
    growth = {}
    for letter, (name, values) in SIZES.items():
        growth[letter] = measure_size(name, values, options.rounds)
        line = f"{letter:<3}"
        for size, step, products in growth[letter]:
            line += f"{size:>8,}: {1e3 * step:7.1f} ms ({1e3 * products:6.1f})"
        say(line)
    say("In brackets: the matrix products alone.")
    return growth


def measure_size(name, values, num_rounds):
    """Return [(size, seconds of a step, seconds of its matrix products)]; every head is 64 wide."""
    rows = []
    for value in values:
        batch_size, num_tokens, sizes = PRESETS["tiny"]
        shape = {"batch_size": batch_size, "num_tokens": num_tokens}
        sizes = {**sizes, "max_position_embeddings": 256}
        changed = shape if name in shape else sizes
        changed[name] = value
        sizes["num_attention_heads"] = max(1, sizes["hidden_size"] // 64)
        config = configuration(sizes)
        batch = random_batch(config, **shape)
        seconds = measure_steps(config, batch, 1, num_rounds, ("minibert", "products"))
        step, products = statistics.median(seconds["minibert"]), statistics.median(seconds["products"])
        rows.append((value, step, products))
    return rows
