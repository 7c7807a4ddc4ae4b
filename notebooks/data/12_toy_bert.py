"""Make the run whose first 100 steps lesson 12 does itself: 4,800 steps, three minutes on two cores.

    python notebooks/data/12_toy_bert.py    # writes 12_toy_bert/ and 12_toy.jsonl beside it

The lesson does the same steps with the same seeds. On another machine the last bits differ.
"""

import pathlib

from threadpoolctl import threadpool_limits

from minibert.objectives.masked_lm import MaskedLM, MaskedLMRecipe
from minibert.training.log import as_line
from minibert.training.step import Training

HERE = pathlib.Path(__file__).parent
EVALUATED = (100, 200, 400, 700, 1200, 2000, 2900, 3800, 4800)
SHOWN = ("loss", "mlm_loss", "nsp_loss", "gradient_norm")


def rounded(item):
    """Return the numbers in a dict, list or tuple with five decimals."""
    if isinstance(item, dict):
        return {name: rounded(value) for name, value in item.items()}
    if isinstance(item, (list, tuple)):
        return [rounded(value) for value in item]
    return round(float(item), 5)


def main():
    recipe = MaskedLMRecipe.of(["toy"], recipe="bert", num_steps=4800, threads=2, batch_size=64, warmup=0.05)
    run, lines = Training(MaskedLM(recipe)), []
    with threadpool_limits(1, "blas"):
        for step in range(recipe.num_steps):
            line = run.step(step)
            lines.append({"step": line["step"], **{name: round(float(line[name]), 4) for name in SHOWN}})
            if step + 1 in EVALUATED:
                lines.append({"step": step + 1, "held_out": rounded(run.evaluate()._asdict())})
    run.model.save_pretrained(HERE / "12_toy_bert")
    (HERE / "12_toy.jsonl").write_text("".join(map(as_line, lines)), encoding="ascii")


if __name__ == "__main__":
    main()
