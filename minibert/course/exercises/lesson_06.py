"""Exercises of lesson 06, the encoder block: the parts that modern blocks have in place of BERT's."""

import math

import numpy as np

from minibert.course.exercises.kinds import PARAMETER_SCALE, Choices, Gradients, Mistake, Value
from minibert.layers import GELU, EncoderLayer

B, T, H, A, F = 2, 3, 6, 2, 7


# --- scaled_residual ---


def scaled_residual_inputs(rng):
    return rng.standard_normal((B, T, H)), rng.standard_normal(H)


def without_skip(x, scale):
    return scale * np.tanh(x)


def scaled_skip(x, scale):
    return scale * (x + np.tanh(x))


def without_scale(x, scale):
    return x + np.tanh(x)


# --- tanh_gelu ---


def tanh_gelu_inputs(rng):
    return (2 * rng.standard_normal((B, T, H)),)


ONE_AXIS = (
    (np.array([-4.0, -3.5, -3, -2.5, -2]),),
    {},
    np.array([-7.02459e-05, -6.16198e-04, -3.63739e-03, -1.50843e-02, -4.54023e-02]),
    "x may have any shape, and far below 0 every digit of the two constants counts.",
)
FAR_ENTRIES = (
    (np.array([[60.0, 0, -60]]),),
    {},
    np.array([[60.0, 0, 0]]),
    "exp(2u) is infinite: np.tanh is 1 or -1 there.",
)


def exact_gelu(x):
    return GELU().forward(x)[0]


def tanh_gelu_of(x, factor=math.sqrt(2 / math.pi), cubic=None, half=0.5, one=1.0):
    cubic = x * x * x if cubic is None else cubic
    return half * x * (one + np.tanh(factor * (x + 0.044715 * cubic)))


def root_of_two_only(x):
    return tanh_gelu_of(x, factor=math.sqrt(2) / math.pi)


def square_for_cube(x):
    return tanh_gelu_of(x, cubic=x * x)


def factor_on_x_only(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * x + 0.044715 * x * x * x))


def without_half(x):
    return tanh_gelu_of(x, half=1.0)


def without_one(x):
    return tanh_gelu_of(x, one=0.0)


# --- rms_norm ---


def rms_norm_inputs(rng):
    return rng.standard_normal((B, T, H)) + 0.5, rng.standard_normal(H)


def layer_norm(x, gamma, eps):
    centred = x - x.mean(axis=-1, keepdims=True)
    return gamma * centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps)


def length_norm(x, gamma, eps):
    return gamma * x / np.sqrt((x * x).sum(axis=-1, keepdims=True) + eps)


def norm_over_everything(x, gamma, eps):
    return gamma * x / np.sqrt((x * x).mean() + eps)


def norm_over_tokens(x, gamma, eps):
    return gamma * x / np.sqrt((x * x).mean(axis=(0, 1)) + eps)


def eps_outside(x, gamma, eps):
    return gamma * x / (np.sqrt((x * x).mean(axis=-1, keepdims=True)) + eps)


def no_gain(x, gamma, eps):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)


def no_root(x, gamma, eps):
    return gamma * x / ((x * x).mean(axis=-1, keepdims=True) + eps)


# --- swiglu ---


def swiglu_inputs(rng):
    return (
        rng.standard_normal((B, T, H)),
        rng.standard_normal((H, F)),
        rng.standard_normal((H, F)),
        rng.standard_normal((F, H)),
    )


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def plain_glu(x, gate, up, down):
    return (sigmoid(x @ gate) * (x @ up)) @ down


def gate_on_up(x, gate, up, down):
    return ((x @ gate) * (x @ up) * sigmoid(x @ up)) @ down


def gelu_gate(x, gate, up, down):
    return (exact_gelu(x @ gate) * (x @ up)) @ down


def without_up(x, gate, up, down):
    return (x @ gate * sigmoid(x @ gate)) @ down


def sum_for_product(x, gate, up, down):
    return (x @ gate * sigmoid(x @ gate) + x @ up) @ down


# --- pre_norm_block ---


def pre_norm_inputs(rng):
    return (2 * rng.standard_normal((1, 4, H)) + 0.5,)  # not A = 2 or D = 3


def filled_sublayers():
    """Return a post-norm block whose sublayers have the values that grading gives to those of the answer.

    Its output_norm is the answer's feed_forward_norm: it comes last in both when sorted by name.
    """
    block = EncoderLayer(H, A, F)
    rng = np.random.default_rng(1)
    for _, parameter in sorted(block.parameters().items()):
        parameter.value = PARAMETER_SCALE * rng.standard_normal(parameter.value.shape)
    return block


def post_norm_block(x):
    return filled_sublayers().forward(x)[0]


def skip_behind_the_norm(x):
    block = filled_sublayers()
    normalized = block.attention_norm.forward(x)[0]
    attended = normalized + block.attention.forward(normalized)[0]
    normalized = block.output_norm.forward(attended)[0]
    return normalized + block.feed_forward.forward(normalized)[0]


def without_residuals(x):
    block = filled_sublayers()
    attended = block.attention.forward(block.attention_norm.forward(x)[0])[0]
    return block.feed_forward.forward(block.output_norm.forward(attended)[0])[0]


def second_skip_from_x(x):
    block = filled_sublayers()
    attended = x + block.attention.forward(block.attention_norm.forward(x)[0])[0]
    return x + block.feed_forward.forward(block.output_norm.forward(attended)[0])[0]


def parallel_block(x):
    block = filled_sublayers()
    return (
        x
        + block.attention.forward(block.attention_norm.forward(x)[0])[0]
        + block.feed_forward.forward(block.output_norm.forward(x)[0])[0]
    )


def one_norm_for_both(x):
    block = filled_sublayers()
    attended = x + block.attention.forward(block.attention_norm.forward(x)[0])[0]
    return attended + block.feed_forward.forward(block.attention_norm.forward(attended)[0])[0]


def norms_exchanged(x):
    block = filled_sublayers()
    attended = x + block.attention.forward(block.output_norm.forward(x)[0])[0]
    return attended + block.feed_forward.forward(block.attention_norm.forward(attended)[0])[0]


EXERCISES = [
    # Task: y = x + scale * tanh(x), scale (H,) learned (LayerScale).
    Gradients(
        name="scaled_residual",
        points=(1, 1),
        inputs=scaled_residual_inputs,
        shape=(B, T, H),
        values=[0.0439547, 0.851367, -1.91004, 2.67752, 0.0814424, 0.87182],
        mistakes=[
            Mistake(without_skip, "This is the branch alone: x itself is to be added."),
            Mistake(
                scaled_skip, "The scale multiplies x, too. It belongs to the branch: x + scale * tanh(x)."
            ),
            Mistake(without_scale, "The scale is missing: it multiplies tanh(x), feature by feature."),
        ],
        hint="One line: x, plus scale times np.tanh(x). scale (H,) broadcasts over batch and tokens.",
    ),
    # Task: y = ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))).
    Gradients(
        name="tanh_gelu",
        points=(1, 1),
        inputs=tanh_gelu_inputs,
        shape=(B, T, H),
        values=[0.150692, 1.83905, -0.0153972, 2.72482, -0.164883, 0.541089],
        edges=[ONE_AXIS, FAR_ENTRIES],
        mistakes=[
            Mistake(
                exact_gelu,
                "This is the exact GELU, with erf; the tanh form is a slightly different function.",
            ),
            Mistake(root_of_two_only, "sqrt(2/pi) is the root of the quotient, not sqrt(2) divided by pi."),
            Mistake(square_for_cube, "0.044715 multiplies the cube x * x * x, not the square."),
            Mistake(
                factor_on_x_only,
                "sqrt(2/pi) multiplies the whole bracket, x + 0.044715 x³; here it multiplies x alone.",
            ),
            Mistake(without_half, "The factor 1/2 is missing."),
            Mistake(without_one, "It is 1 + tanh(u), so that large x pass unchanged; the 1 is missing."),
        ],
        hint="Compute u first, give it a name, then y = 0.5 * x * (1 + np.tanh(u)).",
    ),
    # Task: y = γ x / sqrt(mean(x²) + eps): LayerNorm without the mean.
    Gradients(
        name="rms_norm",
        points=(1, 2),
        inputs=rms_norm_inputs,
        constants={"eps": 0.01},
        shape=(B, T, H),
        values=[-0.578876, -0.182404, -0.70605, 2.46949, -0.0735734, 1.8802],
        mistakes=[
            Mistake(layer_norm, "This is LayerNorm: RMSNorm does not subtract the mean."),
            Mistake(
                length_norm,
                "You divide by the length of x: the root of the sum of squares. RMS is the root of their "
                "mean.",
            ),
            Mistake(
                norm_over_everything,
                "One mean for the whole array: every token needs its own, over the last axis (axis=-1, "
                "keepdims=True).",
            ),
            Mistake(
                norm_over_tokens,
                "The mean is taken over the tokens, which is BatchNorm's axis. Take it over the last axis.",
            ),
            Mistake(
                eps_outside,
                "eps belongs inside the root, added to the mean of the squares. (It is 0.01 in this test, "
                "so that the difference shows.)",
            ),
            Mistake(no_gain, "The gain gamma is missing."),
            Mistake(no_root, "The square root is missing."),
        ],
        hint=(
            "Divide x by the root of (the mean of x * x over the last axis, with keepdims=True, plus eps); "
            "multiply by gamma. Use the eps that is given."
        ),
    ),
    # Task: one entry of x (B, T, H) changes; in how many places can y change, for four layers?
    Value(
        name="who_changes",
        points=1,
        expected={"layer_norm": 11, "batch_norm": 35, "batch_norm_in_use": 1, "encoder_block": 77},
        mistakes=[
            (
                {"layer_norm": 1, "batch_norm": 1},
                "The entry is part of a mean and a variance, and all numbers that share them change.",
            ),
            ({"layer_norm": 35}, "That is BatchNorm: LayerNorm's mean is taken within one token."),
            (
                {"batch_norm": 11},
                "That is LayerNorm: BatchNorm's mean is taken over all tokens, for one feature.",
            ),
            (
                {"batch_norm_in_use": 35},
                "In use mean and variance are stored numbers, and nothing is shared.",
            ),
            ({"encoder_block": 11}, "Attention carries the change to the other tokens of the sentence."),
            ({"encoder_block": 385}, "Nothing goes from one sentence to another."),
        ],
        hint="Which numbers share a mean with the entry? Attention mixes the tokens of one sentence.",
    ),
    # Task: which wrong backwards does a check notice whose upstream gradient is 1 everywhere?
    Choices(
        name="seen_by_ones",
        points=2,
        expected={
            "norm_without_mean": "seen",
            "norm_without_variance": "missed",
            "norm_twice": "missed",
            "softmax_without_sum": "seen",
            "softmax_zeros": "missed",
            "linear_transposed": "seen",
            "columns_reversed": "missed",
            "bias_of_last_row": "seen",
        },
        options=("seen", "missed"),
        questions={
            "norm_without_mean": "what is the true gradient here, and what is left without that way?",
            "norm_without_variance": "what does the variance's way add, if all of d_y are 1?",
            "norm_twice": "what is twice the true gradient here?",
            "softmax_without_sum": "what do the probabilities of a row sum to, times 1?",
            "softmax_zeros": "by how much does the sum of a row's probabilities change with a score?",
            "linear_transposed": "are the sums of W's rows those of its columns?",
            "columns_reversed": "how does an upstream gradient of ones look in reverse order?",
            "bias_of_last_row": "how many rows have used the bias?",
        },
    ),
    # Task: y = (silu(x gate) * (x up)) down: a feed-forward network with a gate.
    Gradients(
        name="swiglu",
        points=(1, 2),
        inputs=swiglu_inputs,
        shape=(B, T, H),
        values=[-0.682659, -8.48584, -4.5566, -2.06701, -3.34238, 1.57411],
        mistakes=[
            Mistake(plain_glu, "This is GLU, with the sigmoid alone. silu(z) is z times sigmoid(z)."),
            Mistake(gate_on_up, "silu is applied to x @ up; it belongs to x @ gate."),
            Mistake(gelu_gate, "This is GEGLU, with GELU in the place of silu."),
            Mistake(without_up, "The factor x @ up is missing."),
            Mistake(sum_for_product, "The two are multiplied, entry by entry, not added."),
        ],
        hint=(
            "Name the steps: gate_scores = x @ gate, silu of them, lifted = x @ up, their product entry by "
            "entry, and then @ down."
        ),
    ),
    # Task: a = x + attention(norm(x)), y = a + feed_forward(norm(a)), of layers that are given.
    Gradients(
        name="pre_norm_block",
        points=(1, 3),
        inputs=pre_norm_inputs,
        shape=(1, 4, H),
        values=[-0.0315654, -2.40389, -2.07796, -0.166999, 0.427262, 0.703231],
        mistakes=[
            Mistake(
                post_norm_block,
                "This is post-norm: the norm comes after the sum. Here it comes on the branch, before the "
                "sublayer.",
            ),
            Mistake(
                skip_behind_the_norm,
                "Your skip path starts behind the norm. It starts at x itself, so that it meets no norm.",
            ),
            Mistake(without_residuals, "Both residual sums are missing."),
            Mistake(
                second_skip_from_x,
                "The second skip path starts at x; it starts at the result of the first sum.",
            ),
            Mistake(
                parallel_block,
                "Both sublayers read x (a parallel block, as in GPT-J). Here the feed-forward reads the "
                "result of the first sum.",
            ),
            Mistake(one_norm_for_both, "attention_norm is used twice; feed_forward_norm is the second norm."),
            Mistake(
                norms_exchanged, "The two norms are exchanged: attention_norm comes before the attention."
            ),
        ],
        hint=(
            "The sublayers keep the names attention_norm, attention, feed_forward_norm and feed_forward; no "
            "dropout, no mask."
        ),
    ),
]
