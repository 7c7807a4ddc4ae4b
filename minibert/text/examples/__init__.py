"""Tokens in, batches out: what a model is asked, and the answers. A file each kind of example."""

from minibert.text.examples.masking import mask_tokens
from minibert.text.examples.sentence_pairs import Batch, PretrainingExamples
from minibert.text.examples.tokenized import TokenizedCorpus, unigram_log_probs
