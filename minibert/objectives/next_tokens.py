"""Next tokens to learn from and to be judged on: from a text, or from the toy language.

All kinds offer the same: tokenizer, files, examples, held_out, unigram, kneser_ney (a loss for each held-out
token), pieces_per_word, fingerprint; the toy language also knows which phenomenon decides each token, and the
losses of the best possible model.
"""

import numpy as np

from minibert.models.kneser_ney import KneserNey
from minibert.objectives.corpora import load_corpus
from minibert.objectives.sentence_pairs import learned_tokenizer, warn_of_unknown
from minibert.text import byte_level_bpe, tokenizer_files
from minibert.text.basic_tokenizer import BasicTokenizer
from minibert.text.byte_level_bpe import ByteLevelBPETokenizer
from minibert.text.corpora import Corpus, CorpusError, split_held_out, split_held_out_texts
from minibert.text.examples import Streams, TokenizedCorpus, Windows, unigram_log_probs
from minibert.text.tokenizer import WordPieceTokenizer

ORDER = 5  # of the Kneser–Ney model
HELD_OUT_ROWS = 16  # of text that are evaluated together
NUM_ROWS = 20_000  # of the toy language that the Kneser–Ney model counts


class TextTokens:
    """The tokens of a corpus: word pieces.

    Args:
        recipe: a CausalLMRecipe.  checkpoint: the folder of a tokenizer; None learns one from the corpus.
        say: function that takes a line of progress.
        carries_state: the text runs on from batch to batch (Streams), or not (Windows).

    Attributes:
        texts: the Corpus of training and the one that is held out.
        tokenizer, fingerprint.  files: the names of the tokenizer's.
        examples: of training.  held_out_examples, held_out: the others, and their streams.
        unigram: (V,), log probabilities of the training text's tokens.
        kneser_ney: (M,), nats of the Kneser–Ney model for each held-out token.
        pieces_per_word: of the held-out text.
    """

    tags, phenomena, best_losses, best_right = None, (), None, None
    unit, files, tokenizer_class = "word pieces", tokenizer_files.WRITTEN, WordPieceTokenizer
    held_out_share = 0.05  # of the words of the corpus

    def __init__(self, recipe, checkpoint, say, carries_state):
        corpus = load_corpus(recipe.corpus, recipe.lines)
        self.fingerprint = corpus.fingerprint
        try:
            training, held_out = split_held_out(corpus, self.held_out_share)
        except CorpusError:
            training, held_out = split_held_out_texts(corpus, self.held_out_share)
        self.texts = training, held_out
        say(
            f"corpus      {corpus.name}: {corpus.num_words:,} words, {len(corpus.documents):,} documents, "
            f"fingerprint {corpus.fingerprint}{corpus.note and '; '}{corpus.note}"
        )
        training, held_out = map(self.written, self.texts)
        self.tokenizer = (
            self.learned(training.sentences, recipe) if checkpoint is None
            else self.tokenizer_class.from_pretrained(checkpoint)
        )
        training_tokens = TokenizedCorpus(training, self.tokenizer)
        held_out_tokens = TokenizedCorpus(held_out, self.tokenizer)
        say(
            f"training    {len(training_tokens.ids):,} {self.unit} of {self.tokenizer.vocab_size:,}; "
            f"held out {len(held_out_tokens.ids):,}, with no sentence in common"
        )
        self.say_unknown(training_tokens, checkpoint, say)
        kind = Streams if carries_state else Windows
        self.examples = kind(training_tokens, self.tokenizer, recipe.seq_length, recipe.seed)
        self.held_out_examples = kind(held_out_tokens, self.tokenizer, recipe.seq_length)
        self.held_out = self.held_out_examples.held_out(HELD_OUT_ROWS)
        self.unigram = unigram_log_probs(training_tokens, self.tokenizer.vocab_size)
        model = KneserNey([self.examples.row()], self.tokenizer.vocab_size, ORDER)
        self.kneser_ney = -model.log_probs([self.held_out_examples.row()])
        self.pieces_per_word = len(held_out_tokens.ids) / self.count_words(held_out_tokens)

    def written(self, corpus):
        """Return a Corpus as the tokenizer reads it."""
        return corpus

    def learned(self, sentences, recipe):
        """Return the tokenizer that is learned from sentences."""
        return learned_tokenizer(sentences, recipe)

    def say_unknown(self, tokens, checkpoint, say):
        """Say so where [UNK] is common in the training tokens."""
        warn_of_unknown(tokens, self.tokenizer, checkpoint, say)

    def count_words(self, tokens):
        """Return the number of words and punctuation marks in the TokenizedCorpus that is held out."""
        return tokens.num_words


class ByteLevelTokens(TextTokens):
    """The tokens of a corpus: GPT-2's, which are made of bytes, so that none is unknown.

    A document is one text: a sentence after the first one begins with a space. Words are those of BERT's
    tokenizer, so that losses per word compare.
    """

    unit, files, tokenizer_class = "tokens", byte_level_bpe.WRITTEN, ByteLevelBPETokenizer

    def written(self, corpus):
        """Return the Corpus with a space before all sentences of a document but the first.

        Half a character, which UTF-8 cannot write, becomes "?".
        """
        documents = [
            [sentence.encode(errors="replace").decode() for sentence in document]
            for document in corpus.documents
        ]
        return Corpus(corpus.name, [[first, *(" " + other for other in rest)] for first, *rest in documents])

    def learned(self, sentences, recipe):
        """Return the tokenizer that is learned from sentences."""
        return ByteLevelBPETokenizer.train(sentences, recipe.vocab_size)

    def say_unknown(self, tokens, checkpoint, say):
        """Say nothing: every text is made of bytes."""

    def count_words(self, tokens):
        """Return the number of words and punctuation marks in the text that is held out."""
        basic = BasicTokenizer()
        return sum(len(basic.words(sentence)) for sentence in self.texts[1].sentences)


class ToyTokens:
    """Rows of the toy language, new ones in every step; arguments and attributes as of TextTokens.

    Attributes:
        pairs: the Pairs that are held out.  limits: the language's Limits.
        tags: the phenomenon that decides each held-out token, an index of `phenomena`, their names; −1 for
            the [SEP] that ends a sentence.
        best_losses, best_right: of the best possible model, (M,) each, in the order of the labels.
    """

    pieces_per_word, num_held_out, files = 1.0, None, tokenizer_files.WRITTEN

    def __init__(self, recipe, checkpoint, say, carries_state):
        from minibert.text import toy
        from minibert.text.toy.limits import Limits
        from minibert.text.toy.next_tokens import ToyNextTokens

        if recipe.cased or recipe.strip_accents or recipe.alphabet or recipe.lines is not None:
            raise ValueError(
                "the toy language has a vocabulary and sentences of its own: leave out --cased, "
                "--strip-accents, --alphabet and --lines"
            )
        language = toy.TOY
        self.fingerprint, self.tokenizer = toy.fingerprint(), language.tokenizer()
        self.examples = ToyNextTokens(language, self.tokenizer, recipe.seed, self.num_held_out)
        self.held_out = self.examples.held_out(batch_size=128)
        pairs = self.pairs = self.examples.held_out_pairs()
        lengths = pairs.batch.attention_mask.sum(axis=1)
        if lengths.max() - 1 > recipe.seq_length:
            raise ValueError(
                f"a pair of toy sentences has up to {lengths.max()} tokens: --seq-length {recipe.seq_length} "
                "is too short for them"
            )
        self.limits = Limits(language, self.tokenizer)
        losses, right = self.limits.next_token(pairs)                           # (N, T)
        asked = pairs.batch.attention_mask.astype(bool) & (np.arange(losses.shape[1]) > 0)
        self.best_losses, self.best_right = losses[asked], right[asked]
        self.tags, self.phenomena = pairs.tags[asked], language.phenomena
        self.num_words, self.num_rows = len(language.words), len(lengths)
        ids, row_lengths = self.examples.rows(NUM_ROWS, np.random.default_rng(0))
        texts = [row[:length] for row, length in zip(ids, row_lengths)]
        vocab_size = self.tokenizer.vocab_size
        counts = np.bincount(np.concatenate([row[1:] for row in texts]), minlength=vocab_size)
        self.unigram = np.log((counts + 1) / (counts.sum() + vocab_size))
        model = KneserNey(texts, vocab_size, ORDER)
        self.kneser_ney = -model.log_probs([row[:end] for row, end in zip(pairs.clean_ids, lengths)])
