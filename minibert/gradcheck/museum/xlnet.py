"""Mistakes of permutation language models, and of fine-tuning them."""

import numpy as np

from minibert.gradcheck.cases.common import generator
from minibert.gradcheck.museum.exhibit import Exhibit, Finding, changed
from minibert.layers import Parameter, RelativeAttention
from minibert.text.examples.permutations import order_mask, permutation_batch, targets
from minibert.text.examples.sentence_pairs import PairBatch
from minibert.text.tokenizer import WordPieceTokenizer
from minibert.training.layerwise import layerwise_adamw


def masked_content(batch, tokenizer, rng, **options):
    """The predicted tokens become [MASK] in the content rows, too: this is BERT again.

    How it looked. A collator for XLNet was made from one for BERT, and the line that replaces tokens by the
    mask stayed (in transformers).
    How it hides. The loss falls as it does in BERT, and orders, masks and query rows all do their work. XLNet
    hides a token by whom it may see; that it is hidden twice cannot be seen in any shape.
    The cost. A later target is to see the earlier ones, and sees [MASK]. So it is predicted from the words
    that were not chosen, as in BERT: two words that must agree are guessed independently, and the orders
    teach nothing.
    """
    result = permutation_batch(batch, tokenizer, rng, **options)
    is_target = result.target_mapping.any(axis=1)
    return result._replace(input_ids=np.where(is_target, tokenizer.mask_token_id, result.input_ids))


@changed(
    "forward",
    ours="probs = softmax(masked_scores) if mask is None else softmax(masked_scores) * mask",
    theirs="probs = softmax(masked_scores)",
)
class LeakingRow(RelativeAttention):
    """A row that may look nowhere looks everywhere, also at the token that it predicts.

    How it looked. Where a query must not look, the score becomes a huge negative number, and the softmax
    gives 0. In a row where that happens to every score, all scores are the same number, and the softmax gives
    each the same share (in apex, and in transformers, too).
    How it hides. It needs a row that sees nothing. Only the first word of an order has one, and only if no
    word is left out of the order.
    The cost. That word is predicted from a mean of all tokens, itself included. Its loss is better than that
    of any honest model, and the weights learn to read answers from a mean.
    """


def open_diagonal(order):
    """The diagonal of perm_mask is 0: a query row sees the token that it predicts.

    How it looked. A token that comes later may not be seen: order_j > order_i. But a token does not come
    later than itself. For content rows that is right; for query rows it has to be ≥.
    How it hides. Everything works, and better than it should.
    The cost. The loss falls towards 0 within minutes, and the model has learned to copy.
    """
    return (order[:, np.newaxis] > 0) & (order[:, np.newaxis] > order[:, :, np.newaxis])


def first_row_only(ids, chosen):
    """target_mapping is filled in for the first sequence of a batch, and stays 0 for the others.

    How it looked. `target_mapping[0, 0, -1] = 1.0`, where the first 0 should be a colon (in transformers).
    How it hides. A batch of one is right, and tests often have one. In transformers a row of zeros is not an
    error: its query looks nowhere.
    The cost. All sequences but the first are answered from the beginning of the query stream alone: always
    with the same distribution.
    """
    mapping, labels = targets(ids, chosen)
    mapping[1:] = False
    return mapping, labels


def decayed_gradients(groups, lr, layer_decay=1.0, **options):
    """The factor of each layer multiplies its gradients, and not its learning rate.

    How it looked. `grad * decay ** depth`, before the gradients go to Adam (zihangdai/xlnet, model_utils.py:
    lr_layer_decay_rate).
    How it hides. With plain gradient descent both are the same. And a run is neither better nor worse than
    without the option.
    The cost. Adam divides a gradient by its own size: a factor on all gradients of a parameter cancels. All
    layers learn at the full rate. Only epsilon, and clipping by the norm of all, notice the factor.
    """
    optimizer = layerwise_adamw(groups, lr, **options)
    plain_step = optimizer.step
    def step(map=map):
        decay_gradients(groups, layer_decay)
        plain_step(map)
    optimizer.step = step
    return optimizer


def decay_gradients(groups, layer_decay):
    """Multiply the gradients of each group by a factor, one more for each group below the last."""
    for steps_below_the_top, group in enumerate(reversed(groups)):
        for parameter in group.values():
            parameter.grad *= layer_decay**steps_below_the_top


def share_of_targets_that_content_shows(make):
    """[CLS] a b c [SEP] d e f [SEP]; every word is predicted, and content rows hold them as they are."""
    tokenizer = WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdef"])
    ids = np.array([[2, 5, 6, 7, 3, 8, 9, 10, 3]])
    types, nothing = (np.arange(9) > 4).astype(int)[np.newaxis], np.full_like(ids, -100)
    pair = PairBatch(ids, types, np.ones_like(ids), nothing, np.array([0]))
    batch = make(pair, tokenizer, generator(), word_starts=np.ones(11, bool), predicted=1.0)
    shown = np.take_along_axis(batch.input_ids, batch.target_mapping.argmax(axis=-1), axis=1)
    share = float(np.mean(shown == batch.labels))
    return Finding("share of the predicted words that later ones can see", 1.0, share)


def targets_that_see_themselves(mask):
    """The order of three tokens, all of them predicted."""
    [must_not_look] = mask(np.array([[2, 3, 1]]))
    return Finding("tokens that see themselves", 0, int(np.count_nonzero(~must_not_look.diagonal())))


def predictions_of_the_second_sequence(map_targets):
    """Two sequences, two words to predict in each."""
    mapping, _ = map_targets(np.array([[5, 6, 7], [8, 9, 10]]), np.array([[1, 0, 1], [0, 1, 1]], bool))
    return Finding("predicted words of the second sequence", 2, int(mapping[1].sum()))


def way_of_the_lower_layer(make):
    """Of a layer and a head, 20 steps along the same gradient, with a factor of 0.75."""
    groups = [{"layer": Parameter(np.zeros(1))}, {"head": Parameter(np.zeros(1))}]
    optimizer = make(groups, 0.01, 0.75)
    for _ in range(20):
        for group in groups:
            for parameter in group.values():
                parameter.grad[...] = 0.5
        optimizer.step()
    layer, head = (parameter.value[0] for group in groups for parameter in group.values())
    return Finding("way of the layer, the head's being 1", 0.75, float(layer / head), tolerance=1e-3)


EXHIBITS = [
    Exhibit(
        "masked-content", permutation_batch, masked_content, None, None, "",
        share_of_targets_that_content_shows,
        seen=["https://github.com/huggingface/transformers/issues/22435"],
    ),
    Exhibit(
        "leaking-row", RelativeAttention, LeakingRow, "RelativeAttention", "d_scores", "masked positions",
        seen=["https://github.com/NVIDIA/apex/issues/1390"],
    ),
    Exhibit("open-diagonal", order_mask, open_diagonal, None, None, "", targets_that_see_themselves,
            seen=["https://github.com/huggingface/transformers/pull/711 (suspected; the code was right)"]),
    Exhibit("first-row-only", targets, first_row_only, None, None, "", predictions_of_the_second_sequence,
            seen=["https://github.com/huggingface/transformers/issues/2359"]),
    Exhibit(
        "decayed-gradients", layerwise_adamw, decayed_gradients, None, None, "", way_of_the_lower_layer,
        seen=["https://github.com/zihangdai/xlnet/issues/184 (about other layers; it links the line)"],
    ),
]
