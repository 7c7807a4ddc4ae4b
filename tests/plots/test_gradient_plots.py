"""Gradients: every bar and every point is the norm that was given; rounding error is drawn as 0."""

import numpy as np
import pytest
from drawn import legend, line, texts

from minibert import plots
from minibert.course import figures
from minibert.layers import LayerNorm


def test_error_against_step_size():
    x = np.random.default_rng(0).standard_normal((4, 5, 6))
    steps, errors, used = figures.step_size_errors(LayerNorm(6), x)
    axes = plots.error_against_step_size(steps, errors, used)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step size h", "relative error of the derivative")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    labels = ["complex step, Im f(x + ih) / h", "central differences, (f(x + h) − f(x − h)) / 2h"]
    assert legend(axes) == [*labels, "precision of float64, 2e-16"]
    for label, method in zip(labels, ("complex", "central")):
        drawn_steps, drawn_errors = line(axes, label)
        assert drawn_steps == steps.tolist()
        assert drawn_errors == np.maximum(errors[method], 1e-17).tolist()  # a logarithmic axis has no 0
    written = [text.get_text().splitlines() for text in axes.texts]
    assert [text[0] for text in written] == ["minibert: h = $10^{-30}$", "minibert: h = $10^{-5}$"]
    at_1e_5 = errors["central"][np.flatnonzero(np.isclose(steps, 1e-5))[0]]
    assert written[1][1] == f"error {at_1e_5:.0e}"


@pytest.fixture
def trained(tiny, cache):
    model = tiny.model.replica()
    model.backward(cache)
    return model


@pytest.mark.parametrize("by, zeros", [("layer", 0), ("parameter", 3)])
def test_gradient_flow(trained, by, zeros):
    norms = figures.gradient_norms(trained, by=by)
    axes = plots.gradient_flow(norms, by=by, dtype=np.float64)
    names = texts(axes.get_yticklabels())
    assert names == list(norms)
    drawn = {names[round(bar.get_y() + bar.get_height() / 2)]: bar.get_width() for bar in axes.patches}
    assert len(axes.texts) == zeros and len(drawn) == len(norms) - zeros
    assert all(norm == pytest.approx(norms[name]) for name, norm in drawn.items())
    if zeros:  # the key biases: zero but for rounding
        assert set(norms) - set(drawn) == {f"encoder.{layer}.attention.key.bias" for layer in range(3)}
    assert axes.get_xscale() == "log" and axes.get_xlabel() == "norm of d loss / d parameter"
    assert axes.get_ylabel() == by


def test_the_precision_of_the_gradients_decides_what_is_zero():
    norms = {"large": 1.0, "small": 1e-10, "zero": 0.0}
    assert len(plots.gradient_flow(norms, dtype=np.float32).patches) == 1
    assert len(plots.gradient_flow(norms, dtype=np.float64).patches) == 2
    with pytest.raises(ValueError, match="call model.backward"):
        plots.gradient_flow({"large": 0.0, "small": 0.0})


def test_gradient_flow_over_time():
    log = [{"step": 0, "held_out": {}}, *({"step": step, "gradient_norm": 10.0 / step} for step in (1, 2, 3))]
    axes = plots.gradient_flow_over_time(log, max_norm=1.0)
    assert line(axes, "all parameters") == [[1, 2, 3], [10.0, 5.0, pytest.approx(10 / 3)]]
    assert line(axes, "clipped above 1")[1] == [1.0, 1.0]
    labels = (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale())
    assert labels == ("step", "norm of d loss / d parameter", "log")
    several = [{"step": step, "gradient_norms": {"embeddings": 2.0 * step, "pooler": 1.0}} for step in (1, 2)]
    assert line(plots.gradient_flow_over_time(several), "embeddings") == [[1, 2], [2.0, 4.0]]
    with pytest.raises(ValueError, match="has no gradient_norm"):
        plots.gradient_flow_over_time(log[:1])


def test_errors_of_named_steps():
    errors = {"ours": {"d_probs": 1e-16, "d_scores": 0.0}, "theirs": {"d_probs": 1e-16, "d_scores": 0.5}}
    axes = plots.step_errors(errors)
    assert line(axes, "theirs") == [[1e-16, 0.5], [0, 1]]
    assert line(axes, "ours")[0] == [1e-16, 1e-17]
    assert legend(axes) == ["ours", "theirs", "tolerance, 1e-12"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first step is at the top
