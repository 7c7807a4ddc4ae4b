"""What lesson 15 computes while it runs: four answers, gradients in parts, optimizers, replaced words."""

import json
import pathlib

import numpy as np
import pytest

import minibert as mb
from minibert.course import cheaper_figures as lesson
from minibert.text.toy import TOY
from minibert.text.toy.pairs import ToyExamples

DATA = pathlib.Path(__file__).parents[2] / "notebooks" / "data"


@pytest.fixture(scope="module")
def teacher():
    return mb.BertForPreTraining.from_pretrained(DATA / "12_toy_bert")


@pytest.fixture(scope="module")
def batch():
    return ToyExamples(TOY, TOY.tokenizer()).held_out_pairs(6).batch


def test_results_are_looked_up_for_every_seed(tmp_path):
    path = tmp_path / "found.json"
    stored = {"answers": {str(seed): {"hard": {"loss": 1 + seed, "curve": [seed, 7]}} for seed in range(3)}}
    path.write_text(json.dumps(stored), encoding="ascii")
    get = lesson.over_seeds(path)
    assert get("answers", "hard", "loss").tolist() == [1, 2, 3]
    assert get("answers", "hard", "curve", -1).tolist() == [7, 7, 7]
    with pytest.raises(KeyError):
        get("answers", "soft", "loss")


def test_a_teacher_is_between_the_label_and_the_exact_answer(teacher):
    answers = lesson.four_answers(teacher, temperature=3.0)
    label, learned, softened, exact = answers.values()
    assert list(answers)[2] == "at T = 3" and label.tolist() == [1, 0, 0, 0, 0, 0, 0]
    # the women of the family: 1/1 to 1/4 of the most frequent one; what is seen may be a random word
    np.testing.assert_allclose(exact, np.array([12, 6, 4, 3, 0, 0, 0]) / 25, atol=1e-4)
    assert abs(learned - exact).max() < 0.15 and softened.max() < learned.max()
    assert (softened[4:] > learned[4:]).all()


def test_a_batch_in_parts_has_the_gradient_of_the_batch(teacher, batch):
    model = teacher.astype(np.float64)
    whole = lesson.gradient(model, batch)
    _, cache = model.forward(**batch._asdict())
    model.zero_grad()
    model.backward(cache)
    np.testing.assert_array_equal(
        whole, np.concatenate([p.grad.ravel() for p in model.parameters().values()]))
    np.testing.assert_allclose(lesson.gradient(model, batch, size=2), whole, atol=1e-14)
    of_parts = lesson.gradient(model, batch, size=2, of_parts=True)
    assert np.linalg.norm(of_parts - whole) > 0.01 * np.linalg.norm(whole)


def test_dropout_is_drawn_from_the_seed(batch):
    model = mb.BertForPreTraining(mb.BertConfig(TOY.tokenizer().vocab_size, 12, 1, 2, 20))
    first, again, other, none = (lesson.gradient(model, batch, seed=seed) for seed in (1, 1, 2, None))
    assert (first == again).all() and (first != other).any() and (first != none).any()


def test_adamw_does_not_see_a_factor_and_descent_does(batch):
    model = mb.BertForPreTraining(mb.BertConfig(TOY.tokenizer().vocab_size, 12, 1, 2, 20), dtype=np.float64)
    before = {name: p.value.copy() for name, p in model.parameters().items()}
    far = {}
    for optimizer in (mb.AdamW, lesson.SGD):
        right, wrong = (lesson.moved(model, batch, optimizer, by, num_steps=2) for by in (1, 5))
        far[optimizer] = np.linalg.norm(wrong) / np.linalg.norm(right)
    assert far[mb.AdamW] == pytest.approx(1, abs=0.02) and far[lesson.SGD] == pytest.approx(0.2, abs=0.01)
    assert all((p.value == before[name]).all() for name, p in model.parameters().items())


def test_replaced_words_stand_where_words_were_hidden(teacher):
    rows, share = lesson.replaced_words(teacher, number=3)
    pairs = ToyExamples(TOY, TOY.tokenizer()).held_out_pairs(12)
    hidden = (pairs.batch.labels >= 0).any(axis=1)
    clean = [[TOY.tokenizer().id_to_token[token] for token in ids[seen == 1]]
             for ids, seen in zip(pairs.clean_ids[hidden], pairs.batch.attention_mask[hidden])]
    assert len(rows) == 3 and 0 < share < 1
    for (words, differs), original in zip(rows, clean):
        assert [one != other for one, other in zip(words, original)] == differs.tolist()
        assert "[MASK]" not in words


def test_the_mean_of_drawn_labels_has_the_exact_gradient():
    config = mb.BertConfig(TOY.tokenizer().vocab_size, 12, 1, 2, 20)
    model = mb.BertForPreTraining(config, dtype=np.float64)
    of_draws, of_mean = lesson.label_noise(model, seed=1, number=4, num_draws=24)
    assert of_draws.shape == (24,) and of_mean > of_draws.max()
    error = 1 / of_mean**2 - 1, np.mean(1 / of_draws**2) - 1    # the squared lengths of what is orthogonal
    assert error[0] < error[1] / 8                              # 24 times less, by expectation
