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
from minibert.layers.feed_forward import ACTIVATIONS, ActivationCache
from minibert.layers.initializers import truncated_normal
from minibert.layers.layer_norm import LayerNorm, LayerNormCache
from minibert.layers.linear import Linear, LinearCache
from minibert.layers.tied_decoder import TiedDecoder, TiedDecoderCache
from minibert.models.checks import check_config, integers
from minibert.models.labels import PROBLEM_TYPES, named_labels


@dataclasses.dataclass(frozen=True)
class BertConfig:
    """The sizes and rates of a BERT, under Hugging Face's names; the defaults make a small one.

    Attributes:
        vocab_size: V.  hidden_size: H.  num_hidden_layers.  num_attention_heads: A.  intermediate_size: F.
        hidden_act: "gelu" (exact, by erf), "gelu_new" (tanh form), "relu", "silu", or another of Hugging
            Face's names for these.
        hidden_dropout_prob, attention_probs_dropout_prob: dropout probabilities.
        max_position_embeddings: the longest sequence.  type_vocab_size: segments.
        initializer_range: standard deviation of the initial weights.  layer_norm_eps: eps in LayerNorm.
        pad_token_id: id of [PAD], None for none. Kept for PyTorch, which gives its row no gradient as an
            input; here it changes nothing.
        tie_word_embeddings: the MLM head's decoder shares the token embeddings; False gives it its own.
        num_labels, id2label, label2id: how many labels a fine-tuned model has, and their names, {0: "no",
            1: "yes"} and the reverse; each is made from what is given of the others.
        classifier_dropout: dropout probability of a fine-tuned head; None is hidden_dropout_prob.
        problem_type: "regression" or "single_label_classification"; None is regression where num_labels is 1.

    Raises:
        ValueError: a size is not a positive integer, hidden_size is not divisible by num_attention_heads, a
            probability is outside [0, 1), hidden_act is unknown, or the labels contradict each other.
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
    pad_token_id: int | None = 0
    tie_word_embeddings: bool = True
    num_labels: int | None = None
    id2label: dict | None = dataclasses.field(default=None, hash=False)
    label2id: dict | None = dataclasses.field(default=None, hash=False)
    classifier_dropout: float | None = None
    problem_type: str | None = None

    def __post_init__(self):
        labels = named_labels(self.num_labels, self.id2label, self.label2id)
        for name, value in zip(("num_labels", "id2label", "label2id"), labels):
            object.__setattr__(self, name, value)
        check_config(self)
        rows = range(-self.vocab_size, self.vocab_size)
        if self.pad_token_id is not None and self.pad_token_id not in rows:
            raise ValueError(
                f"pad_token_id must be None or an id below vocab_size {self.vocab_size}, got "
                f"{self.pad_token_id!r}"
            )
        if not isinstance(self.tie_word_embeddings, bool):
            raise ValueError(f"tie_word_embeddings must be True or False, got {self.tie_word_embeddings!r}")
        if self.problem_type not in (None, *PROBLEM_TYPES):
            raise ValueError(
                f"problem_type {self.problem_type!r} is unknown: choose one of {', '.join(PROBLEM_TYPES)}")


class BertEmbeddingsCache(NamedTuple):
    token: EmbeddingCache
    position: EmbeddingCache
    segment: EmbeddingCache
    norm: LayerNormCache
    dropout: DropoutCache
    __repr__ = describe_cache


class BertEmbeddings(Layer):
    """dropout(LayerNorm(token + position + segment embedding)) (Devlin et al. 2018, figure 2).

    Args:
        config: a BertConfig, or another with its fields.
        rng: of the initial weights.
        dtype: of the parameters.
        size: of the vectors, hidden_size when None. (ALBERT and ELECTRA have smaller ones.)

    Derivation: a sum passes its gradient unchanged to each term. All sequences of the batch share the
    position embedding, so its gradient is summed over them; where each has positions of its own (padding on
    the left), the table adds up what its rows receive.
    """

    def __init__(self, config, rng, dtype=np.float32, size=None):
        size = config.hidden_size if size is None else size
        given = {"rng": rng, "initializer_range": config.initializer_range, "dtype": dtype}
        self.token = Embedding(config.vocab_size, size, **given)
        self.position = Embedding(config.max_position_embeddings, size, **given)
        self.segment = Embedding(config.type_vocab_size, size, **given)
        self.norm = LayerNorm(size, eps=config.layer_norm_eps, dtype=dtype)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids, token_type_ids, rng=None, positions=None):
        """input_ids, token_type_ids (B, T), positions (T,) or (B, T) → (B, T, H), cache."""
        positions = np.arange(input_ids.shape[1]) if positions is None else positions
        token, token_cache = self.token.forward(input_ids)                              # (B, T, H)
        position, position_cache = self.position.forward(positions)             # (T, H) or (B, T, H)
        segment, segment_cache = self.segment.forward(token_type_ids)                   # (B, T, H)
        embeddings = token + position + segment                                         # (B, T, H)
        normalized, norm_cache = self.norm.forward(embeddings)                          # (B, T, H)
        y, dropout_cache = self.dropout.forward(normalized, rng)                        # (B, T, H)
        cache = BertEmbeddingsCache(
            token=token_cache, position=position_cache, segment=segment_cache, norm=norm_cache,
            dropout=dropout_cache,
        )
        return y, cache

    def backward(self, d_y, cache):
        """d_y (B, T, H) → d_embeddings (B, T, H), the gradient of the sum (the ids themselves have none)."""
        d_normalized = self.dropout.backward(d_y, cache.dropout)                        # (B, T, H)
        d_embeddings = self.norm.backward(d_normalized, cache.norm)                     # (B, T, H)
        self.token.backward(d_embeddings, cache.token)
        is_shared = cache.position.ids.ndim == 1
        d_position = d_embeddings.sum(axis=0) if is_shared else d_embeddings    # (T, H) or (B, T, H)
        self.position.backward(d_position, cache.position)
        self.segment.backward(d_embeddings, cache.segment)
        return d_embeddings


class PoolerCache(NamedTuple):
    num_tokens: int
    dense: LinearCache
    pooled: np.ndarray  # (B, H)
    __repr__ = describe_cache


class Pooler(Layer):
    """pooled = tanh(x_[CLS] W + b): the first token's state represents the sequence.

    Derivation: tanh′ = 1 − tanh²; every token but the first receives a zero gradient.
    """

    def __init__(self, config, rng, dtype=np.float32):
        size = config.hidden_size
        self.dense = Linear(size, size, rng=rng, initializer_range=config.initializer_range, dtype=dtype)

    def forward(self, x):
        """x (B, T, H) → pooled (B, H), cache."""
        first = x[:, 0]                                         # (B, H)
        dense, dense_cache = self.dense.forward(first)          # (B, H)
        pooled = np.tanh(dense)                                 # (B, H)
        return pooled, PoolerCache(x.shape[1], dense_cache, pooled)

    def backward(self, d_pooled, cache):
        """d_pooled (B, H) → d_x (B, T, H)."""
        pooled = cache.pooled
        d_dense = d_pooled * (1 - pooled * pooled)              # (B, H)
        d_first = self.dense.backward(d_dense, cache.dense)     # (B, H)
        batch_size, hidden_size = d_first.shape
        d_x = np.zeros((batch_size, cache.num_tokens, hidden_size), d_first.dtype)  # (B, T, H)
        d_x[:, 0] = d_first
        return d_x


class MLMHeadCache(NamedTuple):
    dense: LinearCache
    activation: ActivationCache
    norm: LayerNormCache
    decoder: TiedDecoderCache
    __repr__ = describe_cache


class MLMHead(Layer):
    """logits = decoder(LayerNorm(act(x W + b))); the decoder's weight is the token embedding table.

    It has a table of its own where config.tie_word_embeddings is False. W is (H, H), or (H, E) for a table of
    vectors of another size E.
    """

    def __init__(self, config, token_embedding, rng, dtype=np.float32):
        size = token_embedding.value.shape[1]
        self.dense = Linear(
            config.hidden_size, size, rng=rng, initializer_range=config.initializer_range, dtype=dtype)
        self.activation = ACTIVATIONS[config.hidden_act]()
        self.norm = LayerNorm(size, eps=config.layer_norm_eps, dtype=dtype)
        own = (config.vocab_size, size)
        self.decoder = TiedDecoder(
            token_embedding if config.tie_word_embeddings
            else Parameter(truncated_normal(rng, own, config.initializer_range, dtype))
        )

    def forward(self, x):
        """x (..., H) → logits (..., V), cache."""
        dense, dense_cache = self.dense.forward(x)                          # (..., H)
        activated, activation_cache = self.activation.forward(dense)        # (..., H)
        normalized, norm_cache = self.norm.forward(activated)               # (..., H)
        logits, decoder_cache = self.decoder.forward(normalized)            # (..., V)
        return logits, MLMHeadCache(dense_cache, activation_cache, norm_cache, decoder_cache)

    def backward(self, d_logits, cache):
        """d_logits (..., V) → d_x (..., H)."""
        d_normalized = self.decoder.backward(d_logits, cache.decoder)       # (..., H)
        d_activated = self.norm.backward(d_normalized, cache.norm)          # (..., H)
        d_dense = self.activation.backward(d_activated, cache.activation)   # (..., H)
        d_x = self.dense.backward(d_dense, cache.dense)                     # (..., H)
        return d_x


class BertModelOutput(NamedTuple):
    last_hidden_state: np.ndarray  # (B, T, H)
    pooler_output: np.ndarray | None  # (B, H)
    __repr__ = describe_cache


class BertModelCache(NamedTuple):
    embeddings: BertEmbeddingsCache
    encoder: list  # one EncoderLayerCache a layer
    pooler: PoolerCache | None
    __repr__ = describe_cache


class BertModel(Layer):
    """The encoder alone: embeddings, a stack of encoder layers, and the pooler.

    Args:
        config: a BertConfig.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
        add_pooling_layer: False leaves the pooler out, and pooler_output is None: a head that labels tokens
            has no use for it.
    """

    def __init__(self, config, seed=0, dtype=np.float32, *, add_pooling_layer=True):
        rng = np.random.default_rng(seed)
        self.config = config
        self.embeddings = BertEmbeddings(config, rng, dtype)
        self.encoder = [
            EncoderLayer(
                config.hidden_size, config.num_attention_heads, config.intermediate_size,
                hidden_act=config.hidden_act, dropout_prob=config.hidden_dropout_prob,
                attention_dropout_prob=config.attention_probs_dropout_prob,
                layer_norm_eps=config.layer_norm_eps, rng=rng, initializer_range=config.initializer_range,
                dtype=dtype,
            )
            for _ in range(config.num_hidden_layers)
        ]
        self.pooler = Pooler(config, rng, dtype) if add_pooling_layer else None

    def forward(self, input_ids, token_type_ids=None, attention_mask=None, rng=None, position_ids=None):
        """Encode a batch of sequences.

        Args:
            input_ids: (B, T) integers below vocab_size.
            token_type_ids: (B, T) integers, 0 for the first segment and 1 for the second; None means all 0.
            attention_mask: (B, T), 1 for tokens and 0 for padding; None means no padding. (B, T, T) or
                (B, A or 1, T, T): 1 where a query, a row, may look at a key, a column; in four axes floats
                are added to the scores, as in transformers: 0, and -10,000 or less where it may not look.
            rng: for dropout; None means no dropout.
            position_ids: (B, T) integers below max_position_embeddings; None means 0, 1, 2, ... in each row.

        Returns:
            BertModelOutput(last_hidden_state (B, T, H), pooler_output (B, H)), cache.

        Raises:
            ValueError: a shape is wrong, an id has no embedding, or T is above max_position_embeddings.
        """
        input_ids, token_type_ids, mask = check_inputs(self.config, input_ids, token_type_ids, attention_mask)
        positions = check_positions(self.config, input_ids, position_ids)               # (T,) or (B, T)
        embedded, embeddings_cache = self.embeddings.forward(input_ids, token_type_ids, rng, positions)
        hidden_states, encoder_caches = [embedded], []
        for layer in self.encoder:
            hidden, layer_cache = layer.forward(hidden_states[-1], mask, rng)           # (B, T, H)
            hidden_states.append(hidden)
            encoder_caches.append(layer_cache)
        pooled = pooler_cache = None
        if self.pooler is not None:
            pooled, pooler_cache = self.pooler.forward(hidden_states[-1])               # (B, H)
        cache = BertModelCache(embeddings=embeddings_cache, encoder=encoder_caches, pooler=pooler_cache)
        return BertModelOutput(hidden_states[-1], pooled), cache

    def backward(self, d_output, cache):
        """(d_last_hidden_state, d_pooler_output), either may be None → d_embeddings (B, T, H)."""
        d_last_hidden_state, d_pooler_output = d_output
        if self.pooler is not None:
            d_pooled = np.zeros_like(cache.pooler.pooled) if d_pooler_output is None else d_pooler_output
            share_of_pooler = self.pooler.backward(d_pooled, cache.pooler)              # (B, T, H)
            d_last = share_of_pooler if d_last_hidden_state is None else d_last_hidden_state + share_of_pooler
        else:
            d_last = d_last_hidden_state
        d_hidden_states = [None] * len(self.encoder) + [d_last]                         # as hidden_states
        for k in reversed(range(len(self.encoder))):
            d_hidden_states[k] = self.encoder[k].backward(d_hidden_states[k + 1], cache.encoder[k])
        d_embeddings = self.embeddings.backward(d_hidden_states[0], cache.embeddings)   # (B, T, H)
        return d_embeddings

    config_class = BertConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


def hidden_states(output, cache):
    """Return the states between the layers, a list of L + 1 arrays (B, T, H): the embeddings' come first.

    The record of the forward pass holds them: what a layer was given is the input of its query.

    Args:
        output, cache: of BertModel.forward.
    """
    return [layer.attention.query.x for layer in cache.encoder] + [output.last_hidden_state]


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
    hidden_shape: tuple  # (B, T, H)
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
        self.nsp_head = Linear(
            config.hidden_size, 2, rng=rng, initializer_range=config.initializer_range, dtype=dtype
        )
        self.mlm_loss = CrossEntropy()
        self.nsp_loss = CrossEntropy()

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None, labels=None, next_sentence_label=None,
        rng=None, position_ids=None,
    ):
        """Run the model → BertForPreTrainingOutput, cache. A loss is None if there are no labels for it.

        Args:
            input_ids, token_type_ids, attention_mask, rng, position_ids: as in BertModel.
            labels: (B, T), the original token where one is to be predicted and -100 elsewhere.
            next_sentence_label: (B,), 0 = the second segment follows the first, 1 = it does not.
        """
        labels, next_sentence_label = check_labels(input_ids, labels, next_sentence_label)
        encoded, bert_cache = self.bert.forward(
            input_ids, token_type_ids, attention_mask, rng, position_ids)
        states, pooled = encoded                                                        # (B, T, H), (B, H)
        predicted = None if labels is None else np.flatnonzero(labels != IGNORE_INDEX)  # (M,)
        state_rows = states.reshape(-1, states.shape[-1])                               # (B·T, H)
        asked = states if labels is None else state_rows[predicted]                     # (M, H)
        prediction_logits, mlm_head_cache = self.mlm_head.forward(asked)                # (M, V)
        seq_relationship_logits, nsp_head_cache = self.nsp_head.forward(pooled)         # (B, 2)
        mlm_loss = nsp_loss = mlm_loss_cache = nsp_loss_cache = None
        counts = {}
        if labels is not None:
            answers = labels.reshape(-1)[predicted]                                     # (M,)
            mlm_loss, mlm_loss_cache = self.mlm_loss.forward(prediction_logits, answers)
            counts["mlm"] = len(answers)
        if next_sentence_label is not None:
            nsp_loss, nsp_loss_cache = self.nsp_loss.forward(seq_relationship_logits, next_sentence_label)
            counts["nsp"] = int((next_sentence_label != IGNORE_INDEX).sum())
        parts = [loss for loss in (mlm_loss, nsp_loss) if loss is not None]
        loss = sum(parts) if parts else None
        output = BertForPreTrainingOutput(
            loss, mlm_loss, nsp_loss, prediction_logits, seq_relationship_logits, counts)
        cache = BertForPreTrainingCache(
            bert=bert_cache, hidden_shape=states.shape, predicted=predicted, mlm_head=mlm_head_cache,
            nsp_head=nsp_head_cache, mlm_loss=mlm_loss_cache, nsp_loss=nsp_loss_cache)
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
                "there is no loss to go back from: give forward labels, next_sentence_label or both")
        d_last_hidden_state = d_pooler_output = None
        if cache.mlm_loss is not None:
            d_mlm_loss = d_loss["mlm"] if isinstance(d_loss, dict) else d_loss
            d_prediction_logits, _ = self.mlm_loss.backward(d_mlm_loss, cache.mlm_loss) # (M, V)
            d_asked = self.mlm_head.backward(d_prediction_logits, cache.mlm_head)       # (M, H)
            batch_size, num_tokens, hidden_size = cache.hidden_shape
            d_state_rows = np.zeros((batch_size * num_tokens, hidden_size), d_asked.dtype)  # (B·T, H)
            d_state_rows[cache.predicted] = d_asked                                     # each position once
            d_last_hidden_state = d_state_rows.reshape(cache.hidden_shape)              # (B, T, H)
        if cache.nsp_loss is not None:
            d_nsp_loss = d_loss["nsp"] if isinstance(d_loss, dict) else d_loss
            d_seq_relationship_logits, _ = self.nsp_loss.backward(d_nsp_loss, cache.nsp_loss)   # (B, 2)
            d_pooler_output = self.nsp_head.backward(d_seq_relationship_logits, cache.nsp_head) # (B, H)
        d_embeddings = self.bert.backward((d_last_hidden_state, d_pooler_output), cache.bert)   # (B, T, H)
        return d_embeddings

    config_class = BertConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


# --- the arguments of forward, checked in one call before the first line of arithmetic ---


def check_inputs(config, input_ids, token_type_ids, attention_mask):
    """Return input_ids, token_type_ids (B, T), and who may look where, (B, 1, 1, T) for padding, or None.

    Raises:
        ValueError: a wrong shape or dtype, too many tokens, an unknown segment, or a mask of other numbers.
    """
    input_ids = integers("input_ids", input_ids)
    if input_ids.shape[1] > config.max_position_embeddings:
        raise ValueError(
            f"a sequence of {input_ids.shape[1]} tokens is longer than max_position_embeddings "
            f"{config.max_position_embeddings}: truncate it (encode(..., max_length=...)) or train a longer "
            "model"
        )
    if token_type_ids is None:
        token_type_ids = np.zeros(input_ids.shape, input_ids.dtype)
    token_type_ids = integers("token_type_ids", token_type_ids, input_ids.shape)
    _check_range("token_type_ids", token_type_ids, "type_vocab_size", config.type_vocab_size)
    if attention_mask is None:
        return input_ids, token_type_ids, None
    mask = _may_look(np.asarray(attention_mask), *input_ids.shape, config.num_attention_heads)
    return input_ids, token_type_ids, None if mask.all() else mask


def _may_look(attention_mask, batch_size, num_tokens, num_heads):
    """Return an attention mask as booleans that broadcast to (B, A, T, T), or say what is wrong with it."""
    shape = attention_mask.shape
    sizes = (batch_size, num_tokens)
    fits = len(shape) == 4 and all(
        size in (1, full) for size, full in zip(shape, (batch_size, num_heads, num_tokens)))
    if shape not in (sizes, (*sizes, num_tokens)) and not (fits and shape[3] == num_tokens):
        raise ValueError(
            f"attention_mask {shape} must have the shape of input_ids {sizes}, or {(*sizes, num_tokens)} or "
            f"{(batch_size, 1, num_tokens, num_tokens)}: a row for each query, a column for each key"
        )
    if len(shape) == 4 and attention_mask.dtype.kind == "f":
        may_look = attention_mask == 0
        if not (may_look | (attention_mask <= -10_000)).all():
            raise ValueError(
                "attention_mask of floats in four axes is added to the scores, as in transformers: give 0 "
                "where a query may look and a large negative number such as -10000 where not, or booleans"
            )
        return may_look
    if not ((attention_mask == 0) | (attention_mask == 1)).all():
        raise ValueError("attention_mask must hold 1 for tokens and 0 for padding and nothing else")
    may_look = attention_mask.astype(bool)
    if len(shape) == 2:
        return may_look[:, np.newaxis, np.newaxis, :]                       # (B, 1, 1, T): columns are keys
    return may_look if len(shape) == 4 else may_look[:, np.newaxis]         # (B, 1, T, T)


def check_positions(config, input_ids, position_ids):
    """Return the positions of the tokens: (T,) for all sequences, or (B, T) as given.

    Raises:
        ValueError: a wrong shape or dtype, or a position that the model has no embedding for.
    """
    if position_ids is None:
        return np.arange(input_ids.shape[1])
    if np.shape(position_ids) == (1, input_ids.shape[1]):  # as transformers has them
        position_ids = np.broadcast_to(position_ids, input_ids.shape)
    position_ids = integers("position_ids", position_ids, input_ids.shape)
    _check_range("position_ids", position_ids, "max_position_embeddings", config.max_position_embeddings)
    return position_ids


def _check_range(name, ids, size_name, size):
    outside = np.argwhere((ids < 0) | (ids >= size))
    if outside.size:
        place = tuple(outside[0].tolist())
        hint = ": the model reads one text, no pair" if (name, size) == ("token_type_ids", 1) else ""
        raise ValueError(
            f"{name}: id {ids[place]} at {place} is outside the table of {size} rows (0 to {size - 1}); "
            f"config.json says {size_name} {size}{hint}"
        )


def check_labels(input_ids, labels, next_sentence_label):
    """Return labels (B, T) and next_sentence_label (B,) as integers, None where not given.

    Raises:
        ValueError: a wrong shape or dtype.
    """
    shape = np.shape(input_ids)
    if labels is not None:
        labels = integers("labels", labels, shape)
    if next_sentence_label is not None:
        next_sentence_label = integers("next_sentence_label", next_sentence_label, shape[:1])
    return labels, next_sentence_label
