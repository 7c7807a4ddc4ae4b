"""Learning rates from step to step."""

import numpy as np
import pytest

from minibert.training.schedules import slanted_triangular


def papers(step, num_steps, peak=0.01, cut_fraction=0.1, ratio=32):
    """The formula as the paper prints it (Howard & Ruder 2018, section 3.2)."""
    cut = int(num_steps * cut_fraction)
    height = step / cut if step < cut else 1 - (step - cut) / (cut * (1 / cut_fraction - 1))
    return peak * (1 + height * (ratio - 1)) / ratio


@pytest.mark.parametrize("num_steps", [10, 20, 130, 1000])
def test_the_papers_slanted_triangle_where_a_tenth_is_whole(num_steps):
    ours = [slanted_triangular(step, num_steps, 0.01) for step in range(num_steps)]
    np.testing.assert_allclose(ours, [papers(step, num_steps) for step in range(num_steps)], rtol=1e-12)
    assert np.argmax(ours) == num_steps // 10 and max(ours) == pytest.approx(0.01)


def test_it_is_never_negative_where_the_papers_is():
    assert papers(18, 19) == pytest.approx(-0.0083, abs=5e-5)
    for num_steps in range(1, 120):
        rates = [slanted_triangular(step, num_steps, 0.01) for step in range(num_steps)]
        assert min(rates) >= 0.01 / 32 and max(rates) == pytest.approx(0.01)
        assert np.all(np.diff(rates[num_steps // 10 :]) < 0)
