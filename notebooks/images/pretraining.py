"""Draw pretraining.png: two runs beside each other, and the minutes that they took.

    minibert pretrain --recipe bert --output bert-2018
    minibert pretrain --output bert-run
    python notebooks/images/pretraining.py bert-2018 4.8 bert-run 5.8
"""

import pathlib
import sys

from minibert import plots
from minibert.training.log import read_log

NAMES = ("--recipe bert: what 2018 knew", "--recipe fast: what is known now")

runs, minutes = sys.argv[1::2], map(float, sys.argv[2::2])
logs = {name: read_log(pathlib.Path(run, "log.jsonl")) for name, run in zip(NAMES, runs, strict=True)}
plots.save(plots.runs_beside, pathlib.Path(__file__).with_suffix(".png"), logs, dict(zip(NAMES, minutes)))
