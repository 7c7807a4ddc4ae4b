"""Sentence pairs to learn from and to be judged on: from a text, or from the toy language.

Both kinds offer the same: tokenizer, batch(step, recipe), held_out, unigram, pieces_per_word, fingerprint;
the toy language also knows which phenomenon decides each masked token, and the scores of the best possible
model.
"""

import numpy as np

from minibert.objectives.corpora import load_corpus
from minibert.text.corpora import split_held_out
from minibert.text.examples import SentencePairs, TokenizedCorpus, unigram_log_probs
from minibert.text.tokenizer import WordPieceTokenizer


class TextPairs:
    """Pairs cut from a corpus.

    Args:
        recipe: a MaskedLMRecipe.
        checkpoint: the folder of a tokenizer; None learns one from the corpus.
        say: function that takes a line of progress.

    Attributes:
        tokenizer, fingerprint.
        examples: of training.  settled_examples: of the last steps, masked and paired as in evaluation.
        held_out: streams of one batch each.
        unigram: (V,), log probabilities of the training text's pieces.
        pieces_per_word: of the held-out text.
    """

    tags, phenomena, best_scores = None, (), None

    def __init__(self, recipe, checkpoint, say):
        corpus = load_corpus(recipe.corpus)
        self.fingerprint = corpus.fingerprint
        training, held_out = split_held_out(corpus)
        say(
            f"corpus      {corpus.name}: {corpus.num_words:,} words, {len(corpus.documents):,} documents, "
            f"fingerprint {corpus.fingerprint}"
        )
        if checkpoint is None:
            sentences = (sentence for document in training.documents for sentence in document)
            self.tokenizer = WordPieceTokenizer.train(sentences, recipe.vocab_size)
        else:
            self.tokenizer = WordPieceTokenizer.from_pretrained(checkpoint)
        training_tokens = TokenizedCorpus(training, self.tokenizer)
        held_out_tokens = TokenizedCorpus(held_out, self.tokenizer)
        say(
            f"training    {len(training_tokens.ids):,} word pieces of {self.tokenizer.vocab_size:,}; "
            f"held out {len(held_out_tokens.ids):,}, with no sentence in common"
        )
        common = {"seq_length": recipe.seq_length, "seed": recipe.seed, "whole_word": recipe.whole_word}
        self.examples = SentencePairs(
            training_tokens,
            self.tokenizer,
            mlm_probability=recipe.mlm_probability,
            next_sentence_probability=recipe.next_sentence_probability,
            **common,
        )
        settled = (
            SentencePairs(training_tokens, self.tokenizer, **common) if recipe.settle else self.examples
        )
        self.settled_examples = settled
        held_out_examples = SentencePairs(held_out_tokens, self.tokenizer, recipe.seq_length)
        # few at a time: little memory
        self.held_out = held_out_examples.held_out(batch_size=16)
        self.unigram = unigram_log_probs(training_tokens, self.tokenizer.vocab_size)
        self.pieces_per_word = len(held_out_tokens.ids) / held_out_tokens.num_words


class ToyPairs:
    """Pairs of the toy language, new ones in every step; arguments and attributes as of TextPairs.

    Attributes:
        tags: which phenomenon decides each masked token of held_out, an index of `phenomena`, their names.
        best_scores: Scores of the best possible model on held_out (see minibert/text/toy/limits.py).
    """

    pieces_per_word = 1.0

    def __init__(self, recipe, checkpoint, say):
        from minibert.text import toy
        from minibert.text.toy.limits import Limits
        from minibert.text.toy.pairs import ToyExamples

        language = toy.TOY
        self.fingerprint = toy.fingerprint()
        self.tokenizer = language.tokenizer()
        self.examples = ToyExamples(
            language, self.tokenizer, recipe.seed, recipe.mlm_probability, recipe.next_sentence_probability
        )
        self.settled_examples = ToyExamples(language, self.tokenizer, recipe.seed)
        held_out_examples = ToyExamples(language, self.tokenizer)
        self.held_out, pairs = held_out_examples.held_out(batch_size=128), held_out_examples.held_out_pairs()
        longest = pairs.clean_ids.shape[1]
        if longest > recipe.seq_length:
            raise ValueError(
                f"a pair of toy sentences has up to {longest} tokens: --seq-length {recipe.seq_length} "
                "is too short for them"
            )
        limits = Limits(language, self.tokenizer)
        self.tags, self.phenomena = pairs.tags[pairs.batch.labels >= 0], language.phenomena
        self.best_scores = limits.scores(pairs.batch)
        probs = limits.baselines(pairs)["unigram"][0]
        self.unigram = np.log((1 - 1e-4) * probs + 1e-4 / len(probs))  # special tokens are never predicted
        self.num_words, self.num_pairs = len(language.words), len(pairs.tags)
