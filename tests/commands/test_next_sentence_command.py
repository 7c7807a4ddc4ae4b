"""`minibert next-sentence`."""

import numpy as np
import pytest

import minibert
from minibert.layers.softmax import softmax


def test_next_sentence(finished_run, output_of):
    first, second = "The dog sees.", "The bird."
    lines = output_of("next-sentence", finished_run, first, second)
    assert len(lines) == 2
    assert lines[0].startswith("follows the first ") and lines[1].startswith("comes from elsewhere ")
    percentages = [float(line.split()[-1].rstrip("%")) for line in lines]
    assert sum(percentages) == pytest.approx(100, abs=0.11)

    model = minibert.BertForPreTraining.from_pretrained(finished_run)
    encoding = minibert.WordPieceTokenizer.from_pretrained(finished_run).encode(first, second)
    output, _ = model.forward(encoding.input_ids[np.newaxis], encoding.token_type_ids[np.newaxis])
    assert percentages == pytest.approx(100 * softmax(output.seq_relationship_logits)[0], abs=0.051)


def test_texts_that_do_not_fit(failing, finished_run):
    error = failing("next-sentence", finished_run, "the " * 10, "the " * 10)
    assert "longer than max_position_embeddings 16" in error
