"""The model and input of `minibert trace`: a BERT to check by hand, or the reader's own model and text."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.models.bert import BertConfig, BertForPreTraining
from minibert.models.gpt import GPT2LMHeadModel, OpenAIGPTLMHeadModel
from minibert.text.tokenizer import MASK, SPECIAL_TOKENS, WordPieceTokenizer

FIRST, SECOND = "the dog chased the cat", "it ran up a tree"
MASKED = (2, 8, 11)  # places of dog, ran and tree
NUM_TOKENS = 15  # T: the last two are [PAD]
OTHER_WORDS = ["bird", "saw"]  # in the vocabulary but not in the sentences: wrong answers
MLM_PROBABILITY = 0.15  # share of the tokens masked in a reader's text


class Example(NamedTuple):
    """A model, its input, and the words of the input.

    Attributes:
        model: a BertForPreTraining, or a model that predicts the next token.
        batch: {argument of its forward: array}, one sequence.
        tokens: list of T strings, as the model sees them: "[CLS]", "the", "[MASK]", ...
        answers: {position: the word hidden there}, or {position: the token that follows}.
    """

    model: Layer
    batch: dict
    tokens: list
    answers: dict


def by_hand(seed=0):
    """Return the Example whose numbers are small enough to read and to check by hand, in float64.

    Letters have different sizes, so that a shape tells its axes: B 1, T 15, H 8, A 2, D 4, F 16, V 20, M 3.
    Weights have a standard deviation of 0.5 (BERT: 0.02): with small ones attention is almost uniform.
    """
    words = dict.fromkeys(f"{FIRST} {SECOND}".split())
    tokenizer = WordPieceTokenizer([*SPECIAL_TOKENS, *words, *OTHER_WORDS, ".", "##s", "##ed", "##ing"])
    config = BertConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=8,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=17,
        initializer_range=0.5,
    )
    model = BertForPreTraining(config, seed, np.float64)
    return _example(model, tokenizer, tokenizer.encode(FIRST, SECOND), MASKED, 0, NUM_TOKENS)


def from_text(model, tokenizer, first=FIRST, second=None, seed=0):
    """Return the Example of a text, or a pair of texts, for a model.

    Where the text has [MASK], the answer is the word that the model thinks likeliest. If it has none, 15 % of
    its tokens are masked, at least one. A pair is labelled as one that belongs together.

    Raises:
        ValueError: there is nothing between the special tokens.
    """
    encoding = tokenizer.encode(first, second, max_length=model.config.max_position_embeddings)
    places = np.flatnonzero(encoding.input_ids == tokenizer.mask_token_id)
    next_sentence_label = None if second is None else 0
    if len(places) == 0:
        special = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id]
        words = np.flatnonzero(~np.isin(encoding.input_ids, special))
        if len(words) == 0:
            raise ValueError(f"the text {first!r} has no word to mask: give a sentence")
        count = max(1, round(MLM_PROBABILITY * len(words)))
        places = np.sort(np.random.default_rng(seed).choice(words, count, replace=False))
        return _example(model, tokenizer, encoding, places, next_sentence_label)
    output, _ = model.forward(encoding.input_ids[np.newaxis], encoding.token_type_ids[np.newaxis])
    guessed = encoding.input_ids.copy()
    named = output.prediction_logits[0, places, : tokenizer.vocab_size]  # without the rows to spare
    guessed[places] = named.argmax(axis=-1)
    return _example(model, tokenizer, encoding._replace(input_ids=guessed), places, next_sentence_label)


def left_to_right(model, tokenizer, text=FIRST, start=None):
    """Return the Example of a text for a model that predicts the next token: a GPT or a recurrent one.

    Args:
        start: the id that begins a text of this model, None for none.

    Raises:
        ValueError: the text has no token that follows another.
    """
    ids = ([] if start is None else [start]) + tokenizer.ids(text)
    most = getattr(model.config, "max_position_embeddings", None)
    ids = np.array(ids[:most], np.int64)[np.newaxis]                            # (1, T)
    if ids.size < 2:
        raise ValueError(f"the text {text!r} has no token that follows another: give a sentence")
    tokens = [tokenizer.id_to_token[index] for index in ids[0]]
    answers = dict(enumerate(tokens[1:]))
    if isinstance(model, (GPT2LMHeadModel, OpenAIGPTLMHeadModel)):  # they shift the labels themselves
        return Example(model, {"input_ids": ids, "labels": ids}, tokens, answers)
    return Example(model, {"input_ids": ids[:, :-1], "labels": ids[:, 1:]}, tokens[:-1], answers)


def _example(model, tokenizer, encoding, places, next_sentence_label, num_tokens=None):
    """Return the Example in which the tokens at `places` are hidden behind [MASK], padded to num_tokens."""
    original = encoding.input_ids
    padding = 0 if num_tokens is None else num_tokens - len(original)
    places = [int(place) for place in places]
    input_ids, labels = original.copy(), np.full(len(original), IGNORE_INDEX)
    labels[places] = original[places]
    input_ids[places] = tokenizer.vocab[MASK]
    batch = {
        "input_ids": np.pad(input_ids, (0, padding), constant_values=tokenizer.pad_token_id)[np.newaxis],
        "token_type_ids": np.pad(encoding.token_type_ids, (0, padding))[np.newaxis],
        "attention_mask": np.pad(encoding.attention_mask, (0, padding))[np.newaxis],
        "labels": np.pad(labels, (0, padding), constant_values=IGNORE_INDEX)[np.newaxis],
    }
    if next_sentence_label is not None:
        batch["next_sentence_label"] = np.array([next_sentence_label])
    tokens = [tokenizer.id_to_token[token] for token in batch["input_ids"][0]]
    return Example(model, batch, tokens, {place: tokenizer.id_to_token[original[place]] for place in places})
