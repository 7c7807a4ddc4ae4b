"""Text in, integer arrays out: corpora, the tokenizer, and BERT's pretraining examples. Knows nothing of models."""

from minibert.text.corpora import Corpus, CorpusError, load_corpus, python_docs, read_files, split_held_out
from minibert.text.examples import Batch, PretrainingExamples, TokenizedCorpus, mask_tokens, unigram_log_probs
from minibert.text.sentences import split_sentences
from minibert.text.tokenizer import Encoding, WordPieceTokenizer
