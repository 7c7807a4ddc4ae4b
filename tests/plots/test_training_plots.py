"""Losses, accuracies and learning rates over a run: what is drawn, and what is written beside it."""

import numpy as np
import pytest
from drawn import legend, line, texts
from matplotlib.figure import Figure

from minibert import plots

NUM_STEPS = 120


@pytest.fixture
def log():
    baselines = {"unigram_loss": 4.5, "majority_accuracy": 0.55}
    lines = [{"step": 0, "held_out": {"mlm_loss": 5.0, "nsp_accuracy": 0.45}, "baselines": baselines}]
    for step in range(1, NUM_STEPS + 1):
        mlm_loss = 5 - step / 100 + 0.1 * (-1) ** step
        lines.append({"step": step, "loss": 9.0, "mlm_loss": mlm_loss, "nsp_loss": 0.7})
        if step % 40 == 0:
            held_out = {"mlm_loss": 5 - step / 100, "nsp_accuracy": 0.5 + step / 400}
            lines.append({"step": step, "held_out": held_out})
    return lines


@pytest.mark.parametrize("task, title", [
    ("sop_accuracy", "Sentence order prediction: accuracy"),
    ("rtd_accuracy", "Replaced token detection: accuracy"),
])
def test_loss_curves_of_another_second_task(log, task, title):
    """Where neither a constant answer nor a limit is known, there is no line for it."""
    for entry in log:
        if "held_out" in entry:
            entry["held_out"][task] = entry["held_out"].pop("nsp_accuracy")
    log[0]["baselines"]["majority_accuracy"] = None
    left, right = plots.loss_curves(log, {"mlm_loss": 3.0, task: None})
    assert right.get_title() == title and legend(right) == ["held out"]
    assert "best possible" in legend(left)


def test_learning_curves():
    lines = [{"step": 0, "held_out": {"loss": 0.7, "accuracy": 0.5},
              "baselines": {"majority": {"accuracy": 0.55}, "bag of words": {"accuracy": 0.6}}}]
    for step in range(1, 41):
        lines.append({"step": step, "loss": 1 - step / 50, "learning_rate": 1e-3})
        if step % 20 == 0:
            lines.append({"step": step, "held_out": {"loss": 0.6, "accuracy": 0.5 + step / 100}})
    left, right = plots.learning_curves(lines, "accuracy", "accuracy")
    steps, losses = line(left, "training (mean of 2 steps)")
    assert steps == list(range(2, 41)) and losses[0] == pytest.approx(1 - 1.5 / 50)
    assert line(left, "held out") == [[0, 20, 40], [0.7, 0.6, 0.6]]
    assert line(right, "held out") == [[0, 20, 40], [0.5, 0.7, 0.9]]
    assert legend(right) == ["held out", "majority", "bag of words"]
    assert line(right, "bag of words")[1] == [0.6, 0.6]
    with pytest.raises(ValueError, match="a log of 1 lines has no curves to draw"):
        plots.learning_curves(lines[:1], "accuracy", "accuracy")


def test_loss_curves(log):
    left, right = plots.loss_curves(log)
    assert (left.get_xlabel(), left.get_ylabel()) == ("step", "nats per masked word piece")
    assert (right.get_xlabel(), right.get_ylabel()) == ("step", "accuracy")
    assert left.get_title() == "Masked language model: loss"
    assert right.get_title() == "Next sentence prediction: accuracy"
    assert legend(left) == ["training (mean of 2 steps)", "held out", "unigram model"]
    assert legend(right) == ["held out", "always the same answer"]

    steps, losses = line(left, "training (mean of 2 steps)")
    assert steps == list(range(2, NUM_STEPS + 1))  # the mean of the step and the one before it
    np.testing.assert_allclose(losses, [5 - (step - 0.5) / 100 for step in steps], rtol=1e-12)
    assert line(left, "held out") == [[0, 40, 80, 120], [5.0, 4.6, 4.2, 3.8]]
    assert line(left, "unigram model")[1] == [4.5, 4.5]
    assert line(right, "held out") == [[0, 40, 80, 120], [0.45, 0.6, 0.7, 0.8]]
    assert line(right, "always the same answer")[1] == [0.55, 0.55]


def test_next_token_loss():
    baselines = {"unigram_loss": 4.5, "kneser_ney_loss": 2.5}
    log = [{"step": 0, "held_out": {"next_loss": 4.4}, "baselines": baselines, "limits": {"next_loss": 1.5}}]
    log += [{"step": step, "next_loss": 4.4 - step / 100} for step in range(1, 101)]
    log.append({"step": 100, "held_out": {"next_loss": 3.4}})
    axes = plots.next_token_loss(log)
    labels = ["training (mean of 2 steps)", "held out", "unigram model", "Kneser–Ney", "best possible"]
    assert legend(axes) == labels and axes.get_ylabel() == "nats per token"
    assert line(axes, "held out") == [[0, 100], [4.4, 3.4]]
    assert [line(axes, name)[1][0] for name in labels[2:]] == [4.5, 2.5, 1.5]
    with pytest.raises(ValueError, match="a log of 1 lines has no losses to draw"):
        plots.next_token_loss(log[:1])


def test_runs_beside_each_other_are_drawn_over_time(log):
    half = [{**entry, "step": entry["step"] // 2} for entry in log]  # slower steps
    left, right = plots.runs_beside({"bert": half, "fast": log}, {"bert": 5, "fast": 6})
    assert legend(left) == ["bert", "fast", "unigram model"]
    assert legend(right) == ["bert", "fast", "always the same answer"]
    for name, times in (("bert", [0, 5 / 3, 10 / 3, 5]), ("fast", [0, 2, 4, 6])):
        np.testing.assert_allclose(line(left, name)[0], times)
        assert line(left, name)[1] == [5.0, 4.6, 4.2, 3.8]
        assert line(right, name)[1] == [0.45, 0.6, 0.7, 0.8]
    assert line(left, "unigram model")[1] == [4.5, 4.5]


def test_every_accuracy_is_inside_the_picture(log):
    log[0]["held_out"]["nsp_accuracy"] = 0.2
    _, right = plots.loss_curves(log)
    assert right.get_ylim() == (0.2, 1.0)


def test_a_run_of_one_step(log):
    left, _ = plots.loss_curves(log[:2])
    assert line(left, "training (mean of 1 steps)")[0] == [1]


@pytest.mark.parametrize(
    "part", [slice(0), slice(0, 1), slice(1, None)], ids=["nothing", "no step", "no baselines"]
)
def test_a_log_without_losses(log, part):
    with pytest.raises(ValueError, match="has no losses to draw"):
        plots.loss_curves(log[part])


def test_it_draws_on_the_figure_it_is_given(log):
    figure = Figure()
    left, right = plots.loss_curves(log, figure=figure)
    assert figure.axes == [left, right]


def test_loss_curves_with_limits(log):
    left, right = plots.loss_curves(log, limits={"mlm_loss": 2.5, "nsp_accuracy": 0.9})
    assert line(left, "best possible")[1] == [2.5, 2.5] and line(right, "best possible")[1] == [0.9, 0.9]
    left, right = plots.loss_curves(log, limits={"mlm_loss": 2.5})
    assert "best possible" not in legend(right)


def test_save_writes_a_png_and_leaves_no_settings_behind(log, tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.save(plots.loss_curves, tmp_path / "loss.png", log, size=(4, 2))
    content = (tmp_path / "loss.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n") and content.rstrip().endswith(b"IEND\xaeB`\x82")
    assert int.from_bytes(content[16:20], "big") == 4 * 120  # pixels wide
    assert dict(matplotlib.rcParams) == before


def test_learning_rates():
    rates = {"falling": [1e-3 / (step + 1) for step in range(4)], "still": [5e-4] * 4}
    axes = plots.learning_rates(rates)
    assert line(axes, "falling") == [[0, 1, 2, 3], [1e-3, 5e-4, pytest.approx(1e-3 / 3), 2.5e-4]]
    assert line(axes, "still") == [[0, 1, 2, 3], [5e-4] * 4]
    assert legend(axes) == ["falling", "still"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "learning rate")
    log = [{"step": 0, "held_out": {}}, {"step": 1, "learning_rate": 0.1}, {"step": 2, "learning_rate": 0.2}]
    [drawn] = plots.learning_rates(log).get_lines()
    assert drawn.get_xdata().tolist() == [1, 2] and drawn.get_ydata().tolist() == [0.1, 0.2]
    with pytest.raises(ValueError, match="has no learning_rate"):
        plots.learning_rates(log[:1])


def test_a_run_without_pairs_has_one_picture(log):
    for entry in log:
        if "held_out" in entry:
            entry["held_out"]["nsp_accuracy"] = None
    [axes] = plots.loss_curves(log)
    assert axes.get_title() == "Masked language model: loss"


def test_curves_of_several_seeds():
    ours = np.array([[4.0, 2.0, 1.0], [2.0, 2.0, 3.0]])
    panels = {"loss": {"ours": ours, "limit": 0.5}, "share": {"ours": ours}}
    left, right = plots.seed_curves([0, 5, 10], panels)
    assert line(left, "ours") == [[0, 5, 10], [3, 2, 2]]
    assert line(left, "limit")[1] == [0.5, 0.5] and legend(left) == ["ours", "limit"]
    assert len(left.get_lines()) == 4 and len(right.get_lines()) == 3
    assert (left.get_title(), right.get_title(), right.get_xlabel()) == ("loss", "share", "step")
    [by_size] = plots.seed_curves([1, 4, 64], {"entropy": {"ours": ours}}, xlabel="D", xscale="log")
    assert texts(by_size.get_xticklabels()) == ["1", "4", "64"]


def test_dots_of_several_seeds():
    results = {"one head": [0.5, 0.75], "two heads": [1.0, 1.0]}
    axes = plots.seed_dots(results, "accuracy", levels={"guessing": 0.25})
    dots = [artist for artist in axes.get_lines() if artist.get_marker() == "o"]
    assert [list(artist.get_xdata()) for artist in dots] == list(results.values())
    assert texts(axes.get_yticklabels()) == ["one head", "two heads"]
    assert axes.get_xlabel() == "accuracy (a dot for each seed)"
    assert [text.get_text().strip() for text in axes.texts] == ["guessing"]
