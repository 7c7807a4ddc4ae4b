"""Train the models of lesson 05, five seeds each: 65 short runs, some 30 s on two idle cores.

    python notebooks/data/05_attention.py    # writes 05_attention.json beside it

On another machine the last bits differ.
"""

import json
import pathlib

from threadpoolctl import threadpool_limits

from minibert.course import attention

HERE = pathlib.Path(__file__).parent


def main():
    with threadpool_limits(1, "blas"):
        results = attention.experiments()
    text = json.dumps(results).replace("], [", "],\n[").replace('"losses"', '\n"losses"')
    (HERE / "05_attention.json").write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
