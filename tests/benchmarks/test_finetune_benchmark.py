"""The cost of a step of fine-tuning: the same work for everybody, and the table. No test looks at a clock."""

import numpy as np

from minibert import BertConfig
from minibert.benchmarks import finetune

CONFIG = BertConfig(30, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20)


def test_our_step_trains_every_parameter():
    batch = finetune.random_batch(CONFIG, 4, 8)
    step = finetune.minibert_step(CONFIG, 1)
    model = next(cell.cell_contents for cell in step.__closure__ if hasattr(cell.cell_contents, "bert"))
    before = {name: parameter.value.copy() for name, parameter in model.parameters().items()}
    first = model.forward(**batch)[0].loss
    for _ in range(20):
        step(batch)
    assert model.forward(**batch)[0].loss < first
    assert not any(np.array_equal(p.value, before[name]) for name, p in model.parameters().items())


def test_the_table(monkeypatch):
    monkeypatch.setattr(finetune, "is_installed", lambda *packages: False)
    assert list(finetune.contestants()) == ["minibert"]
    seconds = {"minibert": [1.0, 2.0, 30.0], "hugging-face": [2.0, 2.0, 30.0]}
    lines = list(finetune.table({"batch_size": 3, "tokens": 8, "threads": 1, "seconds": seconds}))
    assert lines[0] == "a step of fine-tuning MiniLM (B 3, T 8), threads: 1, median of 3 steps"
    assert lines[2].split() == ["minibert", "2000.0"]
    assert lines[3].split() == ["hugging-face", "2000.0", "1.00"]
