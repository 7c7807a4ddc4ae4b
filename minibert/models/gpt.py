"""GPT and GPT-2: the next token from those before it (Radford et al. 2018, 2019)."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from minibert import huggingface
from minibert.layers.attention import MultiHeadAttention, MultiHeadAttentionCache
from minibert.layers.base import Layer, describe_cache
from minibert.layers.cross_entropy import IGNORE_INDEX, CrossEntropy, CrossEntropyCache
from minibert.layers.dropout import Dropout, DropoutCache
from minibert.layers.embedding import Embedding, EmbeddingCache
from minibert.layers.encoder_layer import EncoderLayer
from minibert.layers.feed_forward import FeedForward, FeedForwardCache
from minibert.layers.layer_norm import LayerNorm, LayerNormCache
from minibert.layers.tied_output import TiedOutput, TiedOutputCache
from minibert.models.checks import check_config, integers


@dataclasses.dataclass(frozen=True)
class GPT2Config:
    """The sizes and rates of a GPT-2; the defaults make a small one.

    Attributes:
        vocab_size: V.  hidden_size: H.  num_hidden_layers.  num_attention_heads: A.
        intermediate_size: F; None means 4 H.
        hidden_act: as in BertConfig; GPT-2 has GELU's tanh form.
        hidden_dropout_prob: of each sublayer's output.  embedding_dropout_prob: of the embeddings.
        attention_probs_dropout_prob: of the attention probabilities.
        max_position_embeddings: the longest sequence.
        initializer_range: standard deviation of the initial weights.  layer_norm_eps: eps in LayerNorm.
        bos_token_id, eos_token_id, pad_token_id: the ids that begin and end a text and fill a batch, None for
            none. The model computes the same without them.

    Raises:
        ValueError: a size is not a positive integer, hidden_size is not divisible by num_attention_heads, a
            probability is outside [0, 1), or hidden_act is unknown.
    """

    vocab_size: int
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 2
    intermediate_size: int | None = None
    hidden_act: str = "gelu_new"
    hidden_dropout_prob: float = 0.1
    embedding_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 128
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-5
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    pad_token_id: int | None = None

    def __post_init__(self):
        if self.intermediate_size is None:
            object.__setattr__(self, "intermediate_size", 4 * self.hidden_size)
        check_config(self)


@dataclasses.dataclass(frozen=True)
class OpenAIGPTConfig(GPT2Config):
    """The sizes and rates of a GPT of 2018: those of GPT2Config.

    Raises:
        ValueError: as GPT2Config; and for what a file of transformers cannot say of this model: a
            feed-forward size that is not 4 H, or the exact GELU (there, "gelu" means the tanh form).
    """

    def __post_init__(self):
        super().__post_init__()
        if self.intermediate_size != 4 * self.hidden_size:
            raise ValueError(
                f"intermediate_size {self.intermediate_size} is not 4 times hidden_size {self.hidden_size}, "
                "as GPT has it: leave it out, or take a GPT2Config"
            )
        if self.hidden_act not in ("gelu_new", "relu", "silu"):
            raise ValueError(
                f"hidden_act {self.hidden_act!r} is not one of GPT's: choose 'gelu_new', 'relu' or 'silu'"
            )


class GPTEmbeddingsCache(NamedTuple):
    token: EmbeddingCache
    position: EmbeddingCache
    dropout: DropoutCache
    __repr__ = describe_cache


class GPTEmbeddings(Layer):
    """dropout(token + position embedding).

    Derivation: a sum passes its gradient unchanged to each term. Where all sequences have the same positions,
    these are looked up once, and their gradient is summed over the batch.
    """

    def __init__(self, config, rng, dtype=np.float32):
        given = {"rng": rng, "initializer_range": config.initializer_range, "dtype": dtype}
        self.token = Embedding(config.vocab_size, config.hidden_size, **given)
        self.position = Embedding(config.max_position_embeddings, config.hidden_size, **given)
        self.dropout = Dropout(config.embedding_dropout_prob)

    def forward(self, input_ids, positions, rng=None):
        """input_ids (B, T), positions (T,) or (B, T) → (B, T, H), cache."""
        token, token_cache = self.token.forward(input_ids)                      # (B, T, H)
        position, position_cache = self.position.forward(positions)             # (T, H) or (B, T, H)
        embeddings = token + position                                           # (B, T, H)
        y, dropout_cache = self.dropout.forward(embeddings, rng)                # (B, T, H)
        return y, GPTEmbeddingsCache(token_cache, position_cache, dropout_cache)

    def backward(self, d_y, cache):
        """d_y (B, T, H) → d_embeddings (B, T, H), the gradient of the sum (the ids themselves have none)."""
        d_embeddings = self.dropout.backward(d_y, cache.dropout)                # (B, T, H)
        self.token.backward(d_embeddings, cache.token)
        is_shared = cache.position.ids.ndim == 1
        d_position = d_embeddings.sum(axis=0) if is_shared else d_embeddings    # (T, H) or (B, T, H)
        self.position.backward(d_position, cache.position)
        return d_embeddings


class GPT2BlockCache(NamedTuple):
    attention_norm: LayerNormCache
    attention: MultiHeadAttentionCache
    attention_dropout: DropoutCache
    output_norm: LayerNormCache
    feed_forward: FeedForwardCache
    output_dropout: DropoutCache
    __repr__ = describe_cache


class GPT2Block(Layer):
    """Self-attention, then feed-forward; each with a residual connection, and LayerNorm *before* it.

        attended = x + dropout(attention(LayerNorm(x)))
        y        = attended + dropout(feed_forward(LayerNorm(attended)))

    This is pre-norm (Radford et al. 2019, section 2.3). The path from y to x has nothing on it but sums:
    along it the gradient passes every block unchanged, and each sublayer adds its share.

    Derivation: x reaches the sum along two paths, unchanged and through LayerNorm and the sublayer. The
    gradients of both add up where the paths began: d_x = d_attended + norm.backward(attention.backward(...)).
    """

    def __init__(self, config, rng, dtype=np.float32):
        size, given = config.hidden_size, {"rng": rng, "initializer_range": config.initializer_range}
        self.attention_norm = LayerNorm(size, eps=config.layer_norm_eps, dtype=dtype)
        self.attention = MultiHeadAttention(
            size, config.num_attention_heads, dropout_prob=config.attention_probs_dropout_prob, **given,
            dtype=dtype)
        self.attention_dropout = Dropout(config.hidden_dropout_prob)
        self.output_norm = LayerNorm(size, eps=config.layer_norm_eps, dtype=dtype)
        self.feed_forward = FeedForward(
            size, config.intermediate_size, hidden_act=config.hidden_act, **given, dtype=dtype)
        self.output_dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, x, mask=None, rng=None, state=None):
        """x (B, T, H), mask and state as in MultiHeadAttention, rng for dropout → y (B, T, H), cache."""
        normalized, attention_norm_cache = self.attention_norm.forward(x)                   # (B, T, H)
        attention, attention_cache = self.attention.forward(normalized, mask=mask, state=state, rng=rng)
        dropped_attention, attention_dropout_cache = self.attention_dropout.forward(attention, rng)
        attended = x + dropped_attention                                                    # (B, T, H)
        normalized_attended, output_norm_cache = self.output_norm.forward(attended)         # (B, T, H)
        feed_forward, feed_forward_cache = self.feed_forward.forward(normalized_attended)   # (B, T, H)
        dropped_feed_forward, output_dropout_cache = self.output_dropout.forward(feed_forward, rng)
        y = attended + dropped_feed_forward                                                 # (B, T, H)
        cache = GPT2BlockCache(
            attention_norm=attention_norm_cache, attention=attention_cache,
            attention_dropout=attention_dropout_cache, output_norm=output_norm_cache,
            feed_forward=feed_forward_cache, output_dropout=output_dropout_cache)
        return y, cache

    def backward(self, d_y, cache):
        """d_y (B, T, H) → d_x (B, T, H)."""
        d_feed_forward = self.output_dropout.backward(d_y, cache.output_dropout)            # (B, T, H)
        d_normalized_attended = self.feed_forward.backward(d_feed_forward, cache.feed_forward)  # (B, T, H)
        share_of_feed_forward = self.output_norm.backward(d_normalized_attended, cache.output_norm)
        d_attended = d_y + share_of_feed_forward                                            # (B, T, H)
        d_attention = self.attention_dropout.backward(d_attended, cache.attention_dropout)  # (B, T, H)
        d_normalized = self.attention.backward(d_attention, cache.attention)                # (B, T, H)
        share_of_attention = self.attention_norm.backward(d_normalized, cache.attention_norm)   # (B, T, H)
        d_x = d_attended + share_of_attention                                               # (B, T, H)
        return d_x


class GPTLMHeadOutput(NamedTuple):
    loss: np.floating | None
    next_loss: np.floating | None  # its one part
    logits: np.ndarray  # (M, V) for the predicted positions, (B, T, V) without labels
    counts: dict  # {"next": M}: how many tokens are predicted
    state: tuple  # for each layer (keys, values), (B, A, T_past + T, D) each
    __repr__ = describe_cache


class OpenAIGPTLMHeadCache(NamedTuple):
    embeddings: GPTEmbeddingsCache
    blocks: list  # one EncoderLayerCache a layer
    hidden_shape: tuple  # (B, T, H)
    predicted: np.ndarray | None  # (M,) flat positions whose next token is a label
    output: TiedOutputCache
    next_loss: CrossEntropyCache | None
    __repr__ = describe_cache


class OpenAIGPTLMHeadModel(Layer):
    """GPT (2018): BERT's encoder layers with a causal mask, and the token embeddings once more as the output.

    logits_t = Eᵀ blocks(embeddings)_t is the forecast of token t + 1, and the loss is the mean cross-entropy
    of the forecasts.

    Args:
        config: an OpenAIGPTConfig.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        self.config = config
        self.embeddings = GPTEmbeddings(config, rng, dtype)
        self.blocks = [
            EncoderLayer(
                config.hidden_size, config.num_attention_heads, config.intermediate_size,
                hidden_act=config.hidden_act, dropout_prob=config.hidden_dropout_prob,
                attention_dropout_prob=config.attention_probs_dropout_prob,
                layer_norm_eps=config.layer_norm_eps, rng=rng, initializer_range=config.initializer_range,
                dtype=dtype,
            )
            for _ in range(config.num_hidden_layers)
        ]
        self.output = TiedOutput(self.embeddings.token.weight)
        self.next_loss = CrossEntropy()

    def forward(self, input_ids, attention_mask=None, labels=None, state=None, rng=None):
        """Run the model → GPTLMHeadOutput, cache; the arguments are those of GPT2LMHeadModel."""
        input_ids, positions, mask, answers, states = check_inputs(
            self.config, input_ids, attention_mask, labels, state)
        embedded, embeddings_cache = self.embeddings.forward(input_ids, positions, rng)     # (B, T, H)
        hidden_states, block_caches = [embedded], []
        for block, block_state in zip(self.blocks, states):
            hidden, block_cache = block.forward(hidden_states[-1], mask, rng, block_state)  # (B, T, H)
            hidden_states.append(hidden)
            block_caches.append(block_cache)
        last = hidden_states[-1]                                                            # (B, T, H)
        predicted = None if answers is None else np.flatnonzero(answers != IGNORE_INDEX)    # (M,)
        asked = last if answers is None else last.reshape(-1, last.shape[-1])[predicted]    # (M, H)
        logits, output_cache = self.output.forward(asked)                                   # (M, V)
        next_loss = next_loss_cache = None
        if answers is not None:
            next_loss, next_loss_cache = self.next_loss.forward(logits, answers.reshape(-1)[predicted])
        counts = {} if answers is None else {"next": len(predicted)}
        cache = OpenAIGPTLMHeadCache(
            embeddings=embeddings_cache, blocks=block_caches, hidden_shape=last.shape, predicted=predicted,
            output=output_cache, next_loss=next_loss_cache)
        return GPTLMHeadOutput(next_loss, next_loss, logits, counts, state_of(block_caches)), cache

    def backward(self, cache, d_loss=1.0):
        """Add d_loss times the gradient of the loss to every parameter's gradient; as GPT2LMHeadModel's."""
        if cache.next_loss is None:
            raise ValueError("there is no loss to go back from: give forward labels")
        d_next_loss = d_loss["next"] if isinstance(d_loss, dict) else d_loss
        d_logits, _ = self.next_loss.backward(d_next_loss, cache.next_loss)                 # (M, V)
        d_asked = self.output.backward(d_logits, cache.output)                              # (M, H)
        batch_size, num_tokens, hidden_size = cache.hidden_shape
        d_last_rows = np.zeros((batch_size * num_tokens, hidden_size), d_asked.dtype)       # (B·T, H)
        d_last_rows[cache.predicted] = d_asked                                      # each position once
        d_last = d_last_rows.reshape(cache.hidden_shape)                                    # (B, T, H)
        d_hidden_states = [None] * len(self.blocks) + [d_last]                              # as hidden_states
        for k in reversed(range(len(self.blocks))):
            d_hidden_states[k] = self.blocks[k].backward(d_hidden_states[k + 1], cache.blocks[k])  # (B, T, H)
        d_embeddings = self.embeddings.backward(d_hidden_states[0], cache.embeddings)       # (B, T, H)
        return d_embeddings

    generates, config_class = "continuation", OpenAIGPTConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


class GPT2LMHeadCache(NamedTuple):
    embeddings: GPTEmbeddingsCache
    blocks: list  # one GPT2BlockCache a layer
    final_norm: LayerNormCache
    predicted: np.ndarray | None  # (M,) flat positions whose next token is a label
    output: TiedOutputCache
    next_loss: CrossEntropyCache | None
    __repr__ = describe_cache


class GPT2LMHeadModel(Layer):
    """GPT-2 (2019): pre-norm blocks, a LayerNorm after the last, and the token embeddings as the output.

    Each of the L blocks adds two sublayers to one sum. So that the sum does not grow with L, the two matrices
    that write into it begin 1/√(2L) times as large as the others (Radford et al. 2019, section 2.3).

    Args:
        config: a GPT2Config.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        self.config = config
        self.embeddings = GPTEmbeddings(config, rng, dtype)
        self.blocks = [GPT2Block(config, rng, dtype) for _ in range(config.num_hidden_layers)]
        for block in self.blocks:
            for projection in (block.attention.output, block.feed_forward.output):
                projection.weight.value *= 1 / math.sqrt(2 * config.num_hidden_layers)
        self.final_norm = LayerNorm(config.hidden_size, eps=config.layer_norm_eps, dtype=dtype)
        self.output = TiedOutput(self.embeddings.token.weight)
        self.next_loss = CrossEntropy()

    def forward(self, input_ids, attention_mask=None, labels=None, state=None, rng=None):
        """Run the model → GPTLMHeadOutput, cache. Without labels the loss is None.

        Args:
            input_ids: (B, T) integers below vocab_size.
            attention_mask: (B, T_past + T), 1 for tokens and 0 for padding on either side; None: no padding.
                Positions count the tokens: padding has none.
            labels: (B, T), the input ids, -100 where nothing is predicted: the token at t − 1 predicts
                labels[:, t]. labels[:, 0] has no token before it in this call, and is not predicted.
            state: output.state of the call that read the T_past tokens before these; a constant.
            rng: for dropout; None means no dropout.

        Raises:
            ValueError: a shape is wrong, an id has no embedding, or a position is above
                max_position_embeddings.
        """
        input_ids, positions, mask, answers, states = check_inputs(
            self.config, input_ids, attention_mask, labels, state)
        embedded, embeddings_cache = self.embeddings.forward(input_ids, positions, rng)     # (B, T, H)
        hidden_states, block_caches = [embedded], []
        for block, block_state in zip(self.blocks, states):
            hidden, block_cache = block.forward(hidden_states[-1], mask, rng, block_state)  # (B, T, H)
            hidden_states.append(hidden)
            block_caches.append(block_cache)
        last, final_norm_cache = self.final_norm.forward(hidden_states[-1])                 # (B, T, H)
        predicted = None if answers is None else np.flatnonzero(answers != IGNORE_INDEX)    # (M,)
        asked = last if answers is None else last.reshape(-1, last.shape[-1])[predicted]    # (M, H)
        logits, output_cache = self.output.forward(asked)                                   # (M, V)
        next_loss = next_loss_cache = None
        if answers is not None:
            next_loss, next_loss_cache = self.next_loss.forward(logits, answers.reshape(-1)[predicted])
        counts = {} if answers is None else {"next": len(predicted)}
        cache = GPT2LMHeadCache(
            embeddings=embeddings_cache, blocks=block_caches, final_norm=final_norm_cache,
            predicted=predicted, output=output_cache, next_loss=next_loss_cache)
        return GPTLMHeadOutput(next_loss, next_loss, logits, counts, state_of(block_caches)), cache

    def backward(self, cache, d_loss=1.0):
        """Add d_loss times the gradient of the loss to every parameter's gradient.

        Args:
            cache: of forward.
            d_loss: a number, or {"next": a number}.

        Returns:
            d_embeddings (B, T, H): the gradient of the summed embeddings.

        Raises:
            ValueError: forward was given no labels, so there is no loss.
        """
        if cache.next_loss is None:
            raise ValueError("there is no loss to go back from: give forward labels")
        d_next_loss = d_loss["next"] if isinstance(d_loss, dict) else d_loss
        d_logits, _ = self.next_loss.backward(d_next_loss, cache.next_loss)                 # (M, V)
        d_asked = self.output.backward(d_logits, cache.output)                              # (M, H)
        batch_size, num_tokens, hidden_size = cache.final_norm.normalized.shape
        d_last_rows = np.zeros((batch_size * num_tokens, hidden_size), d_asked.dtype)       # (B·T, H)
        d_last_rows[cache.predicted] = d_asked                                      # each position once
        d_last = d_last_rows.reshape(batch_size, num_tokens, hidden_size)                   # (B, T, H)
        d_hidden = self.final_norm.backward(d_last, cache.final_norm)                       # (B, T, H)
        d_hidden_states = [None] * len(self.blocks) + [d_hidden]                            # as hidden_states
        for k in reversed(range(len(self.blocks))):
            d_hidden_states[k] = self.blocks[k].backward(d_hidden_states[k + 1], cache.blocks[k])  # (B, T, H)
        d_embeddings = self.embeddings.backward(d_hidden_states[0], cache.embeddings)       # (B, T, H)
        return d_embeddings

    generates, config_class = "continuation", GPT2Config
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


def state_of(block_caches):
    """Return (keys, values) of each block: the state with which the next call goes on."""
    return tuple((cache.attention.key_heads, cache.attention.value_heads) for cache in block_caches)


# --- the arguments of both models, checked in one call before the first line of arithmetic ---


def check_inputs(config, input_ids, attention_mask, labels, state):
    """Return what the models compute with.

    Returns:
        input_ids (B, T); positions (T,), or (B, T) with padding; the mask, True where a query may look at a
        key, (T, T_key) or (B, 1, T, T_key), None where it may look at all; answers (B, T), the label that
        each position predicts, or None; the state of each layer.

    Raises:
        ValueError: a wrong shape or dtype, too many tokens, or a mask of other numbers.
    """
    input_ids = integers("input_ids", input_ids)
    batch_size, num_new = input_ids.shape
    states = [None] * config.num_hidden_layers if state is None else check_state(config, state, batch_size)
    num_past = 0 if state is None else states[0][0].shape[2]
    num_keys = num_past + num_new
    positions = np.arange(num_past, num_keys)                                   # (T,)
    may_look = None                                     # one new token looks at itself and all before it
    if num_new > 1:
        may_look = np.tri(num_new, num_keys, num_past, dtype=bool)              # (T, T_key)
    is_token = None if attention_mask is None else check_mask(attention_mask, batch_size, num_past, num_new)
    if is_token is not None and not is_token.all():
        counted = np.maximum(is_token.cumsum(axis=1) - 1, 0)                    # (B, T_key): tokens before
        positions = counted[:, num_past:]                                       # (B, T)
        before = np.tri(num_new, num_keys, num_past, dtype=bool)                # (T, T_key)
        itself = np.eye(num_new, num_keys, num_past, dtype=bool)                # padding looks at itself
        may_look = (before & is_token[:, np.newaxis] | itself)[:, np.newaxis]   # (B, 1, T, T_key)
    if positions.max() >= config.max_position_embeddings:
        raise ValueError(
            f"a sequence of {positions.max() + 1} tokens is longer than max_position_embeddings "
            f"{config.max_position_embeddings}: give fewer tokens, or train a longer model"
        )
    answers = None
    if labels is not None:
        labels = integers("labels", labels, input_ids.shape)
        answers = np.full_like(labels, IGNORE_INDEX)
        answers[:, :-1] = labels[:, 1:]
    return input_ids, positions, may_look, answers, states


def check_mask(attention_mask, batch_size, num_past, num_new):
    """Return an attention mask as booleans (B, T_past + T), True for tokens, or raise ValueError."""
    attention_mask = np.asarray(attention_mask)
    shape = (batch_size, num_past + num_new)
    if attention_mask.shape != shape:
        raise ValueError(
            f"attention_mask has shape {attention_mask.shape}, expected {shape}: a column for each of "
            f"{num_past} tokens in state and {num_new} in input_ids"
        )
    if not ((attention_mask == 0) | (attention_mask == 1)).all():
        raise ValueError("attention_mask must hold 1 for tokens and 0 for padding and nothing else")
    return attention_mask.astype(bool)


def check_state(config, state, batch_size):
    """Return the (keys, values) of each layer, or raise ValueError if they are not those of this model."""
    num_layers, num_heads = config.num_hidden_layers, config.num_attention_heads
    shapes = [np.shape(array) for pair in state for array in pair]
    num_past = shapes[0][2] if shapes and len(shapes[0]) == 4 else 0
    expected = (batch_size, num_heads, num_past, config.hidden_size // num_heads)
    fits = shapes == [expected] * (2 * num_layers)
    if not fits:
        batch, heads, _, head_size = expected
        raise ValueError(
            f"state must hold (keys, values) for each of {num_layers} layers, arrays of shape "
            f"({batch}, {heads}, tokens, {head_size}), as output.state of an earlier call with as many "
            f"sequences; got {shapes}"
        )
    return list(state)
