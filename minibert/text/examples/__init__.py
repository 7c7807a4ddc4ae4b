"""Tokens in, batches out: inputs of a model and the labels it must predict. A file for each kind of example.

All kinds keep one promise. The batches are NamedTuples, their fields named like the arguments of the model's
`forward`:

    examples.batch(step, batch_size)    the batch of a training step, always the same for the same step
    examples.held_out(batch_size)       a list of streams, each a list of batches in order, for evaluation

A model's state is passed on from batch to batch within a stream, and never from one stream to another.
"""

from minibert.text.examples.labelled import (
    LabelledExamples,
    SpanBatch,
    TagBatch,
    TextBatch,
    encode_questions,
    encode_tagged,
    encode_texts,
)
from minibert.text.examples.masked_texts import MaskedBatch, MaskedTexts
from minibert.text.examples.masking import mask_tokens
from minibert.text.examples.permutations import PermutationBatch, Permutations, permutation_batch
from minibert.text.examples.sentence_order import OrderBatch, SentenceOrder
from minibert.text.examples.sentence_pairs import PairBatch, SentencePairs
from minibert.text.examples.single_texts import SingleTexts
from minibert.text.examples.streams import NextBatch, Streams, Windows, shifted_inside
from minibert.text.examples.tokenized import TokenizedCorpus, unigram_log_probs
from minibert.text.examples.translation import TranslationBatch, Translations
from minibert.text.examples.words import SpelledWords, WordBatch, word_table
