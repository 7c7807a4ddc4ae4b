"""Pairs as an encoder and a decoder read them: by hand."""

import numpy as np
import pytest

from minibert.text.examples import Translations
from minibert.text.examples.ends import Ends
from minibert.text.examples.translation import translation_batch

ENDS = Ends(start=1, end=2, pad=0)


def test_a_batch_by_hand():
    batch = translation_batch([([7, 8, 9], [5]), ([4], [6, 5])], ENDS)
    assert batch.source_ids.tolist() == [[7, 8, 9], [4, 0, 0]]
    assert batch.source_mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.target_ids.tolist() == [[1, 5, 0], [1, 6, 5]]
    assert batch.labels.tolist() == [[5, 2, -100], [6, 5, 2]]


def test_an_epoch_has_every_pair_once_and_little_padding():
    rng = np.random.default_rng(0)
    pairs = [([3 + k] * length, [3 + k]) for k, length in enumerate(rng.integers(1, 40, 100))]
    examples = Translations(pairs, ENDS)
    batches = [examples.batch(step, 7) for step in range(15, 30)]
    sources = np.concatenate([batch.source_ids[:, 0] for batch in batches])
    assert sorted(sources) == list(range(3, 103))
    used = sum(batch.source_mask.sum() for batch in batches)
    assert used / sum(batch.source_ids.size for batch in batches) > 0.8
    with pytest.raises(ValueError, match="there are no pairs: give one or more"):
        Translations([], ENDS)
