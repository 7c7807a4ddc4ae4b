"""Ask five XLNets and five BERTs for two words that must agree, and the XLNets for shuffled text.

    for s in 0 1 2 3 4; do
        minibert pretrain --model xlnet --corpus toy --steps 3000 --threads 1 --seed $s --output runs/xlnet-$s
        minibert pretrain --corpus toy --steps 1056 --seed $s --output runs/bert-$s
    done
    python notebooks/data/14_xlnet.py runs    # writes 14_xlnet.json, and 14_xlnet/, the XLNet of seed 0

On another machine the last bits differ.
"""

import pathlib
import sys

from threadpoolctl import threadpool_limits

from minibert import BertForPreTraining, XLNetLMHeadModel
from minibert.course import experiments, xlnet

HERE = pathlib.Path(__file__).parent


def main(runs):
    def of_seed(seed):
        model = XLNetLMHeadModel.from_pretrained(runs / f"xlnet-{seed}")
        if seed == 0:
            model.save_pretrained(HERE / "14_xlnet")
        return xlnet.measured(model, BertForPreTraining.from_pretrained(runs / f"bert-{seed}"))

    with threadpool_limits(1, "blas"):
        experiments.store(__file__, of_seed)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
