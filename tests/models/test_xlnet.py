"""XLNet: what each row may see, exactly; state, segments and padding; checkpoints; wrong use."""

import json

import numpy as np
import pytest
from helpers import A, H, V, scrambled

import minibert as mb
from minibert import huggingface
from minibert.gradcheck.cases import xlnet as cases
from minibert.huggingface import CheckpointError, CheckpointWarning

B, T, M, S, L = cases.B, cases.T, cases.M, cases.S, 2
IDS, MASK, TYPES = cases.IDS, cases.MASK, cases.TYPES
TARGETS, LABELS, STREAMS = cases.TARGETS, cases.LABELS, cases.STREAMS
FULL_IDS = np.random.default_rng(4).integers(V, size=(B, T))  # no padding
EVERY_ORDER = np.array([[3, 1, 4, 0, 2], [0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 1, 3, 0]]) + 1    # (B, T)
CONFIG = mb.XLNetConfig(V, H, L, A, 7)


def make(model_class=mb.XLNetLMHeadModel, dtype=np.float64, **changes):
    return scrambled(model_class(cases.config(hidden_dropout_prob=0.0, **changes), dtype=dtype))


@pytest.fixture(scope="module")
def model():
    return make()


def mask_of(order):
    """perm_mask of a whole order (B, T): each token sees those before it."""
    return (order[:, np.newaxis] >= order[:, :, np.newaxis]).astype(int)


def every_target(batch_size=B):
    return np.tile(np.eye(T, dtype=int), (batch_size, 1, 1))


# --- what each row may see ---


def test_a_query_row_has_no_gradient_for_its_own_token_nor_for_later_ones(model):
    """Of the logits of one predicted token at a time, exactly 0; for all that it may see, not 0."""
    perm_mask = mask_of(EVERY_ORDER)
    for place in range(T):
        labels = np.full((B, T), -100)
        labels[:, place] = 5
        _, cache = model.forward(
            FULL_IDS, perm_mask=perm_mask, target_mapping=every_target(), labels=labels)
        d_content = model.backward(cache)
        is_seen = EVERY_ORDER < EVERY_ORDER[:, place : place + 1]
        assert np.array_equal(d_content.any(axis=-1), is_seen)


def test_a_content_row_sees_itself_whatever_the_diagonal_says(model):
    perm_mask, diagonal = mask_of(EVERY_ORDER), np.eye(T, dtype=int)
    outputs = [
        model.transformer.forward(FULL_IDS, perm_mask=mask)[0].last_hidden_state
        for mask in (perm_mask, perm_mask * (1 - diagonal))
    ]
    assert np.array_equal(*outputs)
    changed = FULL_IDS.copy()
    changed[:, 3] = (changed[:, 3] + 1) % V
    other = model.transformer.forward(changed, perm_mask=perm_mask)[0].last_hidden_state
    is_later = EVERY_ORDER >= EVERY_ORDER[:, 3:4]
    assert np.array_equal((other != outputs[0]).any(axis=-1), is_later)


def test_with_a_zero_diagonal_a_query_row_sees_its_token(model):
    perm_mask = mask_of(EVERY_ORDER) * (1 - np.eye(T, dtype=int))
    _, cache = model.forward(FULL_IDS, perm_mask=perm_mask, target_mapping=every_target(), labels=FULL_IDS)
    assert model.backward(cache).any(axis=-1).all()


def test_from_left_to_right_a_prefix_is_enough(model):
    """The order of the text is a language model's: content rows are those of each prefix alone."""
    perm_mask = np.triu(np.ones((B, T, T), int), 1)
    whole = model.transformer.forward(FULL_IDS, perm_mask=perm_mask)[0].last_hidden_state
    for end in range(1, T):
        some = slice(0, end)
        part, _ = model.transformer.forward(FULL_IDS[:, some], perm_mask=perm_mask[:, some, some])
        np.testing.assert_allclose(part.last_hidden_state, whole[:, some], rtol=0, atol=1e-12)


def test_the_first_of_an_order_sees_nothing(model):
    """Its logits are the same whatever the text is, and wherever it is: not even distances are left."""
    options = {"perm_mask": mask_of(EVERY_ORDER), "target_mapping": every_target()}
    logits = [model.forward(ids, **options)[0].logits for ids in (FULL_IDS, FULL_IDS[::-1])]
    first = np.argmin(EVERY_ORDER, axis=1)
    for found in logits:
        assert np.array_equal(found[np.arange(B), first], np.tile(logits[0][0, first[0]], (B, 1)))


def test_two_places_are_told_apart(model):
    """Two targets that see the same two words have different logits: each asks from its place."""
    perm_mask = np.ones((B, T, T), int)
    perm_mask[:, :, :2] = 0
    mapping, ids = every_target()[:, 2:4], np.arange(B)[:, np.newaxis] + np.arange(T)
    logits = model.forward(ids, perm_mask=perm_mask, target_mapping=mapping)[0].logits
    assert (np.abs(logits[:, 0] - logits[:, 1]).max(axis=-1) > 1e-6).all()


def test_query_rows_do_not_touch_the_content(model):
    content = [
        model.transformer.forward(IDS, TYPES, MASK, cases.PERM_MASK, mapping)[1].rows[1][:, :T]
        for mapping in (None, cases.MAPPING)
    ]
    np.testing.assert_allclose(*content, rtol=0, atol=1e-13)


def test_the_query_stream_of_all_tokens_gives_that_of_some(model):
    """Predicted rows alone are computed; each is what it is among all."""
    perm_mask = mask_of(EVERY_ORDER)
    everything = model.forward(FULL_IDS, perm_mask=perm_mask, target_mapping=every_target())[0].logits
    some = model.forward(FULL_IDS, perm_mask=perm_mask, target_mapping=every_target()[:, [4, 1]])[0].logits
    np.testing.assert_allclose(some, everything[:, [4, 1]], rtol=0, atol=1e-12)


def test_a_target_of_no_token_predicts_nothing(model):
    logits = model.forward(IDS, TYPES, MASK, **STREAMS)[0].logits
    empty = logits[TARGETS < 0]
    assert np.array_equal(empty, np.tile(empty[0], (len(empty), 1)))


def test_logits_of_labels_are_rows_of_all_logits(model):
    everything = model.forward(IDS, TYPES, MASK, **STREAMS)[0]
    output, _ = model.forward(IDS, TYPES, MASK, labels=LABELS, **STREAMS)
    chosen = everything.logits[LABELS != -100]
    np.testing.assert_allclose(output.logits, chosen, rtol=0, atol=1e-12)
    log_probs = chosen - np.log(np.exp(chosen).sum(axis=1, keepdims=True))
    answers = LABELS[LABELS != -100]
    np.testing.assert_allclose(output.loss, -log_probs[np.arange(len(answers)), answers].mean(), rtol=1e-13)
    assert output.counts == {"lm": len(answers)} and output.lm_loss == output.loss
    assert everything.loss is None and everything.counts == {} and everything.logits.shape == (B, M, V)


# --- state, segments, padding ---


def test_two_segments_with_state_are_one_pass_with_a_mask(model):
    """The first half never sees the second; the second sees all. So its states are those of one long pass."""
    cut = 2
    perm_mask = np.zeros((B, T, T), int)
    perm_mask[:, :cut, cut:] = 1
    whole = model.transformer.forward(FULL_IDS, perm_mask=perm_mask)[0]
    first = model.transformer.forward(FULL_IDS[:, :cut])[0]
    second = model.transformer.forward(FULL_IDS[:, cut:], state=first.state)[0]
    found = np.concatenate([first.last_hidden_state, second.last_hidden_state], axis=1)
    np.testing.assert_allclose(found, whole.last_hidden_state, rtol=0, atol=1e-12)
    for one, other in zip(second.state, whole.state):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_a_state_is_a_constant(model):
    """The gradient of the second half is that of the long pass but for what went through the first."""
    first = model.transformer.forward(FULL_IDS[:, :2])[0]
    before = [array.copy() for array in first.state]
    _, cache = model.forward(FULL_IDS[:, 2:], labels=FULL_IDS[:, 2:], state=first.state)
    assert model.backward(cache).shape == (B, T - 2, H)
    assert all(map(np.array_equal, before, first.state))


def test_a_state_keeps_as_many_tokens_as_it_is_told():
    long, short = make(memory_length=None), make(memory_length=3)
    for model, kept in ((long, S + T), (short, 3)):
        output, _ = model.forward(IDS, state=cases.STATE)
        assert [array.shape for array in output.state] == [(B, kept, H)] * L
    one, other = long.forward(IDS, state=cases.STATE)[0], short.forward(IDS, state=cases.STATE)[0]
    assert np.array_equal(one.state[1][:, -3:], other.state[1]) and np.array_equal(one.logits, other.logits)


def test_a_state_is_of_segment_0(model):
    types = np.ones((B, T), int)
    options = {"state": cases.STATE, "labels": FULL_IDS}
    all_ones, all_zeros, none = (
        model.forward(FULL_IDS, given, **options)[0].loss for given in (types, 0 * types, None)
    )
    assert abs(all_zeros - none) < 1e-12 < abs(all_ones - none)


def test_padding_on_either_side_changes_nothing(model):
    for row in range(B):
        is_token = MASK[row] == 1
        padded = model.forward(IDS[row : row + 1], attention_mask=MASK[row : row + 1])[0].logits
        alone = model.forward(IDS[row : row + 1, is_token])[0].logits
        np.testing.assert_allclose(padded[:, is_token], alone, rtol=0, atol=1e-12)


def test_a_mask_of_the_new_tokens_says_that_all_old_ones_are_tokens(model):
    old_and_new = np.hstack([np.ones((B, S), int), MASK])
    losses = [
        model.forward(IDS, attention_mask=mask, labels=IDS, state=cases.STATE)[0].loss
        for mask in (MASK, old_and_new)
    ]
    assert losses[0] == losses[1]
    old_and_new[:, 0] = 0
    other, _ = model.forward(IDS, attention_mask=old_and_new, labels=IDS, state=cases.STATE)
    assert other.loss != losses[0]


# --- classification ---


def test_a_sequence_has_the_same_answer_with_padding_on_either_side():
    model = make(mb.XLNetForSequenceClassification)
    ids, types = np.array([[4, 7, 3, 2, 0]]), np.array([[0, 0, 1, 2, 3]])
    mask = (types < 3).astype(int)
    right = model.forward(ids, types, mask)[0].logits
    left = model.forward(np.roll(ids, 1), np.roll(types, 1), np.roll(mask, 1))[0].logits
    alone = model.forward(ids[:, :4], types[:, :4])[0].logits
    np.testing.assert_allclose(right, alone, rtol=0, atol=1e-12)
    np.testing.assert_allclose(left, alone, rtol=0, atol=1e-12)
    assert right.shape == (1, 3)


# --- checkpoints ---


@pytest.mark.parametrize("name", ["XLNetModel", "XLNetLMHeadModel", "XLNetForSequenceClassification"])
def test_a_checkpoint_comes_back(name, tmp_path):
    model = make(getattr(mb, name), np.float32)
    model.save_pretrained(tmp_path)
    again = getattr(mb, name).from_pretrained(tmp_path)
    assert again.config == model.config
    for key, parameter in model.parameters().items():
        np.testing.assert_array_equal(parameter.value, again.parameters()[key].value, strict=True)
    content = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert content["model_type"] == "xlnet" and content["d_model"] == H and content["ff_activation"] == "gelu"
    names = set(huggingface.state_dict(model))
    prefix = "" if name == "XLNetModel" else "transformer."
    assert {f"{prefix}mask_emb", f"{prefix}layer.1.rel_attn.seg_embed"} < names
    assert len(names) == len(model.parameters())


def test_a_language_model_becomes_a_classifier(tmp_path):
    make(dtype=np.float32).save_pretrained(tmp_path)
    with pytest.warns(CheckpointWarning, match="newly initialised.*summary, classifier.*lm_loss.bias"):
        model = mb.XLNetForSequenceClassification.from_pretrained(tmp_path, num_labels=5)
    assert model.head.classifier.bias.value.shape == (5,)


def test_another_arithmetic_is_refused(tmp_path):
    make(dtype=np.float32).save_pretrained(tmp_path)
    content = json.loads((tmp_path / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(content | {"clamp_len": 400}), "utf-8")
    with pytest.raises(CheckpointError, match="clamp_len 400 is not supported, only -1"):
        mb.XLNetLMHeadModel.from_pretrained(tmp_path)


# --- wrong use ---


def test_a_configuration_says_what_is_wrong():
    assert CONFIG.attention_probs_dropout_prob == CONFIG.hidden_dropout_prob == 0.1
    assert mb.XLNetConfig(V, H, L, A).intermediate_size == 4 * H
    with pytest.raises(ValueError, match="hidden_size must be even, for the sine and cosine of distances"):
        mb.XLNetConfig(V, 9, L, 3)
    with pytest.raises(ValueError, match="memory_length must be None or 1 and more, got 0"):
        mb.XLNetConfig(V, H, L, A, memory_length=0)
    with pytest.raises(ValueError, match="problem_type 'x' is unknown"):
        mb.XLNetConfig(V, H, L, A, problem_type="x")


@pytest.mark.parametrize("options, message", [
    ({"perm_mask": np.zeros((B, T))}, r"perm_mask has shape \(4, 5\), expected \(4, 5, 5\)"),
    ({"perm_mask": np.full((B, T, T), 2)}, "perm_mask must hold 0 and 1 and nothing else"),
    ({"target_mapping": np.zeros((B, T))}, r"target_mapping has shape \(4, 5\), expected \(4, targets, 5\)"),
    ({"target_mapping": np.zeros((B, 0, T))}, "with one target or more"),
    ({"target_mapping": np.ones((B, 1, T))}, "a row of target_mapping has more than one 1"),
    ({"attention_mask": np.ones((B, T + 1))}, r"attention_mask has shape \(4, 6\), expected \(4, 5\)"),
    ({"labels": np.zeros((B, M), int)}, r"labels has shape \(4, 8\), expected \(4, 5\)"),
    ({"labels": np.zeros((B, M), int), **STREAMS}, "target_mapping has a row of zeros: give -100 there"),
    ({"state": cases.STATE[:1]}, r"an array of shape \(4, tokens, 6\) for each of 2 layers"),
    ({"token_type_ids": np.zeros((B, T))}, "token_type_ids must be integers, got float64"),
])
def test_wrong_arguments(model, options, message):
    with pytest.raises(ValueError, match=message):
        model.forward(IDS, **options)


def test_no_labels_no_loss(model):
    _, cache = model.forward(IDS)
    with pytest.raises(ValueError, match="there is no loss to go back from: give forward labels"):
        model.backward(cache)
