"""Train the models of lesson 08, five seeds each: 5 samplers and 75 short runs, some minutes.

    python notebooks/data/08_gpt.py    # writes 08_gpt.json and the folder 08_toy_gpt beside it

On another machine the last bits differ.
"""

import json
import pathlib

from threadpoolctl import threadpool_limits

from minibert.course import gpt
from minibert.text.toy import TOY
from minibert.training.memory import keep_freed_memory

HERE = pathlib.Path(__file__).parent


def main():
    keep_freed_memory()
    with threadpool_limits(1, "blas"):
        results, model = gpt.written_and_judged()
        model.save_pretrained(HERE / "08_toy_gpt")
        TOY.tokenizer().save_pretrained(HERE / "08_toy_gpt")
        write(results)
        write(results | gpt.norm_runs())


def write(results):
    text = json.dumps(results).replace('], "', '],\n"').replace("]], [[", "]],\n[[")
    (HERE / "08_gpt.json").write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
