"""Draw pretraining.png: two five-minute runs beside each other.

    minibert pretrain --recipe bert --output bert-2018
    minibert pretrain --output bert-run
    python notebooks/images/pretraining.py bert-2018 bert-run
"""

import pathlib
import sys

from minibert import plots
from minibert.training.log import read_log

names = ("--recipe bert: what 2018 knew", "--recipe fast: what is known now")
logs = {name: read_log(pathlib.Path(run, "log.jsonl")) for name, run in zip(names, sys.argv[1:], strict=True)}
plots.save(plots.runs_beside, pathlib.Path(__file__).with_suffix(".png"), logs, 5)
