"""Keep what lesson 12 draws of two runs on the documentation of Python: their evaluations.

    minibert pretrain --recipe bert --output bert-2018
    minibert pretrain --output bert-run
    python notebooks/data/12_python_docs.py bert-2018 4.8 bert-run 5.8  # folders, and minutes they took

It writes 12_python_docs.json beside it. Another machine makes another number of steps in five minutes.
"""

import json
import pathlib
import sys

from minibert.files import read_json
from minibert.training.log import read_log

SHOWN = ("mlm_loss", "nsp_accuracy")


def evaluations(folder):
    """Return the lines of a run's log that hold an evaluation, with what is drawn of them."""
    lines = [line for line in read_log(pathlib.Path(folder, "log.jsonl")) if "held_out" in line]
    for line in lines:
        line["held_out"] = {name: round(line["held_out"][name], 4) for name in SHOWN}
    return lines


def main():
    kept = {"minutes": {}, "logs": {}}
    for folder, minutes in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        recipe = read_json(pathlib.Path(folder, "run.json"))["recipe"]
        name = f"--recipe {recipe.get('recipe', 'bert')}"  # before there were recipes: bert
        kept["minutes"][name], kept["logs"][name] = float(minutes), evaluations(folder)
    here = pathlib.Path(__file__)
    here.with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
