"""ELMo: characters, two language models in opposite directions, a mix of their layers (Peters et al. 2018).

Source: "Deep contextualized word representations"; the characters: Kim et al. 2015, "Character-aware neural
language models"; the highway: Srivastava et al. 2015; what the paper leaves open: its code, bilm-tf.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minibert import huggingface
from minibert.layers.base import Layer, Parameter, describe_cache
from minibert.layers.cross_entropy import IGNORE_INDEX, CrossEntropy, CrossEntropyCache
from minibert.layers.dropout import Dropout, DropoutCache
from minibert.layers.embedding import Embedding, EmbeddingCache, add_rows
from minibert.layers.initializers import truncated_normal
from minibert.layers.linear import Linear, LinearCache
from minibert.layers.lstm import LSTM
from minibert.layers.relu import ReLU, ReLUCache
from minibert.layers.sigmoid import sigmoid
from minibert.layers.softmax import softmax, softmax_backward
from minibert.layers.tied_decoder import TiedDecoder, TiedDecoderCache
from minibert.models.recurrent import check_sizes
from minibert.text.characters import BORDER, character_ids

NUM_CHARACTERS = 262  # bytes, and what minibert/text/characters.py adds to them


@dataclasses.dataclass(frozen=True)
class ELMoConfig:
    """The sizes and rates of an ELMo; the paper's model has those of bilm-tf, the defaults make a small one.

    Attributes:
        vocab_size: V, words that are predicted; any word can be read.
        character_size: of a character's vector (paper: 16).
        filters: (width, number) of each convolution (paper: (1, 32), (2, 32), (3, 64), ... (7, 1024)).
        num_highway_layers: above the convolutions.
        hidden_size: H, of an LSTM's cell (paper: 4096).
        projection_size: P, of a word's vector and of an LSTM's output (paper: 512).
        num_hidden_layers: LSTMs in each direction.
        cell_clip, projection_clip: bounds within the LSTMs.
        hidden_dropout_prob: of what enters an LSTM and the decoder.
        max_characters: C, with which a text's words are spelt (paper: 50); the model reads any number.
        initializer_range: standard deviation of the initial weights outside the LSTMs.

    Raises:
        ValueError: a size is not a positive integer, or a rate is out of range.
    """

    vocab_size: int
    character_size: int = 16
    filters: tuple = ((1, 16), (2, 16), (3, 32), (4, 64))
    num_highway_layers: int = 1
    hidden_size: int = 256
    projection_size: int = 64
    num_hidden_layers: int = 2
    cell_clip: float = 3.0
    projection_clip: float = 3.0
    hidden_dropout_prob: float = 0.1
    max_characters: int = 50
    initializer_range: float = 0.1

    def __post_init__(self):
        check_sizes(self)
        object.__setattr__(self, "filters", tuple(map(tuple, self.filters)))  # JSON knows lists only
        if not self.filters or min(map(min, self.filters)) < 1:
            raise ValueError(
                f"filters must be pairs (width, number) of positive integers, got {self.filters}"
            )
        widest = max(width for width, _ in self.filters)
        if self.max_characters < max(widest, 3):
            raise ValueError(
                f"max_characters {self.max_characters} must be {max(widest, 3)} or more: two are marks, and "
                f"the widest filter spans {widest}"
            )

    @property
    def num_filters(self):
        """The filters of all convolutions together."""
        return sum(number for _, number in self.filters)


class MaxConvolutionCache(NamedTuple):
    window_rows: np.ndarray  # (N·places, width·D): the characters of each window; places: C − width + 1
    best_rows: np.ndarray  # (F, N): the row of the window with a filter's largest score in a word
    num_characters: int  # C
    __repr__ = describe_cache


class MaxConvolution(Layer):
    """y_f = b_f + max over places t of (x_t, …, x_{t+width−1}) W_f: does a piece of a word occur in it?

    The characters of a window are neighbours in memory, so all windows are views of the words until they
    become the rows of one matrix product.

    Args:
        size: D, of a character's vector.  width: characters in a window.  num_filters: F.
        rng, initializer_range, dtype: as in Linear.

    Derivation. A score has a gradient, d_y, only if it is the largest of its filter in its word. So the K
    windows in which this happens to a filter or more are enough: d_scores is d_y there and 0 elsewhere, then
    the rules of a linear layer hold. A character is in up to `width` windows, and its gradient is the sum
    over them. Where two places are equally good, as in a row of padding, one is taken: both hold the same
    characters, so the gradient of the characters' vectors is the same either way.
    """

    def __init__(self, size, width, num_filters, *, rng, initializer_range, dtype=np.float32):
        self.width = width
        shape = (width * size, num_filters)
        self.weight = Parameter(truncated_normal(rng, shape, initializer_range, dtype))
        self.bias = Parameter(np.zeros(num_filters, dtype))

    def forward(self, x):
        """x (N, C, D) → y (N, F), cache. C must be `width` or more."""
        num_words, num_characters, size = x.shape
        words = x.reshape(num_words, -1)                                    # (N, C·D)
        windows = sliding_window_view(words, self.width * size, axis=1)[:, ::size]  # (N, places, width·D)
        window_rows = windows.reshape(-1, self.width * size)                # (N·places, width·D)
        score_rows = self.weight.value.T @ window_rows.T                    # (F, N·places)
        scores = score_rows.reshape(len(score_rows), num_words, -1)         # (F, N, places)
        first_rows = scores.shape[2] * np.arange(num_words)                 # (N,): each word's first window
        best_rows = first_rows + scores.real.argmax(axis=2)                 # (F, N)
        largest = np.take_along_axis(score_rows, best_rows, axis=1)         # (F, N)
        y = largest.T + self.bias.value                                     # (N, F)
        return y, MaxConvolutionCache(window_rows, best_rows, num_characters)

    def backward(self, d_y, cache):
        """d_y (N, F) → d_x (N, C, D)."""
        window_rows, best_rows, num_characters = cache
        num_filters, num_words = best_rows.shape
        used, which = np.unique(best_rows, return_inverse=True)             # (K,), (F, N)
        d_scores = np.zeros((num_filters, len(used)), d_y.dtype)            # (F, K)
        np.put_along_axis(d_scores, which, d_y.T, axis=1)
        d_weight = (d_scores @ window_rows[used]).T                         # (width·D, F)
        self.weight.grad += d_weight
        d_bias = d_y.sum(axis=0)                                            # (F,)
        self.bias.grad += d_bias
        d_windows = d_scores.T @ self.weight.value.T                        # (K, width·D)
        word, place = np.divmod(used, num_characters - self.width + 1)      # (K,) each
        size = d_windows.shape[1] // self.width
        d_x = np.zeros((num_words, num_characters, size), d_y.dtype)        # (N, C, D)
        for offset in range(self.width):
            d_x[word, place + offset] += d_windows[:, offset * size:(offset + 1) * size]  # each place once
        return d_x


class HighwayCache(NamedTuple):
    x: np.ndarray  # (N, F)
    gate: LinearCache
    gate_value: np.ndarray  # (N, F) in 0 … 1
    transform: LinearCache
    activation: ReLUCache
    transformed: np.ndarray  # (N, F)
    __repr__ = describe_cache


class Highway(Layer):
    """y = g · relu(x W + b) + (1 − g) · x, with the gate g = σ(x W_gate + b_gate) (Srivastava et al. 2015).

    The gate's bias starts at −2, so that at first most of x goes by unchanged. (bilm-tf calls g "carry".)

    Derivation. x takes three paths, by the gate, by the transform and past them:

        d_g = d_y · (relu(…) − x)       d_gate_sum = d_g · g (1 − g)        d_transformed = d_y · g
        d_x = d_y · (1 − g) + the gradients of both linear layers

    Args:
        size: F.  rng, initializer_range, dtype: as in Linear.
    """

    def __init__(self, size, *, rng, initializer_range, dtype=np.float32):
        given = {"rng": rng, "initializer_range": initializer_range, "dtype": dtype}
        self.gate = Linear(size, size, **given)
        self.gate.bias.value[:] = -2
        self.transform = Linear(size, size, **given)
        self.activation = ReLU()

    def forward(self, x):
        """x (N, F) → y (N, F), cache."""
        gate_sum, gate_cache = self.gate.forward(x)
        gate_value = sigmoid(gate_sum)
        transform_sum, transform_cache = self.transform.forward(x)
        transformed, activation_cache = self.activation.forward(transform_sum)
        y = gate_value * transformed + (1 - gate_value) * x
        cache = HighwayCache(
            x=x, gate=gate_cache, gate_value=gate_value, transform=transform_cache,
            activation=activation_cache, transformed=transformed)
        return y, cache

    def backward(self, d_y, cache):
        """d_y (N, F) → d_x (N, F)."""
        x, gate_value, transformed = cache.x, cache.gate_value, cache.transformed
        d_gate_value = d_y * (transformed - x)
        d_gate_sum = d_gate_value * gate_value * (1 - gate_value)
        share_of_gate = self.gate.backward(d_gate_sum, cache.gate)                      # (N, F)
        d_transformed = d_y * gate_value
        d_transform_sum = self.activation.backward(d_transformed, cache.activation)     # (N, F)
        share_of_transform = self.transform.backward(d_transform_sum, cache.transform)  # (N, F)
        d_x = d_y * (1 - gate_value) + share_of_gate + share_of_transform               # (N, F)
        return d_x


class CharacterEncoderCache(NamedTuple):
    embedding: EmbeddingCache
    convolutions: list  # a MaxConvolutionCache each
    activation: ReLUCache
    highways: list  # a HighwayCache each
    projection: LinearCache
    __repr__ = describe_cache


class CharacterEncoder(Layer):
    """A word's vector from its characters alone: convolutions, max over places, ReLU, highways, projection.

    Padding takes part in the max, as in bilm-tf. A word of any spelling has a vector.

    Args:
        config: an ELMoConfig.  rng: for the weights.  dtype: of the parameters.
    """

    def __init__(self, config, rng, dtype=np.float32):
        given = {"rng": rng, "initializer_range": config.initializer_range, "dtype": dtype}
        size, num_filters = config.character_size, config.num_filters
        self.embedding = Embedding(NUM_CHARACTERS, size, **given)
        self.convolutions = [MaxConvolution(size, width, number, **given) for width, number in config.filters]
        self.activation = ReLU()
        self.highways = [Highway(num_filters, **given) for _ in range(config.num_highway_layers)]
        self.projection = Linear(num_filters, config.projection_size, **given)

    def forward(self, character_ids):
        """character_ids (N, C) → vectors (N, P), cache."""
        widest = max(convolution.width for convolution in self.convolutions)
        cut_ids = without_repeats(character_ids, widest)                        # (N, C′)
        embedded, embedding_cache = self.embedding.forward(cut_ids)             # (N, C′, D)
        convolved = [convolution.forward(embedded) for convolution in self.convolutions]
        found = np.concatenate([y for y, _ in convolved], axis=1)               # (N, F)
        activated, activation_cache = self.activation.forward(found)            # (N, F)
        states, highway_caches = [activated], []
        for highway in self.highways:
            state, highway_cache = highway.forward(states[-1])                  # (N, F)
            states.append(state)
            highway_caches.append(highway_cache)
        vectors, projection_cache = self.projection.forward(states[-1])         # (N, P)
        cache = CharacterEncoderCache(
            embedding=embedding_cache, convolutions=[cache for _, cache in convolved],
            activation=activation_cache, highways=highway_caches, projection=projection_cache)
        return vectors, cache

    def backward(self, d_vectors, cache):
        """d_vectors (N, P) → d_embedded (N, C′, D), the gradient of the characters' vectors."""
        d_states = [None] * len(self.highways) + [self.projection.backward(d_vectors, cache.projection)]
        for k in reversed(range(len(self.highways))):
            d_states[k] = self.highways[k].backward(d_states[k + 1], cache.highways[k])     # (N, F)
        d_found = self.activation.backward(d_states[0], cache.activation)       # (N, F)
        ends = np.cumsum([len(convolution.bias.value) for convolution in self.convolutions])
        d_ys = np.split(d_found, ends[:-1], axis=1)                             # as convolved
        d_embedded = sum(                                                       # (N, C′, D)
            convolution.backward(d_y, convolution_cache)
            for convolution, d_y, convolution_cache in zip(self.convolutions, d_ys, cache.convolutions))
        self.embedding.backward(d_embedded, cache.embedding)
        return d_embedded


class ResidualLSTMsCache(NamedTuple):
    dropouts: list  # a DropoutCache a layer
    layers: list  # an LSTMCache a layer
    __repr__ = describe_cache


class ResidualLSTMs(Layer):
    """A language model's LSTMs in one direction; from the second layer on, the input is added to the output.

        h_1 = LSTM_1(x),    h_k = LSTM_k(h_{k−1}) + h_{k−1}         each input is dropped out first

    Args:
        config: an ELMoConfig.  rng: for the weights.  dtype: of the parameters.

    Derivation. A residual passes its gradient to both terms. h_k is an output of its own, too, so its
    gradient is the sum of that of the output and that of the layer above.
    """

    def __init__(self, config, rng, dtype=np.float32):
        self.layers = [
            LSTM(
                config.projection_size, config.hidden_size, projection_size=config.projection_size,
                cell_clip=config.cell_clip, projection_clip=config.projection_clip, rng=rng, dtype=dtype)
            for _ in range(config.num_hidden_layers)
        ]
        self.dropouts = [Dropout(config.hidden_dropout_prob) for _ in self.layers]

    def forward(self, x, state=None, rng=None):
        """x (B, T, P); state, a (h, c) a layer → (outputs (L, B, T, P), the last state), cache."""
        outputs, new_state, dropout_caches, layer_caches = [x], [], [], []
        for k, (layer, dropout) in enumerate(zip(self.layers, self.dropouts)):
            dropped, dropout_cache = dropout.forward(outputs[-1], rng)                      # (B, T, P)
            (hidden, last), layer_cache = layer.forward(dropped, state and state[k])        # (B, T, P)
            outputs.append(hidden + dropped if k > 0 else hidden)
            new_state.append(last)
            dropout_caches.append(dropout_cache)
            layer_caches.append(layer_cache)
        cache = ResidualLSTMsCache(dropout_caches, layer_caches)
        return (np.stack(outputs[1:]), tuple(new_state)), cache

    def backward(self, d_output, cache):
        """(d_outputs (L, B, T, P), d_state or None) → d_x (B, T, P); the first state is a constant."""
        d_outputs, d_state = d_output
        d_inputs = [None] * len(self.layers)                                                # a layer each
        for k in reversed(range(len(self.layers))):
            is_top = k == len(self.layers) - 1
            d_hidden = d_outputs[k] if is_top else d_outputs[k] + d_inputs[k + 1]           # (B, T, P)
            d_both = d_hidden, d_state and d_state[k]
            share_of_layer, _ = self.layers[k].backward(d_both, cache.layers[k])            # (B, T, P)
            d_dropped = share_of_layer + d_hidden if k > 0 else share_of_layer              # (B, T, P)
            d_inputs[k] = self.dropouts[k].backward(d_dropped, cache.dropouts[k])           # (B, T, P)
        return d_inputs[0]


class ScalarMixCache(NamedTuple):
    layers: np.ndarray  # (J, B, T, 2P)
    probs: np.ndarray  # (J,): softmax of the weights
    mixed: np.ndarray  # (B, T, 2P), before γ
    __repr__ = describe_cache


class ScalarMix(Layer):
    """y = γ Σ_j softmax(w)_j layers_j: what a task takes from ELMo (Peters et al. 2018, equation 1).

    Args:
        num_layers: J.  dtype: of the parameters. They start at w = 0, the plain mean, and γ = 1.

    Derivation. d_γ = Σ d_y · mixed;  d_mixed = γ d_y;  d_probs_j = Σ d_mixed · layers_j, and through the
    softmax;  d_layers_j = d_mixed · probs_j. The gradients of w sum to zero: adding a number to all changes
    nothing.
    """

    def __init__(self, num_layers, dtype=np.float32):
        self.weight = Parameter(np.zeros(num_layers, dtype))
        self.gamma = Parameter(np.ones(1, dtype))

    def forward(self, layers):
        """layers (J, B, T, 2P) → y (B, T, 2P), cache."""
        probs = softmax(self.weight.value)                                      # (J,)
        mixed = (probs[:, np.newaxis, np.newaxis, np.newaxis] * layers).sum(axis=0)     # (B, T, 2P)
        y = self.gamma.value * mixed                                            # (B, T, 2P)
        return y, ScalarMixCache(layers, probs, mixed)

    def backward(self, d_y, cache):
        """d_y (B, T, 2P) → d_layers (J, B, T, 2P)."""
        layers, probs, mixed = cache.layers, cache.probs, cache.mixed
        d_gamma = (d_y * mixed).sum()                                           # a number
        self.gamma.grad += d_gamma
        d_mixed = self.gamma.value * d_y                                        # (B, T, 2P)
        d_probs = (d_mixed * layers).sum(axis=(1, 2, 3))                        # (J,)
        d_weight = softmax_backward(d_probs, probs)                             # (J,)
        self.weight.grad += d_weight
        d_layers = probs[:, np.newaxis, np.newaxis, np.newaxis] * d_mixed       # (J, B, T, 2P)
        return d_layers


class ELMoOutput(NamedTuple):
    loss: np.floating | None
    word_loss: np.floating | None  # the only part: nats for each predicted word, of both directions
    logits: np.ndarray | None  # (M, V), the forward direction's first; None without labels
    layers: np.ndarray  # (L + 1, B, T, 2P): [x; x], then [forward; backward] of each layer
    counts: dict  # {"word": M}
    state: tuple  # (h, c) of each layer of the forward direction
    __repr__ = describe_cache


class ELMoCache(NamedTuple):
    words: np.ndarray  # (B·T,): which of the distinct words
    characters: CharacterEncoderCache  # of the distinct words
    order: np.ndarray  # (B, T): the places of each row, its words from the last to the first
    ahead: ResidualLSTMsCache
    back: ResidualLSTMsCache
    output_shape: tuple  # (2, B, T, P): the top layers of both directions
    output_dropout: DropoutCache | None
    predicted: np.ndarray | None  # (M,) flat places
    decoder: TiedDecoderCache | None
    word_loss: CrossEntropyCache | None
    __repr__ = describe_cache


class ELMo(Layer):
    """Two language models that share their characters and their decoder (Peters et al. 2018).

    `ahead` reads from left to right and predicts the next word; `back` reads from right to left and predicts
    the word before. Neither sees the word that it is to predict: ELMo is a pair of models side by side, and
    no layer joins the directions. The loss is the mean over all predictions, of both.

    Words of a batch that are spelt alike have the same vector, so the characters are encoded once for each
    distinct word. A row of zeros in character_ids is padding, at the end of a sentence; `back` begins at the
    last word, not in the padding.

    Args:
        config: an ELMoConfig.  seed: of the initial weights.  dtype: of all that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        self.config = config
        self.characters = CharacterEncoder(config, rng, dtype)
        self.ahead = ResidualLSTMs(config, rng, dtype)
        self.back = ResidualLSTMs(config, rng, dtype)
        self.output_dropout = Dropout(config.hidden_dropout_prob)
        shape = (config.vocab_size, config.projection_size)
        self.decoder = TiedDecoder(Parameter(truncated_normal(rng, shape, config.initializer_range, dtype)))
        self.word_loss = CrossEntropy()

    def forward(self, character_ids, labels=None, state=None, rng=None):
        """Run both directions → ELMoOutput, cache.

        Args:
            character_ids: (B, T, C) integers, see minibert/text/characters.py; 0 for padding.
            labels: (B, T, 2) integers: the next word and the one before; -100 where nothing is predicted.
            state: output.state of the text before, of the direction that reads ahead.
            rng: for dropout.

        Raises:
            ValueError: a shape or dtype is wrong, or words are shorter than the widest window.
        """
        character_ids, labels = check_inputs(self.config, character_ids, labels)
        batch_size, num_tokens, _ = character_ids.shape
        rows, order = np.arange(batch_size)[:, np.newaxis], backwards(character_ids)    # (B, 1), (B, T)
        distinct, words = distinct_words(character_ids)                                 # (U, C), (B·T,)
        vectors, characters_cache = self.characters.forward(distinct)                   # (U, P)
        x = vectors[words].reshape(batch_size, num_tokens, -1)                          # (B, T, P)
        (ahead, new_state), ahead_cache = self.ahead.forward(x, state, rng)             # (L, B, T, P)
        (reversed_back, _), back_cache = self.back.forward(x[rows, order], None, rng)   # (L, B, T, P)
        back = reversed_back[:, rows, order]                                            # (L, B, T, P)
        both = [np.concatenate([x, x], axis=2)[np.newaxis], np.concatenate([ahead, back], axis=3)]
        layers = np.concatenate(both)                                                   # (L + 1, B, T, 2P)
        tops = np.stack([ahead[-1], back[-1]])                                          # (2, B, T, P)
        loss = logits = predicted = dropout_cache = decoder_cache = loss_cache = None
        if labels is not None:
            row_labels = np.moveaxis(labels, 2, 0).reshape(-1)                          # (2·B·T,)
            predicted = np.flatnonzero(row_labels != IGNORE_INDEX)                      # (M,)
            dropped, dropout_cache = self.output_dropout.forward(tops, rng)             # (2, B, T, P)
            asked = dropped.reshape(-1, tops.shape[-1])[predicted]                      # (M, P)
            logits, decoder_cache = self.decoder.forward(asked)                         # (M, V)
            loss, loss_cache = self.word_loss.forward(logits, row_labels[predicted])
        counts = {} if labels is None else {"word": len(predicted)}
        cache = ELMoCache(
            words=words, characters=characters_cache, order=order, ahead=ahead_cache, back=back_cache,
            output_shape=tops.shape, output_dropout=dropout_cache, predicted=predicted,
            decoder=decoder_cache, word_loss=loss_cache)
        return ELMoOutput(loss, loss, logits, layers, counts, new_state), cache

    def backward(self, cache, d_loss=1.0):
        """Add d_loss (a number, or {"word": number}) times the gradient of the loss to every gradient.

        Returns d_x (B, T, P), the gradient of the words' vectors. ValueError if there is no loss.
        """
        if cache.word_loss is None:
            raise ValueError("there is no loss to go back from: give forward labels")
        d_word_loss = d_loss["word"] if isinstance(d_loss, dict) else d_loss
        d_logits, _ = self.word_loss.backward(d_word_loss, cache.word_loss)             # (M, V)
        d_asked = self.decoder.backward(d_logits, cache.decoder)                        # (M, P)
        batch_size, num_tokens, size = cache.output_shape[1:]
        d_dropped_rows = np.zeros((2 * batch_size * num_tokens, size), d_asked.dtype)   # (2·B·T, P)
        d_dropped_rows[cache.predicted] = d_asked                                       # each place once
        d_dropped = d_dropped_rows.reshape(cache.output_shape)                          # (2, B, T, P)
        d_tops = self.output_dropout.backward(d_dropped, cache.output_dropout)          # (2, B, T, P)
        rows, order = np.arange(batch_size)[:, np.newaxis], cache.order                 # (B, 1), (B, T)
        d_ahead = np.zeros((len(self.ahead.layers), *d_tops.shape[1:]), d_tops.dtype)   # (L, B, T, P)
        d_reversed_back = np.zeros_like(d_ahead)                                        # (L, B, T, P)
        d_ahead[-1] = d_tops[0]
        d_reversed_back[-1] = d_tops[1][rows, order]
        share_of_ahead = self.ahead.backward((d_ahead, None), cache.ahead)              # (B, T, P)
        d_reversed_x = self.back.backward((d_reversed_back, None), cache.back)          # (B, T, P)
        d_x = share_of_ahead + d_reversed_x[rows, order]                                # (B, T, P)
        d_vectors = np.zeros((cache.words.max() + 1, size), d_x.dtype)                  # (U, P)
        add_rows(d_vectors, cache.words, d_x.reshape(-1, size))
        self.characters.backward(d_vectors, cache.characters)
        return d_x

    def of_sentences(self, sentences):
        """Return the layers of sentences, lists of words: an array (L + 1, words, 2P) for each.

        The words are between two borders, as `minibert pretrain --model elmo` trains them; 0 is the words'
        own vectors, the same in every sentence.
        """
        framed = [[BORDER, *words, BORDER] for words in sentences]
        output, _ = self.forward(character_ids(framed, self.config.max_characters))
        return [output.layers[:, row, 1:len(words) + 1] for row, words in enumerate(sentences)]

    config_class = ELMoConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


def without_repeats(character_ids, width):
    """Return character_ids (N, C) without the last columns if they only repeat the ones before: (N, C′).

    That is the padding of all words. `width` of its columns are kept, a whole window: other windows in it
    have the same scores, so the maximum over places is the same, and so are its place and all gradients.
    """
    changes = np.flatnonzero((character_ids[:, 1:] != character_ids[:, :-1]).any(axis=0))
    num_used = changes[-1] + 1 if changes.size else 0
    return character_ids[:, :num_used + width]


def distinct_words(character_ids):
    """Return the distinct words of (B, T, C) character ids, (U, C), and which of them each is, (B·T,)."""
    distinct, words = np.unique(
        character_ids.reshape(-1, character_ids.shape[2]), axis=0, return_inverse=True)
    return distinct, words.reshape(-1)


def backwards(character_ids):
    """Return the places of each row, (B, T), its words from the last to the first, padding where it was.

    Reading in this order twice is reading as it was.
    """
    lengths = (character_ids != 0).any(axis=2).sum(axis=1)[:, np.newaxis]               # (B, 1)
    place = np.arange(character_ids.shape[1])                                           # (T,)
    return np.where(place < lengths, lengths - 1 - place, place)


def check_inputs(config, character_ids, labels):
    """Return character_ids and labels as integers.

    Raises:
        ValueError: a wrong shape or dtype, padding before a word, or words shorter than the widest window.
    """
    character_ids = np.asarray(character_ids)
    if character_ids.dtype.kind not in "iu" or character_ids.ndim != 3 or character_ids.size == 0:
        raise ValueError(
            "character_ids must be integers of the shape (batch, tokens, characters), got "
            f"{character_ids.dtype} of {character_ids.shape}"
        )
    widest = max(width for width, _ in config.filters)
    if character_ids.shape[2] < widest:
        raise ValueError(
            f"character_ids has {character_ids.shape[2]} characters a word, and the widest filter spans "
            f"{widest}: pad the words"
        )
    is_word = (character_ids != 0).any(axis=2)
    if (is_word[:, 1:] & ~is_word[:, :-1]).any():
        raise ValueError("character_ids has padding, rows of zeros, before a word: put it at the end")
    if labels is not None:
        labels = np.asarray(labels)
        expected = (*character_ids.shape[:2], 2)
        if labels.dtype.kind not in "iu" or labels.shape != expected:
            raise ValueError(
                f"labels must be integers of the shape {expected}, got {labels.dtype} of {labels.shape}")
    return character_ids, labels
