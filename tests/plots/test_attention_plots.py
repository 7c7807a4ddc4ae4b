"""Attention maps: every cell is the probability in the record; its row is the query, its column the key."""

import matplotlib.text
import numpy as np
import pytest
from drawn import texts

from minibert import plots

KEY, QUERY = "key: the token that is looked at", "query: the token that looks"


@pytest.fixture(scope="module")
def probs(cache):
    return [layer.attention.probs[0] for layer in cache.bert.encoder]  # each (A, T, T)


def drawn(axes):
    return axes.get_images()[0].get_array()


def test_one_attention_map(tiny, probs):
    axes = plots.attention_maps(probs, tiny.tokens, layer=1, head=0)
    np.testing.assert_array_equal(drawn(axes), probs[1][0])
    assert texts(axes.get_xticklabels()) == texts(axes.get_yticklabels()) == tiny.tokens
    assert axes.get_xlabel() == KEY and axes.get_ylabel() == QUERY
    assert axes.get_title() == "encoder[1], head 0"
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert len(written) == 15 * 15
    assert written[10, 4] == f"{probs[1][0][4, 10]:.2f}".lstrip("0")  # column: key, row: query
    assert written[14, 3] == ""  # nobody looks at [PAD]
    [_, colours] = axes.figure.axes
    assert colours.get_ylabel() == "attention probability"


@pytest.mark.exhaustive
def test_many_attention_maps(tiny, probs):
    grid = plots.attention_maps(probs, tiny.tokens)
    assert grid.shape == (3, 2)
    for (layer, head), axes in np.ndenumerate(grid):
        np.testing.assert_array_equal(drawn(axes), probs[layer][head])
        assert axes.get_title() == f"encoder[{layer}], head {head}"
    assert len({axes.get_images()[0].get_clim() for axes in grid.flat}) == 1  # one scale for all
    figure = grid[0, 0].figure
    assert figure.get_supxlabel() == KEY and figure.get_supylabel() == QUERY
    assert texts(grid[2, 0].get_xticklabels()) == texts(grid[2, 0].get_yticklabels()) == tiny.tokens
    assert plots.attention_maps(probs, tiny.tokens, layer=2).shape == (1, 2)
    assert plots.attention_maps(probs, tiny.tokens, head=1).shape == (3, 1)
    assert plots.attention_maps(probs, tiny.tokens, layer=-1, head=1).get_title() == "encoder[2], head 1"


def test_save_hands_on_options(tiny, probs, tmp_path):
    plots.save(plots.attention_maps, tmp_path / "map.png", probs, tiny.tokens, layer=0, head=1, size=(6, 5))
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_attention_over_training(tiny, probs):
    other = tiny.model.forward(tiny.batch["input_ids"])[1].bert.encoder[2].attention.probs[0, 1]
    maps = {0: probs[2][1], 1500: other}
    row = plots.attention_over_training(maps, tiny.tokens, title="encoder[2], head 1")
    assert [axes.get_title() for axes in row] == ["step 0", "step 1,500"]
    for axes, expected in zip(row, maps.values()):
        np.testing.assert_array_equal(drawn(axes), expected)
    assert row[0].figure.get_suptitle() == "encoder[2], head 1"
    assert row[0].figure.get_supxlabel() == KEY and row[0].get_ylabel() == QUERY
    assert len({axes.get_images()[0].get_clim() for axes in row}) == 1
    assert plots.attention_over_training(maps, tiny.tokens)[0].figure.get_suptitle() == ""
    with pytest.raises(ValueError, match="no map to draw"):
        plots.attention_over_training({}, tiny.tokens)
    with pytest.raises(ValueError, match="2 tokens were given for 15 rows"):
        plots.attention_over_training(maps, ["a", "b"])
    with pytest.raises(ValueError, match=r"step 0 has map shape \(2, 15, 15\), expected \(T, T\)"):
        plots.attention_over_training({0: probs[2]}, tiny.tokens)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"layer": 3}, "there is no layer 3: probs has 3 of them"),
        ({"head": -3}, "there is no head -3: probs has 2"),
        ({"tokens": ["a", "b"]}, "2 tokens were given for 15 rows"),
    ],
)
def test_attention_maps_that_cannot_be_drawn(tiny, probs, wrong, message):
    with pytest.raises(ValueError, match=message):
        plots.attention_maps(probs, **{"tokens": tiny.tokens, **wrong})


def test_attention_maps_of_a_whole_batch_are_refused(tiny, cache):
    batch = [layer.attention.probs for layer in cache.bert.encoder]
    message = r"layer 0 of probs has shape \(1, 2, 15, 15\), expected \(A, T, T\)"
    with pytest.raises(ValueError, match=message):
        plots.attention_maps(batch, tiny.tokens)


def sizes_of_text(figure):
    return [text.get_fontsize() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def test_one_query_and_the_keys_that_answer():
    weights = np.array([0.7, 0.2, 0.1])
    axes = plots.query_key_value(["river", "tax", "bank"], weights, 2)
    written = texts(axes.texts)
    assert written.count("key") == written.count("value") == 3
    assert [text for text in written if text.startswith("0.")] == ["0.70", "0.20", "0.10"]
    assert "the query of 'bank'" in written
    assert [text.get_fontweight() for text in axes.texts if text.get_text() == "bank"] == ["bold"]
    assert min(sizes_of_text(axes.figure)) >= 12


def test_maps_side_by_side_leave_impossible_cells_empty():
    probs = np.array([[1.0, 0.0, 0.0], [0.25, 0.75, 0.0]])
    axes, other = plots.named_maps({"causal": probs, "all": np.full((2, 3), 1 / 3)})
    np.testing.assert_array_equal(drawn(axes), probs)
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "1", (0, 1): ".25", (1, 1): ".75"}
    assert len(other.texts) == 6 and axes.get_title() == "causal"
    assert min(sizes_of_text(axes.figure)) >= 12


def test_where_one_token_looks():
    three = ["my", "bill", "is"], 1, np.array([0.2, 0.3, 0.5])
    first, second = plots.attention_of_one_token([(["river", "bank"], 1, np.array([0.9, 0.1])), three])
    np.testing.assert_array_equal(drawn(first), [[0.9, 0.1]])
    assert texts(second.get_xticklabels()) == ["my", "bill", "is"]
    assert texts(second.texts) == ["0.20", "0.30", "0.50"]
    assert first.get_title(loc="left") == "'bank' looks at"
    assert min(sizes_of_text(first.figure)) >= 12
