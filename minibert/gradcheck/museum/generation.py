"""Mistakes of models that predict the next token, and of text that they make. No gradient check sees them."""

import copy
import math
import pathlib
import tempfile

import numpy as np

from minibert import huggingface
from minibert.generation import next_probs
from minibert.gradcheck.cases import CASES
from minibert.gradcheck.museum.exhibit import Exhibit, Finding, changed
from minibert.layers import SmoothedCrossEntropy
from minibert.models.gpt import GPT2LMHeadModel

LINE_OF_BLOCKS = "hidden, block_cache = block.forward(hidden_states[-1], mask, rng, block_state)"
LINE_OF_PLACES = "predicted = None if answers is None else np.flatnonzero(answers != IGNORE_INDEX)"


@changed(
    "forward", ours=LINE_OF_BLOCKS,
    theirs="mask = mask if state is None else None\n" + LINE_OF_BLOCKS,
)
class UnmaskedPrefill(GPT2LMHeadModel):
    """With keys and values of earlier tokens there is no mask: "when generating there is no future".

    How it looked. `if cache is None: scores = mask(scores)`. With one new token this is right: all keys are
    before it.
    How it hides. Training has no state, and one token at a time needs no mask. Only several new tokens at
    once, the second question of a conversation, look at each other's future.
    The cost. Training is right, the loss is right, and answers to longer dialogues get worse.
    """


@changed(
    "forward", ours=LINE_OF_BLOCKS,
    theirs="later = np.tri(input_ids.shape[1], k=1, dtype=bool)\n"
    "hidden, block_cache = block.forward(hidden_states[-1], later, rng, block_state)",
)
class MaskOffByOne(GPT2LMHeadModel):
    """The mask shows one token more: the one that is to be predicted.

    How it looked. `np.tri(T, k=1)`, or `triu` with the wrong diagonal.
    How it hides. From a gradient check, completely: it is the right derivative of a model that looks ahead.
    The loss falls, faster than ever.
    The cost. The loss goes to zero, because the answer is in the input. Text that is generated is noise:
    there the next token is not there yet to be copied.
    """


@changed("forward", ours=LINE_OF_PLACES, theirs="answers = labels\n" + LINE_OF_PLACES)
class UnshiftedTarget(GPT2LMHeadModel):
    """The target is the input, not shifted: each token is asked for itself.

    How it looked. `loss(logits, input_ids)` for `loss(logits[:, :-1], input_ids[:, 1:])`.
    How it hides. From a gradient check, completely. The shapes fit, and the loss falls to zero in no time.
    The cost. The model learns to repeat its input, and that is what it writes: the last word, for ever.
    """


@changed(
    "forward", ours="embedded, embeddings_cache = self.embeddings.forward(input_ids, positions, rng)",
    theirs="positions = np.arange(input_ids.shape[1])\n"
    "embedded, embeddings_cache = self.embeddings.forward(input_ids, positions, rng)",
)
class PaddingIsCounted(GPT2LMHeadModel):
    """Positions count the padding on the left: the same prompt begins somewhere else in each batch.

    How it looked. `positions = arange(T)`, whatever the mask says.
    How it hides. Training has no padding on the left, and a single prompt has none. There is no error, only
    other text.
    The cost. What a model answers depends on the longest prompt of its batch.
    """


def load_as_linear(model_class, directory, dtype=None):
    """A Conv1D's weight is read as a Linear's: (out, in) where the file has (in, out).

    How it looked. `weight.T` for every matrix, as BERT needs it. Where the shape is (H, 3H), PyTorch
    objects; the square matrix of the attention's output fits either way.
    How it hides. Every tensor has its name and its shape, and nothing is missing or left over.
    The cost. The model talks nonsense, of which all but a few matrices are right.
    """
    model = huggingface.load(model_class, directory, dtype)
    for block in model.blocks:
        block.attention.output.weight.value = block.attention.output.weight.value.T
    return model


def drop_the_crossing_token(logits, temperature=1.0, top_k=None, top_p=1.0):
    """Top-p keeps the tokens whose sum is at most p, and so loses the one that crosses p.

    How it looked. `cumulative <= p`, in the code of a model of proteins.
    How it hides. Text still comes out, and it is even less odd than it should be. With a small p nothing is
    kept at all, which a second mistake repairs by keeping the first token always.
    The cost. Of 0.5, 0.3, 0.15 and 0.05, p = 0.6 keeps one token, not two: the text repeats itself.
    """
    probs = next_probs(logits, temperature, top_k)
    order = np.argsort(-probs, axis=1)
    in_order = np.take_along_axis(probs, order, axis=1)
    kept = np.where(in_order.cumsum(axis=1) <= top_p, in_order, 0)
    np.put_along_axis(probs, order, kept, axis=1)
    return probs / probs.sum(axis=1, keepdims=True)


@changed(
    "forward", ours="of_all = shifted[counted].mean(axis=-1)",
    theirs="of_all = shifted.mean(axis=-1).sum() / counted.size",
)
class SmoothedPadding(SmoothedCrossEntropy):
    """Label smoothing counts the rows that are not to be counted.

    How it looked. The smoothed share was the mean over all rows, padding too, until PyTorch repaired it in
    2022; the share of the labels was right.
    How it hides. Without padding, or without smoothing, it is right.
    The cost. A share of the loss depends on how much padding a batch has.
    """


# --- numbers known by hand ---


def gpt2(model_class):
    """Return a small GPT-2 with random weights, of that class."""
    model = copy.deepcopy(CASES["GPT2LMHeadModel no padding"].layer)
    model.__class__ = model_class
    return model


def logits_of(model, *inputs, **options):
    return model.forward(*inputs, **options)[0].logits


IDS = np.array([[2, 7, 4, 3, 9]])


def step_of_two_tokens(model_class):
    """Three tokens, and then two more with their state, against all five at once."""
    model = gpt2(model_class)
    state = model.forward(IDS[:, :3])[0].state
    difference = logits_of(model, IDS[:, 3:], state=state) - logits_of(gpt2(GPT2LMHeadModel), IDS)[:, 3:]
    return Finding("two tokens with state, distance from the full pass", 0, np.abs(difference).max())


def sight_of_the_next_token(model_class):
    """The last token changes: no logit before it may change."""
    other = IDS.copy()
    other[0, -1] = 5
    model = gpt2(model_class)
    difference = logits_of(model, IDS)[:, :-1] - logits_of(model, other)[:, :-1]
    return Finding("change of earlier logits when the last token changes", 0, np.abs(difference).max())


def number_of_forecasts(model_class):
    """Of five tokens, four have one before them."""
    output, _ = gpt2(model_class).forward(IDS, labels=IDS)
    return Finding("tokens that are predicted, of a text of five", 4, output.counts["next"])


def prompt_with_padding(model_class):
    """The same prompt, alone and behind two tokens of padding."""
    model = gpt2(model_class)
    padded, mask = np.array([[0, 0, 2, 7, 4]]), np.array([[0, 0, 1, 1, 1]])
    difference = logits_of(model, padded, mask)[:, -1] - logits_of(model, IDS[:, :3])[:, -1]
    return Finding("logits of a prompt, largest change by padding on its left", 0, np.abs(difference).max())


def logits_after_loading(load):
    """A model that is written and read again computes the same."""
    model = gpt2(GPT2LMHeadModel).astype(np.float64)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(pathlib.Path(folder))
        back = load(GPT2LMHeadModel, pathlib.Path(folder))
    difference = logits_of(back, IDS) - logits_of(model, IDS)
    return Finding("logits of a model read from its own file, largest change", 0, np.abs(difference).max())


def tokens_kept(choose):
    """0.5 is below 0.6, and with 0.3 it is reached: two tokens."""
    probs = choose(np.log([[0.5, 0.3, 0.15, 0.05]]), top_p=0.6)
    return Finding("tokens that top-p 0.6 keeps of 0.5, 0.3, 0.15, 0.05", 2, int((probs > 0).sum()))


def loss_beside_padding(loss_class):
    """One row with four equal logits costs ln 4, whatever stands in a row that is not counted."""
    loss, _ = loss_class(0.1).forward(np.array([[0.0, 0, 0, 0], [9, 0, 0, 0]]), np.array([2, -100]))
    return Finding("smoothed loss of four equal logits beside a row of padding", math.log(4), float(loss))


EXHIBITS = [
    Exhibit("unmasked-prefill", GPT2LMHeadModel, UnmaskedPrefill, None, None, "", step_of_two_tokens,
            seen=["https://github.com/Mikyx-1/TinyLLM/pull/18"]),
    Exhibit("mask-off-by-one", GPT2LMHeadModel, MaskOffByOne, None, None, "", sight_of_the_next_token,
            seen=["https://github.com/huggingface/transformers/issues/48745 (all later tokens are seen)"]),
    Exhibit("unshifted-target", GPT2LMHeadModel, UnshiftedTarget, None, None, "", number_of_forecasts,
            seen=["https://github.com/huggingface/transformers/pull/404"]),
    Exhibit("padding-is-counted", GPT2LMHeadModel, PaddingIsCounted, None, None, "", prompt_with_padding,
            seen=["https://github.com/huggingface/transformers/issues/3021"]),
    Exhibit("conv-as-linear", huggingface.load, load_as_linear, None, None, "", logits_after_loading,
            seen=["https://github.com/AutoGPTQ/AutoGPTQ/pull/139"]),
    Exhibit("crossing-token", next_probs, drop_the_crossing_token, None, None, "", tokens_kept,
            seen=["https://github.com/Biohub/esm/pull/360"]),
    Exhibit("smoothed-padding", SmoothedCrossEntropy, SmoothedPadding, None, None, "", loss_beside_padding,
            seen=["https://github.com/pytorch/pytorch/issues/73205"]),
]
