"""`minibert bench growth`: how the time of a step grows with each size, as a picture."""

import json
import statistics

from minibert.benchmarks.bert import PRESETS, configuration, measure_steps, random_batch

SIZES = {  # of the tiny preset, one at a time
    "B": ("batch_size", (4, 8, 16, 32)),
    "T": ("num_tokens", (32, 64, 128, 256)),
    "H": ("hidden_size", (64, 128, 256, 512)),
    "V": ("vocab_size", (1000, 2000, 4000, 8000)),
}
NAMES = {"B": "sequences in a batch", "T": "tokens in a sequence", "H": "hidden size", "V": "vocabulary"}


def add(subcommands):
    """Add the benchmark to argparse's subparsers."""
    command = subcommands.add_parser(
        "growth",
        help="how the time of a step grows with B, T, H and V: a picture",
        description="Time a step of the tiny preset with each size in turn smaller and larger, and draw it.",
    )
    command.set_defaults(run=run)
    command.add_argument("--output", default="growth.png", metavar="FILE", help="picture to write (default: %(default)s)")
    command.add_argument("--rounds", type=int, default=7, metavar="N", help="steps that are timed (default: %(default)s)")
    command.add_argument("--json", action="store_true", help="print one JSON object, too")


def run(options):
    """Run `minibert bench growth`."""
    from minibert import plots

    growth = {letter: measure(*SIZES[letter], options.rounds) for letter in SIZES}
    plots.save(plots.cost_growth, options.output, growth, NAMES, size=(12, 3.6))
    if options.json:
        print(json.dumps(growth, indent=1))
        return
    for letter, rows in growth.items():
        print(f"{letter:<3}" + "".join(f"{size:>8,}: {1e3 * step:7.1f} ms ({1e3 * products:6.1f})" for size, step, products in rows))
    print(f"In brackets: the matrix products alone. The picture is in {options.output}.")


def measure(name, values, num_rounds):
    """Return [(size, seconds of a step, seconds of its matrix products)]; heads stay 64 wide, sequences of the tiny preset's length."""
    rows = []
    for value in values:
        batch_size, num_tokens, sizes = PRESETS["tiny"]
        shape = {"batch_size": batch_size, "num_tokens": num_tokens}
        sizes = {**sizes, "max_position_embeddings": 256}
        (shape if name in shape else sizes)[name] = value
        sizes["num_attention_heads"] = max(1, sizes["hidden_size"] // 64)
        config = configuration(sizes)
        seconds = measure_steps(config, random_batch(config, **shape), 1, num_rounds, ("minibert", "products"))
        rows.append((value, *(statistics.median(seconds[name]) for name in ("minibert", "products"))))
    return rows
