"""BERT: the encoder, and the encoder with its two pretraining heads (Devlin et al. 2018)."""

import dataclasses
from typing import NamedTuple

import numpy as np

from minibert import huggingface
from minibert.layers.base import Layer, Parameter, describe_cache
from minibert.layers.cross_entropy import IGNORE_INDEX, CrossEntropy, CrossEntropyCache
from minibert.layers.dropout import Dropout, DropoutCache
from minibert.layers.embedding import Embedding, EmbeddingCache
from minibert.layers.encoder_layer import EncoderLayer
from minibert.layers.feed_forward import ACTIVATIONS
from minibert.layers.gelu import GELUCache, TanhGELUCache
from minibert.layers.layer_norm import LayerNorm, LayerNormCache
from minibert.layers.linear import Linear, LinearCache


@dataclasses.dataclass(frozen=True)
class BertConfig:
    """The sizes and rates of a BERT, under Hugging Face's names; the defaults make a small one.

    Attributes:
        vocab_size: V.  hidden_size: H.  num_hidden_layers.  num_attention_heads: A.  intermediate_size: F.
        hidden_act: "gelu" (exact, by erf) or "gelu_new" (tanh form).
        hidden_dropout_prob, attention_probs_dropout_prob: dropout probabilities.
        max_position_embeddings: the longest sequence.  type_vocab_size: segments.
        initializer_range: standard deviation of the initial weights.  layer_norm_eps: eps in LayerNorm.

    Raises:
        ValueError: a size is not a positive integer, hidden_size is not divisible by num_attention_heads, a
            probability is outside [0, 1), or hidden_act is unknown.
    """

    vocab_size: int
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 2
    intermediate_size: int = 512
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 128
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12

    def __post_init__(self):
        for name in (
            "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
            "max_position_embeddings", "type_vocab_size",
        ):
            size = getattr(self, name)
            if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
                raise ValueError(f"{name} must be a positive integer, got {size!r}")
        if self.hidden_size % self.num_attention_heads != 0:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not divisible by "
                f"num_attention_heads {self.num_attention_heads}"
            )
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {getattr(self, name)!r}")
        for name in ("initializer_range", "layer_norm_eps"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)!r}")
        if self.hidden_act not in ACTIVATIONS:
            raise ValueError(
                f"hidden_act {self.hidden_act!r} is not supported: choose one of {sorted(ACTIVATIONS)}"
            )


class BertEmbeddingsCache(NamedTuple):
    token: EmbeddingCache
    position: EmbeddingCache
    segment: EmbeddingCache
    norm: LayerNormCache
    dropout: DropoutCache
    __repr__ = describe_cache


class BertEmbeddings(Layer):
    """dropout(LayerNorm(token + position + segment embedding)) (Devlin et al. 2018, figure 2).

    Derivation: a sum passes its gradient unchanged to each term. All sequences of the batch share the
    position embedding, so its gradient is summed over them.
    """

    def __init__(self, config, rng, dtype=np.float32):
        size, initializer_range = config.hidden_size, config.initializer_range
        self.token = Embedding(config.vocab_size, size, rng, initializer_range, dtype)
        self.position = Embedding(config.max_position_embeddings, size, rng, initializer_range, dtype)
        self.segment = Embedding(config.type_vocab_size, size, rng, initializer_range, dtype)
        self.norm = LayerNorm(size, config.layer_norm_eps, dtype)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids, token_type_ids, rng=None):
        """input_ids, token_type_ids (B, T) → (B, T, H), cache."""
        token, token_cache = self.token.forward(input_ids)                              # (B, T, H)
        position, position_cache = self.position.forward(np.arange(input_ids.shape[1])) # (T, H)
        segment, segment_cache = self.segment.forward(token_type_ids)                   # (B, T, H)
        embeddings = token + position + segment                                         # (B, T, H)
        normalized, norm_cache = self.norm.forward(embeddings)                          # (B, T, H)
        y, dropout_cache = self.dropout.forward(normalized, rng)                        # (B, T, H)
        return y, BertEmbeddingsCache(token_cache, position_cache, segment_cache, norm_cache, dropout_cache)

    def backward(self, d_y, cache):
        """d_y (B, T, H) → d_embeddings (B, T, H), the gradient of the sum (the ids themselves have none)."""
        d_normalized = self.dropout.backward(d_y, cache.dropout)                        # (B, T, H)
        d_embeddings = self.norm.backward(d_normalized, cache.norm)                     # (B, T, H)
        self.token.backward(d_embeddings, cache.token)
        self.position.backward(d_embeddings.sum(axis=0), cache.position)
        self.segment.backward(d_embeddings, cache.segment)
        return d_embeddings


class PoolerCache(NamedTuple):
    shape: tuple
    dense: LinearCache
    pooled: np.ndarray  # (B, H)
    __repr__ = describe_cache


class Pooler(Layer):
    """pooled = tanh(x_[CLS] W + b): the first token's state represents the sequence.

    Derivation: tanh′ = 1 − tanh²; every token but the first receives a zero gradient.
    """

    def __init__(self, config, rng, dtype=np.float32):
        self.dense = Linear(config.hidden_size, config.hidden_size, rng, config.initializer_range, dtype)

    def forward(self, x):
        """x (B, T, H) → pooled (B, H), cache."""
        dense, dense_cache = self.dense.forward(x[:, 0])        # (B, H)
        pooled = np.tanh(dense)                                 # (B, H)
        return pooled, PoolerCache(x.shape, dense_cache, pooled)

    def backward(self, d_pooled, cache):
        """d_pooled (B, H) → d_x (B, T, H)."""
        pooled = cache.pooled
        d_dense = d_pooled * (1 - pooled * pooled)              # (B, H)
        d_x = np.zeros(cache.shape, d_dense.dtype)              # (B, T, H)
        d_x[:, 0] = self.dense.backward(d_dense, cache.dense)
        return d_x


class MLMHeadCache(NamedTuple):
    dense: LinearCache
    activation: GELUCache | TanhGELUCache
    norm: LayerNormCache
    transformed: np.ndarray  # (..., H)
    __repr__ = describe_cache


class MLMHead(Layer):
    """logits = LayerNorm(act(x W + b)) Eᵀ + decoder_bias, with E the token embedding table, shared ("tied").

    Derivation of the decoder, for rows t (M, H) of the transformed states: logits = t Eᵀ + b_dec, so
    d_t = d_logits E and d_E = d_logitsᵀ t. E is also looked up at the input; both uses add to its gradient.
    """

    def __init__(self, config, token_embedding, rng, dtype=np.float32):
        self.dense = Linear(config.hidden_size, config.hidden_size, rng, config.initializer_range, dtype)
        self.activation = ACTIVATIONS[config.hidden_act]()
        self.norm = LayerNorm(config.hidden_size, config.layer_norm_eps, dtype)
        self.decoder_weight = token_embedding                   # the same Parameter, (V, H)
        self.decoder_bias = Parameter(np.zeros(config.vocab_size, dtype))

    def forward(self, x):
        """x (..., H) → logits (..., V), cache."""
        dense, dense_cache = self.dense.forward(x)                          # (..., H)
        activated, activation_cache = self.activation.forward(dense)        # (..., H)
        transformed, norm_cache = self.norm.forward(activated)              # (..., H)
        product = transformed @ self.decoder_weight.value.T                 # (..., V)
        logits = np.add(product, self.decoder_bias.value, out=product)      # (..., V)
        del product                                                         # its memory now holds logits
        return logits, MLMHeadCache(dense_cache, activation_cache, norm_cache, transformed)

    def backward(self, d_logits, cache):
        """d_logits (..., V) → d_x (..., H)."""
        transformed = cache.transformed
        d_logit_rows = d_logits.reshape(-1, d_logits.shape[-1])             # (M, V)
        transformed_rows = transformed.reshape(-1, transformed.shape[-1])   # (M, H)
        # decoder_weight.grad += d_logit_rows.T @ transformed_rows
        self.decoder_weight.add_product(d_logit_rows.T, transformed_rows)   # (V, H)
        self.decoder_bias.grad += d_logit_rows.sum(axis=0)                  # (V,)
        d_transformed = d_logits @ self.decoder_weight.value                # (..., H)
        d_activated = self.norm.backward(d_transformed, cache.norm)
        d_dense = self.activation.backward(d_activated, cache.activation)
        d_x = self.dense.backward(d_dense, cache.dense)                     # (..., H)
        return d_x


class BertModelOutput(NamedTuple):
    last_hidden_state: np.ndarray  # (B, T, H)
    pooler_output: np.ndarray  # (B, H)
    __repr__ = describe_cache


class BertModelCache(NamedTuple):
    embeddings: BertEmbeddingsCache
    encoder: list  # one EncoderLayerCache a layer
    pooler: PoolerCache
    __repr__ = describe_cache


class BertModel(Layer):
    """The encoder alone: embeddings, a stack of encoder layers, and the pooler.

    Args:
        config: a BertConfig.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        self.config = config
        self.embeddings = BertEmbeddings(config, rng, dtype)
        self.encoder = [
            EncoderLayer(
                config.hidden_size, config.num_attention_heads, config.intermediate_size, config.hidden_act,
                config.hidden_dropout_prob, config.attention_probs_dropout_prob, config.layer_norm_eps,
                rng, config.initializer_range, dtype,
            )
            for _ in range(config.num_hidden_layers)
        ]
        self.pooler = Pooler(config, rng, dtype)

    def forward(self, input_ids, token_type_ids=None, attention_mask=None, rng=None):
        """Encode a batch of sequences.

        Args:
            input_ids: (B, T) integers below vocab_size.
            token_type_ids: (B, T) integers, 0 for the first segment and 1 for the second; None means all 0.
            attention_mask: (B, T), 1 for tokens and 0 for padding; None means no padding.
            rng: for dropout; None means no dropout.

        Returns:
            BertModelOutput(last_hidden_state (B, T, H), pooler_output (B, H)), cache.

        Raises:
            ValueError: a shape is wrong, an id has no embedding, or T is above max_position_embeddings.
        """
        input_ids = _integers("input_ids", input_ids)
        token_type_ids = np.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        token_type_ids = _integers("token_type_ids", token_type_ids, input_ids.shape)
        if input_ids.shape[1] > self.config.max_position_embeddings:
            raise ValueError(
                f"a sequence of {input_ids.shape[1]} tokens is longer than max_position_embeddings "
                f"{self.config.max_position_embeddings}: truncate it, as encode(..., max_length=...) does")
        mask = None
        if attention_mask is not None:
            attention_mask = np.asarray(attention_mask)
            if attention_mask.shape != input_ids.shape:
                raise ValueError(
                    f"attention_mask {attention_mask.shape} must have the shape of input_ids "
                    f"{input_ids.shape}")
            if not ((attention_mask == 0) | (attention_mask == 1)).all():
                raise ValueError("attention_mask must hold 1 for tokens and 0 for padding and nothing else")
            if not attention_mask.all():
                mask = attention_mask.astype(bool)[:, np.newaxis, np.newaxis, :]            # (B, 1, 1, T)
        hidden, embeddings_cache = self.embeddings.forward(input_ids, token_type_ids, rng)  # (B, T, H)
        encoder_caches = []
        for layer in self.encoder:
            hidden, layer_cache = layer.forward(hidden, mask, rng)                          # (B, T, H)
            encoder_caches.append(layer_cache)
        pooled, pooler_cache = self.pooler.forward(hidden)                                  # (B, H)
        return BertModelOutput(hidden, pooled), BertModelCache(embeddings_cache, encoder_caches, pooler_cache)

    def backward(self, d_output, cache):
        """(d_last_hidden_state, d_pooler_output), either may be None → d_embeddings (B, T, H)."""
        d_last_hidden_state, d_pooler_output = d_output
        d_last_hidden = np.zeros(cache.pooler.shape, self.embeddings.token.weight.value.dtype)  # (B, T, H)
        if d_last_hidden_state is not None:
            d_last_hidden += d_last_hidden_state
        if d_pooler_output is not None:
            d_last_hidden += self.pooler.backward(d_pooler_output, cache.pooler)
        d_hidden = d_last_hidden  # changes layer by layer
        for layer, layer_cache in zip(reversed(self.encoder), reversed(cache.encoder)):
            d_hidden = layer.backward(d_hidden, layer_cache)
        d_embeddings = self.embeddings.backward(d_hidden, cache.embeddings)
        return d_embeddings

    config_class = BertConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


class BertForPreTrainingOutput(NamedTuple):
    loss: np.floating | None  # the sum of its parts
    mlm_loss: np.floating | None
    nsp_loss: np.floating | None
    prediction_logits: np.ndarray  # (M, V) for the predicted positions, (B, T, V) without labels
    seq_relationship_logits: np.ndarray  # (B, 2): is next, is not next
    counts: dict  # {"mlm": M, "nsp": B}: how many predictions each part of the loss is the mean of
    __repr__ = describe_cache


class BertForPreTrainingCache(NamedTuple):
    bert: BertModelCache
    predicted: np.ndarray | None  # (M,) flat positions whose label is not -100
    mlm_head: MLMHeadCache
    nsp_head: LinearCache
    mlm_loss: CrossEntropyCache | None
    nsp_loss: CrossEntropyCache | None
    __repr__ = describe_cache


class BertForPreTraining(Layer):
    """BERT with the masked-language-model head and the next-sentence head.

    loss = mlm_loss + nsp_loss, the mean cross-entropy over the predicted tokens plus that over the sequences
    (Devlin et al. 2018, section A.2). With labels, the MLM head is computed on the predicted positions only.

    Args:
        config: a BertConfig.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng([seed, 1])  # the heads have draws of their own
        self.config = config
        self.bert = BertModel(config, seed, dtype)
        self.mlm_head = MLMHead(config, self.bert.embeddings.token.weight, rng, dtype)
        self.nsp_head = Linear(config.hidden_size, 2, rng, config.initializer_range, dtype)
        self.cross_entropy = CrossEntropy()

    def forward(self, input_ids, token_type_ids=None, attention_mask=None,
                labels=None, next_sentence_label=None, rng=None):
        """Run the model → BertForPreTrainingOutput, cache. A loss is None if there are no labels for it.

        Args:
            input_ids, token_type_ids, attention_mask, rng: as in BertModel.
            labels: (B, T), the original token where one is to be predicted and -100 elsewhere.
            next_sentence_label: (B,), 0 = the second segment follows the first, 1 = it does not.
        """
        bert_output, bert_cache = self.bert.forward(input_ids, token_type_ids, attention_mask, rng)
        states, pooled = bert_output.last_hidden_state, bert_output.pooler_output       # (B, T, H), (B, H)
        predicted = None
        if labels is not None:
            labels = _integers("labels", labels, states.shape[:2])
            predicted = np.flatnonzero(labels != IGNORE_INDEX)                          # (M,)
        state_rows = states.reshape(-1, states.shape[-1])                               # (B·T, H)
        predicted_states = states if predicted is None else state_rows[predicted]       # (M, H)
        prediction_logits, mlm_head_cache = self.mlm_head.forward(predicted_states)     # (M, V) or (B, T, V)
        seq_relationship_logits, nsp_head_cache = self.nsp_head.forward(pooled)         # (B, 2)
        mlm_loss = nsp_loss = mlm_loss_cache = nsp_loss_cache = None
        counts = {}
        if labels is not None:
            counts["mlm"] = predicted.size
            answers = labels.reshape(-1)[predicted]                                     # (M,)
            mlm_loss, mlm_loss_cache = self.cross_entropy.forward(prediction_logits, answers)
        if next_sentence_label is not None:
            next_sentence_label = _integers("next_sentence_label", next_sentence_label, pooled.shape[:1])
            counts["nsp"] = int(np.count_nonzero(next_sentence_label != IGNORE_INDEX))
            nsp_loss, nsp_loss_cache = self.cross_entropy.forward(
                seq_relationship_logits, next_sentence_label)
        losses = [loss for loss in (mlm_loss, nsp_loss) if loss is not None]
        loss = sum(losses[1:], start=losses[0]) if losses else None
        output = BertForPreTrainingOutput(
            loss, mlm_loss, nsp_loss, prediction_logits, seq_relationship_logits, counts)
        cache = BertForPreTrainingCache(
            bert_cache, predicted, mlm_head_cache, nsp_head_cache, mlm_loss_cache, nsp_loss_cache)
        return output, cache

    def backward(self, cache, d_loss=1.0):
        """Add d_loss times the gradient of the loss to every parameter's gradient.

        Args:
            cache: of forward.
            d_loss: a number, or one for each part of the loss: {"mlm": 0.75, "nsp": 0.5}.

        Returns:
            d_embeddings (B, T, H): the gradient of the summed embeddings, before their LayerNorm.

        Raises:
            ValueError: forward was given no labels, so there is no loss.
        """
        if cache.mlm_loss is None and cache.nsp_loss is None:
            raise ValueError(
                "there is no loss to go back from: give forward labels, next_sentence_label or both"
            )
        d_last_hidden_state = d_pooler_output = None
        if cache.mlm_loss is not None:
            d_mlm_loss = d_loss["mlm"] if isinstance(d_loss, dict) else d_loss
            d_prediction_logits, _ = self.cross_entropy.backward(d_mlm_loss, cache.mlm_loss)    # (M, V)
            d_predicted_states = self.mlm_head.backward(d_prediction_logits, cache.mlm_head)    # (M, H)
            batch_size, num_tokens, hidden_size = cache.bert.pooler.shape
            d_states = np.zeros((batch_size * num_tokens, hidden_size), d_predicted_states.dtype)
            d_states[cache.predicted] = d_predicted_states                                      # each once
            d_last_hidden_state = d_states.reshape(batch_size, num_tokens, hidden_size)
        if cache.nsp_loss is not None:
            d_nsp_loss = d_loss["nsp"] if isinstance(d_loss, dict) else d_loss
            d_seq_relationship_logits, _ = self.cross_entropy.backward(d_nsp_loss, cache.nsp_loss)  # (B, 2)
            d_pooler_output = self.nsp_head.backward(d_seq_relationship_logits, cache.nsp_head) # (B, H)
        d_embeddings = self.bert.backward((d_last_hidden_state, d_pooler_output), cache.bert)
        return d_embeddings

    config_class = BertConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


def _integers(name, array, shape=None):
    """Return `array` as integers of that shape, (B, T) if None; ValueError if it has others."""
    array = np.asarray(array)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} must be integers, got {array.dtype}")
    if shape is None and (array.ndim != 2 or array.size == 0):
        raise ValueError(
            f"{name} must have the shape (batch, tokens) and hold at least one token, got {array.shape}"
        )
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    return array
