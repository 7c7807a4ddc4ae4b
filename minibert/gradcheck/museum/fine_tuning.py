"""Mistakes of fine-tuning; a gradient check sees none of them."""

import numpy as np

from minibert.gradcheck.cases.common import INPUT_IDS, H, V, generator, random, scrambled
from minibert.gradcheck.museum.exhibit import Exhibit, Finding, changed
from minibert.layers import Parameter
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.models.bert import BertConfig, BertModel
from minibert.models.heads import SpanHead
from minibert.objectives.frozen import without_dropout
from minibert.text.examples.labelled import encode_tagged
from minibert.text.labelled import TaggedWords
from minibert.text.tokenizer import WordPieceTokenizer
from minibert.training.layerwise import layerwise_adamw
from minibert.training.optimizers import AdamW


@changed(
    "_update",
    ours="update *= self.lr * root / first_correction",
    theirs="update *= self.lr",
)
class Uncorrected(AdamW):
    """Adam without its bias correction: the first hundred steps are several times too long.

    How it looked. BERT's own optimizer leaves out the divisions by 1 − β₁ᵗ and 1 − β₂ᵗ, and so did the copies
    of it with which everybody fine-tuned.
    How it hides. In pretraining: after a thousand steps of a million the corrections are 1. A warm-up hides
    it, and so does a lucky seed.
    The cost. The second moment starts at zero and grows more slowly than the first, so that a step is 3.2
    times the learning rate at the first, 6.6 times at the twelfth and still 3.2 times at the hundredth.
    Fine-tuning is not much longer than that: some seeds never recover (Mosbach et al. 2021, Zhang et al.
    2021).
    """


def layers_off_by_one(groups, lr, layer_decay=1.0, **options):
    """The rate falls by a factor a layer, and once more between the head and the top layer.

    How it looked. Depths were counted from the embeddings, 0, to the head, L + 2, where L + 1 is right: the
    top layer, at L, has the exponent 2.
    How it hides. The rates fall from layer to layer, as they should. All but the head's are too small by one
    factor, and whoever tunes the learning rate tunes that away, except for the head.
    The cost. With a factor of 0.8 all layers learn at four fifths of the rate that is written down, and who
    writes the formula rightly cannot repeat the results.
    """
    *below, head = groups
    return layerwise_adamw([*below, {}, head], lr, layer_decay, **options)


def labels_on_every_piece(sentences, tokenizer, max_length, label_ids=None):
    """The label of a word is given to all its pieces, and one name becomes several.

    How it looked. B-PER for each of the pieces of "Karlstadt", where the first has the label and the others
    have -100.
    How it hides. The loss falls, and the accuracy over pieces is a number like any other.
    The cost. B- says that a name begins here: three pieces are three names. Scores over pieces compare with
    nobody's, and a word counts in the loss as often as it has pieces: rare words most.
    """
    rows, num_windowed = encode_tagged(sentences, tokenizer, max_length, label_ids)
    for row in rows:
        for place, end in zip(row.places, [*row.places[1:], len(row.input_ids) - 1]):
            row.target[place:end] = [row.target[place]] * (end - place)
    return rows, num_windowed


class OutsideIsZero(SpanHead):
    """An answer outside of the window is trained as the answer (0, 0).

    How it looked. A long text is cut into windows, and most of them do not hold the answer. Their positions
    were set to 0, that of [CLS], and went into the loss.
    How it hides. That is right where a question may have no answer, as in SQuAD 2: [CLS] means just that. And
    the loss falls, because [CLS] is always at the same place.
    The cost. Where every question has an answer, most windows teach that there is none, and [CLS] competes
    with the answer wherever there is one.
    """

    def forward(self, states, start_positions=None, end_positions=None, rng=None):
        is_outside = np.maximum(start_positions, end_positions) >= states.shape[1]
        starts = np.where(is_outside, 0, start_positions)
        ends = np.where(is_outside, 0, end_positions)
        return super().forward(states, starts, ends, rng)


def frozen_with_dropout(layers):
    """The encoder is frozen, and its dropout stays on: the head learns from other states at every step.

    How it looked. "Frozen" was taken to mean that the parameters get no gradient. Dropout is not a parameter,
    and the whole model was in training mode.
    How it hides. The parameters do not move, as a test would confirm; and the head learns.
    The cost. A layer that learns can answer to its dropout; in one that cannot, it is noise in the features.
    The same text has other features in every epoch, none of them those that it has when the model is used;
    and what could be computed once is computed again at every step.
    """
    pass


def length_of_the_twelfth_step(optimizer):
    """All gradients are the same number, so the corrected moments are g and g²: a step is one rate."""
    parameter = Parameter(np.zeros(1))
    adamw = optimizer({"bias": parameter}, lr=1e-3, eps=1e-12)
    for _ in range(12):
        before = parameter.value.copy()
        parameter.grad[...] = 0.5
        adamw.step()
    return Finding(
        "the twelfth step, in learning rates", 1.0, float((before - parameter.value)[0] / 1e-3), 1e-6)


def rate_of_the_top_layer(make):
    """Of an encoder with two layers, the head at a rate of 1 and a factor of 0.8."""
    groups = [{name: Parameter(np.zeros(1))} for name in ("embeddings", "layer 0", "layer 1", "head")]
    optimizer = make(groups, 1.0, 0.8)
    [rate] = [each.lr for each in optimizer.optimizers if "layer 1" in each.parameters]
    return Finding("rate of the top layer, the head's being 1", 0.8, rate)


def predictions_of_a_long_name(encode):
    """"Karlstadt" is karl ##sta ##dt: one word, one name, one label."""
    tokenizer = WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "karl", "##sta", "##dt"])
    [row], _ = encode([TaggedWords(1, ["Karlstadt"], ["B-PER"])], tokenizer, 8, {"O": 0, "B-PER": 1})
    names = sum(label not in (IGNORE_INDEX, 0) for label in row.target)
    return Finding("names that begin in one word of three pieces", 1, names)


def loss_of_a_window_without_the_answer(head):
    """The answer lies beyond the end: the window says nothing, and costs nothing."""
    layer = scrambled(head(H))
    output, _ = layer.forward(random(1, 5, H), np.array([7]), np.array([8]))
    return Finding("loss of a window that does not hold the answer", 0.0, float(output.loss))


def noise_in_frozen_states(freeze):
    """The same text twice, in training."""
    model = scrambled(BertModel(BertConfig(V, hidden_size=H, num_hidden_layers=1, intermediate_size=7)))
    freeze([model.embeddings, *model.encoder])
    rng = generator()
    first, second = (model.forward(INPUT_IDS, rng=rng)[0].last_hidden_state for _ in range(2))
    return Finding(
        "how far frozen states move from step to step", 0.0, float(np.abs(first - second).max()))


EXHIBITS = [
    Exhibit("no-bias-correction", AdamW, Uncorrected, None, None, "", length_of_the_twelfth_step,
            seen=["https://arxiv.org/abs/2006.04884", "https://arxiv.org/abs/2006.05987"]),
    Exhibit("layers-off-by-one", layerwise_adamw, layers_off_by_one, None, None, "", rate_of_the_top_layer,
            seen=["https://github.com/google-research/electra/issues/51"]),
    Exhibit(
        "labels-on-every-piece", encode_tagged, labels_on_every_piece, None, None, "",
        predictions_of_a_long_name,
        seen=["https://github.com/huggingface/transformers/pull/14055"],
    ),
    Exhibit("outside-is-zero", SpanHead, OutsideIsZero, None, None, "", loss_of_a_window_without_the_answer,
            seen=["https://github.com/huggingface/transformers/pull/441"]),
    Exhibit(
        "frozen-with-dropout", without_dropout, frozen_with_dropout, None, None, "", noise_in_frozen_states,
        seen=["https://github.com/allenai/allennlp/issues/4895"],
    ),
]
