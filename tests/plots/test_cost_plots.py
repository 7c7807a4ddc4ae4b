"""Loss against time shows every way's mean and range."""

import numpy as np
from drawn import legend, line

from minibert.plots.cost import loss_by_time


def test_each_way_is_its_mean_in_the_range_of_its_seeds():
    fast = [np.array([[1, 6.0], [11, 4.0]]), np.array([[1, 6.5], [6, 5.5], [16, 3.5]])]
    first, second = loss_by_time({"how": {"fast": fast, "bert": [fast[1]]}, "what": {"electra": [fast[0]]}})
    assert line(first, "fast") == [[1, 11], [6.25, 4.25]]  # the second is at 4.5 after 11 seconds
    assert line(first, "bert") == [[1, 6, 16], [6.5, 5.5, 3.5]]
    assert line(second, "electra") == [[1, 11], [6, 4]]
    assert [legend(first), legend(second)] == [["fast", "bert"], ["electra"]]
    shade = first.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(
        sorted(map(tuple, np.unique(shade, axis=0))), [(1, 6), (1, 6.5), (11, 4), (11, 4.5)])
    assert first.get_title() == "how" and second.get_xlabel() == "seconds of processor time"
