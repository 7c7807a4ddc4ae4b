"""The Transformer: an encoder reads one sequence, a decoder writes another (Vaswani et al. 2017)."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from minibert import huggingface
from minibert.layers.attention import MultiHeadAttention, MultiHeadAttentionCache
from minibert.layers.base import Layer, describe_cache
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.layers.dropout import Dropout, DropoutCache
from minibert.layers.embedding import Embedding, EmbeddingCache
from minibert.layers.encoder_layer import EncoderLayer
from minibert.layers.feed_forward import FeedForward, FeedForwardCache
from minibert.layers.layer_norm import LayerNorm, LayerNormCache
from minibert.layers.sinusoidal import SinusoidalPositions, SinusoidalPositionsCache
from minibert.layers.smoothed_cross_entropy import SmoothedCrossEntropy, SmoothedCrossEntropyCache
from minibert.layers.tied_output import TiedOutput, TiedOutputCache
from minibert.models.checks import check_config, integers


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """The sizes and rates of a Transformer; the defaults make a small one.

    Attributes:
        vocab_size: V, of both sequences.  hidden_size: H, even.  num_hidden_layers: of the encoder, and as
            many of the decoder.  num_attention_heads: A.  intermediate_size: F.
        hidden_act: as in BertConfig.
        hidden_dropout_prob: of the embeddings and of each sublayer's output.
        attention_probs_dropout_prob: of the attention probabilities; the paper has none.
        label_smoothing: ε of the loss.
        initializer_range: standard deviation of the initial weights, embeddings apart: theirs is 1/√H.
        layer_norm_eps: eps in LayerNorm.
        bos_token_id, eos_token_id, pad_token_id: the ids that begin and end a target and fill a batch, None
            for none. The model computes the same without them.

    Raises:
        ValueError: a size is not a positive integer, hidden_size is not even or not divisible by
            num_attention_heads, a probability is outside [0, 1), or hidden_act is unknown.
    """

    vocab_size: int
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 2
    intermediate_size: int = 512
    hidden_act: str = "relu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.0
    label_smoothing: float = 0.1
    initializer_range: float = 0.08
    layer_norm_eps: float = 1e-5
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    pad_token_id: int | None = None

    def __post_init__(self):
        check_config(self)


class TransformerEmbeddingsCache(NamedTuple):
    token: EmbeddingCache
    position: SinusoidalPositionsCache
    dropout: DropoutCache
    __repr__ = describe_cache


class TransformerEmbeddings(Layer):
    """dropout(√H · token embedding + waves), the same for source and target (Vaswani et al. 2017, 3.4).

    The table is also the output, where rows of length one keep logits small; times √H its numbers are of size
    one, as the waves are.

    Derivation: d_token = √H · d_embeddings; the waves have no parameter.
    """

    def __init__(self, config, rng, dtype=np.float32):
        size = config.hidden_size
        self.token = Embedding(
            config.vocab_size, size, rng=rng, initializer_range=1 / math.sqrt(size), dtype=dtype)
        self.position = SinusoidalPositions(size)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, ids, positions, rng=None):
        """ids (B, T), positions (T,) → (B, T, H), cache."""
        token, token_cache = self.token.forward(ids)                                    # (B, T, H)
        scaled = token * math.sqrt(token.shape[-1])                                     # (B, T, H)
        embeddings, position_cache = self.position.forward(scaled, positions)           # (B, T, H)
        y, dropout_cache = self.dropout.forward(embeddings, rng)                        # (B, T, H)
        return y, TransformerEmbeddingsCache(token_cache, position_cache, dropout_cache)

    def backward(self, d_y, cache):
        """Add the gradient of d_y (B, T, H) to the table; returns None: integers have no gradient."""
        d_embeddings = self.dropout.backward(d_y, cache.dropout)                        # (B, T, H)
        d_scaled, _ = self.position.backward(d_embeddings, cache.position)              # (B, T, H)
        d_token = d_scaled * math.sqrt(d_scaled.shape[-1])                              # (B, T, H)
        self.token.backward(d_token, cache.token)


class DecoderLayerCache(NamedTuple):
    attention: MultiHeadAttentionCache
    attention_dropout: DropoutCache
    attention_norm: LayerNormCache
    cross_attention: MultiHeadAttentionCache
    cross_dropout: DropoutCache
    cross_norm: LayerNormCache
    feed_forward: FeedForwardCache
    output_dropout: DropoutCache
    output_norm: LayerNormCache
    __repr__ = describe_cache


class DecoderLayer(Layer):
    """Self-attention, attention to the source, feed-forward; each with a residual connection and post-norm.

        attended = LayerNorm(x + dropout(attention(x)))
        informed = LayerNorm(attended + dropout(cross_attention(attended, encoded)))
        y        = LayerNorm(informed + dropout(feed_forward(informed)))

    (Vaswani et al. 2017, section 3.1.) In cross-attention the queries are of the target, the keys and values
    of the encoded source.

    Derivation: as of EncoderLayer, once more for the middle sum; the source's share leaves as d_encoded.
    """

    def __init__(self, config, rng, dtype=np.float32):
        self.config, size, dropout_prob = config, config.hidden_size, config.hidden_dropout_prob
        given = {"rng": rng, "initializer_range": config.initializer_range, "dtype": dtype}
        heads = {"num_heads": config.num_attention_heads, "dropout_prob": config.attention_probs_dropout_prob}
        norm = {"eps": config.layer_norm_eps, "dtype": dtype}
        self.attention = MultiHeadAttention(size, **heads, **given)
        self.attention_dropout = Dropout(dropout_prob)
        self.attention_norm = LayerNorm(size, **norm)
        self.cross_attention = MultiHeadAttention(size, **heads, **given)
        self.cross_dropout = Dropout(dropout_prob)
        self.cross_norm = LayerNorm(size, **norm)
        self.feed_forward = FeedForward(
            size, config.intermediate_size, hidden_act=config.hidden_act, **given)
        self.output_dropout = Dropout(dropout_prob)
        self.output_norm = LayerNorm(size, **norm)

    def forward(self, x, encoded, mask=None, source_mask=None, rng=None, state=(None, None)):
        """x (B, T, H), encoded (B, S, H) → y (B, T, H), cache.

        Args:
            mask, source_mask: of the two attentions, as in MultiHeadAttention.
            state: (keys, values) of the target tokens before these, and (keys, values) of the source. These
                do not change from token to token: with a state, `encoded` brings nothing new, (B, 0, H).
        """
        state_of_target, state_of_source = state
        attention, attention_cache = self.attention.forward(x, None, mask, state_of_target, rng)
        dropped_attention, attention_dropout_cache = self.attention_dropout.forward(attention, rng)
        attention_sum = x + dropped_attention                                               # (B, T, H)
        attended, attention_norm_cache = self.attention_norm.forward(attention_sum)         # (B, T, H)
        cross, cross_attention_cache = self.cross_attention.forward(
            attended, encoded, source_mask, state_of_source, rng)                           # (B, T, H)
        dropped_cross, cross_dropout_cache = self.cross_dropout.forward(cross, rng)         # (B, T, H)
        cross_sum = attended + dropped_cross                                                # (B, T, H)
        informed, cross_norm_cache = self.cross_norm.forward(cross_sum)                     # (B, T, H)
        feed_forward, feed_forward_cache = self.feed_forward.forward(informed)              # (B, T, H)
        dropped_feed_forward, output_dropout_cache = self.output_dropout.forward(feed_forward, rng)
        output_sum = informed + dropped_feed_forward                                        # (B, T, H)
        y, output_norm_cache = self.output_norm.forward(output_sum)                         # (B, T, H)
        cache = DecoderLayerCache(
            attention=attention_cache, attention_dropout=attention_dropout_cache,
            attention_norm=attention_norm_cache, cross_attention=cross_attention_cache,
            cross_dropout=cross_dropout_cache, cross_norm=cross_norm_cache, feed_forward=feed_forward_cache,
            output_dropout=output_dropout_cache, output_norm=output_norm_cache)
        return y, cache

    def backward(self, d_y, cache):
        """d_y (B, T, H) → d_x (B, T, H), d_encoded, of the shape of encoded."""
        d_output_sum = self.output_norm.backward(d_y, cache.output_norm)                    # (B, T, H)
        d_feed_forward = self.output_dropout.backward(d_output_sum, cache.output_dropout)   # (B, T, H)
        share_of_feed_forward = self.feed_forward.backward(d_feed_forward, cache.feed_forward)  # (B, T, H)
        d_informed = d_output_sum + share_of_feed_forward                                   # (B, T, H)
        d_cross_sum = self.cross_norm.backward(d_informed, cache.cross_norm)                # (B, T, H)
        d_cross = self.cross_dropout.backward(d_cross_sum, cache.cross_dropout)             # (B, T, H)
        share_of_cross, d_encoded = self.cross_attention.backward(
            d_cross, cache.cross_attention)                                     # (B, T, H) and (B, S, H)
        d_attended = d_cross_sum + share_of_cross                                           # (B, T, H)
        d_attention_sum = self.attention_norm.backward(d_attended, cache.attention_norm)    # (B, T, H)
        d_attention = self.attention_dropout.backward(d_attention_sum, cache.attention_dropout)  # (B, T, H)
        share_of_attention = self.attention.backward(d_attention, cache.attention)          # (B, T, H)
        d_x = d_attention_sum + share_of_attention                                          # (B, T, H)
        return d_x, d_encoded


class EncoderCache(NamedTuple):
    layers: list  # one EncoderLayerCache a layer
    __repr__ = describe_cache


class Encoder(Layer):
    """A stack of encoder layers."""

    def __init__(self, config, rng, dtype=np.float32):
        self.config = config
        self.layers = [
            EncoderLayer(
                config.hidden_size, config.num_attention_heads, config.intermediate_size,
                hidden_act=config.hidden_act, dropout_prob=config.hidden_dropout_prob,
                attention_dropout_prob=config.attention_probs_dropout_prob,
                layer_norm_eps=config.layer_norm_eps, rng=rng, initializer_range=config.initializer_range,
                dtype=dtype,
            )
            for _ in range(config.num_hidden_layers)
        ]

    def forward(self, embedded, source_mask=None, rng=None):
        """embedded (B, S, H), source_mask as in MultiHeadAttention → encoded (B, S, H), cache."""
        hidden_states, layer_caches = [embedded], []
        for layer in self.layers:
            hidden, layer_cache = layer.forward(hidden_states[-1], source_mask, rng)        # (B, S, H)
            hidden_states.append(hidden)
            layer_caches.append(layer_cache)
        return hidden_states[-1], EncoderCache(layer_caches)

    def backward(self, d_encoded, cache):
        """d_encoded (B, S, H) → d_embedded (B, S, H)."""
        d_hidden_states = [None] * len(self.layers) + [d_encoded]                           # as hidden_states
        for k in reversed(range(len(self.layers))):
            d_hidden_states[k] = self.layers[k].backward(d_hidden_states[k + 1], cache.layers[k])  # (B, S, H)
        return d_hidden_states[0]


class DecoderCache(NamedTuple):
    layers: list  # one DecoderLayerCache a layer
    __repr__ = describe_cache


class Decoder(Layer):
    """A stack of decoder layers. All look at the same encoded source, the last encoder layer's output."""

    def __init__(self, config, rng, dtype=np.float32):
        self.config = config
        self.layers = [DecoderLayer(config, rng, dtype) for _ in range(config.num_hidden_layers)]

    def forward(self, embedded, encoded, mask=None, source_mask=None, rng=None, state=None):
        """embedded (B, T, H), encoded (B, S, H) → hidden (B, T, H), cache.

        Args:
            mask, source_mask: as in MultiHeadAttention.
            state: for each layer its state, see DecoderLayer; None: nothing was read before.
        """
        states = [(None, None)] * len(self.layers) if state is None else state
        hidden_states, layer_caches = [embedded], []
        for layer, layer_state in zip(self.layers, states):
            hidden, layer_cache = layer.forward(
                hidden_states[-1], encoded, mask, source_mask, rng, layer_state)            # (B, T, H)
            hidden_states.append(hidden)
            layer_caches.append(layer_cache)
        return hidden_states[-1], DecoderCache(layer_caches)

    def backward(self, d_hidden, cache):
        """d_hidden (B, T, H) → d_embedded (B, T, H), d_encoded: the sum of all layers' shares."""
        d_hidden_states = [None] * len(self.layers) + [d_hidden]                            # as hidden_states
        shares_of_encoded = [None] * len(self.layers)
        for k in reversed(range(len(self.layers))):
            d_hidden_states[k], shares_of_encoded[k] = self.layers[k].backward(
                d_hidden_states[k + 1], cache.layers[k])                        # (B, T, H) and (B, S, H)
        d_encoded = sum(shares_of_encoded)                                                  # (B, S, H)
        return d_hidden_states[0], d_encoded


class TransformerOutput(NamedTuple):
    loss: np.floating | None
    next_loss: np.floating | None  # its one part, smoothed
    logits: np.ndarray  # (M, V) for the predicted positions, (B, T, V) without labels
    counts: dict  # {"next": M}: how many tokens are predicted
    state: tuple  # for each layer of the decoder (keys, values) of the target and of the source
    __repr__ = describe_cache


class TransformerCache(NamedTuple):
    embeddings: list | TransformerEmbeddingsCache  # of source and target; of the target alone with a state
    encoder: EncoderCache | None  # None with a state, which holds the source's keys and values
    decoder: DecoderCache
    hidden_shape: tuple  # (B, T, H)
    predicted: np.ndarray | None  # (M,) flat positions whose label is not -100
    output: TiedOutputCache
    next_loss: SmoothedCrossEntropyCache | None
    __repr__ = describe_cache


class Transformer(Layer):
    """The encoder–decoder of 2017: post-norm, waves for positions, one table for both inputs and the output.

    Args:
        config: a TransformerConfig.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        self.config = config
        self.embeddings = TransformerEmbeddings(config, rng, dtype)
        self.encoder = Encoder(config, rng, dtype)
        self.decoder = Decoder(config, rng, dtype)
        self.output = TiedOutput(self.embeddings.token.weight)
        self.next_loss = SmoothedCrossEntropy(config.label_smoothing)

    def forward(self, source_ids, target_ids, source_mask=None, labels=None, state=None, rng=None):
        """Run the model → TransformerOutput, cache. Without labels the loss is None.

        Args:
            source_ids: (B, S) integers below vocab_size; None with a state, which holds the source.
            target_ids: (B, T): what was written so far. In training this is the right text ("teacher
                forcing"), after a token that begins it.
            source_mask: (B, S), 1 for tokens and 0 for padding, on the right; None means no padding.
            labels: (B, T): labels[b, t] follows target_ids[b, :t + 1]; -100 where nothing is predicted.
            state: output.state of the call that read the target tokens before these; a constant.
            rng: for dropout; None means no dropout.
        """
        source_ids, target_ids, places, source_mask, mask, labels = check_inputs(
            self.config, source_ids, target_ids, source_mask, labels, state)
        encoder_cache, embeddings_caches = None, []
        if state is None:
            source_places = np.arange(source_ids.shape[1])                                  # (S,)
            read, source_cache = self.embeddings.forward(source_ids, source_places, rng)    # (B, S, H)
            embeddings_caches.append(source_cache)
            encoded, encoder_cache = self.encoder.forward(read, source_mask, rng)           # (B, S, H)
        written, target_cache = self.embeddings.forward(target_ids, places, rng)            # (B, T, H)
        embeddings_caches.append(target_cache)
        new_encoded = encoded if state is None else written[:, :0]                  # (B, S, H) or (B, 0, H)
        hidden, decoder_cache = self.decoder.forward(written, new_encoded, mask, source_mask, rng, state)
        predicted = None if labels is None else np.flatnonzero(labels != IGNORE_INDEX)      # (M,)
        asked = hidden if labels is None else hidden.reshape(-1, hidden.shape[-1])[predicted]   # (M, H)
        logits, output_cache = self.output.forward(asked)                                   # (M, V)
        next_loss = next_loss_cache = None
        if labels is not None:
            next_loss, next_loss_cache = self.next_loss.forward(logits, labels.reshape(-1)[predicted])
        counts = {} if labels is None else {"next": len(predicted)}
        embeddings_cache = embeddings_caches if state is None else target_cache
        cache = TransformerCache(
            embeddings=embeddings_cache, encoder=encoder_cache, decoder=decoder_cache,
            hidden_shape=hidden.shape, predicted=predicted, output=output_cache, next_loss=next_loss_cache)
        passed_on = state_of(decoder_cache.layers)
        return TransformerOutput(next_loss, next_loss, logits, counts, passed_on), cache

    def backward(self, cache, d_loss=1.0):
        """Add d_loss, a number or {"next": a number}, times the gradient of the loss to every gradient."""
        if cache.next_loss is None:
            raise ValueError("there is no loss to go back from: give forward labels")
        d_next_loss = d_loss["next"] if isinstance(d_loss, dict) else d_loss
        d_logits, _ = self.next_loss.backward(d_next_loss, cache.next_loss)                 # (M, V)
        d_asked = self.output.backward(d_logits, cache.output)                              # (M, H)
        batch_size, num_tokens, hidden_size = cache.hidden_shape
        d_hidden_rows = np.zeros((batch_size * num_tokens, hidden_size), d_asked.dtype)     # (B·T, H)
        d_hidden_rows[cache.predicted] = d_asked                                    # each position once
        d_hidden = d_hidden_rows.reshape(cache.hidden_shape)                                # (B, T, H)
        d_target, d_encoded = self.decoder.backward(d_hidden, cache.decoder)        # (B, T, H), (B, S, H)
        if cache.encoder is None:
            self.embeddings.backward(d_target, cache.embeddings)
        else:
            source_cache, target_cache = cache.embeddings
            d_source = self.encoder.backward(d_encoded, cache.encoder)                      # (B, S, H)
            self.embeddings.backward(d_target, target_cache)
            self.embeddings.backward(d_source, source_cache)

    generates, config_class = "translation", TransformerConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


def state_of(layer_caches):
    """Return (keys, values) of both attentions of each layer of the decoder."""
    return tuple(
        tuple((record.key_heads, record.value_heads) for record in (cache.attention, cache.cross_attention))
        for cache in layer_caches
    )


# --- the arguments of forward, checked in one call before the first line of arithmetic ---


def check_inputs(config, source_ids, target_ids, source_mask, labels, state):
    """Return what the model computes with.

    Returns:
        source_ids (B, S), None with a state; target_ids (B, T) and their positions (T,); the masks of source,
        (B, 1, 1, S), and target, (T, T_key), None where all may be seen; labels.

    Raises:
        ValueError: a wrong shape or dtype, a mask of other numbers, or not exactly one of source and state.
    """
    target_ids = integers("target_ids", target_ids)
    if (source_ids is None) == (state is None):
        raise ValueError("give either source_ids, or the state of an earlier call, which holds the source")
    if state is None:
        source_ids = integers("source_ids", source_ids)
    elif len(state) != config.num_hidden_layers:
        raise ValueError(
            f"state must hold an entry for each of {config.num_hidden_layers} layers, as output.state of an "
            f"earlier call; got {len(state)}"
        )
    source_shape = source_ids.shape if state is None else state[0][1][0].shape[::2]  # (B, S) of (B, A, S, D)
    if source_shape[0] != len(target_ids):
        raise ValueError(f"got {source_shape[0]} sources and {len(target_ids)} targets: give as many of each")
    if source_mask is not None:
        source_mask = np.asarray(source_mask)
        if source_mask.shape != source_shape:
            raise ValueError(f"source_mask has shape {source_mask.shape}, expected {source_shape}")
        if not ((source_mask == 0) | (source_mask == 1)).all():
            raise ValueError("source_mask must hold 1 for tokens and 0 for padding and nothing else")
        may_look = source_mask.astype(bool)[:, np.newaxis, np.newaxis]      # (B, 1, 1, S): columns are keys
        source_mask = None if may_look.all() else may_look
    num_past, num_new = 0 if state is None else state[0][0][0].shape[2], target_ids.shape[1]
    mask = np.tri(num_new, num_past + num_new, num_past, dtype=bool)        # (T, T_key): itself and before
    if labels is not None:
        labels = integers("labels", labels, target_ids.shape)
    positions = np.arange(num_past, num_past + num_new)                     # (T,)
    return source_ids, target_ids, positions, source_mask, None if mask.all() else mask, labels
