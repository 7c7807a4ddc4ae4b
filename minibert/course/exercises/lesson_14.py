"""Exercises of lesson 14, XLNet: orders as masks, words apart, both streams, distances, memory."""

import math

import numpy as np

from minibert.course.exercises.kinds import Function, Gradients, Mistake, Value
from minibert.layers.softmax import softmax

# --- words_apart ---

APART_TABLES = [
    np.array([[0.4, 0, 0.15], [0, 0.3, 0.15]]),
    np.array([[0, 0.3, 0.05, 0], [0.25, 0, 0, 0], [0.2, 0.1, 0, 0.1]]),
    np.outer([0.2, 0.8], [0.25, 0.4, 0.3, 0.05]),
]


def _entropy(probs):
    some = probs[probs > 0]
    return float(-(some * np.log(some)).sum())


def words_apart(joint):
    """The four numbers of the task."""
    first, second = joint.sum(axis=1), joint.sum(axis=0)
    product = np.outer(first, second)
    return {
        "together": _entropy(joint),
        "apart": _entropy(first) + _entropy(second),
        "never": float(product[joint == 0].sum()),
        "likeliest": float(joint[first.argmax(), second.argmax()]),
    }


def apart_in_bits(joint):
    right = words_apart(joint)
    return right | {name: right[name] / math.log(2) for name in ("together", "apart")}


def apart_with_given(joint):
    """H(first) + H(second | first), which is H of both."""
    right = words_apart(joint)
    return right | {"apart": right["together"]}


def apart_first_only(joint):
    return words_apart(joint) | {"apart": _entropy(joint.sum(axis=1))}


def apart_difference(joint):
    right = words_apart(joint)
    return right | {"apart": right["apart"] - right["together"]}


def apart_cells_counted(joint):
    return words_apart(joint) | {"never": float((joint == 0).mean())}


def apart_sometimes(joint):
    right = words_apart(joint)
    return right | {"never": 1 - right["never"]}


def apart_likeliest_pair(joint):
    return words_apart(joint) | {"likeliest": float(joint.max())}


def apart_likeliest_of_product(joint):
    return words_apart(joint) | {"likeliest": float(joint.sum(axis=1).max() * joint.sum(axis=0).max())}


# --- two_masks ---

# order, number shown, tokens in the memory
MASKS_DATA = [([4, 0, 3, 1, 2, 6, 5], 3, 2), ([1, 2, 0], 0, 5), ([0, 3, 1, 2, 4], 4, 0)]


def two_masks(order, num_shown, num_past):
    """The two masks of the task."""
    num_tokens = len(order)
    rank = np.zeros(num_tokens, int)
    rank[order[num_shown:]] = np.arange(num_tokens - num_shown) + 1
    earlier = (rank[np.newaxis] < rank[:, np.newaxis]) | (rank == 0)
    content = earlier | np.eye(num_tokens, dtype=bool)
    past = np.ones((num_tokens, num_past), bool)
    content, query = (np.hstack([past, each]).astype(int) for each in (content, earlier))
    return {"content": content, "query": query[order[num_shown:]]}


def _masks_changed(change):
    """A mistake: change(masks, order, num_shown, num_past) → some other masks."""
    def wrong(order, num_shown, num_past):
        right = two_masks(order, num_shown, num_past)
        return right | change(right, order, num_shown, num_past)
    return wrong


masks_may_not_look = _masks_changed(lambda right, *given: {name: 1 - mask for name, mask in right.items()})


@_masks_changed
def masks_query_sees_itself(right, order, num_shown, num_past):
    query = right["query"].copy()
    query[np.arange(len(query)), num_past + np.array(order[num_shown:], int)] = 1
    return {"query": query}


@_masks_changed
def masks_content_without_itself(right, order, num_shown, num_past):
    content = right["content"].copy()
    predicted = np.array(order[num_shown:], int)
    content[predicted, num_past + predicted] = 0
    return {"content": content}


@_masks_changed
def masks_shown_in_order(right, order, num_shown, num_past):
    """The shown ones see only those before them in the order, as if they were predicted."""
    content = right["content"].copy()
    for place, token in enumerate(order[:num_shown]):
        content[token, num_past + np.array(order[place + 1:num_shown], int)] = 0
    return {"content": content}


@_masks_changed
def masks_shown_see_all(right, order, num_shown, num_past):
    content = right["content"].copy()
    content[order[:num_shown]] = 1
    return {"content": content}


@_masks_changed
def masks_query_by_place(right, order, num_shown, num_past):
    return {"query": right["query"][np.argsort(order[num_shown:], kind="stable")]}


@_masks_changed
def masks_content_by_order(right, order, num_shown, num_past):
    return {"content": right["content"][order]}


@_masks_changed
def masks_without_past(right, order, num_shown, num_past):
    return {name: mask * (np.arange(mask.shape[1]) >= num_past) for name, mask in right.items()}


@_masks_changed
def masks_past_at_the_end(right, order, num_shown, num_past):
    return {name: np.roll(mask, -num_past, axis=1) for name, mask in right.items()}


@_masks_changed
def masks_of_the_text(right, order, num_shown, num_past):
    """Predicted from left to right, whatever the order is."""
    other = two_masks([*order[:num_shown], *sorted(order[num_shown:])], num_shown, num_past)
    rows = np.argsort(np.argsort(order[num_shown:], kind="stable"), kind="stable")
    return {"content": other["content"], "query": other["query"][rows]}


# --- both_streams ---


class Streams:
    """A model of two streams: row i of each is a weighted sum of tokens, then something nonlinear.

    Args:
        content, query: (T, T), the weights; 0 where a row does not look.
        size: H.
        ending: "plain", or "mirrored": the features are followed by the same with the other sign, so that
            they sum to exactly 0.
        beginning: "plain"; "difference": of each token the difference of its two features is read; or
            "later": its first feature is not read.
    """

    def __init__(self, content, query, size, ending="plain", beginning="plain"):
        self.weights = np.array(content, float), np.array(query, float)
        self.ending = ending
        rng = np.random.default_rng(size)
        self.mix = rng.uniform(-1, 1, (size, size))
        if beginning == "difference":
            self.mix = np.array([[1.0], [-1.0]])
        elif beginning == "later":
            self.mix[0] = 0

    def forward(self, x):
        """x (T, H) → (content, query), cache; T rows each."""
        states = [np.tanh(weights @ x @ self.mix) for weights in self.weights]
        mirrored = self.ending == "mirrored"
        return tuple(np.hstack([s, -s]) if mirrored else s for s in states), states

    def backward(self, d_output, cache):
        """(d_content, d_query), cache → d_x (T, H)."""
        d_x = 0
        for weights, state, d_y in zip(self.weights, cache, d_output):
            if d_y is None:
                continue
            size = state.shape[1]
            d_state = d_y[:, :size] - d_y[:, size:] if self.ending == "mirrored" else d_y
            d_x = d_x + weights.T @ (d_state * (1 - state * state)) @ self.mix.T
        return d_x

    def __repr__(self):
        return f"<a model of {len(self.weights[0])} tokens>"


class Pass:
    """A function of a model, told as such in a message."""

    def __init__(self, model, name):
        self.model, self.name = model, name

    def __call__(self, *arguments):
        return getattr(self.model, self.name)(*arguments)

    def __repr__(self):
        return f"<{self.name} of {len(self.model.weights[0])} tokens>"


def drawn_streams(seed, num_tokens, faint=1.0):
    """Weights of both streams of a random order; a tenth of them is small or wrong."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(num_tokens)
    sees = order[np.newaxis] < order[:, np.newaxis]
    content, query = rng.uniform(0.2, 1.0, (2, num_tokens, num_tokens))
    content, query = content * (sees | np.eye(num_tokens, dtype=bool)), query * sees
    leak = rng.integers(num_tokens)
    query[leak, leak] = faint
    return content, query


def as_grids(both):
    """The answer of the task: content and query, 1 where a row depends on a token and 0 elsewhere."""
    return {name: np.array(grid, int) for name, grid in zip(("content", "query"), both)}


def streams_case(content, query, size, seed=0, **kind):
    """Arguments and result of the task."""
    model = Streams(content, query, size, **kind)
    x = np.random.default_rng(seed).standard_normal((len(content), size))
    return (Pass(model, "forward"), Pass(model, "backward"), x), as_grids(w != 0 for w in model.weights)


STREAMS_CASES = [
    streams_case([[0.5, 0, 0], [0.3, 0.6, 0.2], [0.4, 0, 0.7]], [[0, 0, 0], [0.2, 0, 0.8], [0.9, 0, 0]], 5),
    streams_case(*drawn_streams(1, 5), 3, ending="mirrored"),
    streams_case(*drawn_streams(2, 4, faint=1e-9), 6),
    streams_case(*drawn_streams(4, 6), 4, beginning="later"),
    streams_case(*drawn_streams(3, 5), 2, beginning="difference"),
]


def both_streams(forward, backward, x, d_row=None, found=None):
    """The two grids of the task; d_row and found change how it is done."""
    outputs, cache = forward(x)
    rng = np.random.default_rng(0)
    d_row = d_row or (lambda size: rng.standard_normal(size))
    found = found or (lambda d_x: (d_x != 0).any(axis=1))
    grids = []
    for stream in range(2):
        rows = []
        for row in range(len(x)):
            d_outputs = [np.zeros(output.shape) for output in outputs]
            d_outputs[stream][row] = d_row(outputs[stream].shape[1])
            rows.append(found(backward(tuple(d_outputs), cache)))
        grids.append(rows)
    return as_grids(grids)


def streams_of_ones(forward, backward, x):
    return both_streams(forward, backward, x, d_row=np.ones)


def streams_summed(forward, backward, x):
    return both_streams(forward, backward, x, found=lambda d_x: d_x.sum(axis=1) != 0)


def streams_rounded(forward, backward, x):
    return both_streams(forward, backward, x, found=lambda d_x: (abs(d_x) > 1e-6).any(axis=1))


def streams_transposed(forward, backward, x):
    return {name: grid.T for name, grid in both_streams(forward, backward, x).items()}


def streams_exchanged(forward, backward, x):
    return as_grids(reversed(both_streams(forward, backward, x).values()))


def streams_all_rows(forward, backward, x):
    """One pass for all rows of a stream: which tokens any row sees."""
    grids = both_streams(forward, backward, x)
    return as_grids(np.tile(grid.any(axis=0), (len(grid), 1)) for grid in grids.values())


def streams_both_at_once(forward, backward, x):
    content, query = both_streams(forward, backward, x).values()
    return as_grids([content | query] * 2)


# --- alibi ---


def alibi_inputs(rng):
    query, key, value = (rng.standard_normal(shape) for shape in ((2, 3, 4, 5), (2, 3, 12, 5), (2, 3, 12, 6)))
    return query, key, value, rng.uniform(0.1, 0.5, 3)


def _distances(query, key):
    """(T, K): how far key j is before query t."""
    num_queries, num_keys = query.shape[2], key.shape[2]
    return num_keys - num_queries + np.arange(num_queries)[:, np.newaxis] - np.arange(num_keys)


def _alibi(query, key, value, bias, may_look, scale=None):
    scores = query @ key.swapaxes(-1, -2) * (scale or query.shape[-1] ** -0.5) + bias
    return softmax(np.where(may_look, scores, -1e9)) @ value


def _slopes(slopes, distances):
    return -slopes[:, np.newaxis, np.newaxis] * distances


def alibi_right(query, key, value, slopes):
    distances = _distances(query, key)
    return _alibi(query, key, value, _slopes(slopes, distances), distances >= 0)


def alibi_rewards_distance(query, key, value, slopes):
    return alibi_right(query, key, value, -slopes)


def alibi_sees_the_future(query, key, value, slopes):
    distances = _distances(query, key)
    return _alibi(query, key, value, _slopes(slopes, distances), True)


def alibi_without_past(query, key, value, slopes):
    """Query t is at key t."""
    distances = _distances(query, key) - key.shape[2] + query.shape[2]
    return _alibi(query, key, value, _slopes(slopes, distances), distances >= 0)


def alibi_scaled(query, key, value, slopes):
    distances = _distances(query, key)
    return _alibi(query, key, value, _slopes(slopes, distances) * query.shape[-1] ** -0.5, distances >= 0)


def alibi_not_divided(query, key, value, slopes):
    distances = _distances(query, key)
    return _alibi(query, key, value, _slopes(slopes, distances), distances >= 0, scale=1)


def alibi_one_slope(query, key, value, slopes):
    distances = _distances(query, key)
    return _alibi(query, key, value, -slopes[0] * distances, distances >= 0)


def alibi_without_bias(query, key, value, slopes):
    return _alibi(query, key, value, 0, _distances(query, key) >= 0)


def alibi_after_softmax(query, key, value, slopes):
    distances = _distances(query, key)
    scores = query @ key.swapaxes(-1, -2) * query.shape[-1] ** -0.5
    probs = softmax(np.where(distances >= 0, scores, -1e9))
    return (probs + _slopes(slopes, distances) * (distances >= 0)) @ value


# --- t5_buckets ---

# queries, keys, buckets, the distance from which on the last bucket is used
BUCKET_DATA = [(3, 14, 8, 12), (5, 30, 16, 23), (31, 2, 12, 20)]


def t5_buckets(num_queries, num_keys, num_buckets, max_distance, *, sign=1, near=None, half=None, log=True):
    """The numbers of the task; what follows the star is for mistakes."""
    relative = sign * (np.arange(num_keys) - np.arange(num_queries)[:, np.newaxis])
    side = half or num_buckets // 2
    exact = near or side // 2
    far = np.maximum(abs(relative), 1) / exact
    if log:
        spread = np.log(far) / np.log(max_distance / exact)
    else:
        spread = (far - 1) / (max_distance / exact - 1)
    bucket = np.minimum(exact + (np.maximum(spread, 0) * (side - exact)).astype(int), side - 1)
    bucket = np.where(abs(relative) < exact, abs(relative), bucket)
    return bucket + side * (relative > 0) * (half is None)


def buckets_other_side(num_queries, num_keys, num_buckets, max_distance):
    return t5_buckets(num_queries, num_keys, num_buckets, max_distance, sign=-1)


def buckets_linear(num_queries, num_keys, num_buckets, max_distance):
    return t5_buckets(num_queries, num_keys, num_buckets, max_distance, log=False)


def buckets_without_side(num_queries, num_keys, num_buckets, max_distance):
    return t5_buckets(num_queries, num_keys, num_buckets, max_distance, half=num_buckets // 2)


def buckets_one_sided(num_queries, num_keys, num_buckets, max_distance):
    return t5_buckets(num_queries, num_keys, num_buckets, max_distance, half=num_buckets)


def buckets_clipped(num_queries, num_keys, num_buckets, max_distance):
    """As in relative_bias of lesson 05: every distance exactly, the far ones clipped."""
    return t5_buckets(num_queries, num_keys, num_buckets, max_distance, near=num_buckets // 2 - 1)


def buckets_rounded(num_queries, num_keys, num_buckets, max_distance):
    relative = np.arange(num_keys) - np.arange(num_queries)[:, np.newaxis]
    side = num_buckets // 2
    exact = side // 2
    spread = np.log(np.maximum(abs(relative), 1) / exact) / np.log(max_distance / exact)
    bucket = np.minimum(exact + np.rint(spread * (side - exact)).astype(int), side - 1)
    return np.where(abs(relative) < exact, abs(relative), bucket) + side * (relative > 0)


def buckets_transposed(num_queries, num_keys, num_buckets, max_distance):
    return t5_buckets(num_keys, num_queries, num_buckets, max_distance, sign=-1)


def buckets_not_capped(num_queries, num_keys, num_buckets, max_distance):
    relative = np.arange(num_keys) - np.arange(num_queries)[:, np.newaxis]
    side = num_buckets // 2
    exact = side // 2
    spread = np.log(np.maximum(abs(relative), exact) / exact) / np.log(max_distance / exact)
    bucket = exact + (spread * (side - exact)).astype(int)
    return np.where(abs(relative) < exact, abs(relative), bucket) + side * (relative > 0)


# --- reach_of_memory ---

REACH = {"keys": 20, "distances": 31, "reach": 56, "gradient": 0, "numbers": 1200}
REACH_MISTAKES = [
    ({"keys": 12}, "The tokens of the memory are keys, too."),
    ({"keys": 8}, "A token attends to its own piece, too, and not to the memory alone."),
    ({"keys": 52}, "The memory of a layer has 8 tokens, not 8 for each layer."),
    ({"distances": 20}, "The first token of the piece has later ones at distances below 0: these count."),
    ({"distances": 32}, "The distance 0 occurs in both directions and counts once."),
    ({"distances": 39}, "No query is in the memory: the tokens in it do not ask."),
    ({"reach": 8}, "That is one layer. The rows in its memory have read the tokens before them."),
    ({"reach": 40}, "The first of 8 rows in the memory was computed with all of its piece, and its memory."),
    ({"reach": 60}, "In the lowest layer the memory holds 8 tokens, not the whole piece before."),
    ({"reach": 68}, "One piece too many: only the layers above the lowest reach a whole piece back."),
    ({"gradient": 8}, "The state is a constant: nothing goes back into it."),
    ({"gradient": 56}, "It reads that far, but the state is a constant: nothing goes back."),
    ({"numbers": 240}, "Each layer keeps its own rows."),
    ({"numbers": 1440}, "The output of the last layer is not kept: no layer reads it."),
    ({"numbers": 1800}, "Only the last 8 tokens are kept, not all 12."),
    ({"numbers": 2400}, "The rows are kept, keys and values are made of them again."),
]

EXERCISES = [
    # Task: from a joint table of two words: the entropy of both, the sum of the two entropies, how often a
    # pair drawn apart never occurs, and the probability of the pair of the two likeliest words.
    Function(
        name="words_apart",
        points=2,
        cases=[((table,), words_apart(table)) for table in APART_TABLES],
        mistakes=[
            Mistake(apart_in_bits, "These are bits: use the natural logarithm, for nats."),
            Mistake(apart_with_given, "`apart` must not know the first word when it guesses the second."),
            Mistake(apart_first_only, "`apart` is the entropy of both words, each alone: a sum of two."),
            Mistake(apart_difference, "This is how much more it costs; `apart` is all that it costs."),
            Mistake(apart_cells_counted, "A pair counts as often as it is drawn: add up probabilities."),
            Mistake(apart_sometimes, "This is how often the pair does occur: `never` is the rest."),
            Mistake(apart_likeliest_pair, "The likeliest word of each, alone; not the likeliest pair."),
            Mistake(apart_likeliest_of_product, "How likely is that pair in the language, joint[...]?"),
        ],
        hint="The sums of rows and columns are the two words alone; leave out zeros before the logarithm.",
    ),
    # Task: from an order, of which the first tokens are only shown: who may look at whom, memory included.
    Function(
        name="two_masks",
        points=3,
        cases=[(given, two_masks(*given)) for given in MASKS_DATA],
        unchanged=(0,),
        mistakes=[
            Mistake(masks_may_not_look, "Exchanged: here 1 is \"may look\", unlike in perm_mask."),
            Mistake(masks_query_sees_itself, "A query row sees the token that it has to predict."),
            Mistake(masks_content_without_itself, "A content row does not see itself: it holds its token."),
            Mistake(masks_shown_in_order, "The shown tokens have no order: each sees all of them."),
            Mistake(masks_shown_see_all, "The shown tokens see tokens that are to be predicted."),
            Mistake(masks_query_by_place, "The query rows are in the order of prediction, not of the text."),
            Mistake(masks_content_by_order, "The content rows are in the order of the text, by place."),
            Mistake(masks_without_past, "Everyone may look at the memory."),
            Mistake(masks_past_at_the_end, "The memory comes first: its columns are on the left."),
            Mistake(masks_of_the_text, "This predicts from left to right: it is the order that decides."),
        ],
        hint="Number the tokens by the order, 0 if shown; row i sees j if j's number is smaller, or 0.",
    ),
    # Task: which token does each row of content and query depend on? By gradients, one row at a time.
    Function(
        name="both_streams",
        points=3,
        cases=STREAMS_CASES,
        mistakes=[
            Mistake(
                streams_of_ones,
                "Ones are a bad direction: the features of this model sum to 0, so their sum has no gradient "
                "(lesson 06, section 7). Take random numbers.",
            ),
            Mistake(
                streams_summed,
                "The features of d_x may cancel in a sum: a row is seen if any of them is not 0.",
            ),
            Mistake(streams_rounded, "A small gradient is a leak, too: an unseen token has exactly 0."),
            Mistake(streams_transposed, "Row i, column j: does row i of the stream depend on token j?"),
            Mistake(streams_exchanged, "Exchanged: forward gives the content first, then the query."),
            Mistake(streams_all_rows, "One backward for all rows mixes them: one for each row."),
            Mistake(streams_both_at_once, "Each stream by itself: zeros for the other one's gradient."),
        ],
        hint="One forward; for each row of each stream a backward with random numbers in that row alone.",
    ),
    # Task: causal attention whose scores fall with the distance, slope by slope; the slopes learn, too.
    Gradients(
        name="alibi",
        points=(1, 3),
        inputs=alibi_inputs,
        shape=(2, 3, 4, 6),
        values=[-0.0388794, -0.569763, -0.0056686, 0.351481, 0.4577, 0.00381811, -0.206955],
        mistakes=[
            Mistake(alibi_rewards_distance, "The sign is wrong: a far key has a lower score."),
            Mistake(alibi_sees_the_future, "A query sees later keys: hide those at a distance below 0."),
            Mistake(alibi_without_past, "Query t is at key K - T + t: the queries are the last of the keys."),
            Mistake(alibi_scaled, "Only the products are divided by the root of D, not the slopes."),
            Mistake(alibi_not_divided, "The products are not divided by the root of D."),
            Mistake(alibi_one_slope, "Each head has a slope of its own."),
            Mistake(alibi_without_bias, "This is causal attention without distances."),
            Mistake(alibi_after_softmax, "The bias belongs to the scores, before the softmax."),
        ],
        hint="distance = K - T + t - j, (T, K); scores - slopes[:, None, None] * distance; -1e9 below 0.",
    ),
    # Task: the bucket of each distance in T5: near ones alone, far ones together, both sides apart.
    Function(
        name="t5_buckets",
        points=2,
        cases=[(given, t5_buckets(*given)) for given in BUCKET_DATA],
        integers=True,
        mistakes=[
            Mistake(buckets_other_side, "The sides are exchanged: the second half is for j > i."),
            Mistake(buckets_linear, "The far buckets grow with the distance: by the logarithm."),
            Mistake(buckets_without_side, "A key after the query has a bucket of the second half."),
            Mistake(buckets_one_sided, "Each side has half of the buckets."),
            Mistake(buckets_clipped, "This is a bucket for each distance, the far ones clipped."),
            Mistake(buckets_rounded, "Rounded to the nearest: round down."),
            Mistake(buckets_transposed, "Rows are queries, columns are keys."),
            Mistake(buckets_not_capped, "From max_distance on, all are in the last bucket of their side."),
        ],
        hint="Take the absolute distance first, and add half of the buckets at last where j > i.",
    ),
    # Task: with pieces of T tokens, a memory of M and L layers: keys, distances, how far what is read and
    # what is learned reach back, and how many numbers are kept.
    Value(
        name="reach_of_memory",
        points=2,
        expected=REACH,
        mistakes=REACH_MISTAKES,
        hint="Draw three pieces and two layers, and the rows that a row of the last piece reads, one by one.",
    ),
]
