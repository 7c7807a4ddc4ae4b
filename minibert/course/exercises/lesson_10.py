"""Exercises of lesson 10: BERT's forward pass."""

import math

import numpy as np

from minibert.course.exercises.kinds import Function, Gradients, Mistake, Value

# --- embedding_sum ---


def _embedding_arguments():
    rng = np.random.default_rng(10)
    ids = np.array([[2, 4, 4, 1], [3, 0, 2, 6], [5, 5, 5, 0]])
    types = np.array([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1]])
    return ids, types, rng.standard_normal((7, 5)), rng.standard_normal((6, 5)), rng.standard_normal((2, 5))


def _small_numbers():
    """The variance is about as large as eps."""
    ids, types, *tables = _embedding_arguments()
    return ids, types, *(1e-6 * table for table in tables)


def _one_sequence():
    ids, types, token_table, position_table, segment_table = _embedding_arguments()
    return ids[:1, :3], types[:1, :3], token_table, position_table, segment_table


def _summed(ids, types, token_table, position_table, segment_table):
    return token_table[ids] + position_table[: ids.shape[1]] + segment_table[types]


def _normalised(x, axis=-1, **options):
    return (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(
        x.var(axis=axis, keepdims=True, **options) + 1e-12
    )


def _embedding_sum(*arguments):
    return _normalised(_summed(*arguments))


def _over_the_tokens(*arguments):
    return _normalised(_summed(*arguments), axis=1)


def _unbiased(*arguments):
    return _normalised(_summed(*arguments), ddof=1)


def _same_position(ids, types, token_table, position_table, segment_table):
    return _normalised(token_table[ids] + position_table[ids % len(position_table)] + segment_table[types])


# --- bert_shapes ---

SHAPES = {
    "embeddings": (3, 7, 24),
    "mask": (3, 1, 1, 7),
    "query": (3, 4, 7, 6),
    "probs": (3, 4, 7, 7),
    "activated": (3, 7, 40),
    "pooled": (3, 24),
    "transformed": (5, 24),
    "prediction_logits": (5, 50),
    "seq_relationship_logits": (3, 2),
    "loss": (),
}
SHAPE_MISTAKES = [
    (
        {"mask": (3, 7)},
        "That is attention_mask; attention needs axes of length 1 for the heads and the queries.",
    ),
    ({"mask": (3, 1, 7)}, "One axis of length 1 is missing: probs has four axes."),
    ({"mask": (3, 4, 7, 7)}, "It broadcasts to that; one row for each sequence is enough."),
    (
        {"mask": None},
        "Some rows end in [PAD], so attention gets a mask; only a batch without padding needs none.",
    ),
    ({"query": (3, 7, 24)}, "That is before the heads are split."),
    ({"query": (3, 7, 4, 6)}, "The heads come before the tokens: each head is a matrix (T, D) of its own."),
    ({"query": (3, 4, 7, 24)}, "The heads share the H columns: D = H / A."),
    ({"probs": (3, 7, 7)}, "Each head has a map of its own."),
    ({"activated": (3, 7, 24)}, "GELU sits where the network is wide."),
    ({"pooled": (3, 7, 24)}, "The pooler reads [CLS] only."),
    (
        {"transformed": (3, 7, 24), "prediction_logits": (3, 7, 50)},
        "With labels, the head is computed on the predicted rows only.",
    ),
    (
        {"transformed": (3, 5, 24), "prediction_logits": (3, 5, 50)},
        "5 is the number of predicted words in the whole batch, not in each sequence.",
    ),
    ({"seq_relationship_logits": (3,)}, "There are two classes: is next, is not."),
    ({"seq_relationship_logits": (3, 7, 2)}, "One answer for each sequence."),
    ({"loss": (3,)}, "The loss is a mean over the whole batch."),
    ({"loss": (1,)}, "A number has no axis: ()."),
    ({"loss": (5,)}, "The loss is a mean over the predicted words."),
]

# --- bert_parameters ---


def _count(V, H, F, num_layers, P, untied=0, biases=1, pooler=1, norms=1):
    block = 4 * (H * H + biases * H) + 2 * H * F + biases * (F + H) + norms * 4 * H
    embeddings = (V + P + 2) * H + norms * 2 * H
    heads = pooler * (H * H + H) + H * H + H + norms * 2 * H + V + 2 * H + 2 + untied * V * H
    return embeddings + num_layers * block + heads


def _decoder_counted_twice(*sizes):
    return _count(*sizes, untied=1)


def _without_decoder_bias(*sizes):
    return _count(*sizes) - sizes[0]


def _without_biases_in_blocks(*sizes):
    return _count(*sizes, biases=0)


def _without_pooler(*sizes):
    return _count(*sizes, pooler=0)


def _without_norms(*sizes):
    return _count(*sizes, norms=0)


def _without_heads(V, H, F, num_layers, P):
    return _count(V, H, F, num_layers, P) - (H * H + 3 * H + V + 2 * H + 2)


# --- left_padded_positions ---


def _arange(attention_mask):
    return np.broadcast_to(np.arange(attention_mask.shape[1]), attention_mask.shape)


def _from_one(attention_mask):
    return np.cumsum(attention_mask, axis=1) * attention_mask


def _minus_one_on_padding(attention_mask):
    return np.cumsum(attention_mask, axis=1) - 1


def _counts_on_after_the_end(attention_mask):
    return np.maximum(np.cumsum(attention_mask, axis=1) - 1, 0)


def _over_the_batch(attention_mask):
    return (np.cumsum(attention_mask) - 1).reshape(attention_mask.shape) * attention_mask


# --- factorised_embedding ---


def _embedding_inputs(rng):
    ids = np.array([[4, 1, 4], [5, 4, 0]])  # the last row, too, is not looked up
    return ids, rng.standard_normal((7, 4)), rng.standard_normal((4, 5))


def _first_rows(ids, table, projection):
    return table[np.broadcast_to(np.arange(ids.shape[1]), ids.shape)] @ projection


def _scaled(ids, table, projection):
    return table[ids] @ projection / np.sqrt(table.shape[1])


# --- masked_mean ---


def _mean_inputs(rng):
    mask = np.array([[1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 0], [1, 0, 0, 0, 0, 0]])
    return rng.standard_normal((3, 6, 2)), mask


def _mean_of_all(x, attention_mask):
    return x.mean(axis=1)


def _divided_by_T(x, attention_mask):
    return (x * attention_mask[..., np.newaxis]).mean(axis=1)


def _divided_by_batch_count(x, attention_mask):
    return (x * attention_mask[..., np.newaxis]).sum(axis=1) / attention_mask.sum()


ZEROS_ARE_REAL = (
    (np.array([[[0.0, 2], [4, 6], [0, 0], [9, 9]]]), np.array([[1, 1, 1, 0]])),
    {},
    np.array([[4 / 3, 8 / 3]]),
    "A real token may hold zeros: the number of real tokens is the sum of the mask.",
)


# --- mlm_loss ---


def _head_arguments():
    rng = np.random.default_rng(11)
    labels = np.array([[-100, 0, 6, -100, 3], [5, -100, -100, -100, -100]])
    shapes = (2, 5, 3), (3, 3), (3,), (7, 3), (7,)
    states, *head = (rng.standard_normal(shape) for shape in shapes)
    return states, labels, *head


def _far_logits():
    *others, output_bias = _head_arguments()
    return *others, output_bias + np.array([1000.0, 0, 0, 990, 0, 1000, -998])  # a word of probability 0


def _rows_far_apart():
    """All logits of one position are near 40, all of another near -820; the loss is that of the table."""
    *others, table, output_bias = _head_arguments()
    return *others, table + 400 * np.array([1.0, -1, 0]), output_bias


MLM_LOSS, FAR_LOSS, LOSS_OF_FAR_ROWS = 2.82954061, 502.472888, 2.82954061


def _mlm_loss(states, labels, weight, bias, table, output_bias, act=True, norm=True, ignored=-100):
    rows, words = states[labels > ignored], labels[labels > ignored]
    rows = rows @ weight + bias
    rows = rows * 0.5 * (1 + np.vectorize(math.erf)(rows / math.sqrt(2))) if act else rows
    logits = (_normalised(rows) if norm else rows) @ table.T + output_bias
    logits = logits - logits.max(axis=-1, keepdims=True)
    return (np.log(np.exp(logits).sum(axis=-1)) - logits[np.arange(len(words)), words]).mean()


def _loss_over_all_positions(states, labels, *head):
    return _mlm_loss(states, labels, *head) * (labels != -100).mean()


def _loss_without_the_norm(*arguments):
    return _mlm_loss(*arguments, norm=False)


def _loss_without_gelu(*arguments):
    return _mlm_loss(*arguments, act=False)


def _loss_of_the_transpose(states, labels, weight, *others):
    return _mlm_loss(states, labels, weight.T, *others)


def _loss_without_word_0(*arguments):
    return _mlm_loss(*arguments, ignored=0)


EXERCISES = [
    # Task: LayerNorm(token + position + segment), with γ = 1 and β = 0.
    Function(
        name="embedding_sum",
        points=1,
        cases=[
            (arguments, _embedding_sum(*arguments))
            for arguments in (_embedding_arguments(), _one_sequence(), _small_numbers())
        ],
        unchanged=(0, 1, 2, 3, 4),
        tolerance=1e-5,
        mistakes=[
            Mistake(_summed, "The sum is right; LayerNorm is missing."),
            Mistake(
                _over_the_tokens,
                "LayerNorm works on each token by itself: mean and variance over the last axis, H.",
            ),
            Mistake(_unbiased, "The variance divides by H and not by H - 1."),
            Mistake(_same_position, "A position is the place in the sequence, arange(T), and not the id."),
        ],
        hint="Look up three rows for each token, add them, then take mean and variance over the last axis.",
    ),
    # Task: the MLM head and its loss: gelu, LayerNorm, the tied table, -log softmax of the predicted words.
    Function(
        name="mlm_loss",
        points=2,
        cases=[
            (_head_arguments(), MLM_LOSS),
            (_far_logits(), FAR_LOSS),
            (_rows_far_apart(), LOSS_OF_FAR_ROWS),
        ],
        unchanged=(0, 1, 2, 3, 4, 5),
        mistakes=[
            Mistake(
                _loss_over_all_positions,
                "The sum is divided by all B·T positions; the mean is over the M predicted ones.",
            ),
            Mistake(_loss_without_the_norm, "The LayerNorm is missing between gelu and the decoder."),
            Mistake(_loss_without_gelu, "The gelu is missing between the dense layer and the LayerNorm."),
            Mistake(
                _loss_of_the_transpose,
                "minibert's weights are (in, out): states @ weight, without a transpose.",
            ),
            Mistake(
                _loss_without_word_0, "Word 0 is a word, too: only labels of -100 are left out."
            ),
        ],
        tolerance=1e-6,
        hint=(
            "Keep the M rows whose label is not -100; dense, gelu, LayerNorm; logits (M, V) = rows @ table.T "
            "+ output_bias; subtract each row's largest logit before exp."
        ),
    ),
    # Task: predict the shape of every array in a forward pass of BERT.
    Value(
        name="bert_shapes",
        points=2,
        expected=SHAPES,
        mistakes=SHAPE_MISTAKES,
        hint="The table of letters in section 1 and the picture below it help.",
    ),
    # Task: the number of parameters of BertForPreTraining, from V, H, F, the layers and the positions.
    Function(
        name="bert_parameters",
        points=2,
        cases=[
            ((20, 8, 16, 3, 17), 2326),
            ((4000, 128, 512, 2, 130), 963234),
            ((30522, 768, 3072, 12, 512), 110106428),
        ],
        mistakes=[
            Mistake(_decoder_counted_twice, "The decoder's weight is the token table: count it once."),
            Mistake(_without_decoder_bias, "The tied decoder has a bias of its own, (V,)."),
            Mistake(_without_biases_in_blocks, "The linear layers of the blocks have biases."),
            Mistake(_without_pooler, "The pooler is missing: a linear layer from H to H."),
            Mistake(
                _without_norms,
                "LayerNorm has gamma and beta: one after the embeddings, two in a block, one in the MLM "
                "head.",
            ),
            Mistake(
                _without_heads,
                "That is BertModel. BertForPreTraining has the MLM head and the NSP head on top.",
            ),
        ],
        hint=(
            "Count: three tables and a norm; a block (four H-to-H layers, two norms, two feed-forward "
            "layers), times the layers; the pooler; the MLM head (a dense layer, a norm, a bias); "
            "the NSP head."
        ),
    ),
    # Task: the first loss of an untrained model, right and with two mistakes.
    Value(
        name="first_loss",
        points=1,
        tolerance=1e-3,
        expected={
            "mlm": math.log(3000),
            "nsp": math.log(2),
            "divided_by_all": 0.15 * math.log(3000),
            "few_words": math.log(30),
        },
        mistakes=[
            ({"mlm": math.log(24)}, "Each question is about one of the V words, however many questions."),
            ({"mlm": math.log2(3000)}, "Nats: the natural logarithm."),
            ({"nsp": 0.5}, "0.5 is the probability of the right answer; the loss is minus its logarithm."),
            ({"divided_by_all": math.log(3000)}, "M terms of ln V each, divided by all B·T positions."),
            ({"few_words": math.log(3000)}, "All probability is on the few words that are left."),
        ],
        hint="A model that knows nothing gives 1/V to each word that it can choose; the loss is -ln of that.",
    ),
    # Task: position ids that count the real tokens of each row, wherever the padding is.
    Function(
        name="left_padded_positions",
        points=2,
        cases=[
            ((np.array([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]),), np.array([[0, 0, 0, 1, 2], [0, 1, 2, 3, 4]])),
            (
                (np.array([[1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]),),
                np.array([[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]),
            ),
            ((np.array([[0, 1, 1, 1, 0], [0, 0, 1, 0, 0]]),), np.array([[0, 0, 1, 2, 0], [0, 0, 0, 0, 0]])),
        ],
        unchanged=(0,),
        integers=True,
        mistakes=[
            Mistake(
                _arange, "That is the place in the row; a sentence with padding on its left would begin late."
            ),
            Mistake(_from_one, "The first real token has position 0."),
            Mistake(
                _minus_one_on_padding,
                "Padding on the left gets -1, which looks up the table's last row; it should get 0.",
            ),
            Mistake(
                _counts_on_after_the_end, "The real tokens are right; padding on the right should get 0, too."
            ),
            Mistake(_over_the_batch, "Each row counts by itself: axis=1."),
        ],
        hint="How many real tokens are to the left of this one? A cumulative sum along the row counts them.",
    ),
    # Task: ALBERT's lookup: table[ids] @ projection, without the (V, H) product.
    Gradients(
        name="factorised_embedding",
        points=(1, 3),
        inputs=_embedding_inputs,
        shape=(2, 3, 5),
        values=[1.21529, 2.20303, 0.702701, 1.34255, 2.46384, 1.06466],
        mistakes=[
            Mistake(_first_rows, "Look up the rows that ids names."),
            Mistake(_scaled, "There is no factor: the row times the projection."),
        ],
        hint="Look up the narrow rows (B, T, E) first, then multiply by the projection.",
    ),
    # Task: the mean of the real tokens of each sequence.
    Gradients(
        name="masked_mean",
        points=(1, 2),
        inputs=_mean_inputs,
        shape=(3, 2),
        values=[0.034579, 0.00956263, -0.376769, 0.340102, 0.90347, 0.0940123],
        edges=[ZEROS_ARE_REAL],
        mistakes=[
            Mistake(_mean_of_all, "The padding is averaged in."),
            Mistake(_divided_by_T, "Divide by the number of real tokens of each row, and not by T."),
            Mistake(
                _divided_by_batch_count,
                "Each row has its own number of real tokens: sum the mask over axis 1 only.",
            ),
        ],
        hint="Multiply by the mask, sum over the tokens, divide by the count of each row.",
    ),
]
