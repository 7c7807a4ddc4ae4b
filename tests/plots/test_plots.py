"""The pictures: what is drawn, and what is written beside it."""

import doctest

import numpy as np
import pytest

import minibert
import minibert.trace.example
from minibert import plots
from minibert.gradcheck.step_size import errors_by_step
from minibert.gradcheck.subject import RANDOM_STREAM
from minibert.layers import LayerNorm

NUM_STEPS = 120


@pytest.fixture
def log():
    baselines = {"unigram_loss": 4.5, "majority_accuracy": 0.55}
    lines = [{"step": 0, "held_out": {"mlm_loss": 5.0, "nsp_accuracy": 0.45}, "baselines": baselines}]
    for step in range(1, NUM_STEPS + 1):
        lines.append({"step": step, "loss": 9.0, "mlm_loss": 5 - step / 100 + 0.1 * (-1) ** step, "nsp_loss": 0.7})
        if step % 40 == 0:
            lines.append({"step": step, "held_out": {"mlm_loss": 5 - step / 100, "nsp_accuracy": 0.5 + step / 400}})
    return lines


def line(axes, label):
    [found] = [line for line in axes.get_lines() if line.get_label() == label]
    return [list(map(float, values)) for values in (found.get_xdata(), found.get_ydata())]


def test_loss_curves(log):
    left, right = plots.loss_curves(log)
    assert (left.get_xlabel(), left.get_ylabel()) == ("step", "nats per masked word piece")
    assert (right.get_xlabel(), right.get_ylabel()) == ("step", "share told right")
    assert left.get_title() == "Masked language model: loss"
    assert right.get_title() == "Next sentence prediction: accuracy"
    legends = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in (left, right)]
    assert legends[0] == ["training (mean of 2 steps)", "held out", "unigram model"]
    assert legends[1] == ["held out", "always the same answer"]

    steps, losses = line(left, "training (mean of 2 steps)")
    assert steps == list(range(2, NUM_STEPS + 1))  # the mean of the step and the one before it
    np.testing.assert_allclose(losses, [5 - (step - 0.5) / 100 for step in steps], rtol=1e-12)
    assert line(left, "held out") == [[0, 40, 80, 120], [5.0, 4.6, 4.2, 3.8]]
    assert line(left, "unigram model")[1] == [4.5, 4.5]
    assert line(right, "held out") == [[0, 40, 80, 120], [0.45, 0.6, 0.7, 0.8]]
    assert line(right, "always the same answer")[1] == [0.55, 0.55]


def test_every_accuracy_is_inside_the_picture(log):
    log[0]["held_out"]["nsp_accuracy"] = 0.2
    _, right = plots.loss_curves(log)
    assert right.get_ylim() == (0.2, 1.0)


def test_a_run_of_one_step(log):
    left, _ = plots.loss_curves(log[:2])
    assert line(left, "training (mean of 1 steps)")[0] == [1]


@pytest.mark.parametrize("part", [slice(0), slice(0, 1), slice(1, None)], ids=["nothing", "no step", "no baselines"])
def test_a_log_without_losses(log, part):
    with pytest.raises(ValueError, match="has no losses to draw"):
        plots.loss_curves(log[part])


def test_it_draws_on_the_figure_it_is_given(log):
    from matplotlib.figure import Figure

    figure = Figure()
    left, right = plots.loss_curves(log, figure=figure)
    assert figure.axes == [left, right]


def test_save_writes_a_png_and_leaves_no_settings_behind(log, tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.save(plots.loss_curves, tmp_path / "loss.png", log, size=(4, 2))
    content = (tmp_path / "loss.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n") and content.rstrip().endswith(b"IEND\xaeB`\x82")
    assert int.from_bytes(content[16:20], "big") == 4 * 120  # pixels wide
    assert dict(matplotlib.rcParams) == before


def cube(x):
    return x * x * x, x


def cube_backward(d_y, x):
    return 3 * x * x * d_y


@pytest.mark.parametrize("layer", [LayerNorm(6), (cube, cube_backward)], ids=["a layer", "a pair of functions"])
def test_error_against_step_size(layer):
    axes = plots.error_against_step_size(layer, np.random.default_rng(0).standard_normal((4, 5, 6)))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step size h", "relative error of the derivative")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    labels = ["complex step, Im f(x + ih) / h", "central differences, (f(x + h) − f(x − h)) / 2h"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [*labels, "precision of float64, 2e-16"]
    steps, complex_errors = map(np.array, line(axes, labels[0]))
    _, central_errors = map(np.array, line(axes, labels[1]))
    assert steps[0] == pytest.approx(1e-30) and steps[-1] == pytest.approx(1e-1)

    assert complex_errors[steps < 1e-9].max() < 5e-15  # flat
    best = central_errors.argmin()
    assert 1e-7 < steps[best] < 1e-4 and 1e-12 < central_errors[best] < 1e-9
    slopes = np.diff(np.log10(central_errors)) / np.diff(np.log10(steps))
    assert slopes[steps[:-1] > 1e-4].mean() == pytest.approx(2, abs=0.1)  # what the formula leaves out: h²
    assert slopes[(steps[:-1] > 1e-15) & (steps[:-1] < 1e-7)].mean() == pytest.approx(-1, abs=0.1)  # rounding: 1/h
    assert (central_errors[steps < 1e-18] == 1).all()  # x + h is x: nothing is left
    np.testing.assert_allclose(complex_errors[-5:-1], central_errors[-5:-1], rtol=0.1)


def test_the_errors_are_those_of_the_derivative():
    """f = x³: central differences are off by h² exactly, the complex step by -h²."""
    x = np.array([2.0])
    errors = errors_by_step((cube, cube_backward), x, steps=[1e-2])
    rng = np.random.default_rng([RANDOM_STREAM, 0])
    rng.standard_normal(1)  # the upstream gradient
    derivatives, excess = np.array([(12 * v, v**3 * 1e-4) for v in rng.standard_normal(8)]).T
    expected = np.abs(excess).max() / np.abs(derivatives).max()
    assert errors["central"] == pytest.approx(expected, rel=1e-6)
    assert errors["complex"] == pytest.approx(expected, rel=1e-6)


def test_the_error_of_a_wrong_backward_is_seen_at_every_step():
    errors = errors_by_step((cube, lambda d_y, x: 2 * x * x * d_y), np.array([2.0]), steps=[1e-30, 1e-5])
    assert errors["complex"] == pytest.approx(0.5) and errors["central"][1] == pytest.approx(0.5)


# --- pictures of a model: what is drawn is what the cache, the log or the model holds ----------------------------------


VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] the dog chased cat it ran up a tree bird saw . ##s ##ed ##ing".split()


@pytest.fixture(scope="module")
def tiny():
    return minibert.trace.example.tiny()


@pytest.fixture(scope="module")
def cache(tiny):
    return tiny.model.forward(**tiny.batch)[1]


def names(ticks):
    return [label.get_text() for label in ticks]


def test_one_attention_map(tiny, cache):
    axes = plots.attention_maps(cache, tiny.tokens, layer=1, head=0)
    probs = cache.bert.encoder[1].attention.probs[0, 0]
    np.testing.assert_array_equal(axes.get_images()[0].get_array(), probs)
    assert names(axes.get_xticklabels()) == names(axes.get_yticklabels()) == tiny.tokens
    assert axes.get_xlabel() == "key: the token that is looked at" and axes.get_ylabel() == "query: the token that looks"
    assert axes.get_title() == "encoder[1], head 0"
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert len(written) == 15 * 15
    assert written[10, 4] == f"{probs[4, 10]:.2f}".lstrip("0")  # the column is the key, the row the query
    assert written[14, 3] == ""  # nobody looks at [PAD]
    [_, colours] = axes.figure.axes
    assert colours.get_ylabel() == "attention probability"


def test_many_attention_maps(tiny, cache):
    grid = plots.attention_maps(cache, tiny.tokens)
    assert grid.shape == (3, 2)
    for (layer, head), axes in np.ndenumerate(grid):
        np.testing.assert_array_equal(axes.get_images()[0].get_array(), cache.bert.encoder[layer].attention.probs[0, head])
        assert axes.get_title() == f"encoder[{layer}], head {head}"
    assert len({axes.get_images()[0].get_clim() for axes in grid.flat}) == 1  # one scale for all
    figure = grid[0, 0].figure
    assert figure.get_supxlabel() == "key: the token that is looked at" and figure.get_supylabel() == "query: the token that looks"
    assert names(grid[2, 0].get_xticklabels()) == names(grid[2, 0].get_yticklabels()) == tiny.tokens
    assert plots.attention_maps(cache, tiny.tokens, layer=2).shape == (1, 2)
    assert plots.attention_maps(cache, tiny.tokens, head=1).shape == (3, 1)
    assert plots.attention_maps(cache.bert, tiny.tokens, layer=-1, head=1).get_title() == "encoder[2], head 1"


def test_attention_over_training(tiny, cache):
    other = tiny.model.forward(tiny.batch["input_ids"])[1]
    row = plots.attention_over_training({0: cache, 1500: other}, tiny.tokens, layer=2, head=1)
    assert [axes.get_title() for axes in row] == ["step 0", "step 1,500"]
    for axes, drawn in zip(row, (cache, other)):
        np.testing.assert_array_equal(axes.get_images()[0].get_array(), drawn.bert.encoder[2].attention.probs[0, 1])
    assert row[0].figure.get_suptitle() == "encoder[2], head 1"
    assert len({axes.get_images()[0].get_clim() for axes in row}) == 1
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.attention_over_training({}, tiny.tokens)


@pytest.mark.parametrize("wrong, message", [
    ({"layer": 3}, "there is no layer 3: the model has 3 of them"), ({"head": -3}, "there is no head -3: the model has 2"),
    ({"tokens": ["a", "b"]}, "2 tokens were given for 15 rows"),
])  # fmt: skip
def test_attention_maps_that_cannot_be_drawn(tiny, cache, wrong, message):
    with pytest.raises(ValueError, match=message):
        plots.attention_maps(cache, **{"tokens": tiny.tokens, **wrong})


def test_pca_finds_the_directions_of_most_variance():
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    vectors = rng.standard_normal((400, 5)) * [10, 5, 1, 0.5, 0.1] @ rotation.T + 3
    coordinates, shares = plots.pca(vectors)
    values, directions = np.linalg.eigh(np.cov(vectors.T))  # another way: the eigenvectors of the covariance
    np.testing.assert_allclose(shares, values[::-1][:2] / values.sum(), rtol=1e-12)
    expected = (vectors - vectors.mean(axis=0)) @ directions[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(coordinates), np.abs(expected), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(plots.pca(vectors[::-1])[0][::-1], coordinates, atol=1e-9)  # the sign does not depend on the order
    assert np.isfinite(plots.pca(np.ones((3, 4)))[1]).all()
    with pytest.raises(ValueError, match="as many vectors"):
        plots.pca(np.ones((1, 4)))


def test_embedding_map(tiny):
    words, groups = ["dog", "cat", "ran", "tree"], ["animal", "animal", "verb", "plant"]
    vocabulary = {token: number for number, token in enumerate(VOCABULARY)}
    axes = plots.embedding_map(tiny.model, words, groups, vocab=vocabulary)
    table = tiny.model.bert.embeddings.token.weight.value
    coordinates, shares = plots.pca(table[[6, 8, 10, 13]])
    assert axes.get_xlabel() == f"first principal component ({100 * shares[0]:.0f} % of the variance)"
    assert axes.get_ylabel() == f"second principal component ({100 * shares[1]:.0f} % of the variance)"
    assert {text.get_text(): tuple(text.xy) for text in axes.texts} == {word: tuple(point) for word, point in zip(words, coordinates)}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["animal", "verb", "plant"]
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), coordinates[:2])
    vectors = {"dog": np.array([1.0, 0, 0]), "cat": np.array([0, 1.0, 0]), "ran": np.array([0, 0, 2.0])}
    assert plots.embedding_map(vectors, ["dog", "cat", "ran"]).get_legend() is None  # word vectors, no groups
    with pytest.raises(ValueError, match="give vocab"):
        plots.embedding_map(tiny.model, words)
    with pytest.raises(KeyError, match="zebra"):
        plots.embedding_map(tiny.model, ["dog", "zebra"], vocab=vocabulary)


def test_position_similarity(tiny):
    axes = plots.position_similarity(tiny.model)
    cosines = np.asarray(axes.get_images()[0].get_array())
    table = tiny.model.bert.embeddings.position.weight.value
    assert cosines.shape == (17, 17)
    np.testing.assert_allclose(np.diag(cosines), 1, rtol=1e-12)
    expected = table[3] @ table[7] / np.linalg.norm(table[3]) / np.linalg.norm(table[7])
    assert cosines[3, 7] == cosines[7, 3] == pytest.approx(expected)
    assert axes.get_xlabel() == axes.get_ylabel() == "position"
    assert axes.figure.axes[1].get_ylabel() == "cosine of the two embeddings"
    assert axes.get_images()[0].get_clim() == (-1, 1)


def test_mask_probabilities(cache):
    first, _, third = plots.mask_probabilities(cache, VOCABULARY, top=4)
    probs = cache.mlm_loss.probs
    assert first.get_title() == "hidden at 2: dog" and third.get_title() == "hidden at 11: tree"
    order = np.argsort(-probs[0])
    rank = order.tolist().index(6) + 1
    assert names(first.get_yticklabels()) == [*(VOCABULARY[token] for token in order[:4]), f"dog (rank {rank})"]
    assert [bar.get_width() for bar in first.patches] == [*probs[0][order[:4]], probs[0, 6]]
    assert names(third.get_yticklabels())[2] == "tree" and len(third.patches) == 4  # it is among the likeliest
    colours = [bar.get_facecolor() for bar in third.patches]
    assert len(set(colours)) == 2 and colours.count(colours[2]) == 1
    assert first.get_xlabel() == "probability" and first.get_ylabel() == "token"
    assert first.texts[0].get_text() == f"{probs[0].max():.1%}"


def test_mask_probabilities_of_several_sequences(tiny):
    batch = {name: np.concatenate([array, array]) for name, array in tiny.batch.items()}
    row = plots.mask_probabilities(tiny.model.forward(**batch)[1], VOCABULARY)
    assert [axes.get_title() for axes in row][3] == "hidden at 2 of sequence 1: dog"
    with pytest.raises(ValueError, match="holds no prediction"):
        plots.mask_probabilities(tiny.model.forward(tiny.batch["input_ids"])[1], VOCABULARY)


def test_saliency(tiny, cache):
    before = {name: parameter.grad.copy() for name, parameter in tiny.model.parameters().items()}
    axes = plots.saliency(tiny.model, cache, tiny.tokens)
    for name, parameter in tiny.model.parameters().items():
        np.testing.assert_array_equal(parameter.grad, before[name])  # drawing is no training step
    d_embeddings = tiny.model.replica().backward(cache)[0]
    np.testing.assert_allclose([bar.get_height() for bar in axes.patches], np.linalg.norm(d_embeddings, axis=-1), rtol=1e-12)
    assert axes.patches[13].get_height() == 0  # [PAD]
    assert names(axes.get_xticklabels()) == tiny.tokens
    assert axes.get_xlabel() == "token" and axes.get_ylabel() == "norm of d loss / d embedding"
    masked = {index for index, token in enumerate(tiny.tokens) if token == "[MASK]"}
    assert {index for index, bar in enumerate(axes.patches) if bar.get_facecolor() != axes.patches[0].get_facecolor()} == masked


@pytest.fixture
def trained(tiny, cache):
    model = tiny.model.replica()
    model.backward(cache)
    return model


def test_gradient_norms(trained):
    parameters = trained.parameters()
    by_parameter = plots.gradient_norms(trained, by="parameter")
    assert len(by_parameter) == len(parameters)
    assert by_parameter["encoder.1.attention.query.weight"] == pytest.approx(
        np.linalg.norm(parameters["bert.encoder.1.attention.query.weight"].grad))  # fmt: skip
    by_layer = plots.gradient_norms(trained)
    assert list(by_layer) == ["embeddings", "encoder[0]", "encoder[1]", "encoder[2]", "pooler", "mlm_head", "nsp_head"]
    assert sum(norm * norm for norm in by_layer.values()) == pytest.approx(sum(norm * norm for norm in by_parameter.values()))
    with pytest.raises(ValueError, match="by must be"):
        plots.gradient_norms(trained, by="head")


@pytest.mark.parametrize("by, zeros", [("layer", 0), ("parameter", 3)])
def test_gradient_flow(trained, by, zeros):
    axes = plots.gradient_flow(trained, by=by)
    norms = plots.gradient_norms(trained, by=by)
    assert names(axes.get_yticklabels()) == list(norms)
    drawn = {names(axes.get_yticklabels())[round(bar.get_y() + bar.get_height() / 2)]: bar.get_width() for bar in axes.patches}
    assert len(axes.texts) == zeros and len(drawn) == len(norms) - zeros
    assert all(norm == pytest.approx(norms[name]) for name, norm in drawn.items())
    if zeros:  # the key biases: zero but for rounding
        assert set(norms) - set(drawn) == {f"encoder.{layer}.attention.key.bias" for layer in range(3)}
    assert axes.get_xscale() == "log" and axes.get_xlabel() == "norm of d loss / d parameter" and axes.get_ylabel() == by
    trained.zero_grad()
    with pytest.raises(ValueError, match="call model.backward"):
        plots.gradient_flow(trained)


def test_gradient_flow_over_time():
    log = [{"step": 0, "held_out": {}}, *({"step": step, "gradient_norm": 10.0 / step} for step in (1, 2, 3))]
    axes = plots.gradient_flow_over_time(log, max_norm=1.0)
    assert line(axes, "all parameters") == [[1, 2, 3], [10.0, 5.0, pytest.approx(10 / 3)]]
    assert line(axes, "clipped above 1")[1] == [1.0, 1.0]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("step", "norm of d loss / d parameter", "log")
    several = [{"step": step, "gradient_norms": {"embeddings": 2.0 * step, "pooler": 1.0}} for step in (1, 2)]
    assert line(plots.gradient_flow_over_time(several), "embeddings") == [[1, 2], [2.0, 4.0]]
    with pytest.raises(ValueError, match="has no gradient_norm"):
        plots.gradient_flow_over_time(log[:1])


def test_learning_rates():
    axes = plots.learning_rates({"falling": lambda step: 1e-3 / (step + 1), "still": lambda step: 5e-4}, 4)
    assert line(axes, "falling") == [[0, 1, 2, 3], [1e-3, 5e-4, pytest.approx(1e-3 / 3), 2.5e-4]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["falling", "still"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "learning rate")
    log = [{"step": 0, "held_out": {}}, {"step": 1, "learning_rate": 0.1}, {"step": 2, "learning_rate": 0.2}]
    [drawn] = plots.learning_rates(log).get_lines()
    assert drawn.get_xdata().tolist() == [1, 2] and drawn.get_ydata().tolist() == [0.1, 0.2]
    with pytest.raises(ValueError, match="give num_steps"):
        plots.learning_rates({"still": lambda step: 1.0})
    with pytest.raises(ValueError, match="has no learning_rate"):
        plots.learning_rates(log[:1])


def test_loss_curves_with_limits(log):
    left, right = plots.loss_curves(log, limits={"mlm_loss": 2.5, "nsp_accuracy": 0.9})
    assert line(left, "best possible")[1] == [2.5, 2.5] and line(right, "best possible")[1] == [0.9, 0.9]
    left, right = plots.loss_curves(log, limits={"mlm_loss": 2.5})
    assert "best possible" not in [text.get_text() for text in right.get_legend().get_texts()]


def test_save_hands_on_options(tiny, cache, tmp_path):
    plots.save(plots.attention_maps, tmp_path / "map.png", cache, tiny.tokens, layer=0, head=1, size=(6, 5))
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_colours_are_told_apart_without_colour_vision():
    """Okabe and Ito's colours; in greys too the neighbours of a picture differ (0 is black, 1 white)."""
    from matplotlib.colors import to_rgb

    def grey(color):
        red, green, blue = to_rgb(color)
        return 0.299 * red + 0.587 * green + 0.114 * blue

    assert abs(grey(plots.BLUE) - grey(plots.ORANGE)) > 0.05
    assert len({marker for _, marker in plots._STYLES}) == len({color for color, _ in plots._STYLES}) == 8


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(plots, extraglobs={"minibert": minibert}).failed == 0
