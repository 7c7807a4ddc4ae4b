"""Muon against the singular value decomposition, and several optimizers as one."""

import inspect
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from minibert.layers.base import Parameter
from minibert.training import optimizers
from minibert.training.optimizers import AdamW, Muon, Together, orthogonalized

LR, MOMENTUM, WEIGHT_DECAY = 0.03, 0.9, 0.1
SHAPES = {"wide": (5, 17), "tall": (17, 5), "square": (7, 7), "row": (1, 6), "column": (6, 1)}


def with_singular_values(shape, singular_values, seed=0):
    """Return U, Vᵀ and the matrix U Σ Vᵀ."""
    rng = np.random.default_rng([seed, *shape])
    u, _, vt = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
    return u, vt, (u * singular_values) @ vt


def five_times(singular_values):
    """The polynomial on numbers: of a matrix it changes the singular values alone."""
    for _ in range(5):
        singular_values = (
            3.4445 * singular_values - 4.7750 * singular_values**3 + 2.0315 * singular_values**5
        )
    return singular_values


# --- orthogonalized ---


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_singular_vectors_stay_and_singular_values_come_near_1(shape):
    given = np.geomspace(1, 0.05, min(shape))
    u, vt, matrix = with_singular_values(shape, 30 * given)
    found = orthogonalized(matrix)
    expected = five_times(30 * given / (30 * np.linalg.norm(given) + 1e-7))
    np.testing.assert_allclose(found, (u * expected) @ vt, rtol=0, atol=1e-12)
    assert ((0.68 < expected) & (expected < 1.13)).all()
    direction = u @ vt
    cosine = (found * direction).sum() / (np.linalg.norm(found) * np.linalg.norm(direction))
    assert cosine > 0.98


def test_from_where_on_singular_values_come_near_1():
    from_there_on = five_times(np.geomspace(0.006, 1, 10_000))
    assert 0.68 < from_there_on.min() and from_there_on.max() < 1.14
    assert five_times(0.001) < 0.68


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays_and_zeros_stay_zeros(dtype):
    assert orthogonalized(np.ones((3, 4), dtype)).dtype == dtype
    assert np.array_equal(orthogonalized(np.zeros((4, 3), dtype)), np.zeros((4, 3), dtype))


# --- Muon ---


def parameters_of(seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return {name: Parameter(rng.standard_normal(shape).astype(dtype)) for name, shape in SHAPES.items()}


def draw_gradients(parameters, step):
    rng = np.random.default_rng([7, step])
    for parameter in parameters.values():
        parameter.grad[...] = rng.standard_normal(parameter.value.shape)


def muon_by_the_book(value, gradients):
    """The update of a weight (out, in), as the paper's code has it: momentum an average, O from the SVD."""
    value, momentum = value.T, 0.0
    for gradient in gradients:
        momentum = MOMENTUM * momentum + (1 - MOMENTUM) * gradient.T
        looked_ahead = MOMENTUM * momentum + (1 - MOMENTUM) * gradient.T
        u, singular_values, vt = np.linalg.svd(looked_ahead, full_matrices=False)
        direction = (u * five_times(singular_values / np.linalg.norm(singular_values))) @ vt
        num_rows, num_columns = value.shape
        value = (1 - LR * WEIGHT_DECAY) * value
        value = value - LR * math.sqrt(max(1, num_rows / num_columns)) * direction
    return value.T


def largest_difference(muon_class, num_steps=3):
    """Return how far Muon is from the book after some steps, over all shapes."""
    parameters = parameters_of()
    before = {name: parameter.value.copy() for name, parameter in parameters.items()}
    optimizer = muon_class(parameters, LR, MOMENTUM, WEIGHT_DECAY)
    gradients = {name: [] for name in parameters}
    for step in range(num_steps):
        draw_gradients(parameters, step)
        for name, parameter in parameters.items():
            gradients[name].append(parameter.grad.copy())
        optimizer.step()
    return max(
        np.abs(parameter.value - muon_by_the_book(before[name], gradients[name])).max()
        for name, parameter in parameters.items()
    )


def test_muon_is_its_formula():
    assert largest_difference(Muon) < 1e-7  # 1e-7 is added to the norm


@pytest.mark.parametrize(
    "right, wrong",
    [
        ("out_features / in_features", "in_features / out_features"),  # the layout of other programs
        ("parameter.grad + self.momentum * gradient_sum", "gradient_sum"),  # no look ahead
        ("gradient_sum *= self.momentum", "gradient_sum *= 1 - self.momentum"),
        ("1 - self.lr * self.weight_decay", "1 - self.weight_decay"),
        ("sqrt(max(1, ", "sqrt(min(1, "),
    ],
)
def test_planted_mistakes_are_seen(right, wrong):
    code = inspect.getsource(Muon)
    assert code.count(right) == 1
    namespace = dict(vars(optimizers))
    exec(code.replace(right, wrong), namespace)
    assert largest_difference(namespace["Muon"]) > 1e-4


def test_a_weight_into_heads_is_a_matrix():
    """(H, A, D) moves as (H, A·D), from either side of the square."""
    rng, optimizers = np.random.default_rng(0), []
    for shape in ((5, 2, 3), (7, 2, 3)):
        value, gradient = rng.standard_normal((2, *shape))
        for axes in (3, 2):
            parameter = Parameter(value.copy() if axes == 3 else value.reshape(shape[0], -1).copy())
            optimizers.append(Muon({"weight": parameter}, LR, weight_decay=WEIGHT_DECAY))
            parameter.grad[...] = gradient.reshape(parameter.grad.shape)
            optimizers[-1].step()
        of_heads, matrix = (each.parameters["weight"].value for each in optimizers[-2:])
        assert of_heads.shape == shape and np.array_equal(of_heads.reshape(matrix.shape), matrix)


def test_the_defaults_are_those_of_its_author():
    optimizer = Muon({})
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (0.02, 0.95, 0.0)


def test_it_writes_in_place_and_keeps_the_dtype():
    parameters = parameters_of(dtype=np.float32)
    values = {name: parameter.value for name, parameter in parameters.items()}
    optimizer = Muon(parameters)
    draw_gradients(parameters, 0)
    gradients = {name: parameter.grad.copy() for name, parameter in parameters.items()}
    optimizer.step()
    for name, parameter in parameters.items():
        assert parameter.value is values[name] and parameter.value.dtype == np.float32
        assert optimizer.gradient_sum[name].dtype == np.float32
        assert np.array_equal(parameter.grad, gradients[name])


def test_what_is_no_matrix_is_refused():
    with pytest.raises(ValueError, match=r"Muon steps matrices, got norm.gain of shape \(3,\): give it to"):
        Muon({"norm.gain": Parameter(np.ones(3))})


# --- several as one ---


def together(parameters, lr=0.01):
    wide = {name: parameters[name] for name in ("wide", "row")}
    rest = {name: parameter for name, parameter in parameters.items() if name not in wide}
    return Together(AdamW(rest, lr), Muon(wide, 4 * lr))


def test_each_keeps_its_share_of_the_rate():
    parameters, alone = parameters_of(), parameters_of()
    optimizer = together(parameters)
    assert optimizer.parameters.keys() == parameters.keys() and optimizer.lr == 0.01
    adamw, muon = AdamW({"tall": alone["tall"]}), Muon({"wide": alone["wide"]})
    for step, rate in enumerate((0.001, 0.02)):
        draw_gradients(parameters, step)
        draw_gradients(alone, step)
        optimizer.lr, adamw.lr, muon.lr = rate, rate, 4 * rate
        for each in (optimizer, adamw, muon):
            each.step()
    for name in ("tall", "wide"):
        np.testing.assert_allclose(parameters[name].value, alone[name].value, rtol=1e-14)


def test_threads_update_every_parameter_alike():
    alone, handed_out = parameters_of(), parameters_of()
    optimizer, threaded = together(alone), together(handed_out)
    with ThreadPoolExecutor(2) as pool:
        for step in range(3):
            draw_gradients(alone, step)
            draw_gradients(handed_out, step)
            optimizer.step()
            threaded.step(pool.map)
    for name in SHAPES:
        assert np.array_equal(alone[name].value, handed_out[name].value), name


def test_state_dict_carries_on_where_it_was():
    whole, halves = parameters_of(), parameters_of()
    optimizer, first_half, second_half = together(whole), together(halves), together(halves)
    for step in range(5):
        draw_gradients(whole, step)
        optimizer.step()
    for step in range(5):
        if step == 2:
            state = {name: np.array(array) for name, array in first_half.state_dict().items()}
            second_half.load_state_dict(state)
        draw_gradients(halves, step)
        (first_half if step < 2 else second_half).step()
    for name in SHAPES:
        assert np.array_equal(whole[name].value, halves[name].value), name
