"""The three verdicts, on code as everybody writes it: kinks, scales, hidden terms, other styles."""

import math

import numpy as np
import pytest

import minibert as mb
from minibert import cli
from minibert.gradcheck import GradientCheckError, check_directions, check_gradients
from minibert.layers import LayerNorm

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 5))
W = RNG.standard_normal((5, 3))
WITH_ZEROS = X.copy()
WITH_ZEROS[1, 2] = WITH_ZEROS[0] = 0.0


# --- small terms that complex numbers do not see ---


def penalised(size):
    def forward(w, x):
        return np.mean((x @ w) ** 2) + size * np.abs(w).sum(), (w, x)

    def right(d, cache):
        w, x = cache
        d_product = 2 * d * (x @ w) / (x @ w).size
        return x.T @ d_product + size * d * np.sign(w), d_product @ w.T

    def forgets(d, cache):
        w, x = cache
        d_product = 2 * d * (x @ w) / (x @ w).size
        return x.T @ d_product, d_product @ w.T

    return (forward, right), (forward, forgets)


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6, 1e-8])
def test_a_small_term_that_is_not_complex_safe(size):
    right, wrong = penalised(size)
    report = check_gradients(right, W, X)
    assert report.ok and [row.method for row in report.rows] == ["central", "complex"], str(report)
    report = check_gradients(wrong, W, X)
    assert report.verdict == "wrong" and report.first_wrong == "w"
    assert f"{size:.6g} times sign(w)" in report.diagnosis


# --- kinks and ties ---


def relu(x):
    return np.maximum(x, 0), x


def largest_of_rows(x):
    return x.max(axis=1), x


def largest_backward(d_y, x):
    return d_y[:, None] * (x == x.max(axis=1, keepdims=True))


def shared_backward(d_y, x):
    is_largest = x == x.max(axis=1, keepdims=True)
    return d_y[:, None] * is_largest / is_largest.sum(axis=1, keepdims=True)


def directions(x):
    norm = np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return x / norm, (x, norm)


def directions_backward(d_y, cache):
    x, norm = cache
    y = x / norm
    along = np.where(norm > 1e-12, (d_y * y).sum(axis=1, keepdims=True), 0.0)
    return (d_y - y * along) / norm


@pytest.mark.parametrize("layer, x", [
    ((relu, lambda d_y, x: d_y * (x > 0)), WITH_ZEROS),
    ((relu, lambda d_y, x: d_y * (x >= 0)), WITH_ZEROS),
    ((relu, lambda d_y, x: d_y * np.heaviside(x, 0.5)), WITH_ZEROS),
    ((largest_of_rows, largest_backward), np.round(X)),
    ((largest_of_rows, shared_backward), np.round(X)),
    ((lambda x: (np.abs(x), x), lambda d_y, x: d_y * np.sign(x)), WITH_ZEROS),
    ((directions, directions_backward), WITH_ZEROS),
])
def test_any_slope_between_the_two_sides_of_a_kink_is_right(layer, x):
    assert check_gradients(layer, x).verdict == "right"


@pytest.mark.parametrize("layer", [
    (relu, lambda d_y, x: d_y * np.heaviside(x, 1.1)),
    (relu, lambda d_y, x: d_y * np.heaviside(x, -0.1)),
    (relu, lambda d_y, x: d_y * (x > 0) * (1 + 1e-7)),
])
def test_outside_of_them_is_wrong(layer):
    assert check_gradients(layer, WITH_ZEROS).verdict == "wrong"


def test_a_jump_is_undecided():
    layer = (lambda x: ((x > 0) * 1.0 + x, x), lambda d_y, x: d_y)
    report = check_gradients(layer, np.array([0.0, 1.0]), method="central")
    assert report.verdict == "undecided" and not report.ok and "pass jumps" in str(report)


# --- scales ---


@pytest.mark.parametrize("x", [1e-6 * X, 1e6 * X, 1e4 + X, 1e8 + X])
def test_layer_norm_at_every_scale(x):
    assert check_gradients(LayerNorm(5), x).ok
    expected = "undecided" if x.mean() > 1e7 else "right"  # differences lose half of the digits, twice
    assert check_gradients(LayerNorm(5), x, method="central").verdict == expected


def test_tiny_gradients_of_the_wrong_sign():
    layer = (lambda x: (1e-12 * x * x, x), lambda d_y, x: -2e-12 * x * d_y)
    assert check_gradients(layer, X).verdict == "wrong"
    assert check_gradients(layer, X, method="central").verdict == "wrong"


def test_overflow_in_the_complex_plane_is_no_mistake():
    def forward(x):
        scale = 1e200 if np.iscomplexobj(x) else 1.0
        return (x * scale) * (x * scale) / scale / scale, x

    assert check_gradients((forward, lambda d_y, x: 2 * x * d_y), 1e120 * X).ok


def in_single_precision(x):
    out = np.empty(x.shape, dtype="f")
    out[...] = np.tanh(x)
    return out, x


def test_single_precision_inside():
    report = check_gradients((in_single_precision, lambda d_y, x: d_y * (1 - np.tanh(x) ** 2)), X)
    assert report.verdict == "undecided" and "`out` in in_single_precision is in single" in str(report)
    report = check_gradients((in_single_precision, lambda d_y, x: d_y * (1 - np.tanh(x))), X)
    assert report.verdict == "wrong"


def test_math_calls():
    def forward(x):
        y = np.zeros(x.shape)
        for place in np.ndindex(x.shape):
            y[place] = math.log(x[place])
        return y, x

    x = np.array([1e-6, 1.0, 1e6])
    assert check_gradients((forward, lambda d_y, x: d_y / x), x).ok
    assert check_gradients((forward, lambda d_y, x: d_y / (x + 1e-10)), x).verdict == "wrong"


# --- the styles of the field ---


class Object:
    def __init__(self, value):
        self.value, self.grad = value, np.zeros(value.shape)


class InContainers:
    """Parameters in a dict and in a tuple, and no parameters()."""

    factor = 1

    def __init__(self):
        self.held = {"w": Object(W.copy()), "rest": (Object(X[0, :3].copy()),)}

    def forward(self, x):
        return x @ self.held["w"].value + self.held["rest"][0].value, x

    def backward(self, d_y, x):
        self.held["w"].grad += self.factor * x.T @ d_y
        self.held["rest"][0].grad += d_y.sum(0)
        return d_y @ self.held["w"].value.T


class InLists:
    factor = 1

    def __init__(self):
        self.params, self.grads = [W.astype(np.float32)], [np.zeros((5, 3), np.float32)]

    def forward(self, x):
        (w,) = self.params
        self.x = x
        return x @ w

    def backward(self, dout):
        self.grads[0][...] = self.factor * self.x.T @ dout
        return dout @ self.params[0].T


class InDicts:
    factor = 1

    def __init__(self):
        self.parameters, self.gradients = {"W": W.copy()}, {"W": np.zeros(W.shape)}

    def forward(self, X):
        self.X = X
        return X @ self.parameters["W"]

    def backward(self, dLdy):
        self.gradients["W"] += self.factor * self.X.T @ dLdy
        return dLdy @ self.parameters["W"].T


class InAttributes:
    factor = 1

    def __init__(self):
        self.W = W.copy()

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.factor * self.x.T @ dout
        return dout @ self.W.T


class Integers(InContainers):
    def __init__(self):
        self.held = {"w": Object(np.arange(15).reshape(5, 3)), "rest": (Object(np.zeros(3)),)}


@pytest.mark.parametrize("made", [InContainers, InLists, InDicts, InAttributes, Integers])
def test_parameters_are_found(made):
    assert check_gradients(made(), X).ok
    layer = made()
    layer.factor = 3
    report = check_gradients(layer, X)
    assert report.verdict == "wrong" and report.first_wrong.lower().endswith(("w", "params.0"))
    assert "3 times too large" in report.diagnosis


@pytest.mark.parametrize("made", [InLists, InDicts, InAttributes])
def test_the_object_is_given_back_as_it_was(made):
    layer = made()
    before = {name: value for name, value in vars(layer).items()}
    arrays = [array for array in [*before.get("params", ()), before.get("W")] if array is not None]
    contents = [array.copy() for array in arrays]
    state = np.random.get_state()[1].copy()
    check_gradients(layer, X)
    assert vars(layer).keys() == before.keys() and all(vars(layer)[name] is before[name] for name in before)
    assert all(np.array_equal(now, then) for now, then in zip(arrays, contents))
    assert np.array_equal(np.random.get_state()[1], state)


def test_what_forward_reads_and_nobody_checks_is_named():
    class Unknown(InAttributes):
        def backward(self, dout):
            return dout @ self.W.T

    report = check_gradients(Unknown(), X)
    assert report.ok and any("W is read by forward, and nobody checks" in note for note in report.notes)


def test_dict_inputs_are_checked_entry_by_entry():
    def forward(pair):
        return pair["a"] * pair["b"], pair

    def backward(d_y, pair):
        return {"a": d_y * pair["b"], "b": 3 * d_y * pair["a"]}

    report = check_gradients((forward, backward), {"a": X, "b": X + 1})
    assert [(row.name, row.ok) for row in report.rows] == [("pair.a", True), ("pair.b", False)]


def test_a_layer_that_draws_from_its_own_generator_draws_the_same():
    class Dropout:
        def __init__(self):
            self.rng = np.random.default_rng(0)

        def forward(self, x):
            self.keep = self.rng.random(x.shape) < 0.5
            return x * self.keep

        def backward(self, dout):
            return dout * self.keep

    layer = Dropout()
    state = layer.rng.bit_generator.state
    assert check_gradients(layer, X).ok and layer.rng.bit_generator.state == state


# --- sentences ---


def square(x):
    return x * x, x


@pytest.mark.parametrize("layer, inputs, sentence", [
    ((square, lambda d_y: d_y), [X], "backward takes one argument (d_y): expected backward(d_y, cache)"),
    ((square, lambda d_y, x: {"x": d_y}), [X], "backward returned a dict (x): return the gradients"),
    ((square, lambda dh, dc, cache: dh), [X], "backward takes 3 arguments (dh, dc, cache)"),
    ((lambda x: (x, x), lambda dh, dc: dh), [X], "is taken for the cache"),
    (InDicts, [X], "InDicts is a class: make an instance, check_gradients(InDicts(...), ...)"),
    ((square, lambda d_y, x: d_y), [3.0], "to check it, pass np.array(x)"),
    ((lambda x, y: ((x - y).sum(), 0), lambda d_y, c: d_y), [X, X], "is given by keyword"),
])
def test_a_sentence_and_no_traceback(layer, inputs, sentence):
    with pytest.raises(GradientCheckError) as error:
        check_gradients(layer, *inputs)
    assert sentence in str(error.value)


def test_a_module_as_keyword_and_a_list_as_input():
    def forward(pair, xp=None):
        return xp.multiply(*pair), pair

    assert check_gradients((forward, lambda d_y, pair: [d_y * pair[1], d_y * pair[0]]), [X, X + 1], xp=np).ok


# --- steps ---


def test_a_step_that_is_masked_in_place_is_not_blamed():
    def forward(x, w, v):
        hidden = np.maximum(0, x @ w)
        return hidden @ v, (x, hidden, w, v)

    def backward(d_y, cache):
        x, hidden, w, v = cache
        dv = 2 * hidden.T @ d_y
        dhidden = d_y @ v.T
        dhidden[hidden <= 0] = 0
        return dhidden @ w.T, x.T @ dhidden, dv

    report = check_gradients((forward, backward), X, W, W[:3, :2])
    assert report.first_wrong == "v" and report.steps == []
    assert check_gradients((forward, backward), X, W, W[:3, :2], intermediates=True).first_wrong == "v"


@pytest.mark.parametrize("name", ["d_hidden", "dhidden", "grad_hidden", "dHidden", "hidden_grad"])
def test_names_of_the_field(name):
    code = f"def backward(d_y, hidden):\n    {name} = 2 * d_y\n    return {name} * (1 - hidden * hidden)"
    names = {}
    exec(compile(code, "names_of_the_field", "exec"), names)

    def forward(x):
        hidden = np.tanh(x)
        return hidden * 1.0, hidden

    assert check_gradients((forward, names["backward"]), X).first_wrong == name


def test_no_step_to_follow_is_said():
    report = check_gradients((square, lambda d_y, x: 3 * d_y * x), X)
    assert any("no step of backward could be followed" in note for note in report.notes)


# --- in a reader's own tests ---


def test_assert_gradients():
    mb.assert_gradients((square, lambda d_y, x: 2 * d_y * x), X)
    with pytest.raises(AssertionError, match="(?s)the gradients are wrong.*square: 1 of 1 gradients WRONG"):
        mb.assert_gradients((square, lambda d_y, x: 3 * d_y * x), X)


def test_directions_of_a_forward_that_is_not_complex_safe():
    right = (lambda x: (np.abs(x) ** 3, x), lambda d_y, x: 3 * d_y * x * np.abs(x))
    assert check_directions(right, X).ok
    wrong = (lambda x: (np.abs(x) ** 3, x), lambda d_y, x: 3.00001 * d_y * x * np.abs(x))
    assert not check_directions(wrong, X).ok


@pytest.mark.parametrize("share, verdict", [(0.0, False), (1.0, True), (1.01, False)])
@pytest.mark.parametrize("size", [1e-2, 1e-6])
def test_directions_of_a_small_term_that_is_not_complex_safe(size, share, verdict):
    """A penalty whose gradient is forgotten: the complex step does not see it, and agrees."""

    def forward(w, x):
        return np.mean((x @ w) ** 2) + size * np.abs(w).sum(), (w, x)

    def backward(d_loss, cache):
        w, x = cache
        d_product = 2 * d_loss * (x @ w) / (x @ w).size
        return x.T @ d_product + share * d_loss * size * np.sign(w), d_product @ w.T

    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((5, 3)), rng.standard_normal((8, 5))
    report = check_directions((forward, backward), *inputs)
    assert report.ok == verdict, report
    report = check_directions((forward, backward), *inputs, per_tensor=True)
    assert report.ok == verdict and report.guilty == ([] if verdict else ["w"]), report
    if share != 1.01:
        assert report.decided == ["w"] and "real differences have decided for w" in str(report)
        assert check_directions((forward, backward), *inputs, real_differences=False).ok != verdict


def test_directions_of_a_forward_that_stops_with_complex_numbers():
    def forward(x):
        return np.array([math.tanh(entry) for entry in x]), x

    x = np.random.default_rng(0).standard_normal(5)
    for factor in (1, 1.001):
        backward = lambda d_y, x, factor=factor: factor * d_y * (1 - np.tanh(x) ** 2)  # noqa: E731
        assert check_directions((forward, backward), x).ok == (factor == 1)
        assert check_directions((forward, backward), x, per_tensor=True).ok == (factor == 1)


# --- a file of one's own ---

FILE = """
import numpy as np

class Dense:
    def __init__(self):
        self.W = np.arange(12.0).reshape(4, 3) - 5

    def forward(self, x):
        self.x = x
        return np.tanh(0.1 * x @ self.W)

    def backward(self, d_y):
        y = np.tanh(0.1 * self.x @ self.W)
        d_product = 0.1 * d_y * (1 - y * y)
        self.dW = {factor} * self.x.T @ d_product
        return d_product @ self.W.T

def square_forward(x):
    return {forward}, x

def square_backward(d_y, x):
    return 2 * x * d_y

inputs = (np.linspace(-1, 2, 8).reshape(2, 4),)
"""


SIZED = """
class Sized:
    def __init__(self, size):
        self.size = size

    def forward(self, x):
        return self.size * x

    def backward(self, d_y):
        return self.size * d_y
"""


@pytest.mark.parametrize("factor, forward, code, words", [
    (1, "x * x", 0, "square_forward: all 1 gradients right"),
    (3, "x * x", 1, "3 times too large"),
    (1, "x * x * np.random.rand()", 3, "forward is not deterministic"),
])
def test_a_file_of_ones_own(tmp_path, capfd, factor, forward, code, words):
    path = tmp_path / "my_layer.py"
    path.write_text(FILE.format(factor=factor, forward=forward), encoding="utf-8")
    assert cli.main(["gradcheck", str(path)]) == code
    output = capfd.readouterr().out
    assert words in " ".join(output.split()) and output.index("Dense\n") < output.index("square\n")


def test_a_file_that_is_not_there(capfd):
    assert cli.main(["gradcheck", "nowhere/my_layer.py"]) == 2
    assert "nowhere/my_layer.py does not exist: give a Python file" in capfd.readouterr().err


def test_a_class_that_nobody_made_is_named(tmp_path, capfd):
    path = tmp_path / "my_layer.py"
    path.write_text(FILE.format(factor=1, forward="x * x") + SIZED, encoding="utf-8")
    assert cli.main(["gradcheck", str(path)]) == 0
    advice = "Sized (make one in the file, as in layer = Sized(...))"
    assert capfd.readouterr().out.endswith(f"cannot be made without arguments: {advice}\n")
    path.write_text(path.read_text(encoding="utf-8") + "layer = Sized(3)", encoding="utf-8")
    assert cli.main(["gradcheck", str(path)]) == 0
    assert "Not checked" not in capfd.readouterr().out


@pytest.mark.parametrize("text, words", [
    ("x = 3", "has no layer"), (SIZED, "as in layer = Sized(...)"),
    (FILE.partition("inputs =")[0].format(factor=1, forward="x"), "does not say"),
])
def test_a_file_that_cannot_be_checked(tmp_path, capfd, text, words):
    path = tmp_path / "my_layer.py"
    path.write_text(text, encoding="utf-8")
    assert cli.main(["gradcheck", str(path)]) == 2 and words in capfd.readouterr().err
