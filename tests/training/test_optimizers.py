"""AdamW, gradient clipping and the learning-rate schedule, against their formulas written out plainly."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from minibert.layers.base import Parameter
from minibert.training.optimizers import BLOCK, AdamW, clip_gradients
from minibert.training.schedules import linear_schedule, noam_schedule

LR, BETAS, EPS, WEIGHT_DECAY = 0.03, (0.8, 0.95), 1e-3, 0.1


def parameter(shape, seed=0, dtype=np.float64):
    return Parameter(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def draw_gradients(parameters, step):
    rng = np.random.default_rng([7, step])
    for p in parameters.values():
        p.grad[...] = rng.standard_normal(p.value.shape)


def adamw_by_the_book(value, gradients, decays, correct_bias):
    """Return the value after a step with each gradient: the docstring's formula, on whole arrays."""
    beta1, beta2 = BETAS
    m, v = np.zeros_like(value), np.zeros_like(value)
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t) if correct_bias else m
        v_hat = v / (1 - beta2**t) if correct_bias else v
        value = value - LR * (m_hat / (np.sqrt(v_hat) + EPS) + (WEIGHT_DECAY if decays else 0) * value)
    return value


SHAPES = {
    "weight": (3, 5),
    "bias": (5,),
    "three axes": (2, 3, 4),
    "many rows": (BLOCK // 100 + 7, 150),
    "long bias": (BLOCK + 1000,),
    "a row above a block": (2, BLOCK + 3),
}


@pytest.mark.parametrize("correct_bias", [True, False])
def test_adamw_is_its_formula(correct_bias):
    parameters = {name: parameter(shape, seed) for seed, (name, shape) in enumerate(SHAPES.items())}
    before = {name: p.value.copy() for name, p in parameters.items()}
    optimizer = AdamW(parameters, LR, BETAS, EPS, WEIGHT_DECAY, correct_bias)
    gradients = {name: [] for name in parameters}
    for step in range(3):
        draw_gradients(parameters, step)
        for name, p in parameters.items():
            gradients[name].append(p.grad.copy())
        optimizer.step()
    for name, p in parameters.items():
        expected = adamw_by_the_book(before[name], gradients[name], p.value.ndim >= 2, correct_bias)
        np.testing.assert_allclose(p.value, expected, rtol=1e-12, atol=1e-14, err_msg=name)


def test_threads_update_every_parameter_alike():
    alone, handed_out = (
        {name: parameter(shape, seed) for seed, (name, shape) in enumerate(SHAPES.items())} for _ in range(2)
    )
    optimizer, threaded = (
        AdamW(parameters, LR, BETAS, EPS, WEIGHT_DECAY) for parameters in (alone, handed_out)
    )
    with ThreadPoolExecutor(2) as pool:
        for step in range(3):
            draw_gradients(alone, step)
            draw_gradients(handed_out, step)
            optimizer.step()
            threaded.step(pool.map)
    for name in SHAPES:
        assert np.array_equal(alone[name].value, handed_out[name].value), name


def test_what_a_thread_raises_is_raised():
    p = parameter((4, 3))
    optimizer = AdamW({"p": p}, LR)
    p.grad = np.ones((2, 2))
    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="broadcast"):
        optimizer.step(pool.map)


def test_the_defaults_are_those_of_bert():
    optimizer = AdamW({})
    assert (optimizer.betas, optimizer.eps, optimizer.weight_decay) == ((0.9, 0.999), 1e-6, 0.01)
    assert optimizer.correct_bias is True


def test_it_writes_in_place_and_keeps_the_dtype():
    p = parameter((4, 3), dtype=np.float32)
    value = p.value
    optimizer = AdamW({"p": p}, LR)
    draw_gradients({"p": p}, 0)
    before, gradient = value.copy(), p.grad.copy()
    optimizer.step()
    assert p.value is value and not np.array_equal(value, before)
    assert (
        value.dtype == optimizer.first_moment["p"].dtype == optimizer.second_moment["p"].dtype == np.float32
    )
    assert np.array_equal(p.grad, gradient)


def test_a_value_that_is_rebound_is_read_anew():
    p = parameter((4, 3))
    optimizer = AdamW({"p": p}, LR, BETAS, EPS, WEIGHT_DECAY)
    draw_gradients({"p": p}, 0)
    optimizer.step()
    left_behind, p.value = p.value, p.value + 1
    kept, rebound = left_behind.copy(), p.value.copy()
    p.grad = np.ones((4, 3))
    optimizer.step()
    assert np.array_equal(left_behind, kept)
    assert (p.value < rebound).any()


@pytest.mark.parametrize(
    "view",
    [
        lambda base: base[:, ::2],
        lambda base: base.T,
        lambda base: base[::-1],
        np.asfortranarray,
    ],
    ids=["columns", "transposed", "reversed", "fortran"],
)
def test_a_value_that_is_not_contiguous(view):
    whole = np.random.default_rng(1).standard_normal((BLOCK // 100 + 7, 150))
    p, plain = Parameter(view(whole)), Parameter(view(whole).copy(order="C"))
    p.grad[...] = plain.grad[...] = np.random.default_rng(2).standard_normal(p.value.shape)
    for each in (p, plain):
        optimizer = AdamW({"p": each}, LR, BETAS, EPS, WEIGHT_DECAY)
        optimizer.step()
        optimizer.step()
    assert np.array_equal(p.value, plain.value)


def test_state_dict_carries_on_where_it_was():
    def run(num_steps, parameters, state=None):
        optimizer = AdamW(parameters, LR, BETAS, EPS, WEIGHT_DECAY)
        if state:
            optimizer.load_state_dict(state)
        for _ in range(num_steps):
            draw_gradients(parameters, optimizer.num_steps)
            optimizer.step()
        return optimizer

    whole = {"weight": parameter((3, 5)), "bias": parameter((5,))}
    halves = {"weight": parameter((3, 5)), "bias": parameter((5,))}
    run(5, whole)
    state = {name: np.array(array) for name, array in run(2, halves).state_dict().items()}
    assert run(3, halves, state).num_steps == 5
    for name in whole:
        assert np.array_equal(whole[name].value, halves[name].value)


# --- clipping ---


def test_clipping_scales_all_gradients_to_the_joint_norm():
    parameters = {"a": Parameter(np.zeros(1)), "b": Parameter(np.zeros((1, 2)))}
    a, b = (p.grad for p in parameters.values())
    a[...], b[...] = 3, [[0, 4]]
    assert clip_gradients(parameters, 1.0) == 5.0
    np.testing.assert_allclose([a[0], b[0, 1]], [0.6, 0.8], rtol=1e-15)


@pytest.mark.parametrize("max_norm", [5.0, 6.0])
def test_clipping_leaves_short_gradients_alone(max_norm):
    p = Parameter(np.zeros(2))
    p.grad[...] = 3, 4
    assert clip_gradients({"p": p}, max_norm) == 5.0
    assert p.grad.tolist() == [3, 4]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_clipping_leaves_gradients_that_are_not_finite_as_they_are(bad):
    parameters = {"good": Parameter(np.zeros(2)), "bad": Parameter(np.zeros(2))}
    parameters["good"].grad[...] = 3, 4
    parameters["bad"].grad[1] = bad
    assert not math.isfinite(clip_gradients(parameters, 1.0))
    assert parameters["good"].grad.tolist() == [
        3,
        4,
    ]  # scaled by 1/inf it would be 0, and not seen to be good
    np.testing.assert_array_equal(parameters["bad"].grad, [0, bad])


# --- schedule ---


def test_schedule_by_hand():
    rates = [linear_schedule(step, 10, 4, 8.0) for step in range(10)]
    np.testing.assert_allclose(
        rates, [2, 4, 6, 8, 8, 8 * 5 / 6, 8 * 4 / 6, 8 * 3 / 6, 8 * 2 / 6, 8 / 6], rtol=1e-15
    )


def test_noams_schedule_is_the_papers():
    size, warmup = 512, 4000
    for step in (0, 1, 3998, 3999, 4000, 99_999):
        k = step + 1
        paper = size**-0.5 * min(k**-0.5, k * warmup**-1.5)
        assert abs(noam_schedule(step, warmup, (size * warmup) ** -0.5) / paper - 1) < 1e-14


@pytest.mark.parametrize("num_steps, num_warmup_steps", [(1, 1), (2, 1), (20, 1), (20, 20), (5, 9)])
def test_schedule_is_never_zero_and_never_above_its_peak(num_steps, num_warmup_steps):
    rates = [linear_schedule(step, num_steps, num_warmup_steps, 3.0) for step in range(num_steps)]
    assert all(0 < rate <= 3 for rate in rates)
