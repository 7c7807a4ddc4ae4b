"""The experiments of lesson 15 compare what they say, on texts and questions that are what they seem."""

import doctest
import itertools

import numpy as np
import pytest

import minibert
from minibert.course import cheaper as lesson
from minibert.layers.softmax import softmax
from minibert.text.toy import TOY, pairs


@pytest.fixture(scope="module", autouse=True)
def few_held_out():
    """Every model of this file is judged on 64 pairs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "NUM_HELD_OUT", 64)
        patch.setattr(lesson, "HELD_OUT", 64)
        patch.setattr(lesson, "TRACKED", 16)
        for cached in (lesson.toy, lesson._held_out, lesson._tracked):
            cached.cache_clear()
        yield
    for cached in (lesson.toy, lesson._held_out, lesson._tracked):
        cached.cache_clear()


@pytest.fixture(scope="module")
def text():
    return lesson.Text(3, epochs=4, num_steps=8, batch_size=5, is_masked_anew=False)


def test_the_examples_of_the_docstrings():
    results = doctest.testmod(lesson)
    assert results.failed == 0 and results.attempted >= 4


# --- texts ---


def rows_of(text, epoch):
    """Return the pairs of an epoch as sorted lists of ids, without masks."""
    batch = text.epoch(epoch)
    whole = np.where(batch.labels >= 0, batch.labels, batch.input_ids)
    return sorted(whole.tolist())


def test_an_epoch_has_every_pair_once_in_an_order_of_its_own(text):
    assert rows_of(text, 0) == rows_of(text, 1) == sorted(text.clean_ids.tolist())
    assert text.epoch(0).labels.tolist() != text.epoch(1).labels.tolist()  # the masks are the same
    of_steps = np.concatenate([text.batch(step).next_sentence_label for step in (2, 3)])
    np.testing.assert_array_equal(of_steps, text.epoch(1).next_sentence_label)


def test_a_shorter_text_is_the_beginning_of_a_longer_one(text):
    longer = lesson.Text(3, num_steps=8, batch_size=5)
    assert len(longer.clean_ids) == 40 and len(text.clean_ids) == 10
    np.testing.assert_array_equal(text.clean_ids, longer.clean_ids[:10])


@pytest.mark.parametrize("is_masked_anew", [True, False])
def test_masks_are_kept_or_drawn_anew(is_masked_anew):
    text = lesson.Text(3, 2, num_steps=8, batch_size=5, is_masked_anew=is_masked_anew)
    masks = [sorted(text.epoch(number).labels.tolist()) for number in (0, 1)]
    assert (masks[0] != masks[1]) == is_masked_anew


def test_steps_that_are_no_whole_epochs_are_refused():
    with pytest.raises(ValueError, match="8 steps are no 3 epochs"):
        lesson.Text(0, 3, num_steps=8)


# --- questions for probes ---


def test_the_verb_agrees_where_the_label_says_so():
    singular = {line.split()[2] for topic in lesson.LEMMAS for line in topic}
    asked = lesson.agreements(40, 5)
    for words, place, label in zip(*asked):
        subject = next(lesson.NUMBER_OF[word] for word in words if word in lesson.NUMBER_OF)
        assert label == ((words[place] in singular) == (subject == 0))
    assert 0.25 < asked.labels.mean() < 0.75


def test_the_number_is_that_of_the_subject_and_not_of_the_noun_that_is_read():
    asked = lesson.numbers(80, 5)
    read = [words[place] for words, place in zip(asked.sentences, asked.places)]
    assert set(read) <= lesson.OTHERS
    is_plural = np.array([word.endswith("s") for word in read])
    assert abs(np.mean(is_plural == asked.labels) - 0.5) < 0.2
    subjects = [next(word for word in words if word in lesson.NUMBER_OF) for words in asked.sentences]
    assert [lesson.NUMBER_OF[word] for word in subjects] == asked.labels.tolist()


def test_a_state_is_that_of_the_word_asked_for():
    body, asked = lesson.new_bert(0).bert, lesson.numbers(7, 5)
    states = lesson.states_of(body, asked)
    assert states.shape == (3, 7, lesson.HIDDEN)
    vocab = TOY.tokenizer().vocab
    ids = np.array([[vocab[word] for word in ("[CLS]", *asked.sentences[4], "[SEP]")]])
    output, _ = body.forward(ids)
    np.testing.assert_allclose(
        states[-1, 4], output.last_hidden_state[0, asked.places[4] + 1], rtol=1e-4, atol=1e-5)


@pytest.mark.exhaustive
def test_a_probe_tells_what_the_states_hold(monkeypatch):
    def told(body, asked):
        return np.stack([np.zeros((len(asked.labels), 3)), np.eye(3)[asked.labels]])

    monkeypatch.setattr(lesson, "states_of", told)
    found = lesson.probed(None, number=60, sizes=(30, 60))
    assert all(of_sizes["60"][1] == 1 for of_sizes in found.values())
    assert all(accuracies[0] < 0.8 for of_sizes in found.values() for accuracies in of_sizes.values())


# --- teachers ---


def test_the_exact_teacher_is_the_posterior(text):
    batch = text.batch(0)
    given = lesson.exact(batch)
    is_answer = np.arange(given["teacher_logits"].shape[1]) < (batch.labels >= 0).sum(axis=1)[:, np.newaxis]
    expected, _ = lesson._limits().posteriors(batch)
    np.testing.assert_allclose(softmax(given["teacher_logits"][is_answer]), expected, atol=1e-5)


def test_labels_are_drawn_anew_from_the_posterior(text):
    batch, drawn = text.batch(0), lesson.redrawn(0)
    both = [drawn(batch)["labels"] for _ in range(2)]
    assert (both[0] != both[1]).any()
    posterior, _ = lesson._limits().posteriors(batch)
    for labels in both:
        np.testing.assert_array_equal(labels >= 0, batch.labels >= 0)
        assert (posterior[np.arange(len(posterior)), labels[labels >= 0]] > 0).all()


def test_a_student_learns_from_one_kind_of_answers_alone(text, monkeypatch):
    seen = []
    monkeypatch.setattr(lesson, "train", lambda model, arguments_of, num_steps, d_loss: seen.append(
        (d_loss, sorted(arguments_of(0)))))
    teacher = lesson.new_bert(1, 1)
    for answers_of in (lesson.hard, lesson.exact, lesson.soft(teacher)):
        found = lesson.taught(answers_of, 0, 1, num_steps=2)
        assert found["above"] > 3  # the unigram model's: nothing was learned
    assert [d_loss for d_loss, _ in seen] == [{"mlm": 1.0}, *[{"mlm": 0.0, "soft": 0.4}] * 2]
    assert ["teacher_logits" in names for _, names in seen] == [False, True, True]


@pytest.mark.exhaustive
def test_hard_labels_and_the_posterior_have_one_mean_gradient():
    found = lesson.gradient_noise(0, num_steps=4, num_batches=12)
    assert found["exact"] < found["hard"] and 0.8 < found["difference"] < 1.2


def test_a_student_begins_with_layers_of_its_teacher_and_may_do_without_its_answers(tmp_path):
    folder = tmp_path / "teacher-0"
    lesson.new_bert(0, 2).save_pretrained(folder)
    TOY.tokenizer().save_pretrained(folder)
    assert set(lesson.student(tmp_path, 0, num_steps=2)) == {
        "seconds", "loss", "above", "accuracy", "phenomena"}
    recipe = lesson.LabelsOnly.Recipe.of(["toy"], start=str(folder), num_steps=2, batch_size=3)
    objective = lesson.LabelsOnly(recipe, say=lesson.silent)
    assert "teacher_logits" not in objective.batch(0)._fields
    np.testing.assert_array_equal(
        objective.make_model().bert.encoder[0].attention.query.weight.value,
        minibert.BertForPreTraining.from_pretrained(folder).bert.encoder[0].attention.query.weight.value)


# --- the rest ---


def test_albert_has_berts_sizes_and_fewer_parameters():
    bert, albert = lesson.new_bert(0), lesson.new_albert(0)
    assert lesson.num_parameters(albert) < 0.6 * lesson.num_parameters(bert)
    assert albert.config.num_hidden_layers == bert.config.num_hidden_layers == lesson.LAYERS
    assert albert.config.intermediate_size == bert.config.intermediate_size


def test_a_target_is_between_two_looks_or_was_not_reached():
    found = lesson.to_targets(0, 3, 1e-3, targets=(99.0, 0.1), most_pairs=33)
    assert found["0.1"] is None and found["99.0"]["steps"] == 10
    assert lesson._between((3.0, 10, 100), (2.0, 20, 300), 2.25) == {"steps": 17.5, "tokens": 250.0}


def test_a_ratio_is_that_of_calls_in_turn(monkeypatch):
    ticks = itertools.cycle([0, 3, 3, 4])  # the first takes 3, the second 1
    monkeypatch.setattr(lesson.time, "process_time", lambda: next(ticks))
    found = lesson.side_by_side(lambda: None, lambda: None, rounds=8)
    assert found == {"ratio": 3, "first": 3000, "second": 1000}
