"""Sentence pairs to learn from and to be judged on: from a text, or from the toy language.

Both kinds offer the same: tokenizer, examples, settled_examples, held_out, sentences(), unigram,
pieces_per_word, fingerprint; the toy language also knows which phenomenon decides each masked token, and the
scores of the best possible model.
"""

import functools
import warnings

import numpy as np

from minibert.objectives import continued
from minibert.objectives.corpora import load_corpus
from minibert.text.corpora import CorpusError, check_pairs, split_held_out, split_held_out_texts
from minibert.text.examples import SentencePairs, SingleTexts, TokenizedCorpus, unigram_log_probs
from minibert.text.tokenizer import WordPieceTokenizer
from minibert.training.checkpoint import find_model

MUCH_UNKNOWN = 0.01  # share of [UNK] in the training text that is worth a warning
NUM_DOCUMENTS = 4000  # of the toy language, that Word2Vec reads
FEW_TO_CHOOSE = 0.5  # share of the words' pieces that whole-word masking can reach, below which it warns


class TextPairs:
    """Pairs cut from a corpus.

    Args:
        recipe: a MaskedLMRecipe.
        checkpoint: the folder of a tokenizer; None learns one from the corpus.
        say: function that takes a line of progress.

    Attributes:
        tokenizer, fingerprint.
        examples: of training.  short_examples: of the first steps, half as long; None if the recipe has none.
        settled_examples: of the last steps, masked and paired as in evaluation.
        held_out: streams of one batch each.
        unigram: (V,), log probabilities of the training text's pieces.
        pieces_per_word: of the held-out text.
    """

    tags, phenomena, best_scores = None, (), None
    pair_examples = SentencePairs

    def __init__(self, recipe, checkpoint, say):
        corpus = load_corpus(recipe.corpus, recipe.lines)
        self.fingerprint = corpus.fingerprint
        checkpoint = checkpoint or (recipe.start and find_model(recipe.start)) or None
        training, held_out, examples = _split(corpus, recipe.start and checkpoint, say, self.pair_examples)
        say(
            f"corpus      {corpus.name}: {corpus.num_words:,} words, {len(corpus.documents):,} documents, "
            f"fingerprint {corpus.fingerprint}{corpus.note and '; '}{corpus.note}"
        )
        if checkpoint is None:
            self.tokenizer = learned_tokenizer(training.sentences, recipe)
        else:
            self.tokenizer = WordPieceTokenizer.from_pretrained(checkpoint)
        training_tokens = TokenizedCorpus(training, self.tokenizer)
        held_out_tokens = TokenizedCorpus(held_out, self.tokenizer)
        say(
            f"training    {len(training_tokens.ids):,} word pieces of {self.tokenizer.vocab_size:,}; "
            f"held out {len(held_out_tokens.ids):,}, with no sentence in common"
        )
        warn_of_unknown(training_tokens, self.tokenizer, checkpoint, say)
        if recipe.whole_word:
            _warn_of_long_words(training_tokens, self.tokenizer, recipe, say)
        make = functools.partial(
            examples, training_tokens, self.tokenizer, seed=recipe.seed, whole_word=recipe.whole_word
        )
        learned = {
            "mlm_probability": recipe.mlm_probability,
            "next_sentence_probability": recipe.next_sentence_probability,
        }
        self.examples = make(recipe.seq_length, **learned)
        short = max(recipe.seq_length // 2, 2 * examples.num_special - 1)  # with room for its [CLS] and [SEP]
        self.short_examples = make(short, **learned) if recipe.short_first else None
        self.settled_examples = make(recipe.seq_length) if recipe.settle else self.examples
        held_out_examples = examples(held_out_tokens, self.tokenizer, recipe.seq_length)
        # few at a time: little memory
        self.held_out = held_out_examples.held_out(batch_size=16)
        self.unigram = unigram_log_probs(training_tokens, self.tokenizer.vocab_size)
        self.pieces_per_word = len(held_out_tokens.ids) / held_out_tokens.num_words

    def sentences(self):
        """Yield the sentences of the training text as lists of word pieces."""
        tokenized, token_of = self.examples.tokenized, self.tokenizer.id_to_token
        starts = tokenized.sentence_starts.tolist()
        pieces = [token_of[index] for index in tokenized.ids.tolist()]
        return (pieces[start:end] for start, end in zip(starts, starts[1:]))


def _split(corpus, start, say, pair_examples):
    """Return the training text, the held-out text, and the class of their examples.

    A run that starts from the checkpoint in the folder `start` learns from masked words alone where no
    sentence pairs can be made, or the model has one segment.
    """
    if pair_examples.num_special == 2:
        return *split_held_out_texts(corpus), pair_examples
    if not start:
        return *split_held_out(check_pairs(corpus)), pair_examples
    try:
        if continued.reads_pairs(start):
            return *split_held_out(check_pairs(corpus)), pair_examples
        why = f"{start} reads one text"
    except CorpusError:
        why = "no sentence pairs can be made of this text"
    say(f"note        {why}: examples are single texts, and no pairs")
    return *split_held_out_texts(corpus), SingleTexts


def learned_tokenizer(sentences, recipe):
    """Return a WordPieceTokenizer learned from sentences; a warning (below) says how much it leaves out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return WordPieceTokenizer.train(
            sentences,
            recipe.vocab_size,
            do_lower_case=not recipe.cased,
            strip_accents=recipe.strip_accents,
            limit_alphabet=recipe.alphabet,
        )


def warn_of_unknown(tokens, tokenizer, checkpoint, say):
    """Say so where [UNK] is common in a TokenizedCorpus."""
    share = np.mean(tokens.ids == tokenizer.unk_token_id)
    if share > MUCH_UNKNOWN:
        advice = (
            "give more text, or a larger --alphabet and --vocab-size"
            if checkpoint is None
            else f"the vocabulary of {checkpoint} was learned from another text"
        )
        say(f"warning     {share:.1%} of the word pieces are [UNK], and the model cannot tell them: {advice}")


def _warn_of_long_words(tokens, tokenizer, recipe, say):
    """Say so where whole-word masking has to pass over most words of a TokenizedCorpus: they are too long."""
    starts = np.flatnonzero(tokens.starts_word)  # (W,)
    sizes = np.diff([*starts, len(tokens.ids)])  # (W,), pieces of each word
    is_word = np.array([token.isalnum() for token in tokenizer.id_to_token])[tokens.ids[starts]]  # (W,)
    most = max(1, round(recipe.mlm_probability * recipe.seq_length))  # pieces predicted in an example
    share = sizes[is_word & (sizes <= most)].sum() / max(1, sizes[is_word].sum())
    if share < FEW_TO_CHOOSE:
        say(
            f"warning     whole-word masking can choose {share:.0%} of the pieces of words: an example of "
            f"{recipe.seq_length} tokens predicts {most}, and longer words are passed over; give a larger "
            "--vocab-size or --seq-length"
        )


class ToyPairs:
    """Pairs of the toy language, new ones in every step; arguments and attributes as of TextPairs.

    Attributes:
        tags: which phenomenon decides each masked token of held_out, an index of `phenomena`, their names.
        best_scores: Scores of the best possible model on held_out (see minibert/text/toy/limits.py).
    """

    pieces_per_word = 1.0

    @staticmethod
    def of_language():
        """Return the class of the examples, and that of the best possible model."""
        from minibert.text.toy.limits import Limits
        from minibert.text.toy.pairs import ToyExamples

        return ToyExamples, Limits

    def __init__(self, recipe, checkpoint, say):
        from minibert.text import toy

        ToyExamples, Limits = self.of_language()

        if recipe.short_first:
            raise ValueError(
                f"the toy language's pairs are short: short_first is {recipe.short_first}; make it 0"
            )
        if recipe.cased or recipe.strip_accents or recipe.alphabet or recipe.lines is not None:
            raise ValueError(
                "the toy language has a vocabulary and sentences of its own: leave out --cased, "
                "--strip-accents, --alphabet and --lines"
            )
        language = self.language = toy.TOY
        self.seed = recipe.seed
        self.fingerprint = toy.fingerprint()
        self.tokenizer = language.tokenizer()
        if recipe.start:
            theirs = WordPieceTokenizer.from_pretrained(find_model(recipe.start))
            if theirs.id_to_token != self.tokenizer.id_to_token:
                raise ValueError(
                    f"the toy language has a vocabulary of its own, and {recipe.start} another one: go on "
                    "from a model of the toy language, or give another --corpus"
                )
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

    def sentences(self):
        """Yield the sentences of documents of the language as lists of words."""
        documents = self.language.documents(NUM_DOCUMENTS, self.seed)
        return (list(sentence.words) for document in documents for sentence in document)
