"""Fine-tune the stored toy BERT for lesson 13: what moves, failed runs, probes, labels; five seeds,
twenty of the sweep of rates, eight of the runs that ask whether forgetting is the reason.

    python notebooks/data/13_fine_tuning.py             # writes 13_fine_tuning.json beside it
    python notebooks/data/13_fine_tuning.py moves 0     # one part of one seed

A part of a seed needs from five seconds to a minute on one idle core; the file is written after each. On
another machine the last bits differ.
"""

import json
import pathlib
import sys

from threadpoolctl import threadpool_limits

import minibert
from minibert.course import fine_tuning as lesson
from minibert.course.experiments import rounded

HERE = pathlib.Path(__file__).parent
FILE = HERE / "13_fine_tuning.json"
PARTS = {
    "moves": lesson.what_moves,
    "removals": lesson.removals,
    "sweep": lesson.sweep,
    "without forgetting": lesson.without_forgetting,
    "labels": lesson.by_labels,
}
SEEDS = {"sweep": 20, "without forgetting": 8}  # of the other parts 5


def main(parts, seeds):
    pretrained = minibert.BertForPreTraining.from_pretrained(HERE / "12_toy_bert")
    for part in parts:
        for seed in seeds or range(SEEDS.get(part, 5)):
            found = rounded(PARTS[part](pretrained, seed))
            results = json.loads(FILE.read_text("ascii")) if FILE.is_file() else {}
            results[part] = dict(sorted({**results.get(part, {}), str(seed): found}.items()))
            lines = (f'"{name}": {{\n{_lines(of_seeds)}\n}}' for name, of_seeds in results.items())
            FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="ascii")
            print(part, seed, flush=True)


def _lines(of_seeds):
    return ",\n".join(f'"{seed}": {json.dumps(found)}' for seed, found in of_seeds.items())


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):
        main(sys.argv[1:2] or PARTS, [int(seed) for seed in sys.argv[2:]])
