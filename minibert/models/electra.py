"""ELECTRA: learn from every token which of them are not the author's (Clark et al. 2020).

    text                 the ducks   swim   in the pond
    15 % masked          the [MASK]  swim   in the pond
    generator            the  ducks→dogs    swim in the pond        a small masked language model fills them
    discriminator         0     1     0     0   0    0              which tokens were replaced?

The generator is trained as BERT is. The discriminator, which is kept, answers for each token, so every token
teaches it something and not only the masked ones. The samples are ids to it, like any others: no gradient
goes through them, and the two are no adversaries. They share their embeddings, which both train.
"""

import dataclasses
import pathlib
from typing import NamedTuple

import numpy as np

from minibert import huggingface
from minibert.layers.base import Layer, describe_cache
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.layers.encoder_layer import EncoderLayer
from minibert.layers.feed_forward import ACTIVATIONS, ActivationCache
from minibert.layers.linear import Linear, LinearCache
from minibert.layers.sigmoid import sigmoid
from minibert.models.bert import (
    BertConfig,
    BertEmbeddings,
    BertEmbeddingsCache,
    BertModelOutput,
    check_inputs,
    check_positions,
)
from minibert.models.checks import integers
from minibert.models.masked_tokens import MaskedTokenHead, MaskedTokenHeadCache, MaskedTokenOutput

RTD_WEIGHT = 50.0  # of the discriminator's loss beside the generator's
GENERATOR = "generator"  # its folder, within the discriminator's


@dataclasses.dataclass(frozen=True)
class ElectraConfig(BertConfig):
    """The sizes and rates of a generator or a discriminator: those of BertConfig, and E.

    Attributes:
        embedding_size: E, the size of a token's vector. Where it is not hidden_size, a matrix leads to it.

    Raises:
        ValueError: as BertConfig.
    """

    embedding_size: int = 64


class ElectraModelCache(NamedTuple):
    embeddings: BertEmbeddingsCache
    projection: LinearCache | None
    encoder: list  # one EncoderLayerCache a layer
    __repr__ = describe_cache


class ElectraModel(Layer):
    """ELECTRA without a head: a BERT without pooler whose embeddings may be smaller than its states.

    Args:
        config: an ElectraConfig.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        given = {"rng": rng, "initializer_range": config.initializer_range, "dtype": dtype}
        self.config = config
        self.embeddings = BertEmbeddings(config, rng, dtype, size=config.embedding_size)
        is_smaller = config.embedding_size != config.hidden_size
        self.projection = Linear(config.embedding_size, config.hidden_size, **given) if is_smaller else None
        self.encoder = [
            EncoderLayer(
                config.hidden_size, config.num_attention_heads, config.intermediate_size,
                hidden_act=config.hidden_act, dropout_prob=config.hidden_dropout_prob,
                attention_dropout_prob=config.attention_probs_dropout_prob,
                layer_norm_eps=config.layer_norm_eps, **given,
            )
            for _ in range(config.num_hidden_layers)
        ]

    def forward(self, input_ids, token_type_ids=None, attention_mask=None, rng=None, position_ids=None):
        """Encode a batch of sequences → BertModelOutput, cache; arguments and errors are BertModel's."""
        input_ids, token_type_ids, mask = check_inputs(self.config, input_ids, token_type_ids, attention_mask)
        positions = check_positions(self.config, input_ids, position_ids)               # (T,) or (B, T)
        embedded, embeddings_cache = self.embeddings.forward(input_ids, token_type_ids, rng, positions)
        if self.projection is None:
            projected, projection_cache = embedded, None
        else:
            projected, projection_cache = self.projection.forward(embedded)             # (B, T, H)
        hidden_states, encoder_caches = [projected], []
        for layer in self.encoder:
            hidden, layer_cache = layer.forward(hidden_states[-1], mask, rng)           # (B, T, H)
            hidden_states.append(hidden)
            encoder_caches.append(layer_cache)
        cache = ElectraModelCache(embeddings_cache, projection_cache, encoder_caches)
        return BertModelOutput(hidden_states[-1], None), cache

    def backward(self, d_output, cache):
        """(d_last_hidden_state (B, T, H), None) → d_embeddings (B, T, E)."""
        d_last_hidden_state, _ = d_output
        d_hidden_states = [None] * len(self.encoder) + [d_last_hidden_state]            # as hidden_states
        for k in reversed(range(len(self.encoder))):
            d_hidden_states[k] = self.encoder[k].backward(d_hidden_states[k + 1], cache.encoder[k])
        d_projected = d_hidden_states[0]                                                # (B, T, H)
        if self.projection is None:
            d_embedded = d_projected
        else:
            d_embedded = self.projection.backward(d_projected, cache.projection)        # (B, T, E)
        d_embeddings = self.embeddings.backward(d_embedded, cache.embeddings)           # (B, T, E)
        return d_embeddings

    config_class = ElectraConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


# --- the generator ---


class ElectraForMaskedLMCache(NamedTuple):
    electra: ElectraModelCache
    predictions: MaskedTokenHeadCache
    __repr__ = describe_cache


class ElectraForMaskedLM(Layer):
    """The generator: a masked language model. Its head has the exact GELU, whatever hidden_act says.

    Args:
        config: an ElectraConfig.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng([seed, 1])  # the head has draws of its own
        self.config = config
        self.electra = ElectraModel(config, seed, dtype)
        with_gelu = dataclasses.replace(config, hidden_act="gelu")
        self.predictions = MaskedTokenHead(with_gelu, self.electra.embeddings.token.weight, rng, dtype)

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None, labels=None, rng=None, position_ids=None
    ) -> tuple[MaskedTokenOutput, ElectraForMaskedLMCache]:
        """Run the model → MaskedTokenOutput, cache.

        Args:
            input_ids, token_type_ids, attention_mask, rng, position_ids: as in BertModel.
            labels: (B, T), the original token where one is to be predicted and -100 elsewhere.
        """
        labels = None if labels is None else integers("labels", labels, np.shape(input_ids))
        encoded, electra_cache = self.electra.forward(
            input_ids, token_type_ids, attention_mask, rng, position_ids)
        output, predictions_cache = self.predictions.forward(encoded.last_hidden_state, labels)
        return output, ElectraForMaskedLMCache(electra_cache, predictions_cache)

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"mlm": number} → d_embeddings (B, T, E)."""
        d_states = self.predictions.backward(cache.predictions, d_loss)                 # (B, T, H)
        d_embeddings = self.electra.backward((d_states, None), cache.electra)           # (B, T, E)
        return d_embeddings

    config_class = ElectraConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


# --- the discriminator ---


class BinaryCrossEntropyCache(NamedTuple):
    logits: np.ndarray  # (N,)
    labels: np.ndarray  # (N,), 0 or 1
    divisor: int  # N, but 1 where N is 0
    __repr__ = describe_cache


class BinaryCrossEntropy(Layer):
    """loss = −(1/N) Σ_n [y_n log σ(x_n) + (1 − y_n) log(1 − σ(x_n))], y_n being 0 or 1; 0 for no numbers.

    It is computed as (1/N) Σ_n [log(1 + exp(x_n)) − y_n x_n], because log σ(x) = x − log(1 + exp(x)) and
    log(1 − σ(x)) = −log(1 + exp(x)). And log(1 + exp(x)) is max(x, 0) + log(1 + exp(−|x|)), where exp cannot
    overflow.

    Derivation. ∂ log(1 + exp(x)) / ∂x = exp(x) / (1 + exp(x)) = σ(x), so

        d_x_n = d_loss · (σ(x_n) − y_n) / N
    """

    def forward(self, logits, labels):
        """logits, labels (N,) → loss, a scalar of the logits' dtype, cache."""
        is_positive = logits.real > 0
        positive_part = np.where(is_positive, logits, 0)                        # (N,): max(x, 0)
        size = np.where(is_positive, logits, -logits)                           # (N,): |x|
        softplus = positive_part + np.log1p(np.exp(-size))                      # (N,): log(1 + exp(x))
        losses = softplus - labels * logits                                     # (N,)
        divisor = max(logits.size, 1)
        loss = losses.sum() / logits.dtype.type(divisor)
        return loss, BinaryCrossEntropyCache(logits, labels, divisor)

    def backward(self, d_loss, cache):
        """d_loss, a scalar → (d_logits (N,), None)."""
        logits, labels = cache.logits, cache.labels
        d_logits = (sigmoid(logits) - labels) * (d_loss / cache.divisor)        # (N,)
        return d_logits, None


class ReplacedTokenOutput(NamedTuple):
    """What the discriminator says of the tokens.

    Attributes:
        loss, rtd_loss: the same, because it has one part; None without labels.
        logits: above 0 where a token seems replaced: (N,) for the tokens with a label, in row order; (B, T)
            without labels.
        counts: {"rtd": N}.
    """

    loss: np.floating | None
    rtd_loss: np.floating | None
    logits: np.ndarray
    counts: dict
    __repr__ = describe_cache


class ReplacedTokenHeadCache(NamedTuple):
    states_shape: tuple  # (B, T, H)
    asked: np.ndarray | None  # (N,) flat positions whose label is not -100
    dense: LinearCache
    activation: ActivationCache
    classifier: LinearCache
    rtd_loss: BinaryCrossEntropyCache | None
    __repr__ = describe_cache


class ReplacedTokenHead(Layer):
    """logit = act(x W + b) w + c, one number a token: is it replaced? The loss is the mean over the tokens.

    Args:
        config: an ElectraConfig.  rng, dtype: as in other layers.
    """

    def __init__(self, config, rng, dtype=np.float32):
        given = {"rng": rng, "initializer_range": config.initializer_range, "dtype": dtype}
        self.dense = Linear(config.hidden_size, config.hidden_size, **given)
        self.activation = ACTIVATIONS[config.hidden_act]()
        self.classifier = Linear(config.hidden_size, 1, **given)
        self.rtd_loss = BinaryCrossEntropy()

    def forward(self, states, labels=None):
        """states (B, T, H); labels (B, T), 0, 1 or -100 → ReplacedTokenOutput, cache."""
        asked = None if labels is None else np.flatnonzero(labels != IGNORE_INDEX)      # (N,)
        state_rows = states.reshape(-1, states.shape[-1])                               # (B·T, H)
        x = states if labels is None else state_rows[asked]                             # (N, H)
        dense, dense_cache = self.dense.forward(x)                                      # (N, H)
        activated, activation_cache = self.activation.forward(dense)                    # (N, H)
        column, classifier_cache = self.classifier.forward(activated)                   # (N, 1)
        logits = column[..., 0]                                                         # (N,)
        rtd_loss, rtd_loss_cache, counts = None, None, {}
        if labels is not None:
            rtd_loss, rtd_loss_cache = self.rtd_loss.forward(logits, labels.reshape(-1)[asked])
            counts["rtd"] = len(asked)
        cache = ReplacedTokenHeadCache(
            states_shape=states.shape, asked=asked, dense=dense_cache, activation=activation_cache,
            classifier=classifier_cache, rtd_loss=rtd_loss_cache)
        return ReplacedTokenOutput(rtd_loss, rtd_loss, logits, counts), cache

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"rtd": number} → d_states (B, T, H)."""
        if cache.rtd_loss is None:
            raise ValueError("there is no loss to go back from: give forward labels")
        d_rtd_loss = d_loss["rtd"] if isinstance(d_loss, dict) else d_loss
        d_logits, _ = self.rtd_loss.backward(d_rtd_loss, cache.rtd_loss)                # (N,)
        d_column = d_logits[:, np.newaxis]                                              # (N, 1)
        d_activated = self.classifier.backward(d_column, cache.classifier)              # (N, H)
        d_dense = self.activation.backward(d_activated, cache.activation)               # (N, H)
        d_asked = self.dense.backward(d_dense, cache.dense)                             # (N, H)
        d_states = np.zeros(cache.states_shape, d_asked.dtype)                          # (B, T, H)
        d_state_rows = d_states.reshape(-1, d_states.shape[-1])                         # (B·T, H), a view
        d_state_rows[cache.asked] = d_asked                                             # each position once
        return d_states


class ElectraForPreTrainingCache(NamedTuple):
    electra: ElectraModelCache
    rtd_head: ReplacedTokenHeadCache
    __repr__ = describe_cache


class ElectraForPreTraining(Layer):
    """The discriminator: it tells for each token whether it was replaced.

    Args:
        config: an ElectraConfig.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng([seed, 1])  # the head has draws of its own
        self.config = config
        self.electra = ElectraModel(config, seed, dtype)
        self.rtd_head = ReplacedTokenHead(config, rng, dtype)

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None, labels=None, rng=None, position_ids=None
    ) -> tuple[ReplacedTokenOutput, ElectraForPreTrainingCache]:
        """Run the model → ReplacedTokenOutput, cache.

        Args:
            input_ids, token_type_ids, attention_mask, rng, position_ids: as in BertModel.
            labels: (B, T), 0 = the original token, 1 = another, -100 = not asked. Padding, where
                attention_mask is (B, T), is not asked, whatever its label is.
        """
        asked = None if labels is None else check_replaced(labels, input_ids, attention_mask)   # (B, T)
        encoded, electra_cache = self.electra.forward(
            input_ids, token_type_ids, attention_mask, rng, position_ids)
        output, rtd_head_cache = self.rtd_head.forward(encoded.last_hidden_state, asked)
        return output, ElectraForPreTrainingCache(electra_cache, rtd_head_cache)

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"rtd": number} → d_embeddings (B, T, E)."""
        d_states = self.rtd_head.backward(cache.rtd_head, d_loss)                       # (B, T, H)
        d_embeddings = self.electra.backward((d_states, None), cache.electra)           # (B, T, E)
        return d_embeddings

    config_class = ElectraConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


# --- both ---


class ElectraPairOutput(NamedTuple):
    """What the two models came to.

    Attributes:
        loss: mlm_loss + rtd_loss.
        mlm_loss: the generator's.
        rtd_loss: 50 times the discriminator's.
        prediction_logits: (M, V), the generator's for the predicted positions.
        replaced_logits: (N,), the discriminator's for all tokens but padding, in row order.
        sampled_ids: (B, T), the text that the discriminator reads.
        is_replaced: (B, T), 1 where a token of it is not the original one.
        counts: {"mlm": M, "rtd": N}.
    """

    loss: np.floating
    mlm_loss: np.floating
    rtd_loss: np.floating
    prediction_logits: np.ndarray
    replaced_logits: np.ndarray
    sampled_ids: np.ndarray
    is_replaced: np.ndarray
    counts: dict
    __repr__ = describe_cache


class ElectraPairCache(NamedTuple):
    generator: ElectraForMaskedLMCache
    discriminator: ElectraForPreTrainingCache
    __repr__ = describe_cache


class ElectraPair(Layer):
    """Generator and discriminator, trained together: loss = mlm_loss + 50 · the discriminator's.

    The discriminator is given the generator's embeddings, all of them: tokens, positions, segments and their
    LayerNorm. From then on they are the same Parameters.

    Args:
        generator: an ElectraForMaskedLM.
        discriminator: an ElectraForPreTraining with the same embedding_size.

    Raises:
        ValueError: their embeddings have different shapes.

    Derivation: the discriminator's loss depends on its own weights and on the shared embeddings, which it
    looks up for the sampled ids. It depends on the generator's other weights through the ids alone, which are
    integers: these weights get no gradient from it, exactly 0.
    """

    def __init__(self, generator, discriminator):
        tie_embeddings(generator.electra.embeddings, discriminator.electra.embeddings)
        self.config = discriminator.config
        self.generator, self.discriminator = generator, discriminator

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None, labels=None, sampled_ids=None, rng=None
    ):
        """Fill the masks, and ask the discriminator about all tokens → ElectraPairOutput, cache.

        Args:
            input_ids, token_type_ids, attention_mask: as in BertModel; a mask of one row a sequence.
            labels: (B, T), the original token where one is to be predicted and -100 elsewhere; required.
            sampled_ids: (B, T), the tokens that fill the predicted positions, read there alone; None draws
                them from the generator's probabilities.
            rng: for dropout and for the samples; None means no dropout, and needs sampled_ids.

        Raises:
            ValueError: there are no labels, or neither sampled_ids nor rng; the mask is not (B, T); or as
                BertModel.
        """
        labels, given = check_pair(input_ids, labels, sampled_ids, rng, attention_mask)
        mlm, generator_cache = self.generator.forward(
            input_ids, token_type_ids, attention_mask, labels, rng)
        is_predicted = labels != IGNORE_INDEX                                           # (B, T)
        filled = sample(mlm.logits, rng) if given is None else given[is_predicted]    # (M,)
        sampled = np.array(input_ids)                                                   # (B, T)
        sampled[is_predicted] = filled
        is_replaced = np.zeros(labels.shape, np.int64)                                  # (B, T)
        is_replaced[is_predicted] = filled != labels[is_predicted]
        rtd, discriminator_cache = self.discriminator.forward(
            sampled, token_type_ids, attention_mask, is_replaced, rng)
        rtd_loss = rtd.loss * mlm.loss.dtype.type(RTD_WEIGHT)
        output = ElectraPairOutput(
            loss=mlm.loss + rtd_loss, mlm_loss=mlm.loss, rtd_loss=rtd_loss,
            prediction_logits=mlm.logits, replaced_logits=rtd.logits, sampled_ids=sampled,
            is_replaced=is_replaced, counts=mlm.counts | rtd.counts)
        return output, ElectraPairCache(generator_cache, discriminator_cache)

    def backward(self, cache, d_loss=1.0):
        """Add d_loss times the gradient of the loss to every parameter's gradient.

        Args:
            cache: of forward.
            d_loss: a number, or one for each part of the loss: {"mlm": 0.75, "rtd": 0.5}.

        Returns:
            d_embeddings (B, T, E): the gradient of what is added to the summed embeddings of both.
        """
        d_rtd_loss = d_loss["rtd"] if isinstance(d_loss, dict) else d_loss
        share_of_generator = self.generator.backward(cache.generator, d_loss)           # (B, T, E)
        d_discriminator_loss = d_rtd_loss * RTD_WEIGHT
        share_of_discriminator = self.discriminator.backward(cache.discriminator, d_discriminator_loss)
        d_embeddings = share_of_generator + share_of_discriminator                      # (B, T, E)
        return d_embeddings

    def save_pretrained(self, directory):
        """Write the discriminator, which is what one fine-tunes, and the generator in a folder within it."""
        self.generator.save_pretrained(pathlib.Path(directory) / GENERATOR)
        self.discriminator.save_pretrained(directory)  # last: its config.json says that the model is whole

    @classmethod
    def from_pretrained(cls, directory, dtype=None):
        """Read both models; the embeddings are the generator's. dtype, errors: as of the other models."""
        generator = ElectraForMaskedLM.from_pretrained(pathlib.Path(directory) / GENERATOR, dtype)
        return cls(generator, ElectraForPreTraining.from_pretrained(directory, dtype))


def tie_embeddings(ours, theirs):
    """Have two BertEmbeddings share all their Parameters, those of the first."""
    shapes = [[item.value.shape for item in owner.parameters().values()] for owner in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"the generator's embeddings have the shapes {shapes[0]}, the discriminator's {shapes[1]}: give "
            "both the same vocab_size, embedding_size, max_position_embeddings and type_vocab_size"
        )
    for name in ("token", "position", "segment"):
        getattr(theirs, name).weight = getattr(ours, name).weight
    theirs.norm.gamma, theirs.norm.beta = ours.norm.gamma, ours.norm.beta


def sample(logits, rng):
    """Draw a token from each row's softmax: logits (M, V) → ids (M,).

    The largest of logits_k + g_k, with independent Gumbel noise g_k = −log(−log u_k), is k with probability
    softmax(logits)_k (Gumbel 1954; Maddison et al. 2014).
    """
    noise = rng.gumbel(size=logits.shape)           # (M, V)
    return (logits.real + noise).argmax(axis=-1)    # (M,)


# --- the arguments of forward, checked in one call before the first line of arithmetic ---


def check_replaced(labels, input_ids, attention_mask):
    """Return the labels of replaced tokens (B, T), -100 at padding.

    Raises:
        ValueError: a wrong shape or dtype, or another label than 0, 1 and -100.
    """
    labels = integers("labels", labels, np.shape(input_ids))
    if not np.isin(labels, (0, 1, IGNORE_INDEX)).all():
        raise ValueError(
            f"labels must hold 0 for an original token, 1 for a replaced one and {IGNORE_INDEX} for one that "
            "is not asked"
        )
    if np.shape(attention_mask) != labels.shape:
        return labels
    return np.where(np.asarray(attention_mask) == 0, IGNORE_INDEX, labels)


def check_pair(input_ids, labels, sampled_ids, rng, attention_mask):
    """Return labels and sampled_ids (B, T) as integers, sampled_ids None where not given.

    Raises:
        ValueError: a wrong shape or dtype, no labels, nothing to take samples from, or a mask that does not
            tell what is padding.
    """
    if labels is None:
        raise ValueError("ELECTRA needs labels: the original tokens at the masked positions, -100 elsewhere")
    if sampled_ids is None and rng is None:
        raise ValueError("give rng, to draw the tokens that fill the masks, or sampled_ids")
    shape = np.shape(input_ids)
    labels = integers("labels", labels, shape)
    if attention_mask is not None and np.shape(attention_mask) != labels.shape:
        raise ValueError(
            f"attention_mask has shape {np.shape(attention_mask)}, expected {labels.shape}: ELECTRA asks "
            "about every token but padding"
        )
    return labels, None if sampled_ids is None else integers("sampled_ids", sampled_ids, shape)
