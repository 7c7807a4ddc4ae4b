"""ALBERT: a BERT with few parameters (Lan et al. 2019).

Three things differ from BERT.

    factorised embeddings    a token's vector has E numbers, fewer than H; one matrix (E, H) makes H of them:
                             V·E + E·H parameters in the place of V·H
    shared layers            every layer is the same one, so depth costs no parameters
    sentence order           the second task is to tell whether two neighbouring segments are swapped; two
                             segments of one text have the same topic, so that the topic does not tell

Fewer parameters are no fewer products: a pass through L layers multiplies as much as BERT's does.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from minibert import huggingface
from minibert.layers.base import Layer, describe_cache
from minibert.layers.encoder_layer import EncoderLayer
from minibert.layers.linear import Linear, LinearCache
from minibert.models.bert import (
    BertConfig,
    BertEmbeddings,
    BertEmbeddingsCache,
    BertModelOutput,
    Pooler,
    PoolerCache,
    check_inputs,
    check_positions,
)
from minibert.models.checks import integers
from minibert.models.heads import SequenceHead, SequenceHeadCache, class_labels
from minibert.models.masked_tokens import MaskedTokenHead, MaskedTokenHeadCache


@dataclasses.dataclass(frozen=True)
class AlbertConfig(BertConfig):
    """The sizes and rates of an ALBERT: those of BertConfig, of which some have other defaults, and E.

    Attributes:
        hidden_act: "gelu_new", the tanh form.
        hidden_dropout_prob, attention_probs_dropout_prob: 0.
        classifier_dropout: dropout probability of the pooled state, before the order is told.
        embedding_size: E, the size of a token's vector.

    Raises:
        ValueError: as BertConfig.
    """

    hidden_act: str = "gelu_new"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    classifier_dropout: float | None = 0.1
    embedding_size: int = 64


class AlbertModelCache(NamedTuple):
    embeddings: BertEmbeddingsCache
    projection: LinearCache
    encoder: list  # the EncoderLayerCache of each pass through the one layer
    pooler: PoolerCache
    __repr__ = describe_cache


class AlbertModel(Layer):
    """ALBERT without heads: embeddings of size E, a projection to H, one layer L times, and the pooler.

    Args:
        config: an AlbertConfig.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.

    Derivation: if each pass had a copy of the layer, with weights W_k, the loss would be a function of all of
    them. They are all W, so ∂loss/∂W = Σ_k ∂loss/∂W_k: each pass adds its share to the one gradient.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        self.config = config
        self.embeddings = BertEmbeddings(config, rng, dtype, size=config.embedding_size)
        self.projection = Linear(
            config.embedding_size, config.hidden_size, rng=rng, initializer_range=config.initializer_range,
            dtype=dtype)
        self.encoder = EncoderLayer(
            config.hidden_size, config.num_attention_heads, config.intermediate_size,
            hidden_act=config.hidden_act, dropout_prob=config.hidden_dropout_prob,
            attention_dropout_prob=config.attention_probs_dropout_prob, layer_norm_eps=config.layer_norm_eps,
            rng=rng, initializer_range=config.initializer_range, dtype=dtype)
        self.pooler = Pooler(config, rng, dtype)

    def forward(self, input_ids, token_type_ids=None, attention_mask=None, rng=None, position_ids=None):
        """Encode a batch of sequences → BertModelOutput, cache; arguments and errors are BertModel's."""
        input_ids, token_type_ids, mask = check_inputs(self.config, input_ids, token_type_ids, attention_mask)
        positions = check_positions(self.config, input_ids, position_ids)               # (T,) or (B, T)
        embedded, embeddings_cache = self.embeddings.forward(input_ids, token_type_ids, rng, positions)
        projected, projection_cache = self.projection.forward(embedded)                 # (B, T, H)
        hidden_states, encoder_caches = [projected], []
        for _ in range(self.config.num_hidden_layers):
            hidden, pass_cache = self.encoder.forward(hidden_states[-1], mask, rng)     # (B, T, H)
            hidden_states.append(hidden)
            encoder_caches.append(pass_cache)
        pooled, pooler_cache = self.pooler.forward(hidden_states[-1])                   # (B, H)
        cache = AlbertModelCache(embeddings_cache, projection_cache, encoder_caches, pooler_cache)
        return BertModelOutput(hidden_states[-1], pooled), cache

    def backward(self, d_output, cache):
        """(d_last_hidden_state, d_pooler_output), either may be None → d_embeddings (B, T, E)."""
        d_last_hidden_state, d_pooler_output = d_output
        d_pooled = np.zeros_like(cache.pooler.pooled) if d_pooler_output is None else d_pooler_output
        share_of_pooler = self.pooler.backward(d_pooled, cache.pooler)                  # (B, T, H)
        d_last = share_of_pooler if d_last_hidden_state is None else d_last_hidden_state + share_of_pooler
        d_hidden_states = [None] * len(cache.encoder) + [d_last]                        # as hidden_states
        for k in reversed(range(len(cache.encoder))):
            d_hidden_states[k] = self.encoder.backward(d_hidden_states[k + 1], cache.encoder[k])  # (B, T, H)
        d_embedded = self.projection.backward(d_hidden_states[0], cache.projection)     # (B, T, E)
        d_embeddings = self.embeddings.backward(d_embedded, cache.embeddings)           # (B, T, E)
        return d_embeddings

    config_class = AlbertConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


class AlbertForPreTrainingOutput(NamedTuple):
    loss: np.floating | None  # the sum of its parts
    mlm_loss: np.floating | None
    sop_loss: np.floating | None
    prediction_logits: np.ndarray  # (M, V) for the predicted positions, (B, T, V) without labels
    sop_logits: np.ndarray  # (B, 2): in the order of the text, swapped
    counts: dict  # {"mlm": M, "sop": how many labels}: what each part of the loss is the mean of
    __repr__ = describe_cache


class AlbertForPreTrainingCache(NamedTuple):
    albert: AlbertModelCache
    predictions: MaskedTokenHeadCache
    sop_head: SequenceHeadCache
    __repr__ = describe_cache


class AlbertForPreTraining(Layer):
    """ALBERT with the masked-language-model head and the head that tells the order of two segments.

    loss = mlm_loss + sop_loss, the mean cross-entropy over the predicted tokens plus that over the sequences.

    Args:
        config: an AlbertConfig.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng([seed, 1])  # the heads have draws of their own
        self.config = config
        self.albert = AlbertModel(config, seed, dtype)
        self.predictions = MaskedTokenHead(config, self.albert.embeddings.token.weight, rng, dtype)
        dropout_prob = config.classifier_dropout
        self.sop_head = SequenceHead(
            config.hidden_size, 2, rng=rng, initializer_range=config.initializer_range, dtype=dtype,
            dropout_prob=config.hidden_dropout_prob if dropout_prob is None else dropout_prob)

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None, labels=None, sentence_order_label=None,
        rng=None, position_ids=None,
    ):
        """Run the model → AlbertForPreTrainingOutput, cache. A loss is None if there are no labels for it.

        Args:
            input_ids, token_type_ids, attention_mask, rng, position_ids: as in BertModel.
            labels: (B, T), the original token where one is to be predicted and -100 elsewhere.
            sentence_order_label: (B,), 0 = the first segment comes first in the text, 1 = they are swapped.
        """
        labels, order = check_labels(input_ids, labels, sentence_order_label)
        encoded, albert_cache = self.albert.forward(
            input_ids, token_type_ids, attention_mask, rng, position_ids)
        mlm, predictions_cache = self.predictions.forward(encoded.last_hidden_state, labels)
        sop, sop_head_cache = self.sop_head.forward(encoded.pooler_output, order, rng)
        parts = [loss for loss in (mlm.loss, sop.loss) if loss is not None]
        counts = dict(mlm.counts)
        if order is not None:
            counts["sop"] = sop.counts["label"]
        output = AlbertForPreTrainingOutput(
            loss=sum(parts) if parts else None, mlm_loss=mlm.loss, sop_loss=sop.loss,
            prediction_logits=mlm.logits, sop_logits=sop.logits, counts=counts)
        return output, AlbertForPreTrainingCache(albert_cache, predictions_cache, sop_head_cache)

    def backward(self, cache, d_loss=1.0):
        """Add d_loss times the gradient of the loss to every parameter's gradient.

        Args:
            cache: of forward.
            d_loss: a number, or one for each part of the loss: {"mlm": 0.75, "sop": 0.5}.

        Returns:
            d_embeddings (B, T, E): the gradient of the summed embeddings, before their LayerNorm.

        Raises:
            ValueError: forward was given no labels, so there is no loss.
        """
        if cache.predictions.mlm_loss is None and cache.sop_head.label_loss is None:
            raise ValueError(
                "there is no loss to go back from: give forward labels, sentence_order_label or both")
        d_last_hidden_state = d_pooler_output = None
        if cache.predictions.mlm_loss is not None:
            d_last_hidden_state = self.predictions.backward(cache.predictions, d_loss)  # (B, T, H)
        if cache.sop_head.label_loss is not None:
            d_sop_loss = d_loss["sop"] if isinstance(d_loss, dict) else d_loss
            d_pooler_output = self.sop_head.backward(cache.sop_head, d_sop_loss)        # (B, H)
        d_embeddings = self.albert.backward((d_last_hidden_state, d_pooler_output), cache.albert)  # (B, T, E)
        return d_embeddings

    config_class = AlbertConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


def check_labels(input_ids, labels, sentence_order_label):
    """Return labels (B, T) and sentence_order_label (B,) as integers, None where not given.

    Raises:
        ValueError: a wrong shape or dtype, or another label than 0, 1 and -100.
    """
    shape = np.shape(input_ids)
    if labels is not None:
        labels = integers("labels", labels, shape)
    if sentence_order_label is not None:
        sentence_order_label = integers("sentence_order_label", sentence_order_label, shape[:1])
        class_labels(sentence_order_label, shape[:1], 2)
    return labels, sentence_order_label
