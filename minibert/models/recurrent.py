"""Recurrent language models: the RNN, the LSTM, and AWD-LSTM.

Sources: Mikolov et al. 2010, "Recurrent neural network based language model"; Zaremba et al. 2014, "Recurrent
neural network regularization"; Merity et al. 2017, "Regularizing and optimizing LSTM language models"
(AWD-LSTM).
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from minibert import huggingface
from minibert.layers.base import Layer, Parameter, describe_cache
from minibert.layers.cross_entropy import IGNORE_INDEX, CrossEntropy, CrossEntropyCache
from minibert.layers.dropout import Dropout, DropoutCache
from minibert.layers.embedding import Embedding
from minibert.layers.initializers import truncated_normal
from minibert.layers.locked_dropout import LockedDropout
from minibert.layers.lstm import LSTM
from minibert.layers.rnn import RNN
from minibert.layers.tied_decoder import TiedDecoder, TiedDecoderCache


@dataclasses.dataclass(frozen=True)
class LSTMConfig:
    """The sizes and rates of an RNNLanguageModel or LSTMLanguageModel.

    Attributes:
        vocab_size: V.  embedding_size: E.  hidden_size: H.  num_hidden_layers.
        hidden_dropout_prob: of what enters a layer and the decoder; nothing between time steps is dropped.
        initializer_range: standard deviation of the embeddings' and the decoder's initial weights.
        tie_word_embeddings: the decoder shares the token embeddings; E is H then.

    Raises:
        ValueError: a size is not a positive integer, a rate is out of range, or the decoder is tied and E is
            not H.
    """

    vocab_size: int
    embedding_size: int = 128
    hidden_size: int = 128
    num_hidden_layers: int = 1
    hidden_dropout_prob: float = 0.0
    initializer_range: float = 0.05
    tie_word_embeddings: bool = False

    def __post_init__(self):
        check_sizes(self)
        if self.tie_word_embeddings and self.embedding_size != self.hidden_size:
            raise ValueError(
                f"a tied decoder needs embedding_size and hidden_size to be equal, got {self.embedding_size} "
                f"and {self.hidden_size}"
            )

    @property
    def output_sizes(self):
        """The size of each layer's output."""
        return [self.hidden_size] * self.num_hidden_layers


@dataclasses.dataclass(frozen=True)
class AWDLSTMConfig:
    """The sizes and rates of an AWDLSTMLanguageModel; the rates are those of Merity et al. 2017.

    Attributes:
        vocab_size: V.
        embedding_size: E, also the size of the last layer, because the decoder shares the embeddings.
        hidden_size: H, of the layers before it.  num_hidden_layers.
        embedding_dropout_prob: of whole words, in every place of a batch where they occur.
        input_dropout_prob: locked, of the embeddings.  hidden_dropout_prob: locked, between layers.
        output_dropout_prob: locked, of what enters the decoder.
        weight_dropout_prob: of the weights from state to gates.
        initializer_range: standard deviation of the embeddings' initial weights.

    Raises:
        ValueError: a size is not a positive integer, or a rate is out of range.
    """

    vocab_size: int
    embedding_size: int = 128
    hidden_size: int = 256
    num_hidden_layers: int = 3
    embedding_dropout_prob: float = 0.1
    input_dropout_prob: float = 0.65
    hidden_dropout_prob: float = 0.3
    output_dropout_prob: float = 0.4
    weight_dropout_prob: float = 0.5
    initializer_range: float = 0.05

    def __post_init__(self):
        check_sizes(self)

    @property
    def output_sizes(self):
        """The size of each layer's output."""
        return [self.hidden_size] * (self.num_hidden_layers - 1) + [self.embedding_size]


def check_sizes(config):
    """Raise ValueError if a size or rate of a configuration is out of range."""
    for name, value in dataclasses.asdict(config).items():
        is_size = name.endswith(("_size", "_layers"))
        is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if is_size and not (is_whole and value >= 1):
            raise ValueError(f"{name} must be a positive integer, got {value!r}")
        if name.endswith("_prob") and not 0 <= value < 1:
            raise ValueError(f"{name} must be at least 0 and below 1, got {value!r}")
        if name.endswith("_range") and not value > 0:
            raise ValueError(f"{name} must be above 0, got {value!r}")


class DroppedEmbeddingCache(NamedTuple):
    ids: np.ndarray  # (B, T)
    dropout: DropoutCache
    row_scales: np.ndarray  # (V, 1): 0 for a dropped word, 1/(1 − p) for the others
    __repr__ = describe_cache


class DroppedEmbedding(Embedding):
    """An embedding table that drops whole rows: y_t = scale[ids_t] · W[ids_t] (Gal & Ghahramani 2016).

    A word that is dropped is gone in all its places of the batch; a tied decoder still has it.

    Derivation: that of Embedding, with d_y_t · scale[ids_t] in the place of d_y_t.
    """

    def __init__(self, num_embeddings, embedding_dim, *, dropout_prob=0.0, **options):
        super().__init__(num_embeddings, embedding_dim, **options)
        self.dropout = Dropout(dropout_prob)

    def forward(self, ids, rng=None):
        """ids (B, T) integers → y (B, T, E), cache. ValueError for an id that has no row."""
        looked_up, _ = Embedding.forward(self, ids)                         # (B, T, E)
        ones = np.ones((len(self.weight.value), 1), self.weight.value.dtype)    # (V, 1)
        row_scales, dropout_cache = self.dropout.forward(ones, rng)             # (V, 1)
        y = looked_up * row_scales[ids]                                         # (B, T, E)
        return y, DroppedEmbeddingCache(ids, dropout_cache, row_scales)

    def backward(self, d_y, cache):
        """Add d_y (B, T, E), scaled, to the rows that were looked up; returns None."""
        d_looked_up = d_y * cache.row_scales[cache.ids]                         # (B, T, E)
        Embedding.backward(self, d_looked_up, cache)


class RecurrentLMOutput(NamedTuple):
    loss: np.floating | None
    next_loss: np.floating | None  # the only part: nats for each predicted token
    logits: np.ndarray  # (M, V) for the predicted positions, (B, T, V) without labels
    counts: dict  # {"next": M}
    state: tuple  # an entry a layer: h (B, H) of an RNN, (h, c) of an LSTM
    __repr__ = describe_cache


class RecurrentLMCache(NamedTuple):
    embedding: DroppedEmbeddingCache
    dropouts: list  # one more than layers: of the embeddings, and of each layer's output
    layers: list  # an RNNCache or LSTMCache a layer
    output_shape: tuple  # (B, T, H)
    predicted: np.ndarray | None  # (M,) flat positions whose label is not -100
    decoder: TiedDecoderCache
    next_loss: CrossEntropyCache | None
    __repr__ = describe_cache


class RNNLanguageModel(Layer):
    """P(next token | all tokens before it), by a simple recurrent network (Mikolov et al. 2010).

        logits_t = E_out dropout(h_t) + b,    h_t = RNN(dropout(E_in[x_t]), h_{t−1}),    one layer or more

    The models below are the same, with other layers. A state that comes in is a constant: the gradient ends
    at the start of the batch (truncated backpropagation through time).

    Args:
        config: an LSTMConfig.  seed: of the initial weights.  dtype: of all that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        self.config = config
        given = {"rng": rng, "initializer_range": config.initializer_range, "dtype": dtype}
        self.embedding = DroppedEmbedding(config.vocab_size, config.embedding_size, **given)
        self.layers, input_size = [], config.embedding_size
        for output_size in config.output_sizes:
            self.layers.append(self.layer_class(input_size, output_size, rng=rng, dtype=dtype))
            input_size = output_size
        self.dropouts = [Dropout(config.hidden_dropout_prob) for _ in range(config.num_hidden_layers + 1)]
        own = (config.vocab_size, config.hidden_size)
        self.decoder = TiedDecoder(
            self.embedding.weight if config.tie_word_embeddings
            else Parameter(truncated_normal(rng, own, config.initializer_range, dtype))
        )
        self.next_loss = CrossEntropy()

    def forward(self, input_ids, labels=None, state=None, rng=None):
        """Run the model → RecurrentLMOutput, cache.

        Args:
            input_ids: (B, T) integers below vocab_size.
            labels: (B, T): labels[b, t] is the token that follows input_ids[b, t]; -100 where nothing is
                predicted. Nothing is shifted inside.
            state: output.state of the batch before; None at the start of a text.
            rng: for dropout; None means no dropout.

        Raises:
            ValueError: a shape or dtype is wrong, or an id has no embedding.
        """
        input_ids, labels, state = check_inputs(input_ids, labels, state, self.layers)
        embedded, embedding_cache = self.embedding.forward(input_ids, rng)              # (B, T, E)
        dropped, dropout_cache = self.dropouts[0].forward(embedded, rng)                # (B, T, E)
        layer_inputs, dropout_caches, layer_caches, new_state = [dropped], [dropout_cache], [], []
        for layer, dropout, layer_state in zip(self.layers, self.dropouts[1:], state):
            (hidden, new_layer_state), layer_cache = layer.forward(layer_inputs[-1], layer_state, rng)
            dropped_hidden, dropout_cache = dropout.forward(hidden, rng)                # (B, T, H)
            layer_inputs.append(dropped_hidden)                                         # of the next layer
            dropout_caches.append(dropout_cache)
            layer_caches.append(layer_cache)
            new_state.append(new_layer_state)
        states = layer_inputs[-1]                                                       # (B, T, H)
        predicted = None if labels is None else np.flatnonzero(labels != IGNORE_INDEX)  # (M,)
        asked = states if labels is None else states.reshape(-1, states.shape[-1])[predicted]  # (M, H)
        logits, decoder_cache = self.decoder.forward(asked)                             # (M, V)
        next_loss, loss_cache, counts = None, None, {}
        if labels is not None:
            next_loss, loss_cache = self.next_loss.forward(logits, labels.reshape(-1)[predicted])
            counts["next"] = len(predicted)
        cache = RecurrentLMCache(
            embedding=embedding_cache, dropouts=dropout_caches, layers=layer_caches,
            output_shape=states.shape, predicted=predicted, decoder=decoder_cache, next_loss=loss_cache)
        return RecurrentLMOutput(next_loss, next_loss, logits, counts, tuple(new_state)), cache

    def backward(self, cache, d_loss=1.0):
        """Add d_loss times the gradient of the loss to every parameter's gradient.

        Args:
            cache: of forward.  d_loss: a number, or {"next": number}.

        Returns:
            d_embedded (B, T, E), the gradient of the embeddings that were looked up.

        Raises:
            ValueError: forward was given no labels, so there is no loss.
        """
        if cache.next_loss is None:
            raise ValueError("there is no loss to go back from: give forward labels")
        d_next_loss = d_loss["next"] if isinstance(d_loss, dict) else d_loss
        d_logits, _ = self.next_loss.backward(d_next_loss, cache.next_loss)             # (M, V)
        d_asked = self.decoder.backward(d_logits, cache.decoder)                        # (M, H)
        batch_size, num_tokens, output_size = cache.output_shape
        d_output_rows = np.zeros((batch_size * num_tokens, output_size), d_asked.dtype)  # (B·T, H)
        d_output_rows[cache.predicted] = d_asked                                        # each position once
        d_states = d_output_rows.reshape(cache.output_shape)                            # (B, T, H)
        d_layer_inputs = [None] * len(self.layers) + [d_states]                         # as layer_inputs
        for k in reversed(range(len(self.layers))):
            d_hidden = self.dropouts[k + 1].backward(d_layer_inputs[k + 1], cache.dropouts[k + 1])
            d_layer_inputs[k], _ = self.layers[k].backward((d_hidden, None), cache.layers[k])  # (B, T, ·)
        d_embedded = self.dropouts[0].backward(d_layer_inputs[0], cache.dropouts[0])    # (B, T, E)
        self.embedding.backward(d_embedded, cache.embedding)
        return d_embedded

    generates, layer_class, config_class = "continuation", RNN, LSTMConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


class LSTMLanguageModel(RNNLanguageModel):
    """P(next token | all tokens before it), by an LSTM (Zaremba et al. 2014): RNNLanguageModel with LSTMs.

    Args: as RNNLanguageModel.
    """

    layer_class = LSTM


class AWDLSTMLanguageModel(RNNLanguageModel):
    """P(next token | all tokens before it), by an LSTM with dropout everywhere (Merity et al. 2017).

    AWD-LSTM: "ASGD weight-dropped LSTM". RNNLanguageModel with LSTMs whose weights from state to gates are
    dropped, locked dropout around them, an embedding that drops words, and a decoder that shares it. The
    paper's activation regularization and averaged SGD are ways to train and are not part of this model.

    Args:
        config: an AWDLSTMConfig.  seed, dtype: as in RNNLanguageModel.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        self.config = config
        self.embedding = DroppedEmbedding(
            config.vocab_size, config.embedding_size, dropout_prob=config.embedding_dropout_prob, rng=rng,
            initializer_range=config.initializer_range, dtype=dtype)
        self.layers, input_size = [], config.embedding_size
        for output_size in config.output_sizes:
            self.layers.append(
                LSTM(input_size, output_size, weight_dropout=config.weight_dropout_prob, rng=rng, dtype=dtype)
            )
            input_size = output_size
        between = [config.hidden_dropout_prob] * (config.num_hidden_layers - 1)
        rates = [config.input_dropout_prob, *between, config.output_dropout_prob]
        self.dropouts = [LockedDropout(rate) for rate in rates]
        self.decoder = TiedDecoder(self.embedding.weight)
        self.next_loss = CrossEntropy()

    config_class = AWDLSTMConfig


def check_inputs(input_ids, labels, state, layers):
    """Return input_ids, labels as integers, and the state of each layer, None at the start of a text.

    Raises:
        ValueError: a wrong shape or dtype, or a state of another number of layers.
    """
    input_ids = np.asarray(input_ids)
    if input_ids.dtype.kind not in "iu":
        raise ValueError(f"input_ids must be integers, got {input_ids.dtype}")
    if input_ids.ndim != 2 or input_ids.size == 0:
        raise ValueError(
            f"input_ids must have the shape (batch, tokens) and hold at least one token, got "
            f"{input_ids.shape}"
        )
    if labels is not None:
        labels = np.asarray(labels)
        if labels.dtype.kind not in "iu":
            raise ValueError(f"labels must be integers, got {labels.dtype}")
        if labels.shape != input_ids.shape:
            raise ValueError(f"labels has shape {labels.shape}, expected {input_ids.shape}")
    if state is not None and len(state) != len(layers):
        raise ValueError(f"the state has {len(state)} entries, and the model {len(layers)} layers")
    return input_ids, labels, [None] * len(layers) if state is None else state
