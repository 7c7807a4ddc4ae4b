"""AdamW, Muon, several optimizers as one, and gradient clipping."""

import math

import numpy as np

BLOCK = 65536  # elements worked on at a time, so that the passes over them run within the processor's cache


class AdamW:
    """Adam with decoupled weight decay.

    (Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2.)

        m ← β₁ m + (1 − β₁) g            v ← β₂ v + (1 − β₂) g²
        m̂ = m / (1 − β₁ᵗ)                v̂ = v / (1 − β₂ᵗ)
        θ ← θ − lr · (m̂ / (√v̂ + eps) + weight_decay · θ)

    Weights (two or more axes) decay; biases and LayerNorm's gain and bias (one axis) do not, as in BERT.

    Args:
        parameters: {name: Parameter}, as model.parameters() returns them; written in place.
        lr: learning rate; may be set anew before every step.
        betas, eps, weight_decay: as in the formula (BERT: eps 1e-6, weight_decay 0.01).
        correct_bias: False leaves out the two divisions by 1 − βᵗ, as BERT's reference code does.
    """

    def __init__(
        self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01, correct_bias=True
    ):
        self.parameters = parameters
        self.lr, self.betas, self.eps = lr, betas, eps
        self.weight_decay, self.correct_bias = weight_decay, correct_bias
        self.num_steps = 0
        self.first_moment = {name: np.zeros_like(p.value) for name, p in parameters.items()}
        self.second_moment = {name: np.zeros_like(p.value) for name, p in parameters.items()}

    def step(self, map=map):
        """Update every parameter from its gradient, in place.

        Args:
            map: applies a function to every item, as Python's own does; a ThreadPoolExecutor's hands the
                parameters out to its threads.
        """
        self.num_steps += 1
        for _ in map(self._update, self.parameters):
            pass  # a pool's map waits here, and raises what its threads raised

    def _update(self, name):
        """Update the parameter of that name from its gradient."""
        parameter, (beta1, beta2) = self.parameters[name], self.betas
        first_correction = 1 - beta1**self.num_steps if self.correct_bias else 1.0
        second_correction = 1 - beta2**self.num_steps if self.correct_bias else 1.0
        root = math.sqrt(second_correction)                    # √v̂ + eps = (√v + eps · root) / root
        weight_decay = self.weight_decay if parameter.value.ndim > 1 else 0.0
        arrays = (parameter.value, parameter.grad, self.first_moment[name], self.second_moment[name])
        for value, grad, first, second in _blocks(*arrays):
            first *= beta1
            first += (1 - beta1) * grad
            square = grad * grad
            square *= 1 - beta2
            second *= beta2
            second += square
            update = np.sqrt(second, out=square)
            del square  # its memory now holds update
            update += self.eps * root
            np.divide(first, update, out=update)
            update *= self.lr * root / first_correction
            if weight_decay:
                value *= 1 - self.lr * weight_decay
            value -= update

    def state_dict(self):
        """Return {name: array} of everything that step() remembers."""
        state = {"num_steps": np.array(self.num_steps)}
        for name in self.parameters:
            state[f"first_moment.{name}"] = self.first_moment[name]
            state[f"second_moment.{name}"] = self.second_moment[name]
        return state

    def load_state_dict(self, state):
        """Take over what state_dict() of an optimizer of the same parameters returned."""
        self.num_steps = int(state["num_steps"])
        for name in self.parameters:
            self.first_moment[name][...] = state[f"first_moment.{name}"]
            self.second_moment[name][...] = state[f"second_moment.{name}"]


class Muon:
    """Momentum, orthogonalised: a step is as long in every direction.

    (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/.)

        m ← μ m + g
        O = orthogonalised(g + μ m)                     g + μ m is Nesterov's look ahead
        θ ← (1 − lr · weight_decay) θ − lr · √max(1, out/in) · O

    Why: a layer with θ (in, out) takes x to x θ. Of all changes D of θ that change no output by more than
    the length of its input, ‖x D‖ ≤ ‖x‖, which one goes furthest along G = g + μ m? Maximise
    ⟨G, D⟩ = Σ_ij G_ij D_ij where no singular value of D is above 1. With G = U Σ Vᵀ (thin: U (in, r),
    Σ (r, r), V (out, r)),

        ⟨G, D⟩ = tr(Gᵀ D) = tr(V Σ Uᵀ D) = Σ_i σ_i (u_iᵀ D v_i) ≤ Σ_i σ_i        because |u_iᵀ D v_i| ≤ 1

    and D = U Vᵀ reaches it: G with every singular value set to 1 (Bernstein & Newhouse 2024, "Old Optimizer,
    New Norm"). So the many directions in which G is small are stepped by as much as the few in which it is
    large.

    The factor: where out > in, U Vᵀ keeps the length of x and spreads it over more entries, which makes them
    √(in/out) times as large; √(out/in) gives them their size back. Other programs keep a weight as
    (out, in), and write the same factor as √max(1, rows/columns).

    Momentum as an average, m ← μ m + (1 − μ) g and O of (1 − μ) g + μ m, is the same times 1 − μ, and O has
    forgotten the size of what it is made from.

    It is made for the weights of hidden linear layers, one matrix a parameter. Weights into or out of heads,
    (H, A, D), are the matrix (H, A·D). Embeddings, the rows of which are looked up one by one, output layers,
    biases and gains are for AdamW.

    Args:
        parameters: {name: Parameter} of matrices; written in place.
        lr: learning rate; may be set anew before every step.
        momentum, weight_decay: μ and weight_decay as in the formula.

    Raises:
        ValueError: a parameter is neither a matrix nor has three axes.
    """

    def __init__(self, parameters, lr=0.02, momentum=0.95, weight_decay=0.0):
        for name, parameter in parameters.items():
            if parameter.value.ndim not in (2, 3):
                raise ValueError(
                    f"Muon steps matrices, got {name} of shape {parameter.value.shape}: "
                    "give it to another optimizer, such as AdamW"
                )
        self.parameters = parameters
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.gradient_sum = {name: np.zeros_like(p.value) for name, p in parameters.items()}

    def step(self, map=map):
        """Update every parameter from its gradient, in place; `map` as in AdamW.step."""
        for _ in map(self._update, self.parameters):
            pass  # a pool's map waits here, and raises what its threads raised

    def _update(self, name):
        """Update the parameter of that name from its gradient."""
        parameter, gradient_sum = self.parameters[name], self.gradient_sum[name]
        gradient_sum *= self.momentum
        gradient_sum += parameter.grad
        ahead = parameter.grad + self.momentum * gradient_sum                       # (in, out), or (H, A, D)
        direction = orthogonalized(ahead.reshape(len(ahead), -1))                   # (in, out), or (H, A·D)
        in_features, out_features = direction.shape
        parameter.value *= 1 - self.lr * self.weight_decay
        change = self.lr * math.sqrt(max(1, out_features / in_features)) * direction
        parameter.value -= change.reshape(ahead.shape)

    def state_dict(self):
        """Return {name: array} of everything that step() remembers."""
        return {f"gradient_sum.{name}": array for name, array in self.gradient_sum.items()}

    def load_state_dict(self, state):
        """Take over what state_dict() of an optimizer of the same parameters returned."""
        for name, array in self.gradient_sum.items():
            array[...] = state[f"gradient_sum.{name}"]


NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # a, b, c; Jordan et al. 2024
NUM_ITERATIONS = 5


def orthogonalized(matrix):
    """Return about U Vᵀ for a matrix U Σ Vᵀ, by products alone: the singular values come near 1.

    X Xᵀ = U Σ² Uᵀ, so a polynomial in X Xᵀ times X changes the singular values and nothing else:

        X ← (a I + b X Xᵀ + c (X Xᵀ)²) X    =    U (a Σ + b Σ³ + c Σ⁵) Vᵀ

    From X = matrix / ‖matrix‖_F, whose singular values are in [0, 1], five iterations of σ ← aσ + bσ³ + cσ⁵
    lead every σ above 0.006 into 0.68 … 1.14. The slope a at 0 is chosen so steep that small ones come up
    quickly; so the iteration does not converge to 1, and need not. (Jordan et al. 2024; an iteration of
    Newton and Schulz.)

    Args:
        matrix: (rows, columns).

    Returns:
        an array of the same shape and dtype; zeros for zeros.
    """
    a, b, c = NEWTON_SCHULZ
    is_tall = len(matrix) > matrix.shape[1]
    x = matrix.T if is_tall else matrix         # (m, k), m ≤ k: the smaller of both squares is X Xᵀ
    x = x / (np.linalg.norm(x) + 1e-7)
    identity = np.eye(len(x), dtype=x.dtype)
    for _ in range(NUM_ITERATIONS):
        square = x @ x.T                        # (m, m), symmetric
        x = (a * identity + b * square + c * (square @ square.T)) @ x
    return x.T if is_tall else x


class Together:
    """Several optimizers as one, each with parameters of its own: rates by layer are one optimizer a group.

    Args:
        optimizers: their parameters are disjoint. Each keeps the ratio that its rate has to the first one's.

    Attributes:
        parameters: {name: Parameter} of all.
        lr: the rate of the first; may be set anew before every step, and the others follow.
    """

    def __init__(self, *optimizers):
        self.optimizers = optimizers
        self.parameters = {
            name: parameter for each in optimizers for name, parameter in each.parameters.items()
        }
        self.lr = optimizers[0].lr
        self.ratios = [each.lr / self.lr for each in optimizers]

    def step(self, map=map):
        """Update every parameter from its gradient, in place; `map` as in AdamW.step."""
        for optimizer, ratio in zip(self.optimizers, self.ratios):
            optimizer.lr = ratio * self.lr
            optimizer.step(map)

    def state_dict(self):
        """Return {name: array} of everything that the optimizers remember."""
        return {name: array for each in self.optimizers for name, array in each.state_dict().items()}

    def load_state_dict(self, state):
        """Take over what state_dict() of optimizers of the same parameters returned."""
        for optimizer in self.optimizers:
            optimizer.load_state_dict(state)


def _blocks(*arrays):
    """Yield the same rows of every array, about BLOCK elements at a time, as views that can be written."""
    num_rows = max(1, BLOCK * len(arrays[0]) // arrays[0].size)
    for start in range(0, len(arrays[0]), num_rows):
        yield tuple(array[start : start + num_rows] for array in arrays)


def clip_gradients(parameters, max_norm):
    """Scale all gradients, in place, so that their joint Euclidean norm is at most max_norm.

    (Pascanu et al. 2013, algorithm 1; BERT: max_norm 1.)

    Returns:
        the norm before clipping, a float; where it is not finite, the gradients are left as they are.
    """
    norm = math.sqrt(sum(float(np.vdot(p.grad, p.grad)) for p in parameters.values()))
    if max_norm < norm < math.inf:
        for parameter in parameters.values():
            parameter.grad *= max_norm / norm
    return norm
