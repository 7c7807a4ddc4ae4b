"""The bug museum: mistakes of published code, each as a small variant of our own layers.

    from minibert.gradcheck import museum
    exhibit = museum.exhibits["transposed-key"]
    print(exhibit)                                     # its story, and the lines in which it differs from ours
    print(exhibit.check())                             # the gradient check: where it is wrong, and what that looks like
    model = museum.plant(model, "transposed-key")      # a copy of a model with the mistake: train it and watch

Every mistake was found in code that people had published and used: in transformers and recurrent networks in NumPy,
which were measured, and in issues of others. Each is a class that overrides the wrong method and nothing else, so
that `exhibit.difference()` is a few lines. Its docstring tells how the mistake looked, how it hides and what it
costs.

Planted in a BERT, every one of them trains. The loss falls, because other ways to the loss are right, or because a
wrong gradient may still point downhill; for most of them the curve can hardly be told from the right one. The
gradient check can, with one exception: where forward itself computes something else than it should, backward may be
the right derivative of the wrong function. Those exhibits pass the gradient check, and `exhibit.check_value()`
holds them against a number known by hand.

The mistakes of recurrent layers (a weight-dropped LSTM whose real weight never receives a gradient, a gate with
another gate's bias, dh_next left out) will stand here when the recurrent layers do.
"""

import ast
import copy
import difflib
import inspect
import math
import re
import textwrap
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minibert.gradcheck import check_gradients
from minibert.gradcheck.cases import CASES, H, T, config, random, scrambled
from minibert.gradcheck.intermediates import sublayers
from minibert.layers import CrossEntropy, Embedding, EncoderLayer, FeedForward, LayerNorm, MultiHeadAttention
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.layers.layer_norm import mean_product
from minibert.layers.softmax import softmax_backward
from minibert.models.bert import MLMHead, Pooler, PoolerCache
from minibert.text.examples.masking import mask_tokens


class Finding(NamedTuple):
    """A number that is known by hand, and what the code says."""

    question: str
    by_hand: float
    found: float
    tolerance: float = 1e-9

    @property
    def ok(self):
        return abs(self.found - self.by_hand) <= self.tolerance

    def __str__(self):
        verdict = "right" if self.ok else "WRONG"
        return f"{self.question}: {self.by_hand:.6g} by hand, {self.found:.6g} here: {verdict}"


class Exhibit(NamedTuple):
    """A mistake on show; print it.

    Attributes:
        name:        "transposed-key".
        ours, theirs: our class (or function), and the variant with the mistake.
        case:        which of minibert.gradcheck.cases.CASES shows it; None for a function that is no layer.
        first_wrong: the tensor that the gradient check names first; None if every gradient is right.
        expected:    what the check calls it: a pattern of the diagnosis, or words of a problem; "" if it sees nothing.
        value:       function of `ours` or `theirs` that returns a Finding, where a gradient check sees nothing.
    """

    name: str
    ours: Callable
    theirs: Callable
    case: str | None
    first_wrong: str | None
    expected: str
    value: Callable | None = None

    @property
    def story(self):
        """The mistake in one line; then how it looked, how it hides and what it costs."""
        return inspect.getdoc(self.theirs)

    def difference(self):
        """Return the lines that differ, ours with - and theirs with +, and those around them."""
        if inspect.isfunction(self.theirs):
            return "\n".join(_difference([], _code(self.theirs)))
        lines = []
        for name, method in vars(self.theirs).items():
            if inspect.isfunction(method):
                calls_ours = "super()" in inspect.getsource(method)
                lines.append(f"{self.ours.__name__}.{name}" + (", ours and then:" if calls_ours else ":"))
                lines += _difference([] if calls_ours else _code(getattr(self.ours, name)), _code(method))
        return "\n".join(lines)

    def build(self):
        """Return (layer, inputs, forward's keyword arguments) for the check, the mistake planted."""
        layer, inputs, forward_kwargs = CASES[self.case]
        return plant(layer, self.name), inputs, forward_kwargs

    def check(self, **options):
        """Return the GradientReport of check_gradients with these options; None for a function that is no layer."""
        if self.case is None:
            return None
        layer, inputs, forward_kwargs = self.build()
        return check_gradients(layer, *inputs, **forward_kwargs, **options)

    def check_value(self):
        """Return the Finding that tells it from ours, or None where the gradient check does."""
        return None if self.value is None else self.value(self.theirs)

    def __str__(self):
        return f"{self.name}\n\n{self.story}\n\n{textwrap.indent(self.difference(), '    ')}"


def find(name):
    """Return the exhibit of that name; ValueError names them all if there is none."""
    if name not in exhibits:
        raise ValueError(f"there is no exhibit {name!r}: choose one of {', '.join(exhibits)}")
    return exhibits[name]


def plant(model, name):
    """Return a copy of a model (or of any layer) in which the layers of one class have the mistake.

    The copy is an ordinary model: it can be trained, saved and checked. The model itself is left alone. Only the class
    of the layers is changed (`layer.__class__ = Theirs`): the parameters stay, and Python looks up forward and backward
    in the class at every call.

    Raises:
        ValueError: there is no exhibit of that name, or the model has no such layer.
    """
    exhibit = find(name)
    planted = copy.deepcopy(model)
    layers = [layer for _, layer in sublayers(planted) if type(layer) is exhibit.ours]
    if not layers:
        raise ValueError(f"{type(model).__name__} has no {exhibit.ours.__name__} that {name!r} could be planted in")
    for layer in layers:
        layer.__class__ = exhibit.theirs
    return planted


def _difference(ours, theirs):
    """Return the lines that differ, with two lines around them."""
    lines = difflib.unified_diff(ours, theirs, n=2, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def _code(function):
    """Return the lines of a function without its docstring and comments."""
    source = textwrap.dedent(inspect.getsource(function))
    node = ast.parse(source).body[0]
    lines = source.splitlines()
    if ast.get_docstring(node):
        del lines[node.body[0].lineno - 1 : node.body[0].end_lineno]
    return [re.sub(r"\s+#.*", "", line) for line in lines]


# --- attention --------------------------------------------------------------------------------------------------------


class TransposedKey(MultiHeadAttention):
    """The key's gradient is Qᵀ dS, reshaped to fit, where dSᵀ Q is right.

    How it looked. scores = Q Kᵀ, so d_K = dSᵀ Q. Somebody wrote Qᵀ dS, which is its transpose, of shape (D, T).
    NumPy complains; a reshape silences it. But a reshape keeps the order of the numbers in memory, and a transpose
    does not.
    How it hides. 98 tests passed. Weights were as small as they are at the start, when nearly all of the gradient
    goes through the value and the key hardly counts; the tolerance was loose; only the gradient of the input was
    checked.
    What it costs. The key gradient was off by 78 %: what to pass on (value) is learnt, and hardly where to look
    (key).
    """

    def backward(self, d_output, cache):
        query, key, value = cache.query, cache.key, cache.value
        probs, dropped_probs, mask = cache.probs, cache.dropped_probs, cache.mask
        scale = 1 / math.sqrt(query.shape[-1])
        d_joined_value = self.output.backward(d_output, cache.output_projection)
        d_weighted_value = self._split_heads(d_joined_value)
        d_dropped_probs = d_weighted_value @ value.swapaxes(-1, -2)
        d_value = dropped_probs.swapaxes(-1, -2) @ d_weighted_value
        d_probs = self.dropout.backward(d_dropped_probs, cache.dropout)
        d_masked_scores = softmax_backward(d_probs, probs)
        d_scores = d_masked_scores if mask is None else d_masked_scores * mask
        d_query = (d_scores @ key) * scale
        d_key = (query.swapaxes(-1, -2) @ d_scores).reshape(key.shape) * scale
        d_by_query = self.query.backward(self._join_heads(d_query), cache.query_projection)
        d_by_key = self.key.backward(self._join_heads(d_key), cache.key_projection)
        d_by_value = self.value.backward(self._join_heads(d_value), cache.value_projection)
        if cache.is_self_attention:
            return d_by_query + d_by_key + d_by_value
        return d_by_query, d_by_key + d_by_value


class ReshapedHeads(MultiHeadAttention):
    """On the way back the heads are split by a reshape, without the transpose.

    How it looked. (B, T, H) is reshaped to (B, A, T, D) at once: the shape is right, so nothing complains. Right
    is to reshape it to (B, T, A, D) and then to exchange T and A.
    How it hides. With one head, or with one token, the two are the same.
    What it costs. The gradient that reaches a head belongs to other tokens and other heads: all that lies below
    is wrong.
    """

    def backward(self, d_output, cache):
        query, key, value = cache.query, cache.key, cache.value
        probs, dropped_probs, mask = cache.probs, cache.dropped_probs, cache.mask
        scale = 1 / math.sqrt(query.shape[-1])
        d_joined_value = self.output.backward(d_output, cache.output_projection)
        d_weighted_value = d_joined_value.reshape(query.shape)
        d_dropped_probs = d_weighted_value @ value.swapaxes(-1, -2)
        d_value = dropped_probs.swapaxes(-1, -2) @ d_weighted_value
        d_probs = self.dropout.backward(d_dropped_probs, cache.dropout)
        d_masked_scores = softmax_backward(d_probs, probs)
        d_scores = d_masked_scores if mask is None else d_masked_scores * mask
        d_query = (d_scores @ key) * scale
        d_key = (d_scores.swapaxes(-1, -2) @ query) * scale
        d_by_query = self.query.backward(self._join_heads(d_query), cache.query_projection)
        d_by_key = self.key.backward(self._join_heads(d_key), cache.key_projection)
        d_by_value = self.value.backward(self._join_heads(d_value), cache.value_projection)
        if cache.is_self_attention:
            return d_by_query + d_by_key + d_by_value
        return d_by_query, d_by_key + d_by_value


class MixedHeads(MultiHeadAttention):
    """Heads are split and joined by a reshape alone, forward and backward.

    How it looked. As in reshaped-heads, but everywhere.
    How it hides. From a gradient check, completely: backward is the exact derivative of what forward does.
    What it costs. A head no longer holds some columns of every token, but all columns of some tokens, under the
    positions of others. So a mask covers the wrong ones, and padding leaks into the sentence. That a masked token
    changes nothing has to be tested by changing it.
    """

    def _split_heads(self, rows):
        batch_size, num_tokens, hidden_size = rows.shape
        head_size = hidden_size // self.num_heads
        return rows.reshape(batch_size, self.num_heads, num_tokens, head_size)

    def _join_heads(self, heads):
        batch_size, num_heads, num_tokens, head_size = heads.shape
        return heads.reshape(batch_size, num_tokens, num_heads * head_size)


def influence_of_a_masked_token(attention):
    """The last token, masked, is changed: the others must not notice."""
    layer = scrambled(attention(H, 2))
    mask = np.arange(T) < T - 1
    x = random(1, T, H)
    changed = x.copy()
    changed[0, -1] += 1
    outputs = [layer.forward(states, mask=mask)[0][0, :-1] for states in (x, changed)]
    return Finding("how far a masked token moves the others", 0.0, float(np.abs(outputs[1] - outputs[0]).max()))


# --- the encoder layer ------------------------------------------------------------------------------------------------


class SkipAroundNorm(EncoderLayer):
    """The skip path and the norm are confused: the skip path's gradient is taken at the wrong side of the norm.

    How it looked. The published block had the norm on the branch, y = x + f(LayerNorm(x)), and sent the gradient
    of the skip path through the norm's backward too, which it never met. Ours has the norm after the sum,
    LayerNorm(x + f(x)), so that the skip path does meet it; here the same confusion, seen in a mirror, leaves the
    norm out: d_y for d_output_sum.
    How it hides. Attention, feed-forward and norm, each checked by itself, are right.
    What it costs. Everything below learns from a gradient that does not belong to the loss.
    """

    def backward(self, d_y, cache):
        d_output_sum = self.output_norm.backward(d_y, cache.output_norm)
        d_feed_forward = self.output_dropout.backward(d_output_sum, cache.output_dropout)
        d_attended = d_y + self.feed_forward.backward(d_feed_forward, cache.feed_forward)
        d_attention_sum = self.attention_norm.backward(d_attended, cache.attention_norm)
        d_attention = self.attention_dropout.backward(d_attention_sum, cache.attention_dropout)
        d_x = d_attention_sum + self.attention.backward(d_attention, cache.attention)
        return d_x


class ResidualPlusOne(EncoderLayer):
    """The derivative of x + f(x) is coded as f'(x) d + 1, where f'(x) d + d is right.

    How it looked. On paper the derivative of x + f(x) is 1 + f'(x), and so 1 is added. But backward multiplies by
    what comes in: that 1 stands for "what comes in, unchanged".
    How it hides. Behind y.sum() what comes in is 1 everywhere, and then the two are the same. A check with an
    upstream gradient of ones sees nothing; one with a random upstream gradient sees it at once.
    What it costs. Every layer sends down ones that have nothing to do with the loss, larger than the gradient
    itself. The MLM head, above all that, still learns.
    """

    def backward(self, d_y, cache):
        d_output_sum = self.output_norm.backward(d_y, cache.output_norm)
        d_feed_forward = self.output_dropout.backward(d_output_sum, cache.output_dropout)
        d_attended = 1 + self.feed_forward.backward(d_feed_forward, cache.feed_forward)
        d_attention_sum = self.attention_norm.backward(d_attended, cache.attention_norm)
        d_attention = self.attention_dropout.backward(d_attention_sum, cache.attention_dropout)
        d_x = d_attention_sum + self.attention.backward(d_attention, cache.attention)
        return d_x


class WeightsInForward(FeedForward):
    """The layers are built inside forward, so that their weights are random at every call.

    How it looked. `Linear(...)` stands in forward and not in __init__. The code runs, the shapes are right.
    How it hides. The rest of the model learns around the noise, and the loss falls.
    What it costs. What the optimizer moves is used by nobody, and no saved model gives the same answer twice. A
    check calls forward twice with the same input, gets two answers, and says so before it measures anything.
    """

    def forward(self, x):
        fresh = FeedForward(*self.intermediate.weight.value.shape, rng=np.random.default_rng())
        fresh.activation = self.activation
        return fresh.forward(x)


# --- LayerNorm --------------------------------------------------------------------------------------------------------


class WrongOperand(LayerNorm):
    """The gradient of one factor of a product is added to the other's: what lies below gets exactly zero.

    How it looked. y = γ · x̂ has two factors: d_γ = d_y · x̂ and d_x̂ = d_y · γ. Both are added to γ, and x̂ gets
    nothing.
    How it hides. Nothing stops and no loss is NaN: training "runs". What stands above the last norm still learns,
    and that is enough to learn how frequent each word is, the largest part of the first losses.
    What it costs. Every gradient below is exactly 0: attention and feed-forward stay as they were drawn, however
    long it trains.
    """

    def backward(self, d_y, cache):
        normalized, inverse_std = cache.normalized, cache.inverse_std
        tokens = tuple(range(d_y.ndim - 1))
        self.gamma.grad += (d_y * normalized).sum(axis=tokens)
        self.beta.grad += d_y.sum(axis=tokens)
        d_normalized = np.zeros_like(d_y)
        self.gamma.grad += (d_y * self.gamma.value).sum(axis=tokens)
        along_ones = d_normalized.mean(axis=-1, keepdims=True)
        along_normalized = mean_product(d_normalized, normalized)
        d_x = inverse_std * (d_normalized - along_ones - normalized * along_normalized)
        return d_x


class SpoiledCache(LayerNorm):
    """To save an array, backward works in the cache: a second backward finds other numbers there.

    How it looked. An in-place `*=` on an array of forward's record.
    How it hides. The first backward is right, to the last digit, and a training loop calls backward once.
    What it costs. Whoever calls it twice on one record (two losses, one direction at a time, a look at the cache
    in the debugger) gets wrong numbers, and looks for the mistake in another place.
    """

    def backward(self, d_y, cache):
        normalized, inverse_std = cache.normalized, cache.inverse_std
        tokens = tuple(range(d_y.ndim - 1))
        self.gamma.grad += (d_y * normalized).sum(axis=tokens)
        self.beta.grad += d_y.sum(axis=tokens)
        d_normalized = d_y * self.gamma.value
        along_ones = d_normalized.mean(axis=-1, keepdims=True)
        along_normalized = mean_product(d_normalized, normalized)
        normalized *= along_normalized
        d_x = inverse_std * (d_normalized - along_ones - normalized)
        return d_x


# --- embeddings and the tied decoder ----------------------------------------------------------------------------------


class RepeatedIds(Embedding):
    """`grad[ids] += d` keeps one of several gradients where an id stands more than once.

    How it looked. As it reads: add d to the rows `ids`. But NumPy takes the rows out, adds, and writes them back:
    of an id that stands three times, the last sum wins. `np.add.at` adds all three.
    How it hides. With no id twice in the test, the two are the same.
    What it costs. Frequent words, which repeat in every batch, learn from one of their occurrences: the more
    there is to learn from, the more is lost.
    """

    def backward(self, d_y, cache):
        self.weight.grad[cache.ids] += d_y


class OverwrittenTable(Embedding):
    """The table's gradient is assigned and not added to: what another use of the table has sent is lost.

    How it looked. `grad = ...` where `grad += ...` is needed. (Its twin adds, and nobody empties the gradients
    between two steps, so that every step repeats all those before.)
    How it hides. As long as a table is used once, and backward called once, both give the same.
    What it costs. BERT uses the table twice: as the decoder of the MLM head, whose share comes first, and in the
    lookup, which overwrites it. Nor can the gradients of several batches be collected before a step.
    """

    def backward(self, d_y, cache):
        self.weight.grad = np.zeros_like(self.weight.grad)
        super().backward(d_y, cache)


class ForgottenShare(MLMHead):
    """The decoder is tied to the token embedding, and its share of the gradient is dropped.

    How it looked. The matrix belongs to the embedding, which computes its gradient; the head only borrows it.
    How it hides. All else that the head computes is right, and so is the embedding, checked by itself. Only a check
    that asks for the gradient of the *shared matrix* sees it: of the head's own parameters, or of the whole model.
    What it costs. Words that are not in the batch get no gradient at all, and no word learns to be predicted.
    """

    def backward(self, d_logits, cache):
        d_logit_rows = d_logits.reshape(-1, d_logits.shape[-1])
        self.decoder_bias.grad += d_logit_rows.sum(axis=0)
        d_transformed = d_logits @ self.decoder_weight.value
        d_activated = self.norm.backward(d_transformed, cache.norm)
        d_dense = self.activation.backward(d_activated, cache.activation)
        d_x = self.dense.backward(d_dense, cache.dense)
        return d_x


# --- losses and what they are given -----------------------------------------------------------------------------------


class DividedTwice(CrossEntropy):
    """The gradient of the mean is divided by the number of tokens, and then once more.

    How it looked. The loss is a mean, so that its gradient is divided by B·T; and again where the batch is
    averaged.
    How it hides. Adam divides every gradient by its own size: a constant factor disappears.
    What it costs. With plain gradient descent the model learns B·T times more slowly; clipping never clips; and
    where two losses are added, as MLM and NSP are, each has a weight that nobody chose.
    """

    def backward(self, d_loss, cache):
        d_logits, _ = super().backward(d_loss, cache)
        return d_logits / cache.labels.size, None


class IgnoredZero(CrossEntropy):
    """Label 0 means "do not predict", and so a class is gone.

    How it looked. `ignore_index=0`, since 0 is [PAD], which nobody wants to predict.
    How it hides. From a gradient check, completely: a row that is left out of the loss is rightly left out of the
    gradient. And for the words nothing changes, as long as none has the number 0.
    What it costs. The same loss serves the next sentence, where 0 is a class, "is next". Only "not next" is ever
    trained, and the model learns to say it always; its loss goes to zero, which looks like success.
    """

    def forward(self, logits, labels):
        return super().forward(logits, np.where(labels == 0, IGNORE_INDEX, labels))


class AveragedOverAll(CrossEntropy):
    """The loss of the masked tokens is divided by the number of all tokens.

    How it looked. `.sum() / labels.size`, or the mean of a matrix that is zero where nothing is to be predicted.
    How it hides. From a gradient check, completely: the gradient is that of this loss. And the loss looks good,
    because 85 % of what is averaged is zero: it starts at 0.15 ln V and not at ln V.
    What it costs. The losses compare with nobody's, and depend on how much padding a batch has. Planted in our
    model it changes nothing, since our loss is given the predicted rows only: that is the cure.
    """

    def forward(self, logits, labels):
        loss, cache = super().forward(logits, labels)
        return loss * float(np.mean(labels != IGNORE_INDEX)), cache

    def backward(self, d_loss, cache):
        return super().backward(d_loss * float(np.mean(cache.labels != IGNORE_INDEX)), cache)


def loss_of_label_zero(cross_entropy):
    """Four equal logits cost -log(1/4), whichever is right."""
    loss, _ = cross_entropy().forward(np.zeros((1, 4)), np.array([0]))
    return Finding("loss of four equal logits where label 0 is right", math.log(4), float(loss))


def loss_of_one_in_five(cross_entropy):
    """Four equal logits cost -log(1/4), however many rows are not counted."""
    loss, _ = cross_entropy().forward(np.zeros((5, 4)), np.array([-100, -100, 3, -100, -100]))
    return Finding("loss of four equal logits, one of five tokens predicted", math.log(4), float(loss))


class PooledFromAll(Pooler):
    """The next sentence is read from the mean of all tokens, and not from [CLS].

    How it looked. `x.mean(axis=1)` where the paper has x[:, 0].
    How it hides. From a gradient check, completely; and it trains.
    What it costs. It is not BERT: padding is averaged in, so that an answer depends on how long the other
    sentences of its batch are; and the weights of a published checkpoint give other answers here than everywhere
    else.
    """

    def forward(self, x):
        dense, dense_cache = self.dense.forward(x.mean(axis=1))
        pooled = np.tanh(dense)
        return pooled, PoolerCache(x.shape, dense_cache, pooled)

    def backward(self, d_pooled, cache):
        pooled = cache.pooled
        d_dense = d_pooled * (1 - pooled * pooled)
        d_mean = self.dense.backward(d_dense, cache.dense)
        d_x = np.repeat(d_mean[:, np.newaxis], cache.shape[1], axis=1) / cache.shape[1]
        return d_x


def influence_of_the_last_token(pooler):
    """The last token is changed: the pooled state is that of the first, and must not notice."""
    layer = scrambled(pooler(config(), np.random.default_rng(0)))
    x = random(1, T, H)
    changed = x.copy()
    changed[0, -1] += 1
    pooled, other = layer.forward(x)[0], layer.forward(changed)[0]
    return Finding("how far the last token moves the pooled state", 0.0, float(np.abs(other - pooled).max()))


def nested_mask_tokens(input_ids, candidates, rng, vocab_size, mask_token_id, **options):
    """80 % [MASK], 10 % a random token, 10 % unchanged became 80, 2 and 18: a new draw for the second question.

    How it looked. `if random() < 0.8: ... elif random() < 0.1: ...`. The second question is asked in one case of
    five, and 10 % of 20 % are 2 %. Right is one draw, compared with 0.8 and with 0.9 (or 0.5 in the second
    question).
    How it hides. There is no gradient in it, and the model trains; only the task is not the paper's.
    What it costs. Of the chosen tokens that still show a word, 90 % show the right one, and not half of them: the
    model learns that a word that it can see is right.
    """
    masked_ids, labels = mask_tokens(input_ids, candidates, rng, vocab_size, mask_token_id, **options)
    chosen = labels != IGNORE_INDEX
    first, second = rng.random((2, np.count_nonzero(chosen)))
    random_ids = rng.integers(vocab_size, size=len(first))
    visible = np.where(second < 0.1, random_ids, input_ids[chosen])
    masked_ids[chosen] = np.where(first < 0.8, mask_token_id, visible)
    return masked_ids, labels


def share_of_random_tokens(mask):
    """20,000 tokens, all of them chosen, and so large a vocabulary that a random token is another one."""
    input_ids = np.full((100, 200), 5)
    masked_ids, labels = mask(input_ids, input_ids == 5, np.random.default_rng(0), 10**6, 4, mlm_probability=1.0)
    share = np.mean(~np.isin(masked_ids, (4, 5)))
    return Finding("share of the chosen tokens that become a random token", 0.1, float(share), tolerance=0.01)


exhibits = {exhibit.name: exhibit for exhibit in [
    Exhibit("transposed-key", MultiHeadAttention, TransposedKey, "MultiHeadAttention", "d_key", "reshaped"),
    Exhibit("forgotten-share", MLMHead, ForgottenShare, "BertForPreTraining",
            "bert.embeddings.token.weight", "share missing"),
    Exhibit("skip-around-norm", EncoderLayer, SkipAroundNorm, "EncoderLayer", "d_attended", "term exchanged"),
    Exhibit("residual-plus-one", EncoderLayer, ResidualPlusOne, "EncoderLayer", "d_attended", "number for gradient"),
    Exhibit("divided-twice", CrossEntropy, DividedTwice, "CrossEntropy", "logits", "constant factor"),
    Exhibit("reshaped-heads", MultiHeadAttention, ReshapedHeads, "MultiHeadAttention", "d_weighted_value", "reshaped"),
    Exhibit("mixed-heads", MultiHeadAttention, MixedHeads, "MultiHeadAttention", None, "", influence_of_a_masked_token),
    Exhibit("wrong-operand", LayerNorm, WrongOperand, "LayerNorm", "d_normalized", "exactly zero"),
    Exhibit("spoiled-cache", LayerNorm, SpoiledCache, "LayerNorm", None, "backward changes the cache in place"),
    Exhibit("repeated-ids", Embedding, RepeatedIds, "Embedding repeated ids", "weight", "repeated ids"),
    Exhibit("overwritten-table", Embedding, OverwrittenTable, "BertForPreTraining",
            "bert.embeddings.token.weight", "overwritten"),
    Exhibit("ignored-zero", CrossEntropy, IgnoredZero, "CrossEntropy ignored labels", None, "", loss_of_label_zero),
    Exhibit("averaged-over-all", CrossEntropy, AveragedOverAll, "CrossEntropy ignored labels",
            None, "", loss_of_one_in_five),
    Exhibit("nested-probabilities", mask_tokens, nested_mask_tokens, None, None, "", share_of_random_tokens),
    Exhibit("pooled-from-all", Pooler, PooledFromAll, "Pooler", None, "", influence_of_the_last_token),
    Exhibit("weights-in-forward", FeedForward, WeightsInForward, "FeedForward", None, "forward is not deterministic"),
]}  # fmt: skip
