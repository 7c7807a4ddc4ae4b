"""ELMo as a pair of language models over words, and how both are judged; see causal_lm.py for the rest.

Characters come in and words go out. Any word can be read; those that are predicted are the frequent ones and
[UNK], which is right for all others. Text runs on in streams: the state of the direction that reads ahead is
carried from window to window, and the other direction begins at the end of each window.
"""

import dataclasses
from collections import Counter
from typing import NamedTuple

import numpy as np

from minibert.models.elmo import ELMo, ELMoConfig
from minibert.models.kneser_ney import KneserNey
from minibert.objectives.causal_lm import CausalLM, CausalLMRecipe, NextScores
from minibert.objectives.next_tokens import HELD_OUT_ROWS, NUM_ROWS, ORDER, TextTokens, ToyTokens
from minibert.text.basic_tokenizer import SPECIAL_TOKENS, BasicTokenizer
from minibert.text.examples import SpelledWords, Streams, TokenizedCorpus, word_table
from minibert.text.tokenizer import MAX_WORD, WordPieceTokenizer
from minibert.text.toy.next_tokens import ToyWords

# The changes that the presets of `minibert pretrain` make in an ELMoRecipe.
PRESETS = {
    "tiny": {},
    "mini": {
        "hidden_size": 512, "projection_size": 128, "vocab_size": 8000,
        "filters": ((1, 16), (2, 32), (3, 64), (4, 128)),
    },
    "small": {
        "hidden_size": 1024, "projection_size": 256, "vocab_size": 16000, "learning_rate": 1e-3,
        "filters": ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256)), "num_highway_layers": 2,
    },
}
TOY_RECIPE = {
    "hidden_size": 128, "seq_length": 24, "batch_size": 64, "learning_rate": 5e-3, "max_characters": 16,
}
MIN_COUNT = 2  # rarer words are not predicted, so that [UNK] occurs in the training text, too


@dataclasses.dataclass(frozen=True, kw_only=True)
class ELMoRecipe(CausalLMRecipe):
    """How an ELMo is trained.

    Attributes (beside those of CausalLMRecipe):
        vocab_size: words that are predicted, with [UNK] and the other special tokens.
        character_size, filters, num_highway_layers, max_characters: of the words' vectors.
        projection_size: of a word's vector and of an LSTM's output; hidden_size is that of its cell.
    """

    character_size: int = 16
    filters: tuple = ((1, 16), (2, 16), (3, 32), (4, 64))
    num_highway_layers: int = 1
    max_characters: int = 50
    hidden_size: int = 256
    projection_size: int = 64
    num_hidden_layers: int = 2
    seq_length: int = 48
    batch_size: int = 16
    initializer_range: float = 0.1

    presets, toy_recipe = PRESETS, TOY_RECIPE

    def __post_init__(self):
        super().__post_init__()
        if self.alphabet:
            raise ValueError(f"--alphabet {self.alphabet} is of word pieces; ELMo reads bytes: leave it out")


class DirectedScores(NamedTuple):
    """How each answer came out: M predicted words.

    Attributes:
        losses, right: (M,), as in NextScores.  ahead: bool (M,): predicted from the words before it.
    """

    losses: np.ndarray
    right: np.ndarray
    ahead: np.ndarray


class WordEvaluation(NamedTuple):
    """How both directions do on held-out text.

    Attributes:
        next_loss, next_accuracy, phenomena: as in NextEvaluation, over the answers of both directions.
        ahead_loss, back_loss: nats per word of each.
    """

    next_loss: float
    next_accuracy: float
    phenomena: dict
    ahead_loss: float
    back_loss: float


class TextWords(TextTokens):
    """The words of a corpus; arguments and attributes as of TextTokens.

    `tokenizer` knows the words that are predicted. Kneser–Ney models for each direction see words with [UNK]
    for the others; ELMo sees their characters.
    """

    unit = "words"
    held_out_share = 0.02  # both directions and the characters take their time

    def __init__(self, recipe, checkpoint, say, carries_state):
        super().__init__(recipe, checkpoint, say, carries_state)
        rows = self.examples.row(), self.held_out_examples.row()
        words = [*self.tokenizer.id_to_token, *_others(self.texts, self.tokenizer)]
        everything = WordPieceTokenizer(
            words, self.tokenizer.do_lower_case, strip_accents=self.tokenizer.strip_accents)
        table = word_table(words, recipe.max_characters)
        training, held_out = (
            Streams(TokenizedCorpus(text, everything), everything, recipe.seq_length, recipe.seed)
            for text in self.texts
        )
        self.examples = SpelledWords(self.examples, training, table)
        self.held_out = SpelledWords(self.held_out_examples, held_out, table).held_out(HELD_OUT_ROWS)
        of_training, of_held_out = (row[::-1] for row in rows)
        model = KneserNey([of_training], self.tokenizer.vocab_size, ORDER)
        # ELMo does not read the last word, and so it does not predict the one before from it.
        from_right = -model.log_probs([of_held_out])[1:]
        self.num_ahead = len(self.kneser_ney)
        self.kneser_ney = np.concatenate([self.kneser_ney, from_right])

    def learned(self, sentences, recipe):
        """Return the tokenizer of the most frequent words of sentences; all others are [UNK]."""
        basic = BasicTokenizer(not recipe.cased, recipe.strip_accents)
        counts = Counter(word for sentence in sentences for word in basic.words(sentence))
        frequent = [
            word for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            if count >= MIN_COUNT and len(word) <= MAX_WORD and word not in SPECIAL_TOKENS
        ]
        words = [*SPECIAL_TOKENS, *frequent[:max(1, recipe.vocab_size - len(SPECIAL_TOKENS))]]
        return WordPieceTokenizer(words, not recipe.cased, strip_accents=recipe.strip_accents)

    def say_unknown(self, tokens, checkpoint, say):
        """Say how many words are read and not predicted."""
        share = np.mean(tokens.ids == self.tokenizer.unk_token_id)
        say(f"unknown     {share:.1%} of the words are rare: they are read, and predicted as [UNK]")


class ToyPairWords(ToyTokens):
    """The words of rows of the toy language; arguments and attributes as of ToyTokens.

    Attributes:
        tags, best_losses, best_right, kneser_ney: of the answers from left to right, then of those from right
            to left.  num_ahead: the number of the former.
    """

    num_held_out = 2048  # for the same reason

    def __init__(self, recipe, checkpoint, say, carries_state):
        super().__init__(recipe, checkpoint, say, carries_state)
        language, pairs = self.limits.language, self.pairs
        rows, row_lengths = self.examples.rows(NUM_ROWS, np.random.default_rng(0))
        self.examples = ToyWords(
            language, self.tokenizer, recipe.seed, self.num_held_out, recipe.max_characters)
        self.held_out = self.examples.held_out(batch_size=128)
        lengths = pairs.batch.attention_mask.sum(axis=1)
        asked = np.arange(pairs.clean_ids.shape[1]) < lengths[:, np.newaxis] - 1            # (N, T)
        losses, right = self.limits.previous_token(pairs)                                   # (N, T)
        model = KneserNey(_mirrored(rows, row_lengths), self.tokenizer.vocab_size, ORDER)
        from_right = -model.log_probs(_mirrored(pairs.clean_ids, lengths))
        of_row = np.split(from_right, np.cumsum(lengths - 1)[:-1])
        self.num_ahead = len(self.tags)
        self.tags = np.concatenate([self.tags, pairs.tags[asked]])
        self.best_losses = np.concatenate([self.best_losses, losses[asked]])
        self.best_right = np.concatenate([self.best_right, right[asked]])
        self.kneser_ney = np.concatenate([self.kneser_ney, *(some[::-1] for some in of_row)])


def _others(texts, tokenizer):
    """Return the words of Corpora that a tokenizer does not know, sorted."""
    words = {word for text in texts for sentence in text.sentences for word in tokenizer.words(sentence)}
    return sorted(word for word in words - tokenizer.vocab.keys() if len(word) <= MAX_WORD)


def _mirrored(ids, lengths):
    """Return the rows of ids (N, T), of `lengths` (N,) tokens each, from the last token to the first."""
    return [row[:length][::-1] for row, length in zip(ids, lengths)]


class ELMoObjective(CausalLM):
    """An ELMo; see CausalLM. The loss is the mean over the answers of both directions."""

    name, Recipe = "elmo", ELMoRecipe
    kinds, unit, loss_name = (TextWords, ToyPairWords), "word", "word_loss"

    def make_model(self):
        """Return a new model, whose first answer is the unigram model's in both directions."""
        recipe = self.recipe
        config = ELMoConfig(
            vocab_size=self.tokenizer.vocab_size,
            character_size=recipe.character_size,
            filters=recipe.filters,
            num_highway_layers=recipe.num_highway_layers,
            hidden_size=recipe.hidden_size,
            projection_size=recipe.projection_size,
            num_hidden_layers=recipe.num_hidden_layers,
            hidden_dropout_prob=recipe.dropout,
            max_characters=recipe.max_characters,
            initializer_range=recipe.initializer_range,
        )
        model = ELMo(config, seed=recipe.seed)
        model.decoder.bias.value[:] = self.tokens.unigram
        return model

    def hidden_matrices(self, model):
        """Return {name: Parameter} of the matrices between the characters' vectors and the decoder."""
        found = super().hidden_matrices(model)
        return {name: found[name] for name in found if name != "characters.embedding.weight"}

    def answers(self, batch):
        """Return the right answers (M,): the next words of the batch, then the words before."""
        in_order = np.moveaxis(batch.labels, 2, 0)                                          # (2, B, T)
        return in_order[in_order >= 0]

    def score(self, model, batch, state=None):
        """Return the DirectedScores of a model on a batch, and the state that it passes on."""
        scores, state = super().score(model, batch, state)
        ahead = np.arange(len(scores.losses)) < (batch.labels[..., 0] >= 0).sum()
        return DirectedScores(*scores, ahead), state

    def best_evaluation(self):
        """Return the WordEvaluation of the best possible model of the toy language."""
        losses, right = self.tokens.best_losses, self.tokens.best_right
        return self.evaluation(DirectedScores(losses, right, np.arange(len(losses)) < self.tokens.num_ahead))

    def evaluation(self, scores):
        """Return the WordEvaluation of the DirectedScores on all held-out words."""
        losses, right, ahead = scores
        of_both = (np.concatenate([values[ahead], values[~ahead]]) for values in (losses, right))
        evaluation = super().evaluation(NextScores(*of_both))
        return WordEvaluation(*evaluation, float(losses[ahead].mean()), float(losses[~ahead].mean()))

    def table(self, evaluation):
        """Return the lines that end a run; the last tells the directions apart."""
        split = np.split(self.tokens.kneser_ney, [self.tokens.num_ahead])
        name, beside = "Kneser–Ney", [some.mean() for some in split]
        if self.limits:
            name, beside = "limit", (self.limits.ahead_loss, self.limits.back_loss)
        return [
            *super().table(evaluation),
            f"From left to right: {evaluation.ahead_loss:.3f} nats per word ({name} {beside[0]:.3f}); from "
            f"right to left: {evaluation.back_loss:.3f} ({name} {beside[1]:.3f}).",
        ]

    def suggestions(self, directory):
        """Return a command to try on the finished model."""
        of_text = ["The function returns a list.", "A tuple is returned."]
        of_toy = ["the mint was fresh that day", "the mint was guarded that day"]
        return [["embed", directory, *(of_toy if self.is_toy else of_text)]]
