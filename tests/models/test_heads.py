"""The heads of fine-tuning: losses by hand, what counts, other bodies, files, wrong input."""

import dataclasses
import math
import warnings
from typing import NamedTuple

import numpy as np
import pytest
from helpers import ATTENTION_MASK, INPUT_IDS, A, B, F, H, T, V, assert_all_close, grads, random, scrambled

import minibert
from minibert.gradcheck.cases import CASES
from minibert.huggingface import CheckpointError, CheckpointWarning
from minibert.layers import Embedding, Layer
from minibert.models.heads import ChoiceHead, SequenceHead, SpanHead, TokenHead
from minibert.training.parallel import DataParallel

C, K = 3, 3
MODELS = (
    minibert.BertForSequenceClassification, minibert.BertForTokenClassification,
    minibert.BertForQuestionAnswering, minibert.BertForMultipleChoice,
)
CONFIG = minibert.BertConfig(
    V, hidden_size=H, num_hidden_layers=2, num_attention_heads=A, intermediate_size=F,
    max_position_embeddings=9, num_labels=K,
)
TWO_LABELS = dataclasses.replace(CONFIG, num_labels=2, id2label=None, label2id=None)
CONFIGS = {name: TWO_LABELS if "Answering" in name.__name__ else CONFIG for name in MODELS}


def head_with(head, *biases):
    """A head that gives these logits whatever it reads."""
    for parameter in head.parameters().values():
        parameter.value[...] = biases if parameter.value.ndim == 1 else 0
    return head


def cross_entropy(logits, answer):
    return math.log(sum(map(math.exp, logits))) - logits[answer]


# --- losses by hand ---


def test_the_loss_of_a_sequence():
    head = head_with(SequenceHead(H, K), 0.5, -1.0, 2.0)
    output, _ = head.forward(random(B, H), np.array([2, 0, -100, 0]))
    expected = (cross_entropy([0.5, -1.0, 2.0], 2) + 2 * cross_entropy([0.5, -1.0, 2.0], 0)) / 3
    assert output.loss == output.label_loss == pytest.approx(expected, rel=1e-6)
    assert output.counts == {"label": 3} and output.logits.shape == (B, K)


@pytest.mark.parametrize("labels", [np.array([1.5, 0.5, 3.0]), np.array([[1.5], [0.5], [3.0]])])
def test_one_label_is_a_regression(labels):
    output, _ = head_with(SequenceHead(H, 1), 0.5).forward(random(3, H), labels)
    assert output.loss == pytest.approx((1.0 + 0 + 6.25) / 3) and output.counts == {"label": 3}


def test_integers_for_one_logit_are_numbers_too():
    """As in transformers: -100 is a number here."""
    output, _ = head_with(SequenceHead(H, 1), 0.5).forward(random(2, H), np.array([-100, 2]))
    assert output.loss == pytest.approx((100.5**2 + 1.5**2) / 2)


def test_a_regression_with_several_numbers():
    head = head_with(SequenceHead(H, 2, problem_type="regression"), 1.0, -1.0)
    output, _ = head.forward(random(1, H), np.array([[3.0, -1.5]]))
    assert output.loss == (4.0 + 0.25) / 2 and output.counts == {"label": 2}


def test_the_tokens_that_have_a_label():
    head = scrambled(TokenHead(H, K, dtype=np.float64))
    states = random(B, T, H)
    labels = np.full((B, T), -100)
    labels[0, 1], labels[3, 4] = 0, 2
    everywhere, _ = head.forward(states)
    output, cache = head.forward(states, labels)
    assert everywhere.logits.shape == (B, T, K) and everywhere.loss is None and everywhere.counts == {}
    np.testing.assert_allclose(output.logits, everywhere.logits[[0, 3], [1, 4]], rtol=1e-14)
    expected = (cross_entropy(output.logits[0], 0) + cross_entropy(output.logits[1], 2)) / 2
    assert output.loss == pytest.approx(expected, rel=1e-14) and output.counts == {"label": 2}
    d_states = head.backward(cache)
    assert sorted(zip(*np.nonzero(d_states.any(axis=2)))) == [(0, 1), (3, 4)]


def test_no_token_has_a_label():
    head = scrambled(TokenHead(H, K))
    output, cache = head.forward(random(B, T, H).astype(np.float32), np.full((B, T), -100))
    assert output.loss == 0 and output.counts == {"label": 0} and not head.backward(cache).any()


def test_the_loss_of_a_span_is_the_mean_of_both_ends():
    head = scrambled(SpanHead(H, dtype=np.float64))
    starts, ends = np.array([0, 4, 5, 2]), np.array([1, 9, 5, -100])
    output, _ = head.forward(random(B, T, H), starts, ends)
    begins = [cross_entropy(output.start_logits[row], starts[row]) for row in (0, 1, 3)]
    finishes = cross_entropy(output.end_logits[0], 1)
    assert output.start_loss == pytest.approx(sum(begins) / 3 / 2, rel=1e-14)
    assert output.end_loss == pytest.approx(finishes / 2, rel=1e-14)
    assert output.loss == output.start_loss + output.end_loss and output.counts == {"start": 3, "end": 1}


def test_a_position_below_zero_is_taken_for_zero():
    head = scrambled(SpanHead(H))
    given, zeros = (np.full(B, number) for number in (-3, 0))
    assert head.forward(random(B, T, H), given, given)[0].loss == head.forward(
        random(B, T, H), zeros, zeros)[0].loss


def test_an_answer_beyond_the_window_teaches_nothing():
    head = scrambled(SpanHead(H, dtype=np.float64))
    output, cache = head.forward(random(B, T, H), np.full(B, T), np.full(B, T + 2))
    assert output.loss == 0 and output.counts == {"start": 0, "end": 0} and not head.backward(cache).any()


def test_the_loss_of_a_choice():
    head = scrambled(ChoiceHead(H, dtype=np.float64))
    x = random(B, C, H)
    output, _ = head.forward(x, np.array([0, 2, -100, 1]))
    logits = (x @ head.scorer.weight.value + head.scorer.bias.value)[:, :, 0]
    np.testing.assert_allclose(output.logits, logits, rtol=1e-14)
    expected = sum(cross_entropy(logits[row], answer) for row, answer in ((0, 0), (1, 2), (3, 1))) / 3
    assert output.loss == pytest.approx(expected, rel=1e-14) and output.counts == {"label": 3}


def test_each_choice_is_read_by_itself():
    model = scrambled(minibert.BertForMultipleChoice(CONFIG, dtype=np.float64))
    ids, mask = (np.stack([array, array[::-1]], axis=1) for array in (INPUT_IDS, ATTENTION_MASK))
    logits = model.forward(ids, attention_mask=mask)[0].logits
    np.testing.assert_allclose(logits[:, 0], logits[::-1, 1], rtol=1e-12)


# --- BERT with a head ---


def batch_of(model_class):
    """The arguments of forward, a NamedTuple; the shares predict differently many."""
    [case] = [case for case in CASES if case.partition(" ")[0] == model_class.__name__]
    _, (input_ids,), named = CASES[case]
    named = {name: array for name, array in named.items() if name != "rng"}
    return NamedTuple("Batch", [(name, object) for name in ("input_ids", *named)])(input_ids, **named)


@pytest.mark.parametrize("model_class", MODELS)
def test_shares_of_a_batch_add_up_to_the_whole(model_class):
    model = scrambled(model_class(CONFIGS[model_class], dtype=np.float64))
    whole, shares = model.replica(), model.replica()
    batch = batch_of(model_class)
    output, cache = whole.forward(**batch._asdict())
    whole.backward(cache)
    workers = DataParallel(shares, 3)
    joint, cache = workers.forward(batch)
    workers.backward(cache)
    assert joint.loss == pytest.approx(output.loss, rel=1e-12) and joint.counts == output.counts
    assert_all_close(grads(whole), grads(shares))


@pytest.mark.exhaustive
@pytest.mark.parametrize("model_class", MODELS)
def test_training_lowers_the_loss(model_class):
    model = model_class(CONFIGS[model_class])
    batch = batch_of(model_class)
    optimizer = minibert.AdamW(model.parameters(), lr=0.02)
    losses = []
    for step in range(30):
        model.zero_grad()
        output, cache = model.forward(**batch._asdict(), rng=np.random.default_rng(step))
        model.backward(cache)
        optimizer.step()
        losses.append(output.loss)
    assert np.mean(losses[-5:]) < 0.8 * losses[0] and losses[0].dtype == np.float32


def test_the_head_has_a_dropout_of_its_own():
    config = minibert.BertConfig(V, hidden_size=H, num_attention_heads=A, classifier_dropout=0.4)
    for model_class in MODELS:
        head = model_class(config).head
        expected = None if model_class is minibert.BertForQuestionAnswering else 0.4
        assert getattr(getattr(head, "dropout", None), "probability", None) == expected


def test_labels_have_names():
    config = minibert.BertConfig(V, hidden_size=H, id2label={"0": "no", "1": "yes", "2": "maybe"})
    assert config.num_labels == 3 and config.id2label[2] == "maybe" and config.label2id["yes"] == 1
    assert minibert.BertConfig(V).id2label == {0: "LABEL_0", 1: "LABEL_1"}
    assert minibert.BertConfig(V, label2id={"b": 1, "a": 0}).id2label == {0: "a", 1: "b"}
    assert hash(config) == hash(minibert.BertConfig(V, hidden_size=H, id2label=config.id2label))


# --- another body ---


class BagOutput(NamedTuple):
    last_hidden_state: np.ndarray


class Bag(Layer):
    """A body that knows no order: the states are the embeddings."""

    def __init__(self):
        self.embedding = Embedding(V, H, dtype=np.float64)

    def forward(self, input_ids, rng=None):
        states, cache = self.embedding.forward(input_ids)
        return BagOutput(states), cache

    def backward(self, d_output, cache):
        return self.embedding.backward(d_output[0], cache)


class Tagger(Layer):
    """The lines of the docstring of heads.py."""

    def __init__(self):
        self.body, self.head = Bag(), TokenHead(H, K, dtype=np.float64)

    def forward(self, input_ids, labels=None, rng=None):
        encoded, body_cache = self.body.forward(input_ids, rng=rng)
        output, head_cache = self.head.forward(encoded.last_hidden_state, labels, rng)
        return output, (body_cache, head_cache)

    def backward(self, cache, d_loss=1.0):
        body_cache, head_cache = cache
        d_states = self.head.backward(head_cache, d_loss)
        return self.body.backward((d_states, None), body_cache)


def test_a_head_serves_another_body():
    labels = np.where(INPUT_IDS > 2, INPUT_IDS % K, -100)
    report = minibert.check_gradients(scrambled(Tagger()), INPUT_IDS, labels=labels)
    assert report.ok and "body.embedding.weight" in {row.name for row in report.rows}


def test_a_head_alone_learns_from_features_that_were_computed_once():
    """As with a frozen body: the same gradients of the head as through the whole model."""
    model = scrambled(minibert.BertForSequenceClassification(CONFIG, dtype=np.float64))
    labels = np.array([2, 0, 1, 1])
    features = model.bert.forward(INPUT_IDS, None, ATTENTION_MASK)[0].pooler_output
    _, cache = model.forward(INPUT_IDS, attention_mask=ATTENTION_MASK, labels=labels)
    model.backward(cache)
    through = grads(model.head)
    model.zero_grad()
    _, cache = model.head.forward(features, labels)
    model.head.backward(cache)
    assert_all_close(grads(model.head), through)


# --- files ---


def reload(model_class, folder, **changes):
    """Load a model; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CheckpointWarning)
        return model_class.from_pretrained(folder, **changes)


@pytest.mark.parametrize("model_class", MODELS)
def test_save_and_load_give_the_same_bits(model_class, tmp_path):
    config = minibert.BertConfig(
        V, hidden_size=H, id2label={0: "né", 1: "b"}, classifier_dropout=0.25,
        problem_type="single_label_classification",
    )
    model = scrambled(model_class(config))
    model.save_pretrained(tmp_path)
    loaded = reload(model_class, tmp_path)
    assert loaded.config == model.config
    for name, parameter in loaded.parameters().items():
        np.testing.assert_array_equal(parameter.value, model.parameters()[name].value, strict=True)


@pytest.mark.parametrize("model_class", MODELS)
def test_a_new_head_on_a_pretraining_checkpoint(model_class, tmp_path):
    """The encoder is taken, the pooler too where the model has one, and the head drawn from the seed."""
    pretrained = scrambled(minibert.BertForPreTraining(minibert.BertConfig(V, hidden_size=H, num_labels=5)))
    pretrained.save_pretrained(tmp_path)
    num_labels = CONFIGS[model_class].num_labels
    with pytest.warns(CheckpointWarning, match="newly initialised.*: (classifier|qa_outputs); not used.*: "):
        model = model_class.from_pretrained(tmp_path, num_labels=num_labels, seed=4)
    assert list(model.config.id2label.values()) == ["LABEL_0", "LABEL_1", "LABEL_2"][:num_labels]
    body = model.bert.parameters()
    assert ("pooler.dense.bias" in body) == (model_class in (MODELS[0], MODELS[3]))
    for name, parameter in body.items():
        np.testing.assert_array_equal(parameter.value, pretrained.bert.parameters()[name].value, err_msg=name)
    fresh = model_class(model.config, seed=4).head.parameters()
    for name, parameter in model.head.parameters().items():
        np.testing.assert_array_equal(parameter.value, fresh[name].value, strict=True)


def test_another_number_of_labels_is_a_new_head(tmp_path):
    model = scrambled(minibert.BertForSequenceClassification(CONFIG))
    model.save_pretrained(tmp_path)
    with pytest.warns(CheckpointWarning, match="the checkpoint's has another number of labels: classifier$"):
        other = minibert.BertForSequenceClassification.from_pretrained(tmp_path, num_labels=4)
    assert other.head.classifier.weight.value.shape == (H, 4) and not other.head.classifier.bias.value.any()
    same = reload(minibert.BertForSequenceClassification, tmp_path, num_labels=K)
    np.testing.assert_array_equal(same.head.classifier.weight.value, model.head.classifier.weight.value)
    names = {0: "x", 1: "y", 2: "z"}
    named = reload(minibert.BertForSequenceClassification, tmp_path, id2label=names, hidden_dropout_prob=0.0)
    assert named.config.id2label == names and named.config.label2id["z"] == 2
    assert named.config.hidden_dropout_prob == 0


def test_a_body_without_its_pooler(tmp_path):
    model = scrambled(minibert.BertForTokenClassification(CONFIG))
    model.save_pretrained(tmp_path)
    with pytest.warns(CheckpointWarning, match="newly initialised.*: pooler; not used.*: classifier.bias, c"):
        body = minibert.BertModel.from_pretrained(tmp_path)
    np.testing.assert_array_equal(
        body.forward(INPUT_IDS)[0].last_hidden_state, model.bert.forward(INPUT_IDS)[0].last_hidden_state)


# --- wrong input ---


def sequence(**changes):
    return minibert.BertForSequenceClassification(
        minibert.BertConfig(V, hidden_size=H, num_attention_heads=A, **{"num_labels": K} | changes))


@pytest.mark.parametrize("changes, labels, message", [
    ({}, [0, 1, 3, 2], r"label 3 is none of the 3 labels \(0 to 2\) nor -100, which means no label"),
    ({}, [0, 1, -1, 2], r"label -1 is none of the 3 labels"),
    ({}, [0, 1], r"labels has shape \(2,\), expected \(4,\)"),
    ({}, [0.0, 1.0, 1.0, 2.0], "labels of a classification must be integers, got float64"),
    ({"num_labels": 1}, [0.5, np.nan, 1, 1], "labels of a regression must be finite numbers"),
    ({"num_labels": 1}, [[0.5, 1]] * 4, r"labels of a regression have shape \(4, 2\), expected \(4, 1\)"),
    ({"problem_type": "regression"}, [0.5] * 4, r"have shape \(4,\), expected \(4, 3\)"),
    ({"problem_type": "multi_label_classification"}, [1.0] * 4, "'multi_label_classification' has no loss"),
])
def test_labels_that_are_none(changes, labels, message):
    with pytest.raises(ValueError, match=message):
        sequence(**changes).forward(INPUT_IDS, labels=np.array(labels))


def test_spans_and_choices_that_are_none():
    with pytest.raises(ValueError, match="num_labels is 3: a model that answers questions has 2, for an ans"):
        minibert.BertForQuestionAnswering(CONFIG)
    model = minibert.BertForQuestionAnswering(TWO_LABELS)
    with pytest.raises(ValueError, match="end_positions is missing: give start_positions and end_positions"):
        model.forward(INPUT_IDS, start_positions=np.zeros(B, int))
    with pytest.raises(ValueError, match=r"start_positions must be integers of shape \(4,\), got float64"):
        model.forward(INPUT_IDS, start_positions=np.zeros(B), end_positions=np.zeros(B))
    model = minibert.BertForMultipleChoice(CONFIG)
    with pytest.raises(ValueError, match=r"input_ids must have the shape \(batch, choices, tokens\), got"):
        model.forward(INPUT_IDS)
    ids = INPUT_IDS[:, np.newaxis]
    with pytest.raises(ValueError, match=r"attention_mask has shape \(4, 5\), expected \(4, 1, 5\)"):
        model.forward(ids, attention_mask=ATTENTION_MASK)
    with pytest.raises(ValueError, match=r"label 1 is none of the 1 labels"):
        model.forward(ids, labels=np.ones(B, int))


@pytest.mark.parametrize("model_class", MODELS)
def test_no_loss_without_labels(model_class):
    model = model_class(CONFIGS[model_class])
    output, cache = model.forward(batch_of(model_class).input_ids)
    assert output.loss is None and output.counts == {}
    with pytest.raises(ValueError, match="there is no loss to go back from: give forward (labels|start_)"):
        model.backward(cache)


@pytest.mark.parametrize("changes, message", [
    ({"num_labels": 0}, "num_labels must be a positive integer, got 0"),
    ({"num_labels": True}, "num_labels must be a positive integer, got True"),
    ({"num_labels": 3, "id2label": {0: "a", 1: "b"}}, "num_labels is 3, but id2label has 2 names"),
    ({"id2label": {0: "a", 2: "b"}}, r"id2label must name the labels 0 to K - 1, each once.*\[0, 2\]"),
    ({"id2label": {"a": "b"}}, r"id2label must name the labels 0 to K - 1"),
    ({"id2label": ["a", "b"]}, r"id2label must be a dict, got \['a', 'b'\]"),
    ({"id2label": {0: "a", 1: "b"}, "label2id": {"a": 1}}, "label2id {'a': 1} contradicts id2label"),
    ({"classifier_dropout": 1.0}, "classifier_dropout must be at least 0 and below 1, got 1.0"),
    ({"problem_type": "tagging"}, "problem_type 'tagging' is unknown: choose one of single_label"),
])
def test_a_configuration_that_contradicts_itself(changes, message):
    with pytest.raises(ValueError, match=message):
        minibert.BertConfig(V, **changes)


def test_what_a_file_says_wrongly(tmp_path):
    sequence().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="BertConfig has no num_label: leave it out"):
        minibert.BertForSequenceClassification.from_pretrained(tmp_path, num_label=2)
    path = tmp_path / "config.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"LABEL_2"', '"other"', 1), encoding="utf-8")  # label2id is left as it was
    assert minibert.BertForSequenceClassification.from_pretrained(tmp_path).config.label2id["other"] == 2
    path.write_text(text.replace('"2": "LABEL_2"', '"3": "LABEL_2"', 1), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"config.json: id2label must name the labels 0 to K - 1"):
        minibert.BertForSequenceClassification.from_pretrained(tmp_path)
