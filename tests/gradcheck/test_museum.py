"""The museum: each exhibit is caught, its first wrong tensor named, the diagnosis right, the story true."""

import functools
import inspect
import math
import re

import numpy as np
import pytest
from helpers import sampled

import minibert as mb
from minibert.gradcheck import check_gradients, museum
from minibert.gradcheck.cases import CASES, random, scrambled
from minibert.gradcheck.museum.exhibit import changed
from minibert.layers import Embedding, EncoderLayer, LayerNorm, MultiHeadAttention
from minibert.layers.walk import is_layer, walk
from minibert.text.examples import PairBatch
from minibert.training.optimizers import clip_gradients
from minibert.training.parallel import DataParallel

EXHIBITS = museum.exhibits
every_exhibit = pytest.mark.parametrize("name", EXHIBITS)
LAYERS = [name for name, exhibit in EXHIBITS.items() if exhibit.case]
WRONG = [name for name, exhibit in EXHIBITS.items() if exhibit.first_wrong]
UNSEEN = [name for name, exhibit in EXHIBITS.items() if not exhibit.expected]
LONG = [
    "forgotten-share", "overwritten-table", "skip-around-norm", "residual-plus-one", "leaking-row",
    "other-masks",
]  # by differences
PLACE = re.compile(
    r"https://(github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+|arxiv\.org/abs/\d{4}\.\d{5})( \([^()]+\))?"
)

SIZES = {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "max_position_embeddings": 18}
GENERATOR = np.random.default_rng(1)
TOKENS = GENERATOR.integers(5, 300, (8, 16))
CHOSEN = GENERATOR.random(TOKENS.shape) < 0.15
BATCH = {
    "input_ids": np.where(CHOSEN, 4, TOKENS),
    "labels": np.where(CHOSEN, TOKENS, -100),
    "next_sentence_label": np.array([0, 1, 1, 0, 1, 0, 1, 0]),
}


def bert(dtype=np.float32):
    return mb.BertForPreTraining(mb.BertConfig(**SIZES), dtype=dtype)


IN_BERT = [name for name in LAYERS if EXHIBITS[name].ours in {type(x) for _, x in walk(bert(), is_layer)}]


def train(model, num_steps=30, **batch):
    """Train on one batch; return the output of every step."""
    optimizer = mb.AdamW(model.parameters(), lr=3e-3)
    outputs = []
    for _ in range(num_steps):
        model.zero_grad()
        output, cache = model.forward(**{**BATCH, **batch})
        model.backward(cache)
        optimizer.step()
        outputs.append(output)
    return outputs


def gradients(model, **batch):
    model.zero_grad()
    _, cache = model.forward(**{**BATCH, **batch})
    model.backward(cache)
    return {name: parameter.grad.copy() for name, parameter in model.parameters().items()}


@functools.cache
def report_of(name):
    """The check of an exhibit, once for all tests."""
    return EXHIBITS[name].check()


@functools.cache
def losses_of(name):
    """The MLM losses of 30 steps, with an exhibit planted, or of ours (None)."""
    model = bert() if name is None else museum.plant(bert(), name)
    return [output.mlm_loss for output in train(model)]


@functools.cache
def is_case_right(case):
    layer, inputs, forward_kwargs = CASES[case]
    return check_gradients(layer, *inputs, max_entries=20, **forward_kwargs).ok  # all: tests/gradients


def row(report, name):
    return next(row for row in report.rows + report.steps if row.name == name)


# --- caught, and named ---


DIAGNOSES = {
    "transposed-key": "the right numbers in the wrong places: a reshape where a transpose is needed",
    "reshaped-heads": "the right numbers in the wrong places: a reshape where a transpose is needed",
    "forgotten-share": "a term is missing, the share of the other use of this table (a tied output layer",
    "overwritten-table": "overwritten instead of added (grad = ... where grad += ... is needed)",
    "repeated-ids": "those of repeated ids are not (0, 2, 3, 7): `grad[ids] += d` keeps only one of several",
    "skip-around-norm": "one term of it is the gradient of the output, where that of d_output_sum belongs",
    "residual-plus-one": "the number 1 is used where the gradient of d_output_sum belongs",
    "dropped-state": "no known pattern. 8 of 8 entries are wrong, the worst at (2, 0)",
    "forgotten-slope": "A factor is missing (the derivative of the function between the two)",
    "borrowed-bias": "no known pattern. 4 of 8 entries are wrong, the worst at (6,)",
    "dead-weight": "backward leaves it exactly zero, but the objective depends on it",
    "wrong-operand": "backward leaves it exactly zero, but the objective depends on it",
    "leaking-row": "it is wrong only at the positions that sight.may_look masks",
    "other-masks": "no known pattern. 6 of 6 entries are wrong, the worst at ",
    "divided-twice": "0.05 times what it should be = 1/20 (20 is the size of labels)",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.exhaustive] * (name in LONG)) for name in LAYERS]
)
def test_the_check_says_what_the_exhibit_says(name):
    exhibit, report = EXHIBITS[name], report_of(name)
    assert report.ok == (not exhibit.expected), str(report)
    assert report.first_wrong == exhibit.first_wrong
    if exhibit.first_wrong:
        assert row(report, exhibit.first_wrong).note == exhibit.expected, report.diagnosis
        assert DIAGNOSES[name] in report.diagnosis
        assert DIAGNOSES[name][:30] in " ".join(str(report).split())
    elif exhibit.expected:
        [problem] = report.problems
        assert exhibit.expected in problem


def test_every_wrong_exhibit_has_its_diagnosis():
    assert set(DIAGNOSES) == set(WRONG)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.exhaustive] * (name in LONG)) for name in WRONG]
)
@pytest.mark.exhaustive
def test_central_differences_catch_it_too(name):
    report = EXHIBITS[name].check(method="central", max_entries=8)
    assert report.first_wrong == EXHIBITS[name].first_wrong


@pytest.mark.parametrize("name", sampled(LAYERS, every=3))
def test_without_the_mistake_nothing_is_wrong(name):
    assert is_case_right(EXHIBITS[name].case)


@pytest.mark.parametrize("name", UNSEEN)
def test_what_no_gradient_check_sees_is_told_by_a_number(name):
    exhibit = EXHIBITS[name]
    finding = exhibit.check_value()
    assert not finding.ok and "WRONG" in str(finding)
    assert exhibit.value(exhibit.ours).ok
    assert exhibit.case is None or report_of(name).ok


@pytest.mark.parametrize("name", [name for name in EXHIBITS if name not in UNSEEN])
def test_a_number_is_only_where_it_is_needed(name):
    assert EXHIBITS[name].check_value() is None


def test_the_numbers_known_by_hand():
    found = {name: EXHIBITS[name].check_value().found for name in UNSEEN}
    assert found["ignored-zero"] == 0
    assert found["averaged-over-all"] == pytest.approx(np.log(4) / 5)
    assert found["nested-probabilities"] == pytest.approx(0.02, abs=0.005)
    assert found["mixed-heads"] > 1e-3 and found["pooled-from-all"] > 1e-3


# --- what is shown ---


@every_exhibit
def test_the_variant_overrides_the_wrong_method_and_nothing_else(name):
    exhibit = EXHIBITS[name]
    if inspect.isfunction(exhibit.theirs):
        return
    assert exhibit.theirs.__base__ is exhibit.ours
    methods = {key for key, value in vars(exhibit.theirs).items() if inspect.isfunction(value)}
    assert 1 <= len(methods) <= 2 and "__init__" not in methods


@every_exhibit
def test_a_few_lines_differ(name):
    """Where this fails, the method in the library has changed: change the exhibit likewise."""
    lines = EXHIBITS[name].difference().splitlines()
    added, removed = (sum(line.startswith(sign) for line in lines) for sign in "+-")
    assert added <= 8 and removed <= 4 and added + removed > 0
    assert len(lines) <= 16 and not any("#" in line or '"""' in line for line in lines)


def test_the_difference_is_the_line():
    lines = EXHIBITS["transposed-key"].difference().splitlines()
    assert lines[0] == "MultiHeadAttention.backward:"
    assert [line for line in lines if line[0] in "+-"] == [
        "-    d_key_heads = (d_scores.swapaxes(-1, -2) @ query_heads) * scale",
        "+    d_key_heads = (query_heads.swapaxes(-1, -2) @ d_scores).reshape(key_heads.shape) * scale",
    ]
    difference = EXHIBITS["divided-twice"].difference()
    assert difference.startswith("CrossEntropy.backward, ours and then:\n+def backward")


def test_an_exhibit_holds_only_the_line_that_differs():
    """The rest of the method is ours, as it is now; a debugger and the trace read the variant's source."""
    theirs = museum.TransposedKey.backward
    lines, start = inspect.getsourcelines(theirs)
    ours, our_start = inspect.getsourcelines(MultiHeadAttention.backward)
    assert start == our_start and len(lines) == len(ours)
    [(ours_line, their_line)] = [(one, other) for one, other in zip(ours, lines) if one != other]
    assert ours_line.strip().startswith("d_key_heads = (d_scores")
    assert "reshape(key_heads.shape)" in their_line
    assert theirs.__code__.co_filename == "<museum.TransposedKey.backward>"


def test_a_line_that_is_not_ours_cannot_be_changed():
    message = "Wrong: MultiHeadAttention.backward has 0 lines 'd_key = 0', expected one"
    with pytest.raises(ValueError, match=message):

        @changed("backward", ours="d_key = 0", theirs="")
        class Wrong(MultiHeadAttention):
            """A mistake."""


def test_the_class_of_an_exhibit_is_an_attribute_of_the_museum():
    assert museum.TransposedKey is EXHIBITS["transposed-key"].theirs
    assert museum.nested_mask_tokens is EXHIBITS["nested-probabilities"].theirs
    with pytest.raises(AttributeError, match="has no attribute 'Transposed'"):
        museum.Transposed


@every_exhibit
def test_it_prints_its_story(name):
    exhibit = EXHIBITS[name]
    text = str(exhibit)
    assert text.startswith(f"{name}\n\n") and exhibit.difference().splitlines()[-1] in text
    assert [text.count(part) for part in ("How it looked.", "How it hides.", "The cost.")] == [1, 1, 1]
    assert [text.splitlines().count(place) for place in exhibit.seen] == [1] * len(exhibit.seen)
    assert len(exhibit.story.splitlines()[0]) <= 110
    assert max(map(len, text.splitlines())) <= 110


def test_every_exhibit_but_one_names_a_public_place_of_its_kind():
    assert [name for name, exhibit in EXHIBITS.items() if not exhibit.seen] == ["wrong-operand"]
    places = [place for exhibit in EXHIBITS.values() for place in exhibit.seen]
    assert [place for place in places if not PLACE.fullmatch(place)] == []
    assert str(EXHIBITS["wrong-operand"]).count("Seen in public") == 0


# --- planted in a model ---


@pytest.mark.parametrize("name", IN_BERT)
def test_planting_leaves_the_model_untouched(name):
    model = bert()
    before = gradients(model)
    values = {key: parameter.value.copy() for key, parameter in model.parameters().items()}
    planted = museum.plant(model, name)
    assert planted.mlm_head.decoder.weight is planted.bert.embeddings.token.weight
    train(planted, 2)
    assert all(np.array_equal(parameter.value, values[key]) for key, parameter in model.parameters().items())
    after = gradients(model)
    assert all(np.array_equal(after[key], before[key]) for key in before)
    assert not any(parameter is model.parameters()[key] for key, parameter in planted.parameters().items())


@pytest.mark.parametrize("name", IN_BERT)
def test_every_layer_of_the_class_is_exchanged(name):
    exhibit = EXHIBITS[name]
    count = {"MultiHeadAttention": 2, "EncoderLayer": 2, "FeedForward": 2, "LayerNorm": 6, "Embedding": 3,
             "CrossEntropy": 2}
    planted = museum.plant(bert(), name)
    parts = [part for _, part in walk(planted, is_layer) if type(part) in (exhibit.ours, exhibit.theirs)]
    assert [type(part) for part in parts] == [exhibit.theirs] * count.get(exhibit.ours.__name__, 1)


@pytest.mark.parametrize("name", sampled(IN_BERT, every=5))
def test_training_works_all_the_same(name):
    """The loss falls by more than half a nat in 30 steps, whatever is planted: that proves nothing."""
    losses = losses_of(name)
    assert losses[-1] < losses[0] - 0.5


@pytest.mark.parametrize("name", [name for name in WRONG if name in IN_BERT])
def test_the_planted_model_fails_its_check(name):
    layer, inputs, forward_kwargs = CASES["BertForPreTraining"]
    assert not mb.check_directions(museum.plant(layer, name), *inputs, **forward_kwargs).ok


def test_the_model_without_a_mistake_passes_its_check():
    layer, inputs, forward_kwargs = CASES["BertForPreTraining"]
    assert mb.check_directions(layer, *inputs, **forward_kwargs).ok


def test_what_cannot_be_planted():
    choice = "no exhibit 'transposed': choose one of transposed-key, reshaped-heads"
    with pytest.raises(ValueError, match=choice):
        museum.plant(bert(), "transposed")
    with pytest.raises(ValueError, match="LayerNorm has no MultiHeadAttention that 'transposed-key' could"):
        museum.plant(LayerNorm(3), "transposed-key")
    with pytest.raises(ValueError, match="has no mask_tokens"):
        museum.plant(bert(), "nested-probabilities")


# --- the stories are true: how it hides ---


def test_the_key_gradient_hides_behind_small_weights():
    """At the initial weights d_x passes with a tolerance of 1e-3, and not at weights of size one."""
    for size, is_hidden in ((0.02, True), (1.0, False)):
        layer = MultiHeadAttention(12, 3, rng=np.random.default_rng(0), initializer_range=size)
        report = check_gradients(museum.plant(layer, "transposed-key"), random(2, 5, 12), max_entries=20)
        error = row(report, "query_input").error
        assert error < 1e-3 if is_hidden else error > 0.3


@pytest.mark.parametrize(("num_heads", "num_tokens", "is_right"), [(1, 5, True), (3, 1, True), (3, 5, False)])
def test_heads_without_transpose_hide_behind_one_head_or_one_token(num_heads, num_tokens, is_right):
    layer = museum.plant(scrambled(MultiHeadAttention(6, num_heads)), "reshaped-heads")
    assert check_gradients(layer, random(2, num_tokens, 6)).ok == is_right


def test_repeated_ids_hide_behind_distinct_ones():
    layer, inputs, _ = CASES["Embedding distinct ids"]
    assert check_gradients(museum.plant(layer, "repeated-ids"), *inputs).ok


def test_the_overwritten_table_hides_where_it_is_used_once():
    planted = museum.plant(scrambled(Embedding(7, 3)), "overwritten-table")
    report = check_gradients(planted, np.array([[1, 2, 2]]))
    assert all(row.ok for row in report.rows) and "overwrites" in report.problems[0]


@pytest.mark.exhaustive
def test_the_head_that_drops_its_share_is_right_in_all_else():
    report = report_of("forgotten-share")
    assert [row.name for row in report.rows if not row.ok] == ["bert.embeddings.token.weight"]
    layer, inputs, _ = CASES["MLMHead"]
    report = check_gradients(museum.plant(layer, "forgotten-share"), *inputs)
    assert [row.name for row in report.rows if not row.ok] == ["decoder.weight"]


def test_the_share_of_the_decoder_is_the_larger():
    right = gradients(bert())["bert.embeddings.token.weight"]
    lookup = gradients(museum.plant(bert(), "forgotten-share"))["bert.embeddings.token.weight"]
    assert np.linalg.norm(right - lookup) > np.linalg.norm(lookup)
    absent = sorted(set(range(300)) - set(BATCH["input_ids"].flat))
    assert right[absent].any(axis=1).all() and not lookup[absent].any()


def test_a_residual_plus_one_hides_behind_ones():
    """Without a norm above it: then d_y is the gradient of the sum, and it is 1."""

    class Identity(LayerNorm):
        def forward(self, x):
            return x * 1.0, None

        def backward(self, d_y, cache):
            return d_y * 1.0

    layer = museum.plant(scrambled(EncoderLayer(6, 2, 7, dtype=np.float64)), "residual-plus-one")
    layer.output_norm = Identity(6)
    x, ones = random(4, 5, 6), np.ones((4, 5, 6))
    _, cache = layer.forward(x)
    assert np.array_equal(layer.backward(ones, cache), EncoderLayer.backward(layer, ones, cache))
    assert not np.allclose(layer.backward(x, cache), EncoderLayer.backward(layer, x, cache))


@pytest.mark.exhaustive
def test_the_parts_around_a_confused_norm_are_right():
    report = report_of("skip-around-norm")
    assert all(row.ok for row in report.rows if row.name.startswith(("feed_forward", "output_norm")))


def test_adam_hides_a_scale():
    """After one step all weights are those of the right model, though every gradient is far too small."""
    right, planted = bert(np.float64), museum.plant(bert(np.float64), "divided-twice")
    for model in (right, planted):
        gradients(model, next_sentence_label=None)
        mb.AdamW(model.parameters(), lr=1e-3, eps=1e-30).step()
    for (name, ours), theirs in zip(right.parameters().items(), planted.parameters().values()):
        if not name.endswith("key.bias"):  # nothing but rounding, in both
            np.testing.assert_allclose(theirs.value, ours.value, rtol=1e-6, atol=1e-12, err_msg=name)
    ours, theirs = (model.parameters()["mlm_head.dense.weight"].grad for model in (right, planted))
    np.testing.assert_allclose(theirs / ours, 1 / CHOSEN.sum(), rtol=1e-6)


def trained_in_parts(parallel, nums_parts, clip=math.inf):
    """The weights after steps of AdamW on a batch in so many parts each, in float64."""
    model = bert(np.float64)
    workers = [parallel(model, number) for number in nums_parts]
    optimizer = mb.AdamW(model.parameters(), lr=1e-3, eps=1e-30)
    for each in workers:
        _, shares = each.forward(PairBatch(token_type_ids=None, attention_mask=None, **BATCH))
        each.zero_grad()
        each.backward(shares)
        each.pool.shutdown()
        clip_gradients(model.parameters(), clip)
        optimizer.step()
    return {
        name: parameter.value for name, parameter in model.parameters().items()
        if not name.endswith("key.bias")  # nothing but rounding
    }


@pytest.mark.parametrize(("nums_parts", "clip", "is_hidden"), [
    ((2, 2), math.inf, True), ((2, 1), math.inf, False), ((2, 2), 2.0, False), ((2, 1), 0.5, True),
])
def test_adam_hides_a_second_mean_from_everything_but_clipping_and_a_last_step(nums_parts, clip, is_hidden):
    """A step with fewer parts, and a limit between both norms, show it; a limit below both hides it, too."""
    ours, theirs = (trained_in_parts(each, nums_parts, clip) for each in (DataParallel, museum.AveragedAgain))
    difference = max(np.abs(ours[name] - theirs[name]).max() for name in ours)
    assert difference < 1e-12 if is_hidden else difference > 1e-8


def test_a_spoiled_cache_changes_no_training():
    right, planted = train(bert(), 5), train(museum.plant(bert(), "spoiled-cache"), 5)
    assert [output.loss for output in right] == [output.loss for output in planted]


# --- the stories are true: what it costs ---


def test_a_wrong_operand_gives_nothing_to_what_lies_below():
    found = gradients(museum.plant(bert(), "wrong-operand"))
    below = {name for name in found if re.search("attention[.]|feed_forward|position|segment", name)}
    assert len(below) == 26 and not any(found[name].any() for name in below)
    assert found["mlm_head.decoder.bias"].any() and found["bert.embeddings.token.weight"].any()


@pytest.mark.parametrize(
    "name", ["forgotten-share", "overwritten-table", "residual-plus-one", "wrong-operand"]
)
def test_what_is_missing_is_missed_in_the_loss(name):
    assert losses_of(name)[-1] > losses_of(None)[-1] + 0.5


def test_ignoring_zero_makes_every_sentence_not_the_next():
    model = museum.plant(bert(), "ignored-zero")
    outputs = train(model)
    assert outputs[-1].nsp_loss < 0.02
    unseen = (TOKENS + 100) % 295 + 5
    for input_ids in (TOKENS, unseen):
        is_next, is_not_next = model.forward(input_ids)[0].seq_relationship_logits.T
        assert (is_not_next > is_next).all()


def test_averaging_over_all_changes_nothing_in_our_model():
    right, planted = train(bert(), 3), train(museum.plant(bert(), "averaged-over-all"), 3)
    assert [output.loss for output in right] == [output.loss for output in planted]


def test_weights_in_forward_never_learn():
    model = museum.plant(bert(), "weights-in-forward")
    assert model.forward(**BATCH)[0].loss != model.forward(**BATCH)[0].loss


@pytest.mark.parametrize(("name", "output"), [
    ("mixed-heads", "prediction_logits"), ("pooled-from-all", "seq_relationship_logits"),
])
def test_padding_leaks(name, output):
    """Three tokens of padding change the answers of the planted model, and none of ours."""
    model, _, _ = CASES["BertForPreTraining"]
    ids = np.array([[2, 7, 4, 3]])
    padded = {"input_ids": np.pad(ids, ((0, 0), (0, 3))), "attention_mask": np.array([[1, 1, 1, 1, 0, 0, 0]])}
    for tested, is_leaking in ((model, False), (museum.plant(model, name), True)):
        short, long = getattr(tested.forward(ids)[0], output), getattr(tested.forward(**padded)[0], output)
        difference = np.abs(short - (long[:, :4] if output == "prediction_logits" else long)).max()
        assert difference > 1e-5 if is_leaking else difference < 1e-12


# --- of fine-tuning ---


def test_how_much_too_long_the_steps_are_without_correction():
    """Of equal gradients: (1 − β₁ᵗ) / √(1 − β₂ᵗ) learning rates, 3.2 at first, 6.6 at most, 1 in the end."""
    parameter = mb.Parameter(np.zeros(1))
    optimizer = museum.Uncorrected({"bias": parameter}, lr=1e-3, eps=1e-12)
    lengths = []
    for _ in range(1500):
        before = parameter.value[0]
        parameter.grad[...] = 0.5
        optimizer.step()
        lengths.append((before - parameter.value[0]) / 1e-3)
    assert [round(lengths[step - 1], 1) for step in (1, 12, 100)] == [3.2, 6.6, 3.2]
    assert np.argmax(lengths) == 11 and lengths[-1] < 1.2


def test_a_window_without_the_answer_teaches_that_there_is_none():
    head = scrambled(museum.OutsideIsZero(6, dtype=np.float64))
    states, outside = random(4, 5, 6), np.full(4, 7)
    output, _ = head.forward(states, outside, outside)
    zero, _ = head.forward(states, np.zeros(4, int), np.zeros(4, int))
    assert output.loss == zero.loss and output.counts == {"start": 4, "end": 4}


def test_one_name_becomes_three():
    found = {name: EXHIBITS[name].check_value() for name in EXHIBITS if name in UNSEEN}
    assert found["labels-on-every-piece"].found == 3
    assert found["layers-off-by-one"].found == pytest.approx(0.64)
    assert found["no-bias-correction"].found == pytest.approx(6.57, abs=0.01)
    assert found["frozen-with-dropout"].found > 0.1
