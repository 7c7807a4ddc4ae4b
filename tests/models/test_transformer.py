"""The Transformer of 2017: what a position may see, a step with state, and what is said of wrong input."""

import numpy as np
import pytest
from helpers import INPUT_IDS, A, B, D, F, H, T, V, scrambled

import minibert as mb

CONFIG = mb.TransformerConfig(V, H, 2, A, F, hidden_dropout_prob=0.3)
S = 8
SOURCE_MASK = np.arange(S) < np.array([[8], [5], [3], [7]])
SOURCE_IDS = np.where(SOURCE_MASK, np.random.default_rng(1).integers(1, V, (B, S)), 0)


@pytest.fixture(scope="module")
def model():
    return scrambled(mb.Transformer(CONFIG, dtype=np.float64))


def test_no_position_sees_a_later_one_of_the_target(model):
    _, cache = model.forward(SOURCE_IDS, INPUT_IDS, SOURCE_MASK)
    d_hidden = np.zeros((B, T, H))
    d_hidden[:, 2] = np.random.default_rng(0).standard_normal((B, H))
    d_target, d_encoded = model.decoder.backward(d_hidden, cache.decoder)
    assert not d_target[:, 3:].any() and d_target[:, :3].all()
    assert not d_encoded[~SOURCE_MASK].any() and d_encoded[SOURCE_MASK].all()
    later = INPUT_IDS.copy()
    later[:, 3:] = (later[:, 3:] + 1) % V
    before, after = (model.forward(SOURCE_IDS, ids)[0].logits for ids in (INPUT_IDS, later))
    assert np.array_equal(before[:, :3], after[:, :3]) and not np.allclose(before[:, 3], after[:, 3])


def test_padding_of_the_source_changes_nothing(model):
    padded = model.forward(SOURCE_IDS, INPUT_IDS, SOURCE_MASK)[0].logits
    for row in range(B):
        source = SOURCE_IDS[row : row + 1, SOURCE_MASK[row]]
        alone = model.forward(source, INPUT_IDS[row : row + 1])[0].logits
        np.testing.assert_allclose(padded[row], alone[0], rtol=0, atol=1e-12)


def test_a_step_with_state_is_the_full_pass(model):
    whole = model.forward(SOURCE_IDS, INPUT_IDS, SOURCE_MASK)[0]
    for cuts in ((2,), (1, 2, 3, 4)):
        state, found, start = None, [], 0
        for end in (*cuts, T):
            source = SOURCE_IDS if state is None else None
            output, _ = model.forward(source, INPUT_IDS[:, start:end], SOURCE_MASK, state=state)
            state, start = output.state, end
            found.append(output.logits)
        assert np.abs(np.concatenate(found, axis=1) - whole.logits).max() <= 1e-12
    assert [[keys.shape for keys, _ in layer] for layer in whole.state] == [[(B, A, T, D), (B, A, S, D)]] * 2


def test_a_source_is_projected_once(model):
    first, cache = model.forward(SOURCE_IDS, INPUT_IDS[:, :2], SOURCE_MASK)
    _, later = model.forward(None, INPUT_IDS[:, 2:], SOURCE_MASK, state=first.state)
    for k in range(2):
        attention, again = cache.decoder.layers[k].cross_attention, later.decoder.layers[k].cross_attention
        assert attention.key.x.shape == (B, S, H) and again.key.x.shape == (B, 0, H)
        assert np.array_equal(attention.key_heads, again.key_heads)
    assert later.encoder is None


def test_one_table_for_three_uses(model):
    assert model.output.weight is model.embeddings.token.weight
    names = [name for name in model.parameters() if "embeddings" in name or name.startswith("output")]
    assert names == ["embeddings.token.weight"]


def test_embeddings_are_scaled_and_positions_are_waves(model):
    y, _ = model.embeddings.forward(np.array([[3, 3]]), np.array([0, 4]))
    row = model.embeddings.token.weight.value[3] * np.sqrt(H)
    angles = 4 / 10000 ** (np.array([0, 2, 4]) / H)
    waves = np.stack([np.sin(angles), np.cos(angles)], axis=1).reshape(-1)
    np.testing.assert_allclose(y[0], [row + [0, 1] * 3, row + waves], rtol=1e-14)


def test_a_checkpoint_comes_back(model, tmp_path):
    model.save_pretrained(tmp_path)
    back = mb.Transformer.from_pretrained(tmp_path)
    assert back.config == CONFIG
    for name, parameter in model.parameters().items():
        assert np.array_equal(back.parameters()[name].value, parameter.value), name


@pytest.mark.parametrize("changes, message", [
    ({"source_ids": None}, "give either source_ids, or the state"),
    ({"source_ids": SOURCE_IDS[:2]}, "got 2 sources and 4 targets"),
    ({"source_mask": np.ones((B, 3))}, r"source_mask has shape \(4, 3\), expected \(4, 8\)"),
    ({"source_mask": np.full((B, S), 3)}, "must hold 1 for tokens and 0 for padding"),
    ({"labels": np.zeros((B, 3), int)}, "labels has shape"),
    ({"source_ids": None, "state": (1,)}, "each of 2 layers, as output.state of an earlier call; got 1"),
])
def test_wrong_input(model, changes, message):
    with pytest.raises(ValueError, match=message):
        model.forward(**{"source_ids": SOURCE_IDS, "target_ids": INPUT_IDS} | changes)


def test_wrong_sizes():
    with pytest.raises(ValueError, match="hidden_size must be even for pairs of sine and cosine, got 9"):
        mb.Transformer(mb.TransformerConfig(V, 9, 1, 3, F))
    with pytest.raises(ValueError, match="no loss to go back from"):
        model = mb.Transformer(CONFIG)
        model.backward(model.forward(SOURCE_IDS, INPUT_IDS)[1])


# --- label smoothing ---


def test_smoothing_shares_epsilon_among_all_classes():
    logits = np.log([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    loss, cache = mb.SmoothedCrossEntropy(0.3).forward(logits, np.array([0, -100, 1]))
    by_hand = -(0.8 * np.log(0.7) + 0.1 * np.log(0.2) + 0.1 * np.log(0.1)
                + 0.1 * np.log(0.1) + 0.8 * np.log(0.1) + 0.1 * np.log(0.8)) / 2
    assert abs(loss - by_hand) < 1e-14
    d_logits, _ = mb.SmoothedCrossEntropy(0.3).backward(1.0, cache)
    np.testing.assert_allclose(d_logits[0], np.array([0.7 - 0.8, 0.2 - 0.1, 0.0]) / 2, atol=1e-15)
    assert not d_logits[1].any()


def test_smoothing_of_zero_is_the_cross_entropy():
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((4, 5, 7)), rng.integers(-1, 7, (4, 5))
    labels[labels < 0] = -100
    layers = mb.SmoothedCrossEntropy(0), mb.CrossEntropy()
    ours, plain = (layer.forward(logits, labels)[0] for layer in layers)
    assert abs(ours - plain) < 1e-14
    for wrong, message in ((np.zeros((4, 4), int), "do not fit"), (labels + 3, "is not a class")):
        with pytest.raises(ValueError, match=message):
            mb.SmoothedCrossEntropy(0.1).forward(logits, wrong)
    with pytest.raises(ValueError, match="smoothing must be at least 0 and below 1, got 1"):
        mb.SmoothedCrossEntropy(1)
