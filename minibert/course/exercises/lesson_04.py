"""Exercises of lesson 04, ELMo and ULMFiT: letters, two directions, mixed layers, pooling, rates."""

import numpy as np

from minibert.course.exercises.kinds import Function, Gradients, Mistake
from minibert.layers.sigmoid import sigmoid

# --- word_from_letters ---

LETTERS = np.array([[3, 1, 3, 1, 0], [2, 2, 0, 0, 0], [7, 4, 6, 2, 5]])  # 3 1 twice; 2 2; 0 is padding


def _letters_inputs(rng):
    return LETTERS.copy(), rng.standard_normal((8, 4)), rng.standard_normal((2, 4, 6))


def pair_scores(ids, table, weight):
    """The scores of all pairs of neighbours (N, C − 1, F)."""
    return table[ids[:, :-1]] @ weight[0] + table[ids[:, 1:]] @ weight[1]


def both_real(ids):
    """Whether both letters of a pair are real (N, C − 1, 1)."""
    return ((ids[:, :-1] > 0) & (ids[:, 1:] > 0))[:, :, np.newaxis]


def padding_takes_part(ids, table, weight):
    return pair_scores(ids, table, weight).max(axis=1)


def pair_with_one_padding(ids, table, weight):
    first = (ids[:, :-1] > 0)[:, :, np.newaxis]
    return np.where(first, pair_scores(ids, table, weight), -np.inf).max(axis=1)


def padding_as_zero(ids, table, weight):
    return np.where(both_real(ids), pair_scores(ids, table, weight), 0).max(axis=1)


def mean_of_pairs(ids, table, weight):
    real = both_real(ids)
    return (pair_scores(ids, table, weight) * real).sum(axis=1) / real.sum(axis=1)


def letters_exchanged(ids, table, weight):
    return np.where(both_real(ids), pair_scores(ids, table, weight[::-1]), -np.inf).max(axis=1)


def letters_alone(ids, table, weight):
    """The best first letter and the best second one, from different places."""
    first, second = table[ids[:, :-1]] @ weight[0], table[ids[:, 1:]] @ weight[1]
    real = both_real(ids)
    return sum(np.where(real, part, -np.inf).max(axis=1) for part in (first, second))


BELOW = (
    (
        np.array([[1, 2, 4, 3], [3, 3, 0, 0], [1, 2, 3, 0]]),
        np.array([[0.0], [-10.0], [-40.0], [-20.0], [-50.0]]),
        np.array([[[1.0]], [[3.0]]]),
    ),
    {},
    np.array([[-110.0], [-80.0], [-100.0]]),
    "All scores are far below 0 here, and a last pair may be the best: a pair is two real neighbours.",
)

# --- highway ---


def _highway_inputs(rng):
    return tuple(rng.standard_normal(shape) for shape in [(2, 3, 5), (5, 5), (5, 5), (5, 5)])


def highway(x, weight, weight_gate, weight_carry, activation=np.tanh, carry=None, gate=None, skip=True):
    """The mistakes below are its other arguments."""
    gate_value = sigmoid(x @ weight_gate) if gate is None else gate(x @ weight_gate)
    carry_value = sigmoid(x @ weight_carry) if carry is None else carry(gate_value)
    return gate_value * activation(x @ weight) + carry_value * (x if skip else x @ weight)


def highway_coupled(*inputs):
    return highway(*inputs, carry=lambda gate_value: 1 - gate_value)


def highway_residual(*inputs):
    return highway(*inputs, carry=np.ones_like)


def highway_gates_exchanged(x, weight, weight_gate, weight_carry):
    return highway(x, weight, weight_carry, weight_gate)


def highway_without_tanh(*inputs):
    return highway(*inputs, activation=lambda sums: sums)


def highway_with_relu(*inputs):
    return highway(*inputs, activation=lambda sums: np.maximum(sums, 0))


def highway_carries_the_product(*inputs):
    return highway(*inputs, skip=False)


# --- forecast_masks ---


def masks(lengths, num_tokens, itself=False, reads_padding=False, forecasts_padding=False):
    """The two masks; the mistakes below are the other arguments."""
    places = np.arange(num_tokens)
    of, read = places[:, np.newaxis], places
    is_word = places < np.asarray(lengths)[:, np.newaxis]                       # (B, T)
    before, after = (read <= of, read >= of) if itself else (read < of, read > of)
    allowed = np.ones((len(lengths), num_tokens, num_tokens), bool)
    if not reads_padding:
        allowed &= is_word[:, np.newaxis]
    if not forecasts_padding:
        allowed &= is_word[:, :, np.newaxis]
    return (before & allowed).astype(int), (after & allowed).astype(int)


def masks_see_the_word(lengths, num_tokens):
    return masks(lengths, num_tokens, itself=True)


def masks_read_padding(lengths, num_tokens):
    return masks(lengths, num_tokens, reads_padding=True)


def masks_forecast_padding(lengths, num_tokens):
    return masks(lengths, num_tokens, forecasts_padding=True)


def masks_without_lengths(lengths, num_tokens):
    return masks(lengths, num_tokens, reads_padding=True, forecasts_padding=True)


def masks_exchanged(lengths, num_tokens):
    return masks(lengths, num_tokens)[::-1]


# --- product_of_two ---

PARITY = np.zeros((3, 2, 4))  # the word is the parity of left + right: neither side tells it
for _left, _right in np.ndindex(3, 4):
    PARITY[_left, (_left + _right) % 2, _right] = (0.25, 0.5, 0.25)[_left] / 4
UNEVEN = np.array([
    [[4, 0, 1], [0, 0, 4], [1, 0, 0], [5, 0, 2]],
    [[2, 3, 0], [6, 2, 1], [0, 4, 2], [0, 1, 2]],
]) / 40  # (2, 4, 3); the first left and the second right never occur together


def _conditional(joint, axes):
    """P(word | the other axes that are left), with axes of length 1."""
    summed = joint.sum(axis=axes, keepdims=True)
    total = summed.sum(axis=1, keepdims=True)
    return np.divide(summed, total, out=np.zeros_like(summed), where=total > 0)


def two_sides(joint, prior=True, joined=None, is_normalised=True, log=np.log):
    """The four expected losses; the mistakes below are the other arguments."""
    left, right, both = (_conditional(joint, axes) for axes in ((2,), (0,), ()))
    of_word = joint.sum(axis=(0, 2), keepdims=True)
    product = joined(left, right) if joined else left * right / (of_word if prior else 1)
    if is_normalised:
        total = product.sum(axis=1, keepdims=True)
        product = np.divide(product, total, out=np.zeros_like(product), where=total > 0)
    found = {}
    for name, probs in {"left": left, "right": right, "product": product, "both": both}.items():
        seen = joint > 0
        full = np.broadcast_to(probs, joint.shape)
        found[name] = float(-(joint[seen] * log(full[seen])).sum())
    return found


def product_without_the_prior(joint):
    return two_sides(joint, prior=False)


def product_not_normalised(joint):
    return two_sides(joint, is_normalised=False)


def product_as_a_mean(joint):
    return two_sides(joint, joined=lambda left, right: (left + right) / 2)


def product_in_bits(joint):
    return two_sides(joint, log=np.log2)


def product_is_both(joint):
    found = two_sides(joint)
    return {**found, "product": found["both"]}


# --- scalar_mix ---


def _mix_inputs(rng):
    return rng.standard_normal((4, 3, 5, 6)), rng.standard_normal(4), rng.uniform(0.5, 2, 2)


def mix(layers, weight, gamma, weights=None, scales=None):
    """y of scalar_mix; the mistakes below are its other arguments."""
    exponentials = np.exp(weight - weight.real.max())
    probs = exponentials / exponentials.sum() if weights is None else weights(weight)
    half = layers.shape[-1] // 2
    each = np.repeat(gamma, half) if scales is None else scales(gamma, half)
    return np.tensordot(probs, layers, 1) * each


def mix_without_softmax(*inputs):
    return mix(*inputs, weights=lambda weight: weight)


def mix_of_exponentials(*inputs):
    return mix(*inputs, weights=np.exp)


def mix_as_a_mean(*inputs):
    return mix(*inputs, weights=lambda weight: np.full(len(weight), 1 / len(weight)))


def mix_scales_exchanged(*inputs):
    return mix(*inputs, scales=lambda gamma, half: np.repeat(gamma[::-1], half))


def mix_scales_in_turn(*inputs):
    return mix(*inputs, scales=lambda gamma, half: np.tile(gamma, half))


def mix_one_scale(*inputs):
    return mix(*inputs, scales=lambda gamma, half: gamma[0])


# --- attention_pooling ---

MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])


def _pooling_inputs(rng):
    return rng.standard_normal((3, 5, 4)) - 0.5, rng.standard_normal(4), MASK.copy()


def pool(states, query, mask, attends=True, scale=1.0, maximum=None):
    """y of attention_pooling; the mistakes below are its other arguments."""
    real = mask[:, :, np.newaxis] == 1
    scores = (states @ query)[:, :, np.newaxis] * scale
    scores = np.where(real, scores, -np.inf) if attends else scores
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    probs = exponentials / exponentials.sum(axis=1, keepdims=True)
    largest = np.where(real, states, -np.inf).max(axis=1) if maximum is None else maximum(states, real)
    return np.hstack([(probs * states).sum(axis=1), largest])


def pool_attends_to_padding(*inputs):
    return pool(*inputs, attends=False)


def pool_maximum_of_padding(*inputs):
    return pool(*inputs, maximum=lambda states, real: states.max(axis=1))


def pool_maximum_of_zeros(*inputs):
    return pool(*inputs, maximum=lambda states, real: (states * real).max(axis=1))


def pool_all_the_padding(*inputs):
    return pool(*inputs, attends=False, maximum=lambda states, real: states.max(axis=1))


def pool_not_summing_to_one(states, query, mask):
    """The weights of the padding are set to zero after the softmax."""
    scores = states @ query
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True)) * mask
    scores_all = np.exp(scores - scores.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)
    average = ((exponentials / scores_all)[:, :, np.newaxis] * states).sum(axis=1)
    return np.hstack([average, pool(states, query, mask)[:, states.shape[2]:]])


def pool_divided_by_root(states, query, mask):
    return pool(states, query, mask, scale=states.shape[2] ** -0.5)


def pool_maximum_first(states, query, mask):
    y = pool(states, query, mask)
    return np.hstack([y[:, states.shape[2]:], y[:, :states.shape[2]]])


LARGE = (
    (np.array([[[800.0, 0.0], [-3.0, 2.0], [900.0, 7.0]]]), np.array([1.0, 0.0]), np.array([[1, 1, 0]])),
    {},
    np.array([[800.0, 0.0, 800.0, 2.0]]),
    "exp(800) is infinite: subtract the largest score of the real tokens before exp.",
)

LOW = (
    (np.array([[[-40.0, 1.0], [-30.0, 2.0], [0.0, 0.0]]]), np.array([0.0, 1.0]), np.array([[1, 1, 0]])),
    {},
    np.array([[-32.689414, 1.7310586, -30.0, 2.0]]),
    "Padding wins the maximum where all real states are far below 0: give it -inf.",
)

# --- rate_table ---


def rates(num_epochs, per_epoch, num_groups, peak, factor=2.6, late=0, triangle=None, gradual=True):
    """The rates (S, G); the mistakes below are the other arguments."""
    num_steps = num_epochs * per_epoch
    table = np.zeros((num_steps, num_groups))
    for step in range(num_steps):
        rate = (triangle or slanted)(step, num_steps)
        for group in range(num_groups):
            below_the_top = num_groups - 1 - group
            if not gradual or step // per_epoch >= below_the_top + late:
                table[step, group] = peak * rate / factor**below_the_top
    return table


def slanted(step, num_steps):
    cut = num_steps // 10
    height = step / cut if step < cut else 1 - (step - cut) / (num_steps - cut)
    return (1 + 31 * height) / 32


def _as_printed(step, num_steps):
    cut = num_steps // 10
    height = step / cut if step < cut else 1 - (step - cut) / (cut * 9)
    return (1 + 31 * height) / 32


def _to_zero(step, num_steps):
    return (32 * slanted(step, num_steps) - 1) / 31


def rates_as_printed(*arguments):
    return rates(*arguments, triangle=_as_printed)


def rates_to_zero(*arguments):
    return rates(*arguments, triangle=_to_zero)


def rates_from_the_bottom(*arguments):
    return rates(*arguments)[:, ::-1]


def rates_all_at_once(*arguments):
    return rates(*arguments, gradual=False)


def rates_one_for_all(*arguments):
    return rates(*arguments, factor=1.0)


def rates_largest_below(*arguments):
    return rates(*arguments, factor=1 / 2.6)


def rates_one_epoch_late(*arguments):
    return rates(*arguments, late=1)


EXERCISES = [
    # Task: the maximum over pairs of real letters, forward and backward; equal pairs tie.
    Gradients(
        name="word_from_letters",
        points=(1, 2),
        inputs=_letters_inputs,
        shape=(3, 6),
        values=[
            2.55766, 0.899038, 4.42751, 3.59351, 2.08644, 4.17557, -3.85307, -0.668177, 0.890508,
            -2.95511, -4.73948, -2.08052, 1.51062, 3.43271, 0.867836, -0.247583, -0.752758, 1.36866,
        ],
        mistakes=[
            Mistake(padding_takes_part, "Padding takes part in the maximum: leave out pairs with the id 0."),
            Mistake(pair_with_one_padding, "A pair of a letter and padding takes part: both must be real."),
            Mistake(
                padding_as_zero,
                "The scores of padding are 0 in your maximum, and 0 wins where all others are negative.",
            ),
            Mistake(mean_of_pairs, "This is the mean over the pairs. Take the maximum."),
            Mistake(letters_exchanged, "weight[0] is for the first letter of a pair."),
            Mistake(
                letters_alone,
                "The two letters are from different places: first the score of a pair, then the maximum.",
            ),
        ],
        edges=[BELOW],
        hint="The scores of all pairs are (N, C - 1, F); the maximum is over the axis of places.",
    ),
    # Task: a highway layer with two gates, forward and backward.
    Gradients(
        name="highway",
        points=(1, 2),
        inputs=_highway_inputs,
        shape=(2, 3, 5),
        values=[-0.499169, -0.511824, -0.0335371, 0.0898018, 0.278462, -0.703004],
        mistakes=[
            Mistake(highway_coupled, "Here c is a gate of its own, with its own weights, and not 1 - g."),
            Mistake(highway_residual, "c multiplies x; you add all of x."),
            Mistake(highway_gates_exchanged, "The two gates are exchanged: g multiplies the tanh, c the x."),
            Mistake(highway_without_tanh, "The tanh is missing."),
            Mistake(highway_with_relu, "This layer has a tanh, not a ReLU."),
            Mistake(highway_carries_the_product, "c multiplies x itself, not x W."),
        ],
        hint="Three products with x, then σ of two of them and tanh of one.",
    ),
    # Task: which words the forecast of each word may read, for two directions, as 0 and 1.
    Function(
        name="forecast_masks",
        points=2,
        cases=[
            (([5, 2, 7], 7), masks([5, 2, 7], 7)),
            (([1, 4], 4), masks([1, 4], 4)),
        ],
        mistakes=[
            Mistake(masks_see_the_word, "A word takes part in its own forecast: that is the answer."),
            Mistake(masks_read_padding, "Padding is read: the columns of padding must be 0."),
            Mistake(masks_forecast_padding, "Padding is forecast: the rows of padding must be 0."),
            Mistake(masks_without_lengths, "Use the lengths: padding is neither read nor forecast."),
            Mistake(
                masks_exchanged,
                "The two are exchanged: `ahead` reads the words before the one that it forecasts.",
            ),
        ],
        hint="Row t is the forecast of word t, column s a word that is read. Return integers, 0 or 1.",
    ),
    # Task: the expected losses of a word from left, right, their product, and both.
    Function(
        name="product_of_two",
        points=2,
        cases=[((PARITY,), two_sides(PARITY)), ((UNEVEN,), two_sides(UNEVEN))],
        mistakes=[
            Mistake(
                product_without_the_prior,
                "Both sides contain P(word), so the product has it twice: divide by it once.",
            ),
            Mistake(
                product_not_normalised,
                "The product does not sum to one over the words: divide by its sum, for each left and right.",
            ),
            Mistake(product_as_a_mean, "You average the two. Multiply them, and divide by P(word)."),
            Mistake(product_in_bits, "These are bits; nats have the natural logarithm."),
            Mistake(product_is_both, "The product is not P(word | left, right): use the two sides alone."),
        ],
        hint="For each, a table of probabilities of the word; then - Σ joint · log of it, where joint > 0.",
    ),
    # Task: a softmax mix of layers with a scale for each direction, forward and backward.
    Gradients(
        name="scalar_mix",
        points=(1, 2),
        inputs=_mix_inputs,
        shape=(3, 5, 6),
        values=[-0.0568312, 0.06625, -0.499638, -0.482549, 0.0802205, -0.791311, -0.205653, -0.416652],
        mistakes=[
            Mistake(mix_without_softmax, "The weights are not normalised: take their softmax."),
            Mistake(mix_of_exponentials, "The exponentials are not divided by their sum."),
            Mistake(mix_as_a_mean, "This is the mean of the layers: use the weights."),
            Mistake(mix_scales_exchanged, "gamma[0] is for the first half of the columns."),
            Mistake(mix_scales_in_turn, "The halves are the first P columns and the last P."),
            Mistake(mix_one_scale, "The second half has a scale of its own, gamma[1]."),
        ],
        hint="softmax(weight) has one number for each layer; sum over the first axis of layers.",
    ),
    # Task: pool the states of real tokens by attention and by maximum, forward and backward.
    Gradients(
        name="attention_pooling",
        points=(1, 3),
        inputs=_pooling_inputs,
        shape=(3, 8),
        values=[
            -0.980944, -0.650473, 0.0786289, 0.0428528, -0.37427, -0.138405, 0.804, 0.542513, 0.220281,
            -0.180117, -1.2296, -1.19572, 0.40347, 0.866463, -1.16519, -0.14849, -0.546005, -0.304423,
            0.875462, 1.04551, 1.30163, 1.01392, 0.958021, 1.46026,
        ],
        edges=[LARGE, LOW],
        mistakes=[
            Mistake(pool_all_the_padding, "Padding takes part in both halves: use the mask."),
            Mistake(pool_attends_to_padding, "Padding takes part in the softmax: give it the score -inf."),
            Mistake(pool_maximum_of_padding, "Padding takes part in the maximum."),
            Mistake(
                pool_maximum_of_zeros,
                "Padding is 0 in your maximum, and 0 wins where all states are negative: use -inf.",
            ),
            Mistake(
                pool_not_summing_to_one,
                "The weights of the real tokens do not sum to one: leave padding out before the softmax.",
            ),
            Mistake(pool_divided_by_root, "There is no division by √H here."),
            Mistake(pool_maximum_first, "The halves are in the other order: the average, then the maximum."),
        ],
        hint="np.where(mask, scores, -np.inf), then a softmax over the tokens.",
    ),
    # Task: the rates of all groups in all steps: slanted triangle, factor by layer, gradual unfreezing.
    Function(
        name="rate_table",
        points=2,
        cases=[
            ((5, 7, 4, 0.02), rates(5, 7, 4, 0.02)),
            ((3, 2, 4, 0.5), rates(3, 2, 4, 0.5)),
        ],
        mistakes=[
            Mistake(
                rates_as_printed,
                "This is the paper's formula, which becomes negative: the fall takes all S - cut steps.",
            ),
            Mistake(rates_to_zero, "The rate begins and ends at peak / 32, not at 0."),
            Mistake(rates_from_the_bottom, "The last column is the head, which begins first."),
            Mistake(rates_all_at_once, "All groups are trained from the first epoch on."),
            Mistake(rates_one_for_all, "Each group has 1/2.6 of the rate of the group above it."),
            Mistake(rates_largest_below, "The head has the largest rate, and the embeddings the smallest."),
            Mistake(rates_one_epoch_late, "The head is trained in the first epoch already, epoch 0."),
        ],
        hint="Compute the triangle for each step; a column is that, times its factor, from its epoch on.",
    ),
]
