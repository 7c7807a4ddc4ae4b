"""The pictures: what is drawn, and what is written beside it."""

import numpy as np
import pytest

from minibert import plots
from minibert.gradcheck.step_size import errors_by_step
from minibert.gradcheck.subject import RANDOM_STREAM
from minibert.layers import LayerNorm

NUM_STEPS = 120


@pytest.fixture
def log():
    baselines = {"unigram_loss": 4.5, "majority_accuracy": 0.55}
    lines = [{"step": 0, "held_out": {"mlm_loss": 5.0, "nsp_accuracy": 0.45}, "baselines": baselines}]
    for step in range(1, NUM_STEPS + 1):
        lines.append({"step": step, "loss": 9.0, "mlm_loss": 5 - step / 100 + 0.1 * (-1) ** step, "nsp_loss": 0.7})
        if step % 40 == 0:
            lines.append({"step": step, "held_out": {"mlm_loss": 5 - step / 100, "nsp_accuracy": 0.5 + step / 400}})
    return lines


def line(axes, label):
    [found] = [line for line in axes.get_lines() if line.get_label() == label]
    return [list(map(float, values)) for values in (found.get_xdata(), found.get_ydata())]


def test_loss_curves(log):
    left, right = plots.loss_curves(log)
    assert (left.get_xlabel(), left.get_ylabel()) == ("step", "nats per masked word piece")
    assert (right.get_xlabel(), right.get_ylabel()) == ("step", "share told right")
    assert left.get_title() == "Masked language model: loss"
    assert right.get_title() == "Next sentence prediction: accuracy"
    legends = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in (left, right)]
    assert legends[0] == ["training (mean of 2 steps)", "held out", "unigram model"]
    assert legends[1] == ["held out", "always the same answer"]

    steps, losses = line(left, "training (mean of 2 steps)")
    assert steps == list(range(2, NUM_STEPS + 1))  # the mean of the step and the one before it
    np.testing.assert_allclose(losses, [5 - (step - 0.5) / 100 for step in steps], rtol=1e-12)
    assert line(left, "held out") == [[0, 40, 80, 120], [5.0, 4.6, 4.2, 3.8]]
    assert line(left, "unigram model")[1] == [4.5, 4.5]
    assert line(right, "held out") == [[0, 40, 80, 120], [0.45, 0.6, 0.7, 0.8]]
    assert line(right, "always the same answer")[1] == [0.55, 0.55]


def test_every_accuracy_is_inside_the_picture(log):
    log[0]["held_out"]["nsp_accuracy"] = 0.2
    _, right = plots.loss_curves(log)
    assert right.get_ylim() == (0.2, 1.0)


def test_a_run_of_one_step(log):
    left, _ = plots.loss_curves(log[:2])
    assert line(left, "training (mean of 1 steps)")[0] == [1]


@pytest.mark.parametrize("part", [slice(0), slice(0, 1), slice(1, None)], ids=["nothing", "no step", "no baselines"])
def test_a_log_without_losses(log, part):
    with pytest.raises(ValueError, match="has no losses to draw"):
        plots.loss_curves(log[part])


def test_it_draws_on_the_figure_it_is_given(log):
    from matplotlib.figure import Figure

    figure = Figure()
    left, right = plots.loss_curves(log, figure=figure)
    assert figure.axes == [left, right]


def test_save_writes_a_png_and_leaves_no_settings_behind(log, tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.save(plots.loss_curves, tmp_path / "loss.png", log, size=(4, 2))
    content = (tmp_path / "loss.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n") and content.rstrip().endswith(b"IEND\xaeB`\x82")
    assert int.from_bytes(content[16:20], "big") == 4 * 120  # pixels wide
    assert dict(matplotlib.rcParams) == before


def cube(x):
    return x * x * x, x


def cube_backward(d_y, x):
    return 3 * x * x * d_y


@pytest.mark.parametrize("layer", [LayerNorm(6), (cube, cube_backward)], ids=["a layer", "a pair of functions"])
def test_error_against_step_size(layer):
    axes = plots.error_against_step_size(layer, np.random.default_rng(0).standard_normal((4, 5, 6)))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step size h", "relative error of the derivative")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    labels = ["complex step, Im f(x + ih) / h", "central differences, (f(x + h) − f(x − h)) / 2h"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [*labels, "precision of float64, 2e-16"]
    steps, complex_errors = map(np.array, line(axes, labels[0]))
    _, central_errors = map(np.array, line(axes, labels[1]))
    assert steps[0] == pytest.approx(1e-30) and steps[-1] == pytest.approx(1e-1)

    assert complex_errors[steps < 1e-9].max() < 5e-15  # flat
    best = central_errors.argmin()
    assert 1e-7 < steps[best] < 1e-4 and 1e-12 < central_errors[best] < 1e-9
    slopes = np.diff(np.log10(central_errors)) / np.diff(np.log10(steps))
    assert slopes[steps[:-1] > 1e-4].mean() == pytest.approx(2, abs=0.1)  # what the formula leaves out: h²
    assert slopes[(steps[:-1] > 1e-15) & (steps[:-1] < 1e-7)].mean() == pytest.approx(-1, abs=0.1)  # rounding: 1/h
    assert (central_errors[steps < 1e-18] == 1).all()  # x + h is x: nothing is left
    np.testing.assert_allclose(complex_errors[-5:-1], central_errors[-5:-1], rtol=0.1)


def test_the_errors_are_those_of_the_derivative():
    """f = x³: central differences are off by h² exactly, the complex step by -h²."""
    x = np.array([2.0])
    errors = errors_by_step((cube, cube_backward), x, steps=[1e-2])
    rng = np.random.default_rng([RANDOM_STREAM, 0])
    rng.standard_normal(1)  # the upstream gradient
    derivatives, excess = np.array([(12 * v, v**3 * 1e-4) for v in rng.standard_normal(8)]).T
    expected = np.abs(excess).max() / np.abs(derivatives).max()
    assert errors["central"] == pytest.approx(expected, rel=1e-6)
    assert errors["complex"] == pytest.approx(expected, rel=1e-6)


def test_the_error_of_a_wrong_backward_is_seen_at_every_step():
    errors = errors_by_step((cube, lambda d_y, x: 2 * x * x * d_y), np.array([2.0]), steps=[1e-30, 1e-5])
    assert errors["complex"] == pytest.approx(0.5) and errors["central"][1] == pytest.approx(0.5)
