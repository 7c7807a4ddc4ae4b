"""Distillation: the gradient of soft targets, directions, what a perfect student feels; wrong use."""

import copy

import numpy as np
import pytest
from helpers import ATTENTION_MASK, INPUT_IDS, B, F, H, T, V, grads, scrambled

import minibert as mb
from minibert.files import read_tensors
from minibert.gradcheck.cases import distillation as cases
from minibert.models.distillation import CosineDistance, SoftTargets, by_sequence, layers_of_teacher

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
BATCH = {"input_ids": INPUT_IDS, **cases.TEXT}
LOGITS, TEACHER = np.random.default_rng(1).standard_normal((2, 6, V))


def bert(num_hidden_layers, dtype=np.float64):
    config = cases.config(num_hidden_layers=num_hidden_layers, **NO_DROPOUT)
    return scrambled(mb.BertForPreTraining(config, dtype=dtype))


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 20.0])
def test_the_gradient_of_soft_targets(temperature):
    """T (softmax(s / T) − softmax(t / T)) / N."""
    layer = SoftTargets(temperature)
    _, cache = layer.forward(LOGITS, teacher_logits=TEACHER)
    expected = temperature * (softmax(LOGITS / temperature) - softmax(TEACHER / temperature)) / 6
    np.testing.assert_allclose(layer.backward(1.0, cache), expected, rtol=0, atol=1e-15)


def test_soft_targets_are_a_divergence_over_rows_not_over_words():
    loss, _ = SoftTargets(1.0).forward(LOGITS, teacher_logits=TEACHER)
    student, teacher = softmax(LOGITS), softmax(TEACHER)
    expected = (teacher * np.log(teacher / student)).sum() / 6
    np.testing.assert_allclose(loss, expected, rtol=1e-13)
    assert SoftTargets(2.0).forward(TEACHER, teacher_logits=TEACHER + 3)[0] == pytest.approx(0, abs=1e-15)
    assert SoftTargets().forward(LOGITS[:0], teacher_logits=TEACHER[:0])[0] == 0


def test_at_a_high_temperature_only_differences_of_logits_count():
    """Hinton et al. 2015, section 2.1: the gradient goes to (s − t) / (N V), both with a mean of zero."""
    layer = SoftTargets(1e4)
    _, cache = layer.forward(LOGITS, teacher_logits=TEACHER)
    difference = LOGITS - LOGITS.mean(axis=1, keepdims=True) - TEACHER + TEACHER.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(layer.backward(1.0, cache), difference / (6 * V), rtol=0, atol=1e-5)


def test_exact_probabilities_may_be_the_teachers():
    """A posterior with zeros, by its logarithms with a floor: the gradient is that of its probabilities."""
    probs = np.zeros((2, V))
    probs[0, 3], probs[1, :2] = 1, (0.25, 0.75)
    layer = SoftTargets(1.0)
    loss, cache = layer.forward(LOGITS[:2], teacher_logits=np.log(np.maximum(probs, 1e-300)))
    np.testing.assert_allclose(layer.backward(1.0, cache), (softmax(LOGITS[:2]) - probs) / 2, atol=1e-15)
    log_probs = np.log(softmax(LOGITS[:2]))
    entropy = 0.25 * np.log(4) + 0.75 * np.log(4 / 3)
    np.testing.assert_allclose(loss, (-(probs * log_probs).sum() - entropy) / 2, rtol=1e-13)


def test_a_direction_has_no_length():
    layer, (x, target) = CosineDistance(), np.random.default_rng(2).standard_normal((2, 6, H))
    loss, cache = layer.forward(x, target=target)
    np.testing.assert_allclose(layer.forward(3 * x, target=0.2 * target)[0], loss, rtol=1e-13)
    assert layer.forward(target, target=2 * target)[0] == pytest.approx(0, abs=1e-15)
    assert layer.forward(target, target=-target)[0] == pytest.approx(2)
    assert np.abs((layer.backward(1.0, cache) * x).sum(axis=-1)).max() < 1e-16


def test_a_student_that_is_its_teacher_feels_only_the_labels():
    teacher = bert(2)
    output, _ = teacher.forward(**BATCH)
    states = teacher.bert.forward(INPUT_IDS, cases.TOKEN_TYPES, ATTENTION_MASK)[0].last_hidden_state
    model = mb.Distillation(copy.deepcopy(teacher))
    logits = by_sequence(output.prediction_logits, cases.LABELS)
    found, cache = model.forward(**BATCH, teacher_logits=logits, teacher_states=states)
    assert abs(found.soft_loss) < 1e-13 and abs(found.cosine_loss) < 1e-13
    assert found.mlm_loss == output.mlm_loss
    assert found.counts == {"mlm": 8, "soft": 8, "cosine": ATTENTION_MASK.sum()}
    model.backward(cache)
    _, plain_cache = teacher.forward(**BATCH)
    teacher.backward(plain_cache)
    for name, gradient in grads(model).items():
        np.testing.assert_allclose(gradient, grads(teacher)[name], rtol=0, atol=1e-11, err_msg=name)


def test_the_dtype_is_the_students():
    """Whatever the teacher's: its arrays here are float64."""
    model = mb.Distillation(bert(1, np.float32))
    output, cache = model.forward(**BATCH, **cases.TEACHER)
    losses = (output.loss, output.soft_loss, output.mlm_loss, output.cosine_loss)
    assert {loss.dtype for loss in losses} == {np.dtype(np.float32)}
    assert model.backward(cache).dtype == np.float32


def test_answers_lie_by_sequence():
    logits = np.random.default_rng(3).standard_normal((8, V))
    answers = by_sequence(logits, cases.LABELS)  # 3, 2, 0 and 3 predictions
    assert answers.shape == (B, 3, V) and np.array_equal(answers[3], logits[5:])
    assert np.array_equal(answers[1, :2], logits[3:5]) and not answers[1, 2].any() and not answers[2].any()


def test_training_it_trains_the_student(tmp_path):
    """And its copies in another dtype are whole, with the head that is not trained."""
    student = bert(1, np.float32)
    model = mb.Distillation(student)
    assert model.parameters() == student.parameters()
    model.bert.pooler.dense.bias.value += 1
    model.astype(np.float64).save_pretrained(tmp_path)
    again = mb.BertForPreTraining.from_pretrained(tmp_path)
    for name, parameter in again.parameters().items():
        np.testing.assert_array_equal(parameter.value, student.parameters()[name].value, err_msg=name)
    saved = read_tensors(tmp_path / "model.safetensors")
    assert {array.dtype for array in saved.values()} == {np.dtype(np.float64)}


def test_a_student_begins_with_layers_of_its_teacher():
    teacher, student = bert(4), bert(2)
    layers_of_teacher(student, teacher)
    for ours, theirs in ((0, 0), (1, 2)):
        pair = student.bert.encoder[ours], teacher.bert.encoder[theirs]
        found, expected = (layer.parameters() for layer in pair)
        for name in expected:
            assert np.array_equal(found[name].value, expected[name].value)
            assert found[name].value is not expected[name].value
    assert np.array_equal(student.mlm_head.decoder.bias.value, teacher.mlm_head.decoder.bias.value)


# --- wrong use ---


def test_wrong_teachers_and_arguments():
    model, teacher = mb.Distillation(bert(1)), bert(1)
    with pytest.raises(ValueError, match="teacher_logits of shape"):
        model.forward(**BATCH, teacher_logits=np.zeros((B, 3, V + 1)))
    for shape in ((B, T, V), (8, V), (B, 2, V), (B - 1, 3, V)):  # of each token, of no sequence, too few
        with pytest.raises(ValueError, match=r"do not fit labels \(4, 5\): give \(B, P, V\), the answers"):
            model.forward(**BATCH, teacher_logits=np.zeros(shape))
    for shape in ((B, T + 1, H), (B * T, H), (B + 1, T, H)):
        with pytest.raises(ValueError, match=r"expected a state for each token of labels \(4, 5\)"):
            model.forward(**BATCH, teacher_states=np.zeros(shape))
    with pytest.raises(ValueError, match="both need the same tokens and hidden_size"):
        model.forward(**BATCH, teacher_states=np.zeros((B, T, H + 1)))
    with pytest.raises(ValueError, match="distillation needs labels"):
        model.forward(INPUT_IDS)
    with pytest.raises(ValueError, match=r"attention_mask has shape \(4, 5, 5\), expected \(4, 5\)"):
        model.forward(INPUT_IDS, labels=cases.LABELS, attention_mask=np.ones((B, T, T)))
    with pytest.raises(ValueError, match="temperature must be above 0, got 0"):
        SoftTargets(0)
    with pytest.raises(ValueError, match="the student has 2 layers and its teacher 1"):
        layers_of_teacher(bert(2), teacher)


@pytest.mark.parametrize("change", [
    {"intermediate_size": F + 1}, {"num_attention_heads": 1}, {"hidden_act": "relu"},
    {"tie_word_embeddings": False}, {"layer_norm_eps": 1e-5},
])
def test_a_student_of_another_form_takes_no_layers(change):
    """Heads and activations are in no weight's shape."""
    [name] = change
    other = mb.BertForPreTraining(cases.config(**change))
    with pytest.raises(ValueError, match=f"{name} is .* give both the same configuration, but for"):
        layers_of_teacher(other, bert(1))
    layers_of_teacher(mb.BertForPreTraining(cases.config(hidden_dropout_prob=0.1)), bert(1))
