"""Pictures at a breakpoint: in their own size, without a window, from any cache; VS Code's settings."""

import json
import pathlib
import struct
import sys
import types

import numpy as np
import pytest

import minibert
from minibert import plots, trace
from minibert.course import figures
from minibert.layers.attention import MultiHeadAttention
from minibert.trace import example

ROOT = pathlib.Path(minibert.__file__).parent.parent


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """The addresses that the browser was asked to open."""
    found = []
    monkeypatch.setattr("webbrowser.open", found.append)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return found


def pixels(path):
    """(width, height) of a PNG file, as its header has them."""
    return struct.unpack(">II", pathlib.Path(path).read_bytes()[16:24])


@pytest.mark.exhaustive
def test_show_opens_the_picture_in_its_own_size(opened):
    subject = example.by_hand()
    _, cache = subject.model.forward(**subject.batch)
    probs = figures.attention_probs(cache)
    path = plots.show(plots.attention_maps, probs[:1], subject.tokens)
    assert opened == [pathlib.Path(path).as_uri()]
    one_layer = plots.attention_maps(probs[:1], subject.tokens)[0][0].figure
    assert pixels(path) == tuple(np.rint(120 * one_layer.get_size_inches()))
    width, height = plots.attention_maps(probs, subject.tokens)[0][0].figure.get_size_inches()
    assert width > 6.7 and height > 9.2  # three layers of two maps, each with 15 words along it
    subject.model.backward(cache)
    norms = figures.gradient_norms(subject.model, by="parameter")
    height = plots.gradient_flow(norms, by="parameter").figure.get_figheight()
    assert height > 0.2 * len(norms)  # inches: a line for each of 62 names
    assert pixels(plots.show(plots.position_similarity, np.eye(4), size=(4, 3))) == (480, 360)


def test_show_in_a_notebook(monkeypatch):
    shown = []
    display = types.SimpleNamespace(display=shown.append, Image=lambda png, width: (png, width))
    shell = types.SimpleNamespace(kernel="one")
    fake = types.SimpleNamespace(display=display, get_ipython=lambda: shell, version_info=(9, 0))
    monkeypatch.setitem(sys.modules, "IPython", fake)
    assert plots.show(plots.position_similarity, np.eye(4), size=(4, 3)) is None
    [(png, width)] = shown
    assert png.startswith(b"\x89PNG") and struct.unpack(">2I", png[16:24]) == (480, 360)
    assert width == 320  # the browser has more pixels than it needs, for a projector


def test_pictures_of_any_cache_at_a_breakpoint(opened, monkeypatch):
    """In an attention's own backward, in its layer's, in the model's."""
    subject = example.by_hand()
    found = []

    class Looking(MultiHeadAttention):
        def backward(self, d_output, cache):
            found.append(figures.attention_probs(cache))
            plots.show(plots.attention_maps, found[-1], range(15))
            return super().backward(d_output, cache)

    subject.model.bert.encoder[1].attention.__class__ = Looking
    _, cache = subject.model.forward(**subject.batch)
    subject.model.backward(cache)
    [[probs]] = found
    np.testing.assert_array_equal(probs, cache.bert.encoder[1].attention.probs[0])
    assert len(opened) == 1 and len(figures.attention_probs(cache.bert)) == 3
    with pytest.raises(ValueError, match="a PoolerCache holds no attention"):
        figures.attention_probs(cache.bert.pooler)


def test_the_way_of_one_tokens_gradient(tmp_path):
    subject = example.by_hand()
    before = {name: item.grad.copy() for name, item in subject.model.parameters().items()}
    norms = figures.gradient_path(subject.model, subject.batch, 8)
    assert norms.shape == (4, 15)
    assert np.flatnonzero(norms[3]).tolist() == [8]  # the last layer: the token itself
    assert np.flatnonzero(norms[0]).tolist() == list(range(13))  # the embeddings: all but [PAD]
    for name, item in subject.model.parameters().items():
        np.testing.assert_array_equal(item.grad, before[name])
    # The loss of this one token alone: the gradient of its embedding, by central differences.
    labels = np.full_like(subject.batch["labels"], -100)
    labels[0, 8] = subject.batch["labels"][0, 8]
    given = {**subject.batch, "labels": labels, "next_sentence_label": None}
    table, row = subject.model.bert.embeddings.norm.beta.value, []
    for column in range(8):  # beta is added to the output of the embeddings, at all tokens
        losses = []
        for step in (1e-5, -1e-5):
            table[column] += step
            losses.append(subject.model.forward(**given)[0].loss)
            table[column] -= step
        row.append((losses[0] - losses[1]) / 2e-5)
    seen = trace.watch(subject.model.replica(), **given)
    [d_y] = [call.locals["d_y"] for call in trace.calls(seen.backward) if call.path == "bert.embeddings"]
    np.testing.assert_allclose(d_y[0].sum(axis=0), row, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(norms[0], np.sqrt((d_y[0] ** 2).sum(axis=-1)), rtol=1e-12)
    axes = plots.gradient_path(norms, subject.tokens, position=8)
    assert [text.get_text() for text in axes.get_yticklabels()][-1] == "embeddings"
    assert np.ma.getmaskarray(axes.images[0].get_array())[0].sum() == 14  # empty where nothing came back
    with pytest.raises(ValueError, match=r"position 3 has no label: choose one of \[2, 8, 11\]"):
        figures.gradient_path(subject.model, subject.batch, 3)
    with pytest.raises(ValueError, match="expected"):
        plots.gradient_path(norms, subject.tokens[:3])
    with pytest.raises(ValueError, match="all norms are zero"):
        plots.gradient_path(np.zeros((2, 3)), list("abc"))


def test_vs_codes_launch_settings():
    path = ROOT / ".vscode" / "launch.json"
    if not path.exists():
        pytest.skip("an installed package has no .vscode")
    configurations = json.loads(path.read_text(encoding="utf-8"))["configurations"]
    assert all(entry["justMyCode"] is True and entry["type"] == "debugpy" for entry in configurations)
    assert configurations[1]["args"] == ["trace", "--stop-at", "${input:path}"]
    guide = (ROOT / "notebooks" / "guides" / "debugging.md").read_text(encoding="utf-8")
    for entry in configurations[:2]:
        assert f"*{entry['name']}*" in guide
