"""The gradient check: what it accepts, what it catches, what it says, and that it leaves no trace."""

import functools
import math
import sys
from typing import NamedTuple

import numpy as np
import pytest

from minibert.gradcheck import GradientCheckError, check_directions, check_gradients
from minibert.layers import EncoderLayer, LayerNorm, Linear, MultiHeadAttention

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 3, 4))


class Parameter:
    """All that a parameter needs to have, without minibert."""

    def __init__(self, value):
        self.value = np.asarray(value)
        self.grad = np.zeros_like(self.value)


class Dense:
    """A student's layer: tanh(x w + b), right in every respect."""

    def __init__(self, dtype=np.float64, seed=1):
        rng = np.random.default_rng(seed)
        self.w = Parameter(rng.standard_normal((4, 5)).astype(dtype))
        self.b = Parameter(rng.standard_normal(5).astype(dtype))

    def parameters(self):
        return {"w": self.w, "b": self.b}

    def forward(self, x):
        product = x @ self.w.value
        product += self.b.value
        y = np.tanh(product)
        return y, (x, y)

    def backward(self, d_y, cache):
        x, y = cache
        d_product = d_y * (1 - y * y)
        self.w.grad += x.reshape(-1, 4).T @ d_product.reshape(-1, 5)
        self.b.grad += d_product.sum((0, 1))
        d_x = d_product @ self.w.value.T
        return d_x


def square(x):
    return x * x, x


def square_backward(d_y, x):
    return 2 * x * d_y


def wrong_backward(d_y, x):
    return 2.001 * x * d_y


def row(report, name):
    """Return the row of one name, of steps too."""
    return next(row for row in report.rows + report.steps if row.name == name)


# --- what it accepts ---


@pytest.mark.parametrize("method, tolerance", [("complex", 1e-12), ("central", 1e-6)])
def test_a_right_layer_passes(method, tolerance):
    report = check_gradients(Dense(), X, method=method)
    assert report.ok and 0 < report.max_error <= tolerance == report.tolerance
    assert [(row.name, row.kind, row.shape) for row in report.rows] == [
        ("x", "input", (2, 3, 4)), ("w", "parameter", (4, 5)), ("b", "parameter", (5,))]
    assert not report.problems and report.first_wrong is None and report.diagnosis == ""


def test_the_complex_step_is_closer():
    by_complex, by_differences = check_gradients(Dense(), X), check_gradients(Dense(), X, method="central")
    assert by_complex.max_error * 100 < by_differences.max_error < 1e-9


def test_central_differences_take_steps_of_the_size_of_the_entries():
    """With h = 1e-5 everywhere, normalised rows of size 1e-2, and of size 1e4, would be far off."""
    for size in (1e-2, 1.0, 1e4):
        assert check_gradients((norm_plain, var_backward), size * X, method="central").max_error < 1e-9


@pytest.mark.parametrize("method", ["complex", "central"])
def test_a_wrong_gradient_is_caught(method):
    report = check_gradients((square, wrong_backward), X, method=method)
    assert not report.ok and report.max_error == pytest.approx(0.0005, rel=1e-3)


def test_an_error_of_one_part_in_1e11_is_caught():
    def backward(d_y, x):
        return 2 * x * d_y * (1 + 1e-11)

    assert not check_gradients((square, backward), X).ok


def test_a_float32_layer_is_checked_in_float64():
    assert check_gradients(Dense(np.float32), X.astype(np.float32)).max_error < 1e-14


def test_the_layer_is_left_as_it_was():
    layer = Dense(np.float32)
    layer.w.grad += 7
    found = [layer.w.value, layer.w.grad, layer.b.value, layer.b.grad]
    contents = [array.copy() for array in found]
    x = X.copy()
    check_gradients(layer, x)
    left = [layer.w.value, layer.w.grad, layer.b.value, layer.b.grad]
    assert all(now is then for now, then in zip(left, found))
    assert all(np.array_equal(now, then) for now, then in zip(found, contents))
    assert np.array_equal(x, X)


def test_the_layer_is_left_as_it_was_after_an_error():
    class Failing(Dense):
        def backward(self, d_y, cache):
            self.w.grad += 1
            raise RuntimeError("a mistake in backward")

    layer = Failing(np.float32)
    with pytest.raises(RuntimeError, match="a mistake in backward"):
        check_gradients(layer, X)
    assert layer.w.value.dtype == np.float32 and not layer.w.grad.any()


def test_a_pair_of_functions():
    report = check_gradients((square, square_backward), X)
    assert report.ok and [row.name for row in report.rows] == ["x"]


class TwoOutputs(NamedTuple):
    total: np.ndarray
    scaled: np.ndarray
    nothing: None
    counts: np.ndarray


def combine(left, ids, right, scale=1.0):
    total = left + right[ids]
    return TwoOutputs(total, scale * left, None, ids), (ids, right.shape, scale)


def combine_backward(d_output, cache):
    ids, shape, scale = cache
    assert type(d_output) is TwoOutputs and d_output.nothing is None and d_output.counts is None
    d_right = np.zeros(shape)
    np.add.at(d_right, ids, d_output.total)
    return d_output.total + scale * d_output.scaled, None, d_right


def combine_backward_short(d_output, cache):
    d_left, _, d_right = combine_backward(d_output, cache)
    return d_left, d_right


@pytest.mark.parametrize("backward", [combine_backward, combine_backward_short])
def test_several_inputs_and_outputs(backward):
    left, ids, right = RNG.standard_normal((3, 2)), np.array([1, 1, 0]), RNG.standard_normal((2, 2))
    report = check_gradients((combine, backward), left, ids, right, scale=3.0)
    assert report.ok and [row.name for row in report.rows] == ["left", "right"]


def test_an_input_that_is_a_tuple():
    def forward(state):
        hidden, cell = state
        return (hidden * cell, cell + hidden), state

    def backward(d_output, state):
        (d_product, d_sum), (hidden, cell) = d_output, state
        return d_product * cell + d_sum, d_product * hidden + d_sum

    report = check_gradients((forward, backward), (X, 2 * X))
    assert report.ok and [row.name for row in report.rows] == ["state.0", "state.1"]


def test_arrays_given_by_keyword_are_constants():
    def forward(x, weights=None):
        return x * weights, weights

    def backward(d_y, weights):
        return d_y * weights

    report = check_gradients((forward, backward), X, weights=RNG.standard_normal(4))
    assert report.ok and [row.name for row in report.rows] == ["x"]


def test_a_parameter_listed_under_two_names_has_one_row():
    class Tied(Dense):
        def parameters(self):
            return {"w": self.w, "b": self.b, "also_w": self.w}

    report = check_gradients(Tied(), X)
    assert report.ok and [row.name for row in report.rows] == ["x", "w", "b"]


def test_a_generator_is_copied_before_every_forward():
    def forward(x, rng=None):
        keep = rng.random(x.shape) < 0.5
        return x * keep, keep

    def backward(d_y, keep):
        return d_y * keep

    generator = np.random.default_rng(3)
    state = generator.bit_generator.state
    assert check_gradients((forward, backward), X, rng=generator).ok
    assert check_gradients((forward, backward), X, generator).ok
    assert generator.bit_generator.state == state


class LossOutput(NamedTuple):
    loss: np.floating
    logits: np.ndarray


class Model(Dense):
    """A model that starts backward at its own loss and returns the gradient of a value that is no input."""

    ignores_d_loss = False

    def forward(self, ids):
        logits = np.tanh(self.w.value[ids] + self.b.value)
        return LossOutput((logits * logits).sum(), logits), (ids, logits)

    def backward(self, cache, d_loss=1.0):
        ids, logits = cache
        d_embeddings = (1.0 if self.ignores_d_loss else d_loss) * 2 * logits * (1 - logits * logits)
        np.add.at(self.w.grad, ids, d_embeddings)
        self.b.grad += d_embeddings.sum(0)
        return d_embeddings


def test_a_model_is_checked_at_its_loss():
    report = check_gradients(Model(), np.array([0, 2, 2]))
    assert report.ok and [row.name for row in report.rows] == ["w", "b"]


def test_a_model_that_ignores_d_loss_is_caught():
    model = Model()
    model.ignores_d_loss = True
    report = check_gradients(model, np.array([0, 2, 2]))
    assert not report.ok and "the upstream gradient" in report.diagnosis


def test_the_upstream_gradient_is_random():
    """With an upstream gradient of ones that of x - mean(x) is zero, and a backward without it passes."""

    def forward(x):
        return x - x.mean(-1, keepdims=True), None

    def right(d_y, cache):
        return d_y - d_y.mean(-1, keepdims=True)

    def wrong(d_y, cache):
        return 0 * d_y

    assert check_gradients((forward, right), X).ok
    assert not check_gradients((forward, wrong), X).ok


@pytest.mark.parametrize("seed", [0, 1])
def test_the_upstream_gradient_is_not_the_users_own_random_numbers(seed):
    """With d_y = x the gradient of a LayerNorm vanishes, and every mistake in it passes. (It happened.)"""
    x = np.random.default_rng(seed).standard_normal((2, 3, 4))
    report = check_gradients((lambda x: (x * 1.0, None), lambda d_y, cache: d_y), x, seed=seed)
    assert abs(np.corrcoef(report.analytic["x"].ravel(), x.ravel())[0, 1]) < 0.9
    report = check_gradients(LayerNorm(4), x, seed=seed)
    assert report.rows[0].max_numeric > 0.1
    assert abs(check_directions(LayerNorm(4), x, seed=seed).terms["x"]) > 1e-3


def test_the_seed_chooses_the_upstream_gradient():
    first, same, other = (check_gradients(Dense(), X, seed=seed).analytic["w"] for seed in (0, 0, 1))
    assert np.array_equal(first, same) and not np.allclose(first, other)


def test_the_error_is_measured_against_the_largest_gradient():
    """max|analytic - numeric| / max(max|numeric|, 1e-2·G, 1e-3): noise on a zero gradient is no mistake."""

    def forward(small, large):
        return small * 1e-9 + large * 1.0, None

    def backward(d_y, cache):
        return d_y * 1e-9 + 1e-6, d_y * 1.0

    report = check_gradients((forward, backward), X, X)
    largest = np.abs(report.numeric["large"]).max()
    assert row(report, "small").error == pytest.approx(1e-6 / (1e-2 * largest), rel=1e-6)
    assert check_gradients((forward, backward), 0.0 * X, X, tolerance=1e-3).ok


CALLS = []  # not in a closure: what a function holds there is put back


def counted_square(x):
    CALLS.append(1)
    return square(x)


def test_max_entries_measures_so_many():
    CALLS.clear()
    report = check_gradients((counted_square, square_backward), X, max_entries=5)
    assert report.ok and np.isfinite(report.numeric["x"]).sum() == 5
    sampled = len(CALLS)
    check_gradients((counted_square, square_backward), X)
    assert len(CALLS) - sampled == sampled + X.size - 5


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_fails(value):
    def backward(d_y, x):
        d_x = 2 * x * d_y
        d_x[0, 1, 2] = value
        return d_x

    report = check_gradients((square, backward), X)
    assert not report.ok and report.max_error == math.inf and "(0, 1, 2)" in report.diagnosis


def test_a_forward_that_is_finite_only_in_real_numbers_is_measured_in_real_numbers():
    def forward(x):
        return np.where(np.iscomplexobj(x), np.nan, 1.0) * x, None

    def backward(d_y, cache):
        return d_y

    report = check_gradients((forward, backward), X)
    assert report.ok and report.rows[0].method == "central" and "overflows or gives NaN" in report.notes[0]


# --- bring your own layer: a sentence for each mistake ---


def no_cache(x):
    return x * x


def too_many(x):
    return x * x, x, x


def named_output_without_cache(x):
    return LossOutput(x.sum(), x)


def two_arrays(left, right):
    return left * right, (left, right)


def one_gradient(d_y, cache):
    return d_y * cache[1]


def three_gradients(d_y, x):
    return 2 * x * d_y, None, None


@pytest.mark.parametrize("layer, inputs, sentence", [
    ((no_cache, square_backward), [X], "forward must return two things, (y, cache); it returned one array"),
    ((too_many, square_backward), [X], "it returned a tuple of 3"),
    ((named_output_without_cache, square_backward), [X], "it returned a LossOutput of 2"),
    ((two_arrays, one_gradient), [X, X], "for 2 inputs (left, right): return a tuple"),
    ((square, three_gradients), [X], "backward returned 3 gradients for 1 inputs"),
    ((square, square_backward), [X, X], "forward takes 1 inputs (x), 2 were given"),
    ((square, square_backward), [[1.0, 2.0]], "'x' is a list of numbers: pass a NumPy array"),
    ((square, square_backward), [np.array([1, 2])], "no floating-point"),
    (object(), [X], "object has no forward()"),
])
def test_what_cannot_be_checked(layer, inputs, sentence):
    with pytest.raises(GradientCheckError) as error:
        check_gradients(layer, *inputs)
    assert sentence in str(error.value)


def test_an_unknown_method():
    with pytest.raises(GradientCheckError, match="'complex' or 'central', not 'exact'"):
        check_gradients(Dense(), X, method="exact")


def test_parameters_that_are_made_anew_at_every_call():
    class Fresh(Dense):
        def parameters(self):
            return {"w": Parameter(self.w.value)}

    with pytest.raises(GradientCheckError, match="makes a new 'w' at every call"):
        check_gradients(Fresh(), X)


def test_parameters_that_are_bare_arrays():
    class Bare(Dense):
        def parameters(self):
            return {"w": self.w.value}

    with pytest.raises(GradientCheckError, match="'w' must be an object with .value and .grad"):
        check_gradients(Bare(), X)


def shape_backward(d_y, x):
    return (2 * x * d_y).sum(0)


def nothing_backward(d_y, x):
    return None


def changes_upstream(d_y, x):
    d_y *= 2 * x
    return d_y


def changes_cache(d_y, x):
    d_x = 2 * x * d_y
    x *= 0
    return d_x


def pops_cache(d_y, cache):
    return 2 * cache.pop() * d_y


def square_list(x):
    return x * x, [x]


def changes_input(x):
    before = x.copy()
    x *= 2
    return before * before, before


class Counting:
    def __init__(self):
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.calls, self.calls

    def backward(self, d_y, calls):
        return d_y * calls


def random_forward(x):
    keep = np.random.random(x.shape) < 0.5
    return x * keep, keep


def random_backward(d_y, keep):
    return d_y * keep


def overflowing(x):
    return np.exp(1000 * x * x), x


class Overwriting(Dense):
    def backward(self, d_y, cache):
        self.w.grad = 0 * self.w.grad
        return super().backward(d_y, cache)


class WithoutBias(Dense):
    def backward(self, d_y, cache):
        x, y = cache
        d_product = d_y * (1 - y * y)
        self.w.grad += x.reshape(-1, 4).T @ d_product.reshape(-1, 5)
        return d_product @ self.w.value.T


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("layer, sentence", [
    ((square, shape_backward), "x: WRONG wrong shape: it has shape (3, 4), the tensor has shape (2, 3, 4)"),
    ((square, nothing_backward), "x: WRONG no gradient: backward returns no gradient for it"),
    ((square, changes_upstream), "backward changes the upstream gradient d_y in place"),
    ((square, changes_cache), "backward changes the cache in place"),
    ((square_list, pops_cache), "backward changes the cache in place (0)"),
    ((changes_input, square_backward), "forward changes x in place"),
    (Counting(), "forward is not deterministic"),
    ((random_forward, random_backward), "forward is not deterministic"),
    ((overflowing, square_backward), "forward returns NaN or Inf"),
    (Overwriting(), "backward overwrites the .grad of w instead of adding"),
    (WithoutBias(), "b: WRONG exactly zero: backward leaves it exactly zero, but the objective depends"),
])
def test_bring_your_own_layer(layer, sentence):
    report = check_gradients(layer, X)
    assert not report.ok
    rows = [f"{row.name}: WRONG {row.note}: {row.sentence}" for row in report.rows if not row.ok]
    assert any(sentence in text for text in report.problems + rows), str(report)
    assert len(report.problems) <= 2


def test_an_overwritten_gradient_that_is_used_twice_is_diagnosed():
    class Assigning:
        def __init__(self):
            self.w = Parameter(RNG.standard_normal(4))

        def parameters(self):
            return {"w": self.w}

        def forward(self, x, z):
            return x * self.w.value + z * z * self.w.value, (x, z)

        def backward(self, d_y, cache):
            x, z = cache
            self.w.grad = (d_y * x).sum((0, 1))
            self.w.grad = (d_y * z * z).sum((0, 1))
            return d_y * self.w.value, 2 * z * d_y * self.w.value

    for max_entries in (None, 2):
        report = check_gradients(Assigning(), X, X + 1, max_entries=max_entries)
        assert report.first_wrong == "w" and row(report, "w").note == "overwritten"


def norm_with_abs(x):
    return x / np.sqrt((np.abs(x) ** 2).sum()), x


def norm_with_var(x):
    return x / np.sqrt(x.var()), x


def norm_plain(x):
    centred = x - x.mean()
    return x / np.sqrt((centred * centred).mean()), x


def norm_backward(d_y, x):
    total = np.sqrt((x * x).sum())
    return d_y / total - x * (d_y * x).sum() / total**3


def var_backward(d_y, x):
    deviation = np.sqrt(x.var())
    return d_y / deviation - (x - x.mean()) * (d_y * x).sum() / x.size / deviation**3


def keeps_real_part(x):
    return x.real * x.real, x.real


def drops_imaginary_part(x):
    result = np.empty(x.shape)
    result[:] = x * x
    return result, x


def softplus(x):
    return np.logaddexp(x, 0), x


def softplus_backward(d_y, x):
    return d_y / (1 + np.exp(-x))


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("layer, detail", [
    ((norm_with_abs, norm_backward), "in a random direction"),
    ((norm_with_var, var_backward), "in a random direction"),
    ((keeps_real_part, square_backward), "it returns real numbers"),
    ((drops_imaginary_part, square_backward), "test_check.py drops the imaginary part"),
    ((softplus, softplus_backward), "it stops with TypeError"),
])
def test_a_forward_that_is_not_complex_safe(layer, detail):
    report = check_gradients(layer, X)
    assert report.verdict == "right" and not report.problems and len(report.notes) == 1
    assert "not complex-safe for x" in report.notes[0] and detail in report.notes[0]
    assert report.method == "central" and report.max_error < 1e-9, str(report)
    assert check_gradients(layer, X, method="central").ok


def test_a_backward_that_is_wrong_as_the_complex_numbers_are_is_caught():
    """np.abs hides a term from the complex step; a backward that forgets the same term agrees with it."""

    def forgetful(d_y, x):
        return d_y / np.sqrt((x * x).sum())

    report = check_gradients((norm_with_abs, forgetful), X)
    assert not report.ok and not all(row.ok for row in report.rows)


def test_only_one_entry_is_not_complex_safe():
    """A loss of the imaginary part too small for the random direction is seen in the row."""

    def forward(x):
        y = x * x
        y[0, 0, 0] += 1e-3 * (abs(x[0, 0, 0]) - 1)
        return y, x

    def backward(d_y, x):
        d_x = 2 * x * d_y
        d_x[0, 0, 0] += d_y[0, 0, 0] * 1e-3 * np.sign(x[0, 0, 0])
        return d_x

    report = check_gradients((forward, backward), X)
    assert report.ok and row(report, "x").method == "central"

    def forgetful(d_y, x):
        return 2 * x * d_y

    assert check_gradients((forward, forgetful), X).verdict == "wrong"


def test_the_wording_names_the_usual_causes():
    [note] = check_gradients((norm_with_var, var_backward), X).notes
    assert all(words in note for words in ("np.var", "np.zeros(shape)", "dtype=x.dtype"))


def test_ways_around_are_accepted():
    assert check_gradients((norm_plain, var_backward), X).ok


# --- the steps of a backward pass ---


def test_every_step_of_attention_agrees():
    layer = MultiHeadAttention(6, 3, rng=np.random.default_rng(0), initializer_range=1.0)
    mask = np.array([True, True, False, True, True]).reshape(1, 1, 1, 5)
    report = check_gradients(layer, RNG.standard_normal((2, 5, 6)), mask=mask, intermediates=True)
    assert report.ok, str(report)
    assert max(row.error for row in report.steps) < 1e-12
    names = [row.name for row in report.steps]
    heads = {"d_query_heads", "d_key_heads", "d_value_heads"}
    assert {"d_probs", "d_scores", "output.d_x"} | heads <= set(names)
    assert names.index("d_probs") < names.index("d_scores") < names.index("d_query_heads")
    assert all(row.kind == "step" and row.max_numeric > 1e-3 for row in report.steps)


def test_steps_are_named_by_their_path():
    layer = EncoderLayer(6, 2, 7, rng=np.random.default_rng(0), initializer_range=1.0, dropout_prob=0.2)
    x, rng = RNG.standard_normal((5, 4, 6)), np.random.default_rng(0)
    report = check_gradients(layer, x, rng=rng, intermediates=True, max_entries=4)
    assert report.ok, str(report)
    names = [row.name for row in report.steps]
    assert {"attention.d_scores", "d_attended", "attention_norm.d_normalized"} <= set(names)
    in_order = ["feed_forward.d_intermediate", "d_attended", "attention.d_probs"]
    assert sorted(in_order, key=names.index) == in_order


class WrongAttention(MultiHeadAttention):
    """Only backward is replaced, as in the bug museum; the softmax forgets its sum."""

    def backward(self, d_output, cache):
        query, key, value, probs = cache.query_heads, cache.key_heads, cache.value_heads, cache.probs
        d_rows = self._split_heads(self.output.backward(d_output, cache.output))
        d_probs = d_rows @ value.swapaxes(-1, -2)
        d_scores = probs * d_probs
        d_query = d_scores @ key / np.sqrt(query.shape[-1])
        d_key = d_scores.swapaxes(-1, -2) @ query / np.sqrt(query.shape[-1])
        d_value = probs.swapaxes(-1, -2) @ d_rows
        return (
            self.query.backward(self._join_heads(d_query), cache.query)
            + self.key.backward(self._join_heads(d_key), cache.key)
            + self.value.backward(self._join_heads(d_value), cache.value)
        )


def encoder_layer_with_wrong_attention():
    layer = EncoderLayer(6, 2, 7, rng=np.random.default_rng(0), initializer_range=1.0)
    layer.attention = WrongAttention(6, 2, rng=np.random.default_rng(1), initializer_range=1.0)
    return layer


@functools.cache
def report_on_wrong_attention():
    x = np.random.default_rng(2).standard_normal((4, 5, 6))
    return check_gradients(encoder_layer_with_wrong_attention(), x)


def test_the_first_wrong_step_is_named_unasked():
    report = report_on_wrong_attention()
    assert report.first_wrong == "attention.d_scores"
    assert [row.name for row in report.steps] == ["attention.d_scores"]
    assert not row(report, "attention.key.weight").ok and row(report, "attention.value.weight").ok
    assert "First wrong in the order of the backward pass: attention.d_scores" in str(report)


def test_no_step_is_named_where_none_is_wanted():
    x = RNG.standard_normal((4, 5, 6))
    report = check_gradients(encoder_layer_with_wrong_attention(), x, intermediates=False, max_entries=5)
    assert not report.ok and report.steps == []


def test_a_wrong_parameter_is_named_where_no_step_is_wrong():
    class WrongLinear(Linear):
        def backward(self, d_y, cache):
            d_x = super().backward(d_y, cache)
            self.bias.grad *= 2
            return d_x

    report = check_gradients(WrongLinear(4, 3), X)
    assert report.first_wrong == "bias" and report.steps == []


def test_a_wrong_parameter_is_placed_among_the_steps():
    """The last layer's weight goes wrong before the first layer's step does."""

    class Pair:
        def __init__(self):
            self.first, self.last = Dense(seed=1), Dense(seed=2)
            self.last.w.value = RNG.standard_normal((5, 4))
            self.last.b.value = RNG.standard_normal(4)

        def parameters(self):
            return {"first.w": self.first.w, "last.w": self.last.w}

        def forward(self, x):
            hidden, first_cache = self.first.forward(x)
            product = hidden @ self.last.w.value
            return product, (first_cache, hidden)

        def backward(self, d_product, cache):
            first_cache, hidden = cache
            self.last.w.grad += 2 * hidden.reshape(-1, 5).T @ d_product.reshape(-1, 4)
            d_hidden = d_product @ self.last.w.value.T
            d_hidden = 3 * d_hidden
            return self.first.backward(d_hidden, first_cache)

    report = check_gradients(Pair(), X)
    assert report.first_wrong == "last.w" and [row.name for row in report.steps] == ["d_hidden"]


def test_a_layer_called_twice():
    class Twice:
        def __init__(self):
            self.dense = Dense()
            self.dense.w.value, self.dense.b.value = RNG.standard_normal((4, 4)), RNG.standard_normal(4)
            self.is_wrong = False

        def parameters(self):
            return {"w": self.dense.w, "b": self.dense.b}

        def forward(self, x):
            inner, inner_cache = self.dense.forward(x)
            outer, outer_cache = self.dense.forward(inner)
            return outer, (inner_cache, outer_cache)

        def backward(self, d_outer, cache):
            inner_cache, outer_cache = cache
            d_inner = self.dense.backward(d_outer, outer_cache)
            return self.dense.backward(-d_inner if self.is_wrong else d_inner, inner_cache)

    class Fitting(Dense):
        def backward(self, d_y, cache):
            x, y = cache
            d_product = d_y * (1 - y * y)
            self.w.grad += x.reshape(-1, 4).T @ d_product.reshape(-1, 4)
            self.b.grad += d_product.sum((0, 1))
            d_x = d_product @ self.w.value.T
            return d_x

    twice = Twice()
    twice.dense.__class__ = Fitting
    report = check_gradients(twice, X, intermediates=True)
    assert report.ok, str(report)
    names = {row.name for row in report.steps}
    assert {"dense.d_product (call 1)", "dense.d_product (call 2)", "d_inner"} <= names
    twice.is_wrong = True
    report = check_gradients(twice, X, intermediates=True)
    assert report.first_wrong == "dense.d_y (call 1)" and row(report, "dense.d_product (call 2)").ok
    assert row(report, "d_inner").ok and "wrong sign" in row(report, "dense.d_y (call 1)").note


def test_a_layer_called_twice_and_left_in_the_same_order():
    """Which forward call a backward call belongs to is told by the cache, not by the order."""

    class Siamese:
        def __init__(self):
            self.dense = Dense()

        def forward(self, left, right):
            left_state, left_cache = self.dense.forward(left)
            right_state, right_cache = self.dense.forward(right)
            return left_state * right_state, (left_state, right_state, left_cache, right_cache)

        def backward(self, d_y, cache):
            left_state, right_state, left_cache, right_cache = cache
            d_left = self.dense.backward(d_y * right_state, left_cache)
            d_right = self.dense.backward(d_y * left_state, right_cache)
            return d_left, d_right

    report = check_gradients(Siamese(), X, X + 1, intermediates=True)
    assert report.ok and len(report.steps) == 6, str(report)


def test_a_view_is_moved_without_the_array_it_views():
    """rows is a view of x; x is used again in the sum. d_rows is the derivative through rows only."""

    def forward(x):
        rows = x.reshape(-1, 4)
        squares = rows * rows
        y = squares.reshape(x.shape) + x
        return y, rows

    def backward(d_y, rows):
        d_squares = d_y.reshape(-1, 4)
        d_rows = 2 * rows * d_squares
        return d_rows.reshape(d_y.shape) + d_y

    report = check_gradients((forward, backward), X, intermediates=True)
    assert report.ok and [row.name for row in report.steps] == ["d_squares", "d_rows"], str(report)


def reuse_memory(x):
    scores = x * 3
    probs = np.exp(scores, out=scores)
    del scores
    y = probs * probs
    return y, probs


def reuse_memory_backward(d_y, probs):
    d_probs = 2 * probs * d_y
    d_scores = d_probs * probs
    d_x = d_scores * 3
    return d_x


def test_a_name_that_is_deleted_when_its_memory_is_reused():
    report = check_gradients((reuse_memory, reuse_memory_backward), X, intermediates=True)
    assert report.ok and [row.name for row in report.steps] == ["d_probs", "d_scores"], str(report)


def names_twice(x):
    total = x * 2
    total = total * total
    return total, x


def names_twice_backward(d_y, x):
    d_total = d_y * 4 * x
    return d_total * 2


def filled_step_by_step(x):
    states = np.zeros_like(x)
    for step in range(1, len(x)):
        states[step] = states[step - 1] * x[step] + x[step]
    return states * 1.0, (x, states)


def filled_step_by_step_backward(d_y, cache):
    x, states = cache
    d_states, d_x = d_y.copy(), np.zeros_like(x)
    for step in reversed(range(1, len(x))):
        d_x[step] = d_states[step] * (states[step - 1] + 1)
        d_states[step - 1] += d_states[step] * x[step]
    return d_x


def one_line(x):
    total = x * 2; result = total * total  # noqa: E702
    return result, x


def one_line_backward(d_result, x):
    d_total = d_result * 4 * x
    return d_total * 2


def other_shape(x):
    total = x * 2
    return total, None


def other_shape_backward(d_y, cache):
    d_total = d_y.reshape(-1)
    return 2 * d_total.reshape(d_y.shape)


def test_an_argument_is_measured_where_its_name_outside_cannot_be():
    """`total` has two values: d_total is left out. The same array is d_y of the norm, and is measured."""

    class Doubled:
        def __init__(self):
            self.norm = LayerNorm(4)

        def forward(self, x):
            total, cache = self.norm.forward(x)
            total = total * 2
            return total, cache

        def backward(self, d_y, cache):
            d_total = d_y * 2
            return self.norm.backward(d_total, cache)

    report = check_gradients(Doubled(), X, intermediates=True)
    assert report.ok and list(report.skipped) == ["d_total"]
    assert [row.name for row in report.steps] == ["norm.d_y", "norm.d_normalized", "norm.d_x"]


@pytest.mark.parametrize("layer, name, reason", [
    ((names_twice, names_twice_backward), "d_total", "second value"),
    ((filled_step_by_step, filled_step_by_step_backward), "d_states", "changed in forward after"),
    ((one_line, one_line_backward), "d_total", "on the line that gives it its value"),
    ((other_shape, other_shape_backward), "d_total", "its shape (24,) is not that of total"),
])
def test_a_step_that_cannot_be_measured_is_left_out_and_said_so(layer, name, reason):
    report = check_gradients(layer, X, intermediates=True)
    assert report.ok and report.steps == [], str(report)
    assert reason in report.skipped[name] and f"Not checked: {name}" in str(report)


def test_steps_by_central_differences():
    layer = LayerNorm(4)
    assert check_gradients(layer, X, method="central", intermediates=True).ok
    wrong = check_gradients((reuse_memory, wrong_in_the_middle), X, method="central")
    assert wrong.first_wrong == "d_scores"


def wrong_in_the_middle(d_y, probs):
    d_probs = 2 * probs * d_y
    d_scores = d_probs
    d_x = d_scores * 3
    return d_x


def test_the_debugger_is_left_as_it_was():
    def tracer(frame, event, value):
        return None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        check_gradients((reuse_memory, wrong_in_the_middle), X)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


# --- random directions ---


def test_directions_accept_a_right_model_in_one_complex_forward():
    dtypes = []

    class Watched(Dense):
        def forward(self, x):
            dtypes.append(self.w.value.dtype)
            return super().forward(x)

    layer = Watched(np.float32)
    value, grad = layer.w.value, layer.w.grad
    report = check_directions(layer, X, real_differences=False)
    assert report.ok and 0 < report.error < 1e-13 and dtypes == [np.float64, np.complex128]
    assert layer.w.value is value and layer.w.grad is grad and not grad.any()
    assert set(report.terms) == {"x", "w", "b"} and report.count == X.size + 25
    assert "right along a random direction" in str(report)


class Scaled:
    """Two parameters whose gradients differ by a factor of a million; one of them may be wrong."""

    def __init__(self, mistake=1.0, forgets=False):
        self.large, self.small = Parameter(RNG.standard_normal(3)), Parameter(RNG.standard_normal(3))
        self.mistake, self.forgets = mistake, forgets

    def parameters(self):
        return {"large": self.large, "small": self.small}

    def forward(self, x):
        return x * self.large.value * self.large.value * 1e6 + x * self.small.value, x

    def backward(self, d_y, x):
        self.large.grad += (2e6 * x * self.large.value * d_y).sum(0)
        if not self.forgets:
            self.small.grad += self.mistake * (x * d_y).sum(0)
        return d_y * (self.large.value * self.large.value * 1e6 + self.small.value)


@pytest.mark.parametrize("model", [Scaled(mistake=1 + 1e-4), Scaled(forgets=True)])
def test_directions_catch_a_mistake_beside_gradients_a_million_times_larger(model):
    x = np.random.default_rng(0).standard_normal((4, 3))
    report = check_directions(model, x)
    assert not report.ok and "per_tensor=True" in str(report)
    report = check_directions(model, x, per_tensor=True)
    assert not report.ok and report.guilty == ["small"] and "wrong: small" in str(report)


def test_the_error_of_directions_is_a_part_of_the_terms_summed():
    def backward(d_y, x):
        return 2 * x * d_y * (1 + 1e-3)

    report = check_directions((square, backward), X)
    assert report.error == pytest.approx(1e-3, rel=0.01) and abs(report.terms["x"]) < 5


def test_directions_per_tensor_accept_a_right_model():
    report = check_directions(Scaled(), RNG.standard_normal((4, 3)), per_tensor=True)
    assert report.ok and report.guilty == [] and set(report.errors) == {"x", "large", "small"}


def test_directions_of_a_gradient_that_is_truly_zero():
    """The key bias: its gradient is rounding noise, which must not be blown up to order 1."""
    layer = MultiHeadAttention(6, 2, rng=np.random.default_rng(0), initializer_range=1.0)
    report = check_directions(layer, RNG.standard_normal((2, 5, 6)), per_tensor=True)
    assert report.ok and abs(report.terms["key.bias"]) < 1e-10


def test_directions_need_every_gradient():
    with pytest.raises(GradientCheckError, match="no gradient of x"):
        check_directions((square, nothing_backward), X)
    with pytest.raises(GradientCheckError, match="no gradient of x"):
        check_directions((square, shape_backward), X)


# --- the table ---


def test_the_table_of_a_right_layer():
    lines = str(check_gradients(Dense(), X)).splitlines()
    assert len(lines) == 5 and lines[0].split() == ["gradient", "shape", "largest", "error"]
    assert lines[2].startswith("w ") and lines[2].endswith("ok")
    assert lines[4].startswith("Dense: all 3 gradients right, worst error") and "complex step" in lines[4]


def test_the_table_of_a_wrong_layer():
    text = str(report_on_wrong_attention())
    assert max(map(len, text.splitlines())) <= 80 and text.isascii()
    assert "gradients WRONG" in text and "attention.d_scores" in text and "mistake:" in text
