"""AdamW and gradient clipping."""

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
