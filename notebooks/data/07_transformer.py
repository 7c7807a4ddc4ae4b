"""Train the models of lesson 07, five seeds each: 15 that recall a list, and 15 that translate.

    python notebooks/data/07_transformer.py             # writes 07_transformer.json and 07_translator/
    python notebooks/data/07_transformer.py time      # a part, into the same file: recall, translate or time

On another machine the last bits differ, and the ratios of `time` by more.
"""

import json
import pathlib
import sys

from threadpoolctl import threadpool_limits

from minibert.course import transformer
from minibert.text.toy import TOY
from minibert.training.memory import keep_freed_memory

HERE = pathlib.Path(__file__).parent
FILE = HERE / "07_transformer.json"


def main(parts):
    keep_freed_memory()
    with threadpool_limits(1, "blas"):
        if "time" in parts:
            write({"time": transformer.times()})
        if "recall" in parts:
            write({"recall": transformer.recalls()})
        if "translate" in parts:
            translate()


def translate():
    results = {kind: [] for kind in transformer.KINDS}
    for seed in transformer.SEEDS:
        for kind in transformer.KINDS:
            model, found = transformer.translation_run(kind, seed)
            results[kind].append(found)
            print(kind, seed, found["exact"], found["copied"], flush=True)
            write({"translation": results})
            if (kind, seed) == ("full", 0):
                model.save_pretrained(HERE / "07_translator")
                TOY.tokenizer().save_pretrained(HERE / "07_translator")


def write(results):
    stored = json.loads(FILE.read_text("ascii")) if FILE.exists() else {}
    text = json.dumps(stored | results)
    for mark in ('"recall"', '"time"', '"translation"', '{"curve"', '"looks"'):
        text = text.replace(mark, f"\n{mark}")
    FILE.write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1:] or ("recall", "translate", "time"))
