"""Train the models of lesson 03, five seeds each: 25 short runs, some three minutes on one idle core.

    python notebooks/data/03_recurrent.py    # writes 03_recurrent.json and 03_lstm/ beside it

The file is written after every run. On another machine the last bits differ.
"""

import json
import pathlib

from threadpoolctl import threadpool_limits

from minibert.course import recurrent

HERE = pathlib.Path(__file__).parent
SEEDS = range(5)


def main():
    results = {variant: [] for variant in recurrent.VARIANTS}
    for seed in SEEDS:
        for variant in recurrent.VARIANTS:
            model, found = recurrent.run(variant, seed)
            results[variant].append(found)
            text = json.dumps(results).replace('{"losses"', '\n{"losses"')
            (HERE / "03_recurrent.json").write_text(text + "\n", encoding="ascii")
            print(variant, seed, found["kept"]["loss"], flush=True)
            if (variant, seed) == ("LSTM", 0):
                model.save_pretrained(HERE / "03_lstm")


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):
        main()
