"""The diagnosis: every pattern is planted, alone and in a layer, and must be told from all the others."""

import math

import numpy as np
import pytest

from minibert.gradcheck import check_gradients, diagnose, known_layers
from minibert.gradcheck.diagnosis import PATTERNS
from minibert.gradcheck.evidence import Case, differs
from minibert.layers import CrossEntropy, Embedding, LayerNorm, Linear, MultiHeadAttention

RNG = np.random.default_rng(0)
B, T, H, V = 2, 3, 5, 7
GRADIENT = RNG.standard_normal((B, T, H))
SQUARE = RNG.standard_normal((4, 4))
OTHER = RNG.standard_normal((B, T, H))
GAMMA = RNG.uniform(0.5, 2, H)
TABLE = RNG.standard_normal((V, H))
IDS = np.array([[1, 2, 3], [1, 4, 1]])
LABELS = np.array([[1, -100, 3], [-100, -100, 1]])
MASK = np.array([[True, True, False], [True, False, False]])
SCORES = RNG.standard_normal((4, B, T))
PROBS = np.exp(RNG.standard_normal((B, T, H)))
PROBS /= PROBS.sum(-1, keepdims=True)
PRODUCT = PROBS * OTHER
FOUR = RNG.standard_normal((3, 4))
LAST_OF_EACH, SUM_OF_EACH = np.zeros((V, H)), np.zeros((V, H))
LAST_OF_EACH[IDS] = GRADIENT
np.add.at(SUM_OF_EACH, IDS, GRADIENT)
NUMBERS = {"axis 0 of x": B, "axis 1 of x": T, "axis 2 of x": H, "head_size": 11, "p": 0.1}


def with_entry(gradient, value):
    changed = gradient.copy()
    changed[1, 2, 3] = value
    return changed


def only_rows(table, rows):
    """Return the table with zeros outside some of its rows."""
    kept = np.zeros_like(table)
    kept[rows] = table[rows]
    return kept


def without_mean(x):
    return x - x.mean(-1, keepdims=True)


def along(x, coefficients):
    """Return something proportional, row by row, to x less its mean."""
    return coefficients * without_mean(x)


def true_only_for_gamma(name):
    return name == "gamma"


# pattern, analytic, numeric, what else is known, words in the sentence
PLANTED = [
    ("not finite", with_entry(GRADIENT, np.nan), GRADIENT, {},
     "1 of 30 entries are NaN or Inf, the first at (1, 2, 3)"),
    ("wrong shape", SQUARE[:3].T, SQUARE[:3], {}, "It is transposed"),
    ("wrong shape", GRADIENT, GRADIENT.sum((0, 1)), {}, "Sum it over the first 2 axes"),
    ("wrong shape", GRADIENT.reshape(6, 5), GRADIENT, {}, "The numbers are right: reshape it"),
    ("wrong shape", GRADIENT[0], GRADIENT, {}, "it has shape (3, 5), the tensor has shape (2, 3, 5)"),
    ("exactly zero", 0 * GRADIENT, GRADIENT, {}, "exactly zero"),
    ("overwritten", OTHER, GRADIENT, {"overwritten": True}, "overwritten instead of added"),
    ("single precision", GRADIENT * (1 + 1e-8), GRADIENT, {}, "right to 8 digits"),
    ("wrong sign", -GRADIENT, GRADIENT, {}, "wrong sign"),
    ("constant factor", 2 * GRADIENT, GRADIENT, {}, "2 times too large"),
    ("constant factor", GRADIENT / 2, GRADIENT, {}, "0.5 times what it should be"),
    ("constant factor", -GRADIENT / T, GRADIENT, {"numbers": NUMBERS},
     "-0.333333 times what it should be = -1/3 (3 is axis 1 of x or axis 1 of tensor)"),
    ("constant factor", GRADIENT / 2, GRADIENT, {"numbers": {"axis 0 of x": 2}},
     "= 1/2 (2 is axis 0 of x or axis 0 of tensor, or it is the 2 of a square)"),
    ("constant factor", GRADIENT / (B * T), GRADIENT, {"numbers": NUMBERS},
     "= 1/(2*3) (2 is axis 0 of x or axis 0 of tensor, 3 is axis 1 of x"),
    ("constant factor", GRADIENT * math.sqrt(11), GRADIENT, {"numbers": NUMBERS},
     "sqrt(11) (11 is head_size)"),
    ("constant factor", GRADIENT / math.sqrt(11), GRADIENT, {"numbers": NUMBERS},
     "1/sqrt(11) (11 is head_size)"),
    ("constant factor", GRADIENT * 11, GRADIENT, {"numbers": NUMBERS},
     "11 times too large = 11 (11 is head_size)"),
    ("constant factor", GRADIENT / T**2, GRADIENT, {"numbers": NUMBERS}, "1/3^2"),
    ("constant factor", GRADIENT * T**2, GRADIENT, {"numbers": NUMBERS}, " = 3^2"),
    ("constant factor", GRADIENT * T / H, GRADIENT, {"numbers": NUMBERS}, " = (3/5)"),
    ("constant factor", GRADIENT * 0.9, GRADIENT, {"numbers": NUMBERS}, "(1 - 0.1) (0.1 is p)"),
    ("constant factor", GRADIENT * 0.123, GRADIENT, {"numbers": NUMBERS},
     "it is 0.123 times what it should be."),
    ("transposed", SQUARE.T, SQUARE, {}, "transposed gradient: a .T"),
    ("transposed", GRADIENT[:, :, :3].swapaxes(1, 2), GRADIENT[:, :, :3], {}, "(axes (0, 2, 1))"),
    ("gain missing", GRADIENT / GAMMA, GRADIENT, {"values": {"gamma": GAMMA}}, "the factor gamma is missing"),
    ("gain missing", GRADIENT * GAMMA, GRADIENT, {"values": {"gamma": GAMMA}},
     "multiplied by gamma once too often"),
    ("term missing", GRADIENT - OTHER, GRADIENT, {"steps": {"d_sum": OTHER}},
     "a term is missing, and it is equal to the gradient of d_sum"),
    ("term missing", GRADIENT - OTHER, GRADIENT, {"others": {"z": OTHER}}, "equal to the gradient of z"),
    ("term missing", GRADIENT + OTHER, GRADIENT, {"others": {"z": OTHER}},
     "once too often: the gradient of z"),
    ("term missing", GRADIENT - 2 * OTHER, GRADIENT, {"others": {"z": OTHER}},
     "the gradient of z, is subtracted and should be added"),
    ("term missing", GRADIENT - 0.75 * OTHER, GRADIENT, {"others": {"z": OTHER}}, "is counted 0.25 times"),
    ("another's gradient", OTHER, GRADIENT, {"others": {"z": OTHER}}, "it is the gradient of z"),
    ("another's gradient", SQUARE[:3].T, SQUARE[:, 1:], {"others": {"z": SQUARE[:3]}},
     "the gradient of z, transposed"),
    ("passed on", OTHER, GRADIENT, {"steps": {"d_y": OTHER}}, "the gradient of d_y and nothing else"),
    ("number for gradient", GRADIENT - OTHER + 1, GRADIENT, {"steps": {"d_sum": OTHER}},
     "the number 1 is used where the gradient of d_sum belongs"),
    ("term exchanged", GRADIENT + OTHER - OTHER[::-1], GRADIENT,
     {"steps": {"d_y": OTHER, "d_sum": OTHER[::-1]}},
     "one term of it is the gradient of d_y, where that of d_sum belongs"),
    ("product transposed", OTHER[..., :4] @ SQUARE, OTHER[..., :4] @ SQUARE.T,
     {"steps": {"d_y": OTHER[..., :4]}, "values": {"w": SQUARE}},
     "the gradient of d_y times w, and should be times its transpose"),
    ("reshaped", GRADIENT.swapaxes(1, 2).reshape(B, T, H), GRADIENT, {},
     "a reshape where a transpose is needed"),
    ("added constant", GRADIENT + 1, GRADIENT, {}, "1 is added to every entry"),
    ("share missing", only_rows(TABLE, [1, 2, 3, 4]), TABLE + 1, {"values": {"ids": IDS}},
     "only the rows looked up by ids"),
    ("share missing", TABLE, TABLE + only_rows(TABLE * TABLE, [1, 2, 3, 4]), {"values": {"ids": IDS}},
     "the share of the lookup"),
    ("repeated ids", LAST_OF_EACH, SUM_OF_EACH, {"values": {"ids": IDS}, "steps": {"d_y": GRADIENT}},
     "those of repeated ids are not (1)"),
    ("repeated ids", LAST_OF_EACH.T, SUM_OF_EACH.T,
     {"values": {"ids": IDS}, "steps": {"d_y": np.moveaxis(GRADIENT, -1, 0)}}, "`grad[:, ids] += d`"),
    ("no gradient expected", GRADIENT, 0 * GRADIENT, {}, "straight-through"),
    ("penalty missing", GRADIENT, GRADIENT + 0.2 * OTHER, {"values": {"tensor": OTHER}},
     "0.2 times tensor, as a penalty"),
    ("penalty missing", GRADIENT, GRADIENT + 1e-8 * np.sign(OTHER), {"values": {"tensor": OTHER}},
     "1e-08 times sign(tensor)"),
    ("wrong sign", -OTHER, OTHER, {"values": {"tensor": OTHER}}, "wrong sign"),  # a quadratic loss
    ("constant factor", 2 * OTHER, OTHER, {"values": {"tensor": OTHER}}, "2 times too large"),
    ("constant factor", GRADIENT / 3, GRADIENT,
     {"numbers": {"axis 1 of x": 3, "axis 0 of z": 3, "num_layers": 3}}, "3 is num_layers or axis 1 of x"),
    *[("softmax", wrong, PRODUCT - PROBS * PRODUCT.sum(-1, keepdims=True),
       {"values": {"probs": PROBS}, "steps": {"d_probs": OTHER}}, words) for wrong, words in [
        (PRODUCT, "the sum is left out"), (PRODUCT * (1 - PROBS), "only the diagonal"),
        (PRODUCT - PROBS * OTHER.sum(-1, keepdims=True), "in the sum, the factor p is missing"),
        (PRODUCT - PROBS * PRODUCT.mean(-1, keepdims=True), "a mean is taken"),
        (OTHER - PRODUCT.sum(-1, keepdims=True), "the first factor p"),
        (PRODUCT + PROBS * PRODUCT.sum(-1, keepdims=True), "added instead of subtracted")]],
    ("derivative missing", GRADIENT, GRADIENT * (1 - OTHER * OTHER), {"values": {"y": OTHER}}, "of tanh"),
    ("derivative missing", GRADIENT, GRADIENT * (1 - PROBS), {"values": {"p": PROBS}},
     "factor 1 - p is missing"),
    ("reordered", GRADIENT[:, :, ::-1], GRADIENT, {}, "flipped along axis 2"),
    ("reordered", np.roll(FOUR, 2, axis=1), FOUR, {}, "2 blocks along axis 1 are in the wrong order, [1, 0]"),
    ("constant factor", GRADIENT / 4, GRADIENT, {"numbers": {"axis 0 of q": 2, "axis 1 of k": 4}},
     "= 1/4 (4 is axis 1 of k)"),
    ("masked positions", GRADIENT, GRADIENT * MASK[..., None], {"values": {"mask": MASK}},
     "only at the positions that mask masks"),
    ("masked positions", GRADIENT, GRADIENT * (LABELS >= 0)[..., None], {"values": {"labels": LABELS}},
     "that labels masks"),
    ("masked positions", GRADIENT.reshape(6, 5), (GRADIENT * MASK[..., None]).reshape(6, 5),
     {"values": {"mask": MASK}},
     "mask masks"),
    ("masked positions", SCORES, SCORES * MASK, {"values": {"mask": MASK}},
     "mask masks"),
    ("summed over an axis", np.broadcast_to(GRADIENT.sum(1, keepdims=True), GRADIENT.shape), GRADIENT, {},
     "summed over axis 1 (size 3)"),
    ("summed over an axis", np.broadcast_to(GRADIENT.mean(2, keepdims=True), GRADIENT.shape), GRADIENT, {},
     "averaged over axis 2 (size 5)"),
    ("mean term missing", GRADIENT, without_mean(GRADIENT), {}, "sums to zero along axis 2"),
    ("variance term missing", GRADIENT + along(OTHER, GRADIENT[..., :1]), GRADIENT, {"values": {"x": OTHER}},
     "proportional, row by row, to x"),
    ("right only at gain 1", OTHER, GRADIENT, {"values": {"gamma": GAMMA}, "with_ones": true_only_for_gamma},
     "right when gamma is all ones"),
    ("not recognised", OTHER, GRADIENT, {}, "30 of 30 entries are wrong, the worst at"),
]


@pytest.mark.parametrize("pattern, analytic, numeric, known, words", PLANTED)
def test_planted(pattern, analytic, numeric, known, words):
    found = diagnose("tensor", analytic, numeric, **known)
    assert found.pattern == pattern and words in found.sentence, found
    assert found.sentence.isascii() and found.sentence[-1] in ".:)"


def test_every_pattern_is_planted():
    """Those of known_layers.py are planted in layers, in test_known_layers.py."""
    own = {pattern for pattern, find in PATTERNS if find.__module__ != known_layers.__name__}
    assert own == {pattern for pattern, *_ in PLANTED} - {"not recognised"}


@pytest.mark.parametrize("seed", range(5))
def test_random_errors_are_not_given_a_reason(seed):
    """Everything is known, nothing fits: the diagnosis must not invent."""
    rng = np.random.default_rng(seed)
    numeric = rng.standard_normal((V, H))
    known = {"others": {"z": rng.standard_normal((V, H)), "w": rng.standard_normal((H, V))},
             "steps": {"d_y": rng.standard_normal((V, H))},
             "values": {"ids": IDS, "labels": LABELS, "gamma": GAMMA, "x": rng.standard_normal((V, H))},
             "numbers": NUMBERS}
    analytic = numeric + 0.1 * rng.standard_normal((V, H))
    found = diagnose("tensor", analytic, numeric, **known)
    assert found.pattern == "not recognised"
    worst = np.unravel_index(np.abs(analytic - numeric).argmax(), numeric.shape)
    assert str(tuple(map(int, worst))) in found.sentence
    assert f"{analytic[worst]:.6g}" in found.sentence and f"{numeric[worst]:.6g}" in found.sentence


@pytest.mark.parametrize("values", [
    {"ids": np.array([1, 1, 2, 2])}, {"mask": np.ones((V, 1), bool)}, {"mask": np.zeros((V, 1), bool)},
])
def test_what_tells_nothing_apart_is_no_reason(values):
    """Every looked-up id repeats, the mask masks nothing or all: neither can be told to be the cause."""
    found = diagnose("tensor", only_rows(TABLE * TABLE, [1, 2]), only_rows(TABLE, [1, 2]), values=values)
    assert found.pattern == "not recognised"


def test_only_gains_of_the_same_layer_are_set_to_one():
    asked = []
    values = {"norm.gamma": GAMMA, "other.gamma": GAMMA, "norm.ids": np.array([1, 2]), "norm.weight": SQUARE,
              "norm.ones": np.ones(3), "norm.d_x": GAMMA}
    found = diagnose("norm.d_x", OTHER, GRADIENT, values=values, with_ones=asked.append)
    assert found.pattern == "not recognised"
    assert asked == ["norm.gamma"]


def test_one_wrong_entry_is_located():
    found = diagnose("tensor", with_entry(GRADIENT, 9.0), GRADIENT)
    assert "1 of 30 entries are wrong, the worst at (1, 2, 3): backward says 9" in found.sentence


def test_differs_ignores_rounding():
    for size in (1e-6, 1.0, 1e6):
        case = Case("tensor", size * GRADIENT * (1 + 1e-9), size * GRADIENT, {}, {}, {}, {}, False, None)
        assert not differs(case).any() and differs(case._replace(analytic=1.001 * case.analytic)).all()
    case = Case("tensor", with_entry(GRADIENT, 9.0), GRADIENT, {}, {}, {}, {}, False, None)
    assert differs(case).sum() == 1


# --- in layers: the whole way from a mistake to its sentence ---


def check(layer, *inputs, **kwargs):
    """Give every parameter values of order 1 and return the report."""
    rng = np.random.default_rng(1)
    for parameter in layer.parameters().values():
        shape = parameter.value.shape
        parameter.value = rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape)
    report = check_gradients(layer, *inputs, **kwargs)
    assert not report.ok
    wrong = {row.name: row.note for row in report.rows + report.steps if not row.ok}
    return report, wrong


class MeanOfRows(Linear):
    """The weight's gradient is averaged over the rows."""

    def backward(self, d_y, cache):
        d_x = super().backward(d_y, cache)
        self.weight.grad /= cache.x.shape[0] * cache.x.shape[1]
        return d_x


def test_mean_instead_of_sum():
    report, wrong = check(MeanOfRows(5, 4), RNG.standard_normal((7, 3, 5)))
    assert "weight" in wrong and wrong["weight"] == "constant factor"
    assert "1/(7*3) (7 is axis 0 of x" in report.diagnosis


class WeightNotTransposed(Linear):
    def backward(self, d_y, cache):
        super().backward(d_y, cache)
        d_x = d_y @ self.weight.value
        return d_x


def test_weight_not_transposed():
    report, wrong = check(WeightNotTransposed(5, 5), RNG.standard_normal((2, 3, 5)))
    assert wrong == {"x": "product transposed"}


class WithoutScale(MultiHeadAttention):
    """1/sqrt(D) is forgotten on the way to the query."""

    def backward(self, d_output, cache):
        query, key, value, probs = cache.query_heads, cache.key_heads, cache.value_heads, cache.probs
        d_rows = self._split_heads(self.output.backward(d_output, cache.output))
        d_probs = d_rows @ value.swapaxes(-1, -2)
        d_scores = probs * (d_probs - (probs * d_probs).sum(-1, keepdims=True))
        d_query_heads = self.scaled_query(d_scores @ key, query)
        d_key_heads = self.key_product(d_scores, query) / math.sqrt(query.shape[-1])
        d_value_heads = probs.swapaxes(-1, -2) @ d_rows
        return (
            self.query.backward(self._join_heads(d_query_heads), cache.query)
            + self.key.backward(self._join_heads(d_key_heads), cache.key)
            + self.value.backward(self._join_heads(d_value_heads), cache.value)
        )

    def scaled_query(self, product, query):
        return product

    def key_product(self, d_scores, query):
        return d_scores.swapaxes(-1, -2) @ query


class KeyReshaped(WithoutScale):
    """The first mistake of FACTS.md: Qᵀ·dS reshaped to fit, instead of dSᵀ·Q."""

    def scaled_query(self, product, query):
        return product / math.sqrt(query.shape[-1])

    def key_product(self, d_scores, query):
        return (query.swapaxes(-1, -2) @ d_scores).reshape(query.shape)


def test_attention_without_its_scale():
    report, wrong = check(WithoutScale(22, 2), RNG.standard_normal((3, 5, 22)), max_entries=40)
    assert report.first_wrong == "d_query_heads"
    assert "sqrt(11) (11 is axis 3 of d_query_heads)" in report.diagnosis


def test_attention_with_its_key_gradient_reshaped():
    report, wrong = check(KeyReshaped(6, 2), RNG.standard_normal((4, 5, 6)))
    assert report.first_wrong == "d_key_heads" and wrong["d_key_heads"] == "reshaped"
    assert set(wrong) == {"d_key_heads", "key.weight", "key.bias", "query_input"}


class WithoutGamma(LayerNorm):
    """gamma is forgotten, and no step has a name that would show where."""

    def backward(self, d_y, cache):
        normalized, inverse_std = cache.normalized, cache.inverse_std
        self.gamma.grad += (d_y * normalized).sum((0, 1))
        self.beta.grad += d_y.sum((0, 1))
        along_normalized = (d_y * normalized).mean(-1, keepdims=True)
        return inverse_std * (d_y - d_y.mean(-1, keepdims=True) - normalized * along_normalized)


class WithoutVariance(LayerNorm):
    def backward(self, d_y, cache):
        normalized, inverse_std = cache.normalized, cache.inverse_std
        self.gamma.grad += (d_y * normalized).sum((0, 1))
        self.beta.grad += d_y.sum((0, 1))
        d_normalized = d_y * self.gamma.value
        return inverse_std * (d_normalized - d_normalized.mean(-1, keepdims=True))


class WithoutMean(WithoutVariance):
    def backward(self, d_y, cache):
        normalized, inverse_std = cache.normalized, cache.inverse_std
        super().backward(d_y, cache)
        d_normalized = d_y * self.gamma.value
        return inverse_std * (d_normalized - normalized * (d_normalized * normalized).mean(-1, keepdims=True))


@pytest.mark.parametrize("layer, pattern", [
    (WithoutGamma, "right only at gain 1"),
    (WithoutVariance, "variance term missing"),
    (WithoutMean, "mean term missing"),
])
def test_layer_norm(layer, pattern):
    report, wrong = check(layer(6), RNG.standard_normal((2, 3, 6)))
    assert wrong == {"x": pattern}


def test_layer_norm_without_gamma_passes_where_gamma_is_one():
    """Why the mistake hides: a check at the initial values sees nothing."""
    assert check_gradients(WithoutGamma(6), RNG.standard_normal((2, 3, 6))).ok


class KeepsOneOfSeveral(Embedding):
    def backward(self, d_y, cache):
        self.weight.grad[cache.ids] += d_y


def test_repeated_ids():
    report, wrong = check(KeepsOneOfSeveral(9, 4), np.array([[1, 5, 5], [7, 1, 0]]))
    assert wrong == {"weight": "repeated ids"} and "(1, 5)" in report.diagnosis


class CountsIgnored(CrossEntropy):
    """The loss is averaged over all rows, and over the counted ones in forward."""

    def backward(self, d_loss, cache):
        d_logits, _ = super().backward(d_loss, cache)
        counted = np.count_nonzero(cache.labels >= 0)
        return d_logits * counted / cache.labels.size, None


class IgnoresIgnored(CrossEntropy):
    """The rows without label receive a gradient."""

    def backward(self, d_loss, cache):
        d_logits, _ = super().backward(d_loss, cache)
        rows = (cache.probs / cache.labels.size).reshape(d_logits.shape)
        return np.where(cache.labels[..., None] < 0, rows, d_logits), None


def test_cross_entropy():
    logits = RNG.standard_normal((3, 4, 5))
    labels = np.array([[1, -100, 4, 0], [-100, 2, 2, -100], [3, 1, -100, 1]])
    report, wrong = check(CountsIgnored(), logits, labels)
    assert wrong == {"logits": "constant factor"} and "0.666667" in report.diagnosis
    report, wrong = check(IgnoresIgnored(), logits, labels)
    assert wrong == {"logits": "masked positions"}


class Residual:
    """y = x + tanh(x w), with one of the two paths missing in backward."""

    def __init__(self, mistake):
        self.linear = Linear(4, 4)
        self.mistake = mistake

    def parameters(self):
        return self.linear.parameters()

    def forward(self, x):
        product, cache = self.linear.forward(x)
        branch = np.tanh(product)
        total = x + branch
        return total * 1.0, (cache, branch)

    def backward(self, d_y, cache):
        linear_cache, branch = cache
        d_total = d_y * 1.0
        d_product = d_total * (1 - branch * branch)
        d_x_by_branch = self.linear.backward(d_product, linear_cache)
        if self.mistake == "no skip path":
            return d_x_by_branch
        if self.mistake == "one":
            return d_x_by_branch + 1
        return d_total


@pytest.mark.parametrize("mistake, pattern", [
    ("no skip path", "term missing"), ("one", "number for gradient"), ("no branch", "term missing"),
])
def test_skip_paths(mistake, pattern):
    report, wrong = check(Residual(mistake), RNG.standard_normal((2, 3, 4)))
    assert wrong == {"x": pattern}, str(report)


def tanh(x):
    return np.tanh(x), x


def tanh_forgotten(d_y, x):
    return d_y


def test_a_derivative_that_is_left_out():
    report = check_gradients((tanh, tanh_forgotten), RNG.standard_normal((2, 3)))
    assert report.rows[0].note == "passed on"
    assert "the gradient of the output and nothing else" in report.diagnosis


class Tied:
    """logits = tanh(E[ids]) Eᵀ: the table is used twice; one of its shares may be forgotten."""

    def __init__(self, forgotten):
        self.embedding = Embedding(8, 3)
        self.forgotten = forgotten

    def parameters(self):
        return self.embedding.parameters()

    def forward(self, ids):
        vectors, cache = self.embedding.forward(ids)
        states = np.tanh(vectors)
        return states @ self.embedding.weight.value.T, (cache, states)

    def backward(self, d_logits, cache):
        embedding_cache, states = cache
        if self.forgotten != "head":
            self.embedding.weight.grad += d_logits.reshape(-1, 8).T @ states.reshape(-1, 3)
        if self.forgotten != "lookup":
            d_states = d_logits @ self.embedding.weight.value
            self.embedding.backward(d_states * (1 - states * states), embedding_cache)


@pytest.mark.parametrize("forgotten, words", [
    ("head", "the other use of this table"), ("lookup", "the share of the lookup"),
])
def test_tied_weights(forgotten, words):
    report, wrong = check(Tied(forgotten), np.array([[1, 2, 6], [3, 1, 1]]))
    assert wrong == {"weight": "share missing"} and words in report.diagnosis


def test_downstream_errors_are_not_explained_away():
    """Only the first wrong gradient is called not recognised: the others follow from it."""

    class SignOfOneTerm(Residual):
        def backward(self, d_y, cache):
            linear_cache, branch = cache
            d_product = d_y * (1 + branch * branch)
            return d_y + self.linear.backward(d_product, linear_cache)

    report, wrong = check(SignOfOneTerm(""), RNG.standard_normal((2, 3, 4)))
    assert report.first_wrong == "d_product"
    assert wrong == {"d_product": "not recognised", "x": "", "weight": "", "bias": ""}
