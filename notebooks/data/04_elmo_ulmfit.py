"""Train the models of lesson 04, five seeds each: five ELMos, and ULMFiT in seven variants.

    python notebooks/data/04_elmo_ulmfit.py          # writes 04_elmo_ulmfit.json and 04_elmo/ beside it
    python notebooks/data/04_elmo_ulmfit.py elmo 0   # one seed of one part

Each part of each seed is some minute on one idle core, and the file is written after it. On another machine
the last bits differ.
"""

import json
import pathlib
import sys

from threadpoolctl import threadpool_limits

from minibert.course import elmo, ulmfit

HERE = pathlib.Path(__file__).parent
FILE = HERE / "04_elmo_ulmfit.json"


def main(parts, seeds):
    results = json.loads(FILE.read_text("ascii")) if FILE.is_file() else {"elmo": {}, "ulmfit": {}}
    for seed in seeds:
        for part in parts:
            if part == "elmo":
                model, found = elmo.elmo_run(seed)
                if seed == 0:
                    model.save_pretrained(HERE / "04_elmo")
            else:
                found = ulmfit.run(seed)
            results[part] = dict(sorted({**results[part], str(seed): found}.items()))
            text = json.dumps(results)
            for name in ('"losses"', '"probes"', '"new"', *map(json.dumps, ulmfit.VARIANTS)):
                text = text.replace(f"{name}:", f"\n{name}:")
            FILE.write_text(text + "\n", encoding="ascii")
            print(part, seed, flush=True)


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):
        main(sys.argv[1:2] or ["elmo", "ulmfit"], [int(seed) for seed in sys.argv[2:]] or elmo.SEEDS)
