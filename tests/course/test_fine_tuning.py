"""The experiments of lesson 13: what they train, put back, erase, and count."""

import pathlib

import numpy as np
import pytest

import minibert
from minibert.course import fine_tuning as lesson
from minibert.text.toy import TOY
from minibert.training.probes import fit_probe

DATA = pathlib.Path(__file__).parents[2] / "notebooks" / "data"


@pytest.fixture(scope="module")
def pretrained():
    return minibert.BertForPreTraining.from_pretrained(DATA / "12_toy_bert")


@pytest.fixture(scope="module")
def examples():
    return lesson.acceptability(32, 1)


def test_padding_is_at_the_end_and_masked(examples):
    assert sorted(set(examples.labels.tolist())) == [0, 1]
    assert (examples.input_ids[:, 0] == 2).all()
    assert ((examples.input_ids > 0) == examples.attention_mask).all()
    assert (np.diff(examples.attention_mask, axis=1) <= 0).all()


def test_a_mean_of_states_leaves_padding_out(pretrained):
    sentences = "yes tom slept".split(), "yes tom quietly hid that umbrella".split()
    padded = lesson.mean_states(pretrained, lesson.texts(sentences, [1, 1]), 1)
    alone = lesson.mean_states(pretrained, lesson.texts(sentences[:1], [1]), 1)
    assert padded.shape == (2, pretrained.config.hidden_size)
    np.testing.assert_allclose(padded[:1], alone, rtol=1e-4, atol=1e-5)


def test_topics_are_of_the_sentences_that_are_judged():
    judged, shown = lesson.acceptability(200, 3), lesson.topics(200, 3)
    seen = [{tuple(row[row > 0]) for row in each.input_ids} for each in (judged, shown)]
    assert seen[1] < seen[0]
    vocab = TOY.tokenizer().vocab
    for word, topic in ("carrots", 0), ("rubies", 2):
        assert set(shown.labels[(shown.input_ids == vocab[word]).any(axis=1)]) == {topic}


def test_groups_that_are_not_trained_keep_their_bits(pretrained, examples):
    start, model = (lesson.classifier(pretrained, 0) for _ in range(2))
    losses = lesson.train(model, examples, 0, num_steps=3, num_trained=2)
    moved = lesson.distances(model, start)
    assert losses.shape == (3,) and [name for name, far in moved.items() if far > 0] == [
        "layer 2", "pooler, head"]
    whole = lesson.put_back(lesson.put_back(model, start, "layer 2"), start, "pooler, head")
    assert set(lesson.distances(whole, start).values()) == {0.0} and lesson.distances(model, start) == moved


def test_a_model_from_scratch_has_nothing_of_the_pretrained_one(pretrained):
    first, second = (lesson.classifier(pretrained, 0, from_scratch=new) for new in (False, True))
    far = lesson.distances(first, second)
    assert min(far.values()) > 0.1
    theirs, ours = pretrained.parameters(), first.parameters()
    assert all((ours[name].value == theirs[name].value).all() for name in ours if name in theirs)
    assert lesson.mlm_loss(first, pretrained, 32) < 2 < lesson.mlm_loss(second, pretrained, 32)


def test_a_body_that_remembers_gets_the_gradient_of_its_masked_words(pretrained, examples):
    model = lesson.classifier(pretrained, 0)
    _, cache = model.forward(**examples._asdict())
    model.backward(cache)
    parameters = model.parameters()
    before = {name: parameter.grad.copy() for name, parameter in parameters.items()}
    lesson.remember(model, pretrained, 0)(0)
    changed = {name for name in parameters if (parameters[name].grad != before[name]).any()}
    assert changed and not [name for name in changed if "pooler" in name or name.startswith("head")]
    assert "bert.encoder.0.attention.query.weight" in changed


def test_no_probe_finds_what_was_erased():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    states = 3 * rng.standard_normal((3, 6))[labels]
    states += rng.standard_normal((90, 6)) @ rng.standard_normal((6, 6))        # of unequal spread
    matrix, mean = lesson.eraser(states, labels)
    without = lesson.erased(states, matrix, mean)
    assert fit_probe(states, labels, 3).accuracy(states, labels) > 0.8
    means = [without[labels == label].mean(axis=0) for label in range(3)]
    np.testing.assert_allclose(means, [states.mean(axis=0)] * 3, atol=1e-9)
    assert np.linalg.matrix_rank(states - without) == 2                     # and no more than that is gone
    probe = fit_probe(without, labels, 3)
    np.testing.assert_allclose(probe.loss, np.log(3), atol=1e-6)


def test_two_seeds_of_a_run_differ_in_head_and_order_alone(pretrained, monkeypatch):
    monkeypatch.setattr(lesson, "LABELS", 16)
    monkeypatch.setattr(lesson, "TESTED", 16)
    seen = []
    monkeypatch.setattr(
        lesson, "train", lambda model, examples, seed, *rest, **more: seen.append(examples) or np.zeros(20))
    first, second = (lesson.one_run(pretrained, seed, 1e-3, "both") for seed in (0, 1))
    assert (seen[0].input_ids == seen[1].input_ids).all()
    assert set(first) == {"training", "test", "loss", "mlm"} and first["mlm"] == second["mlm"]
