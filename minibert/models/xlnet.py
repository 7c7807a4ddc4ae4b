"""XLNet: every token from any others, in any order (Yang et al. 2019).

A text of T tokens has T! orders. In one of them, the model predicts each token from those that come earlier
in that order, wherever they are in the text. The text stays as it is: an order is a mask, which says who may
look at whom, and distances are those in the text.

The state of a token must hold the token, for others to read; its prediction must not. So there are two kinds
of rows:

    content rows    one for each token; begins as the token's embedding, and may look at itself
    query rows      one for each predicted token; begins as one learned vector, the same for all, and asks
                    from the token's place without looking at it

All rows go through the same layers, with the same weights, and all look at content rows only. So the two
"streams" of the paper are one array (B, T + M, H), and they differ in their beginnings and masks. The last
layer has query rows only, because nothing reads its content.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from minibert import huggingface
from minibert.layers.base import Layer, Parameter, describe_cache
from minibert.layers.cross_entropy import IGNORE_INDEX, CrossEntropy, CrossEntropyCache
from minibert.layers.dropout import Dropout, DropoutCache
from minibert.layers.embedding import Embedding, EmbeddingCache
from minibert.layers.feed_forward import FeedForward, FeedForwardCache
from minibert.layers.initializers import truncated_normal
from minibert.layers.layer_norm import LayerNorm, LayerNormCache
from minibert.layers.linear import Linear, LinearCache
from minibert.layers.relative_attention import (
    RelativeAttention,
    RelativeAttentionCache,
    Sight,
    distance_waves,
)
from minibert.layers.tied_decoder import TiedDecoder, TiedDecoderCache
from minibert.models.checks import check_config, integers
from minibert.models.heads import SequenceHead, dropout_of, weights_of
from minibert.models.labels import PROBLEM_TYPES, named_labels


@dataclasses.dataclass(frozen=True)
class XLNetConfig:
    """The sizes and rates of an XLNet; the defaults make a small one. It has no longest sequence.

    Attributes:
        vocab_size: V.  hidden_size: H, even.  num_hidden_layers.  num_attention_heads: A.
        intermediate_size: F; None means 4 H.
        hidden_act: "gelu", the exact form, as in transformers. The original code has the tanh form,
            "gelu_new"; the two differ by 0.0005 at most. Or another name in ACTIVATIONS.
        hidden_dropout_prob: of embeddings, waves, each sublayer's output and the last states.
        attention_probs_dropout_prob: of the attention probabilities; None means hidden_dropout_prob.
        memory_length: the most tokens that output.state keeps; None keeps all.
        initializer_range: standard deviation of the initial weights.  layer_norm_eps: eps in LayerNorm.
        bos_token_id, eos_token_id, pad_token_id: the ids that begin and end a text and fill a batch, None for
            none. The model computes the same without them.
        num_labels, id2label, label2id, classifier_dropout, problem_type: as in BertConfig.

    Raises:
        ValueError: a size is not a positive integer, hidden_size is odd or not divisible by
            num_attention_heads, a probability is outside [0, 1), hidden_act is unknown, or the labels
            contradict each other.
    """

    vocab_size: int
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 2
    intermediate_size: int | None = None
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float | None = None
    memory_length: int | None = None
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    pad_token_id: int | None = None
    num_labels: int | None = None
    id2label: dict | None = dataclasses.field(default=None, hash=False)
    label2id: dict | None = dataclasses.field(default=None, hash=False)
    classifier_dropout: float | None = None
    problem_type: str | None = None

    def __post_init__(self):
        labels = named_labels(self.num_labels, self.id2label, self.label2id)
        resolved = dict(zip(("num_labels", "id2label", "label2id"), labels))
        if self.intermediate_size is None:
            resolved["intermediate_size"] = 4 * self.hidden_size
        if self.attention_probs_dropout_prob is None:
            resolved["attention_probs_dropout_prob"] = self.hidden_dropout_prob
        for name, value in resolved.items():
            object.__setattr__(self, name, value)
        check_config(self)
        if self.hidden_size % 2 != 0:
            raise ValueError(
                f"hidden_size must be even, for the sine and cosine of distances, got {self.hidden_size}")
        if self.memory_length is not None and not self.memory_length >= 1:
            raise ValueError(f"memory_length must be None or 1 and more, got {self.memory_length!r}")
        if self.problem_type not in (None, *PROBLEM_TYPES):
            raise ValueError(
                f"problem_type {self.problem_type!r} is unknown: choose one of {', '.join(PROBLEM_TYPES)}")

    @property
    def head_size(self):
        """D."""
        return self.hidden_size // self.num_attention_heads


class XLNetEmbeddingsCache(NamedTuple):
    token: EmbeddingCache
    dropout: DropoutCache
    __repr__ = describe_cache


class XLNetEmbeddings(Layer):
    """The rows before the first layer: dropout of the T tokens' embeddings, then of `mask` M times.

    `mask` (1, 1, H), mask_emb in the original code, is where every query row begins: it knows neither a token
    nor a place. (The place comes in by the attention.)

    Derivation: the rows lie side by side, so each gets its part of the gradient; `mask` is copied to every
    query row, so its gradient is their sum.
    """

    def __init__(self, config, rng, dtype=np.float32):
        given = {"rng": rng, "initializer_range": config.initializer_range, "dtype": dtype}
        self.token = Embedding(config.vocab_size, config.hidden_size, **given)
        shape = (1, 1, config.hidden_size)
        self.mask = Parameter(truncated_normal(rng, shape, config.initializer_range, dtype))
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids, num_targets=0, rng=None):
        """input_ids (B, T), num_targets M → rows (B, T + M, H), cache."""
        content, token_cache = self.token.forward(input_ids)                                # (B, T, H)
        batch_size, _, hidden_size = content.shape
        query = np.broadcast_to(self.mask.value, (batch_size, num_targets, hidden_size))    # (B, M, H)
        joined = np.concatenate([content, query], axis=1)                                   # (B, T + M, H)
        rows, dropout_cache = self.dropout.forward(joined, rng)                             # (B, T + M, H)
        return rows, XLNetEmbeddingsCache(token_cache, dropout_cache)

    def backward(self, d_rows, cache):
        """d_rows (B, T + M, H) → d_content (B, T, H), the gradient of the tokens' embeddings."""
        num_tokens = cache.token.ids.shape[1]
        d_joined = self.dropout.backward(d_rows, cache.dropout)                             # (B, T + M, H)
        d_content = d_joined[:, :num_tokens]                                                # (B, T, H)
        self.token.backward(d_content, cache.token)
        d_query = d_joined[:, num_tokens:]                                                  # (B, M, H)
        d_mask = d_query.sum(axis=(0, 1), keepdims=True)                                    # (1, 1, H)
        self.mask.grad += d_mask
        return d_content


class XLNetLayerCache(NamedTuple):
    attention: RelativeAttentionCache
    attention_dropout: DropoutCache
    attention_norm: LayerNormCache
    feed_forward: FeedForwardCache
    output_dropout: DropoutCache
    output_norm: LayerNormCache
    __repr__ = describe_cache


class XLNetLayer(Layer):
    """Relative attention, then feed-forward, post-norm as in BERT; x are rows that ask, content is read.

        attended = LayerNorm(x + dropout(attention(x, content)))
        y        = LayerNorm(attended + dropout(feed_forward(attended)))

    (The original also has dropout within feed_forward, after the activation.)

    Derivation: as EncoderLayer's. x and content are two inputs, also where they are the same rows: who gives
    one array as both adds both gradients.
    """

    def __init__(self, config, rng, dtype=np.float32):
        size, given = config.hidden_size, {"rng": rng, "initializer_range": config.initializer_range}
        self.attention = RelativeAttention(
            size, config.num_attention_heads, dropout_prob=config.attention_probs_dropout_prob, **given,
            dtype=dtype)
        self.attention_dropout = Dropout(config.hidden_dropout_prob)
        self.attention_norm = LayerNorm(size, eps=config.layer_norm_eps, dtype=dtype)
        self.feed_forward = FeedForward(
            size, config.intermediate_size, hidden_act=config.hidden_act, **given, dtype=dtype)
        self.output_dropout = Dropout(config.hidden_dropout_prob)
        self.output_norm = LayerNorm(size, eps=config.layer_norm_eps, dtype=dtype)

    def forward(self, x, content, waves, sight, state=None, rng=None):
        """x (B, R, H), the others as in RelativeAttention → y (B, R, H), cache."""
        attention, attention_cache = self.attention.forward(x, content, waves, sight, state, rng)  # (B, R, H)
        dropped_attention, attention_dropout_cache = self.attention_dropout.forward(attention, rng)
        attention_sum = x + dropped_attention                                               # (B, R, H)
        attended, attention_norm_cache = self.attention_norm.forward(attention_sum)         # (B, R, H)
        feed_forward, feed_forward_cache = self.feed_forward.forward(attended)              # (B, R, H)
        dropped_feed_forward, output_dropout_cache = self.output_dropout.forward(feed_forward, rng)
        output_sum = attended + dropped_feed_forward                                        # (B, R, H)
        y, output_norm_cache = self.output_norm.forward(output_sum)                         # (B, R, H)
        cache = XLNetLayerCache(
            attention=attention_cache, attention_dropout=attention_dropout_cache,
            attention_norm=attention_norm_cache, feed_forward=feed_forward_cache,
            output_dropout=output_dropout_cache, output_norm=output_norm_cache)
        return y, cache

    def backward(self, d_y, cache):
        """d_y (B, R, H) → (d_x (B, R, H), d_content (B, T, H), d_waves (P, H), None)."""
        d_output_sum = self.output_norm.backward(d_y, cache.output_norm)                    # (B, R, H)
        d_feed_forward = self.output_dropout.backward(d_output_sum, cache.output_dropout)   # (B, R, H)
        share_of_feed_forward = self.feed_forward.backward(d_feed_forward, cache.feed_forward)  # (B, R, H)
        d_attended = d_output_sum + share_of_feed_forward                                   # (B, R, H)
        d_attention_sum = self.attention_norm.backward(d_attended, cache.attention_norm)    # (B, R, H)
        d_attention = self.attention_dropout.backward(d_attention_sum, cache.attention_dropout)  # (B, R, H)
        share_of_attention, d_content, d_waves, _ = self.attention.backward(d_attention, cache.attention)
        d_x = d_attention_sum + share_of_attention                                          # (B, R, H)
        return d_x, d_content, d_waves, None


class XLNetModelOutput(NamedTuple):
    last_hidden_state: np.ndarray  # (B, M, H) of the query rows; without targets (B, T, H) of the tokens
    state: tuple  # of each layer its content rows and those of the state before, (B, K, H) or fewer tokens
    __repr__ = describe_cache


class XLNetModelCache(NamedTuple):
    embeddings: XLNetEmbeddingsCache
    wave_dropout: DropoutCache
    layers: list  # one XLNetLayerCache a layer
    rows: list  # of each layer its rows (B, T + M, H), and after the last (B, T, H), or (B, M, H) of targets
    dropout: DropoutCache
    __repr__ = describe_cache


class XLNetModel(Layer):
    """XLNet without a head: embeddings and layers, content rows and query rows together.

    Args:
        config: an XLNetConfig.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        self.config = config
        self.embeddings = XLNetEmbeddings(config, rng, dtype)
        self.wave_dropout = Dropout(config.hidden_dropout_prob)
        self.layers = [XLNetLayer(config, rng, dtype) for _ in range(config.num_hidden_layers)]
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None, perm_mask=None, target_mapping=None,
        state=None, rng=None,
    ):
        """Encode a batch → XLNetModelOutput, cache; the arguments are those of XLNetLMHeadModel."""
        given = check_inputs(
            self.config, input_ids, token_type_ids, attention_mask, perm_mask, target_mapping, state)
        num_tokens = given.input_ids.shape[1]
        embedded, embeddings_cache = self.embeddings.forward(given.input_ids, given.num_targets, rng)
        waves = distance_waves(
            num_tokens, given.num_past + num_tokens, embedded.shape[-1], embedded.real.dtype)   # (P, H)
        dropped_waves, wave_dropout_cache = self.wave_dropout.forward(waves, rng)               # (P, H)
        rows, layer_caches = [embedded], []                                         # (B, T + M, H) each
        for layer, first, sight, past in zip(self.layers, given.first_rows, given.sights, given.states):
            asked, content = rows[-1][:, first:], rows[-1][:, :num_tokens]
            y, layer_cache = layer.forward(asked, content, dropped_waves, sight, past, rng)
            rows.append(y)
            layer_caches.append(layer_cache)
        last, dropout_cache = self.dropout.forward(rows[-1], rng)                   # (B, M, H) or (B, T, H)
        cache = XLNetModelCache(
            embeddings=embeddings_cache, wave_dropout=wave_dropout_cache, layers=layer_caches, rows=rows,
            dropout=dropout_cache)
        return XLNetModelOutput(last, state_of(layer_caches, self.config.memory_length)), cache

    def backward(self, d_output, cache):
        """(d_last_hidden_state, d_state), d_state may be None → d_content (B, T, H), as XLNetEmbeddings'."""
        d_last_hidden_state, d_state = d_output
        num_tokens, num_layers = cache.embeddings.token.ids.shape[1], len(self.layers)
        d_last = self.dropout.backward(d_last_hidden_state, cache.dropout)          # as rows[-1]
        d_rows = [np.zeros(rows.shape, d_last.dtype) for rows in cache.rows[:-1]] + [d_last]    # as rows
        for k in reversed(range(num_layers)):
            d_asked, d_content, _, _ = self.layers[k].backward(d_rows[k + 1], cache.layers[k])  # (B, R, H)
            d_rows[k][:, -d_asked.shape[1]:] = d_asked                              # those that asked
            d_rows[k][:, :num_tokens] += d_content                                  # those that were read
            if d_state is not None:
                kept = min(num_tokens, d_state[k].shape[1])                         # those passed on
                d_rows[k][:, num_tokens - kept : num_tokens] += d_state[k][:, -kept:]
        d_embedded = self.embeddings.backward(d_rows[0], cache.embeddings)          # (B, T, H)
        return d_embedded

    config_class = XLNetConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


def state_of(layer_caches, memory_length=None):
    """Return what each layer attended to, its last memory_length tokens: the next call's state."""
    attended = [cache.attention.key.x for cache in layer_caches]                    # (B, K, H) each
    return tuple(x[:, max(0, x.shape[1] - (memory_length or x.shape[1])):] for x in attended)


class XLNetLMHeadOutput(NamedTuple):
    loss: np.floating | None
    lm_loss: np.floating | None  # its one part
    logits: np.ndarray  # (N, V) for the N predicted; without labels (B, M, V), without targets (B, T, V)
    counts: dict  # {"lm": N}: how many tokens are predicted
    state: tuple  # as in XLNetModelOutput
    __repr__ = describe_cache


class XLNetLMHeadCache(NamedTuple):
    transformer: XLNetModelCache
    states_shape: tuple  # (B, M, H) or (B, T, H)
    predicted: np.ndarray | None  # (N,) flat places in labels that are not -100
    output: TiedDecoderCache
    lm_loss: CrossEntropyCache | None
    __repr__ = describe_cache


class XLNetLMHeadModel(Layer):
    """XLNet as a language model: logits = E s + b, s being the last state of a query row, E the embeddings.

    The loss is the mean cross-entropy of the predicted tokens.

    Args:
        config: an XLNetConfig.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        self.config = config
        self.transformer = XLNetModel(config, seed, dtype)
        self.output = TiedDecoder(self.transformer.embeddings.token.weight)
        self.lm_loss = CrossEntropy()

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None, perm_mask=None, target_mapping=None,
        labels=None, state=None, rng=None,
    ):
        """Run the model → XLNetLMHeadOutput, cache. Without labels the loss is None.

        Args:
            input_ids: (B, T) integers below vocab_size; a predicted token's own id, and no [MASK].
            token_type_ids: (B, T) integers, the segment of each token; None means that there are none.
            attention_mask: (B, T), 1 for tokens and 0 for padding; or (B, T_past + T), for the tokens in
                state, too. None means no padding.
            perm_mask: (B, T, T), 1 where token i may not look at token j; None means 0. A query row needs a 1
                on the diagonal: otherwise it sees the token that it predicts. A content row sees itself.
            target_mapping: (B, M, T), 1 at the place of the predicted token m, otherwise 0; a row of zeros
                predicts nothing. None means no query rows: the content rows give the logits.
            labels: (B, M), without target_mapping (B, T): the ids to predict, -100 for none; not shifted.
            state: output.state of the call that read the tokens before these; a constant, of segment 0.
            rng: for dropout; None means no dropout.

        Raises:
            ValueError: a shape is wrong, an id has no embedding, or a mask has other numbers.
        """
        answers = None if labels is None else check_labels(labels, input_ids, target_mapping)   # (B, M)
        encoded, transformer_cache = self.transformer.forward(
            input_ids, token_type_ids, attention_mask, perm_mask, target_mapping, state, rng)
        states = encoded.last_hidden_state                                          # (B, M, H)
        predicted = None if answers is None else np.flatnonzero(answers != IGNORE_INDEX)    # (N,)
        asked = states if answers is None else states.reshape(-1, states.shape[-1])[predicted]
        logits, output_cache = self.output.forward(asked)                           # (N, V) or (B, M, V)
        lm_loss = lm_loss_cache = None
        if answers is not None:
            lm_loss, lm_loss_cache = self.lm_loss.forward(logits, answers.reshape(-1)[predicted])
        counts = {} if answers is None else {"lm": len(predicted)}
        cache = XLNetLMHeadCache(
            transformer=transformer_cache, states_shape=states.shape, predicted=predicted,
            output=output_cache, lm_loss=lm_loss_cache)
        return XLNetLMHeadOutput(lm_loss, lm_loss, logits, counts, encoded.state), cache

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"lm": number} → d_content (B, T, H), as XLNetEmbeddings'.

        Raises:
            ValueError: forward was given no labels, so there is no loss.
        """
        if cache.lm_loss is None:
            raise ValueError("there is no loss to go back from: give forward labels")
        d_lm_loss = d_loss["lm"] if isinstance(d_loss, dict) else d_loss
        d_logits, _ = self.lm_loss.backward(d_lm_loss, cache.lm_loss)               # (N, V)
        d_asked = self.output.backward(d_logits, cache.output)                      # (N, H)
        d_states = np.zeros(cache.states_shape, d_asked.dtype)                      # (B, M, H)
        d_state_rows = d_states.reshape(-1, d_states.shape[-1])                     # (B·M, H), a view
        d_state_rows[cache.predicted] = d_asked                                     # each place once
        d_embedded = self.transformer.backward((d_states, None), cache.transformer)     # (B, T, H)
        return d_embedded

    config_class = XLNetConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


class XLNetSummaryCache(NamedTuple):
    x_shape: tuple  # (B, T, H)
    places: np.ndarray  # (B,)
    dense: LinearCache
    summary: np.ndarray  # (B, H)
    __repr__ = describe_cache


class XLNetSummary(Layer):
    """summary = tanh(x_last W + b), the state of the last token in place of BERT's first: [CLS] comes last.

    Derivation: tanh′ = 1 − tanh²; every token but the last receives a zero gradient.
    """

    def __init__(self, config, rng, dtype=np.float32):
        size = config.hidden_size
        self.dense = Linear(size, size, rng=rng, initializer_range=config.initializer_range, dtype=dtype)

    def forward(self, x, places):
        """x (B, T, H), places (B,) of the last tokens → summary (B, H), cache."""
        last = x[np.arange(len(x)), places]                                         # (B, H)
        dense, dense_cache = self.dense.forward(last)                               # (B, H)
        summary = np.tanh(dense)                                                    # (B, H)
        return summary, XLNetSummaryCache(x.shape, places, dense_cache, summary)

    def backward(self, d_summary, cache):
        """d_summary (B, H) → (d_x (B, T, H), None)."""
        summary = cache.summary
        d_dense = d_summary * (1 - summary * summary)                               # (B, H)
        d_last = self.dense.backward(d_dense, cache.dense)                          # (B, H)
        d_x = np.zeros(cache.x_shape, d_last.dtype)                                 # (B, T, H)
        d_x[np.arange(len(d_x)), cache.places] = d_last
        return d_x, None


class XLNetForSequenceClassificationCache(NamedTuple):
    transformer: XLNetModelCache
    summary: XLNetSummaryCache
    head: NamedTuple  # the record of the head
    __repr__ = describe_cache


class XLNetForSequenceClassification(Layer):
    """XLNet that gives a sequence, or a pair of them, one of the labels, or a number.

    Padding may be on either side: the summary is of the last real token, and only distances count.

    Args:
        config: an XLNetConfig; num_labels, problem_type and classifier_dropout are for the head.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        self.config = config
        self.transformer = XLNetModel(config, seed, dtype)
        given = weights_of(config, seed, dtype)
        self.summary = XLNetSummary(config, given["rng"], dtype)
        self.head = SequenceHead(
            config.hidden_size, config.num_labels, problem_type=config.problem_type,
            dropout_prob=dropout_of(config), **given)

    def forward(self, input_ids, token_type_ids=None, attention_mask=None, labels=None, rng=None):
        """Run the model → LabelOutput, cache.

        Args:
            input_ids, token_type_ids, attention_mask, rng: as in XLNetLMHeadModel.
            labels: (B,) from 0 to K - 1, or -100 for none; of a regression numbers, (B,) or (B, K).
        """
        encoded, transformer_cache = self.transformer.forward(
            input_ids, token_type_ids, attention_mask, rng=rng)                     # (B, T, H)
        states = encoded.last_hidden_state                                          # (B, T, H)
        places = last_tokens(attention_mask, states.shape[:2])                      # (B,)
        summary, summary_cache = self.summary.forward(states, places)               # (B, H)
        output, head_cache = self.head.forward(summary, labels, rng)
        return output, XLNetForSequenceClassificationCache(transformer_cache, summary_cache, head_cache)

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"label": number} → d_content (B, T, H), as XLNetEmbeddings'."""
        d_summary = self.head.backward(cache.head, d_loss)                          # (B, H)
        d_states, _ = self.summary.backward(d_summary, cache.summary)               # (B, T, H)
        d_embedded = self.transformer.backward((d_states, None), cache.transformer)     # (B, T, H)
        return d_embedded

    config_class = XLNetConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


# --- the arguments, checked in one call before the first line of arithmetic ---


class Given(NamedTuple):
    """The arguments of a call, as the model computes with them.

    Attributes:
        input_ids: (B, T).  num_targets: M.  num_past: tokens in the state.
        first_rows: of each layer, the first of its rows that asks: 0, but T in the last where there are
            targets.
        sights: the Sight of the rows that ask in each layer.
        states: of each layer, (B, T_past, H) or None.
    """

    input_ids: np.ndarray
    num_targets: int
    num_past: int
    first_rows: list
    sights: list
    states: list


def check_inputs(config, input_ids, token_type_ids, attention_mask, perm_mask, target_mapping, state):
    """Return a Given, or raise ValueError."""
    input_ids = integers("input_ids", input_ids)
    batch_size, num_tokens = input_ids.shape
    states = [None] * config.num_hidden_layers if state is None else check_state(config, state, batch_size)
    num_past = 0 if state is None else states[0].shape[1]
    targets = None if target_mapping is None else check_targets(target_mapping, input_ids.shape)    # (B, M)
    num_targets = 0 if targets is None else targets.shape[1]
    places = np.arange(num_tokens)[np.newaxis]                                      # (1, T)
    if num_targets:
        rows = np.broadcast_to(places, input_ids.shape)
        places = np.concatenate([rows, np.maximum(targets, 0)], axis=1)             # (B, T + M)
    may_look = visible(attention_mask, perm_mask, targets, input_ids.shape, num_past)
    is_other = None
    if token_type_ids is not None:
        types = integers("token_type_ids", token_type_ids, input_ids.shape)
        of_keys = np.pad(types, ((0, 0), (num_past, 0)))                            # (B, K): a state has 0
        of_rows = types[np.arange(batch_size)[:, np.newaxis], places]               # (B, T + M)
        is_other = (of_rows[:, :, np.newaxis] != of_keys[:, np.newaxis])[:, np.newaxis]
    sight = Sight(places, may_look, is_other)
    first_rows, sights = [0] * len(states), [sight] * len(states)
    if num_targets:  # nothing reads the content of the last layer
        first_rows[-1] = num_tokens
        sights[-1] = Sight(places[:, num_tokens:], *(
            None if mask is None else mask[:, :, num_tokens:] for mask in sight[1:]))
    return Given(input_ids, num_targets, num_past, first_rows, sights, states)


def visible(attention_mask, perm_mask, targets, shape, num_past):
    """Return which keys each row may look at, bool (B, 1, T + M, T_past + T); None where it is all of them.

    A row looks where there is no padding and perm_mask has no 1; a content row at itself, too, a query row
    without a target nowhere.
    """
    batch_size, num_tokens = shape
    is_token = check_mask(attention_mask, batch_size, num_past, num_tokens)         # (B, K)
    looks = np.repeat(is_token[:, np.newaxis], num_tokens, axis=1)                  # (B, T, K)
    if perm_mask is not None:
        looks[:, :, num_past:] &= ~zeros_and_ones("perm_mask", perm_mask, (*shape, num_tokens))
    may_look = looks | np.eye(num_tokens, num_past + num_tokens, num_past, dtype=bool)
    if targets is not None:
        batch = np.arange(batch_size)[:, np.newaxis]
        of_targets = looks[batch, np.maximum(targets, 0)] & (targets >= 0)[:, :, np.newaxis]    # (B, M, K)
        may_look = np.concatenate([may_look, of_targets], axis=1)                   # (B, T + M, K)
    return None if may_look.all() else may_look[:, np.newaxis]


def check_mask(attention_mask, batch_size, num_past, num_tokens):
    """Return an attention mask as booleans (B, T_past + T), True for tokens; one of (B, T) is of the new."""
    num_keys = num_past + num_tokens
    if attention_mask is None:
        return np.ones((batch_size, num_keys), bool)
    if np.shape(attention_mask) == (batch_size, num_tokens):
        attention_mask = np.pad(attention_mask, ((0, 0), (num_past, 0)), constant_values=1)
    return zeros_and_ones("attention_mask", attention_mask, (batch_size, num_keys))


def zeros_and_ones(name, array, shape):
    """Return an array of zeros and ones as booleans, or raise ValueError."""
    array = np.asarray(array)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    if not ((array == 0) | (array == 1)).all():
        raise ValueError(f"{name} must hold 0 and 1 and nothing else")
    return array.astype(bool)


def check_targets(target_mapping, shape):
    """Return the place that each query row predicts, (B, M), −1 for none, or raise ValueError."""
    batch_size, num_tokens = shape
    given = np.shape(target_mapping)
    if len(given) != 3 or (given[0], given[2]) != shape or given[1] < 1:
        raise ValueError(
            f"target_mapping has shape {given}, expected ({batch_size}, targets, {num_tokens}) with one "
            "target or more"
        )
    is_target = zeros_and_ones("target_mapping", target_mapping, given)             # (B, M, T)
    if (is_target.sum(axis=-1) > 1).any():
        raise ValueError("a row of target_mapping has more than one 1: it says which one token is predicted")
    return np.where(is_target.any(axis=-1), is_target.argmax(axis=-1), -1)


def check_labels(labels, input_ids, target_mapping):
    """Return labels as integers (B, M), or (B, T) without target_mapping, or raise ValueError."""
    if target_mapping is None:
        return integers("labels", labels, np.shape(input_ids))
    targets = check_targets(target_mapping, np.shape(input_ids))
    labels = integers("labels", labels, targets.shape)
    if ((targets < 0) & (labels != IGNORE_INDEX)).any():
        raise ValueError(
            f"labels predict a token where target_mapping has a row of zeros: give {IGNORE_INDEX} there")
    return labels


def check_state(config, state, batch_size):
    """Return the content of each layer, or raise ValueError if it is not that of this model."""
    shapes = [np.shape(rows) for rows in state]
    fits = len(shapes) == config.num_hidden_layers and all(
        len(shape) == 3 and (shape[0], shape[2]) == (batch_size, config.hidden_size)
        and shape[1] == shapes[0][1] for shape in shapes)
    if not fits:
        raise ValueError(
            f"state must hold an array of shape ({batch_size}, tokens, {config.hidden_size}) for each of "
            f"{config.num_hidden_layers} layers, as output.state of an earlier call with as many sequences; "
            f"got {shapes}"
        )
    return list(state)


def last_tokens(attention_mask, shape):
    """Return the place of the last token of each sequence, (B,); the last place where all is padding."""
    is_token = check_mask(attention_mask, shape[0], 0, shape[1])                    # (B, T)
    return shape[1] - 1 - is_token[:, ::-1].argmax(axis=1)
