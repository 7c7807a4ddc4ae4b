"""Text in, tokens out: corpora, sentences, words and tokenizers. Knows nothing of models."""

from minibert.text.byte_level_bpe import ByteLevelBPETokenizer
from minibert.text.corpora import (
    Corpus,
    CorpusError,
    check_pairs,
    load_corpus,
    python_docs,
    read_files,
    split_held_out,
)
from minibert.text.gpt_tokenizer import OpenAIGPTTokenizer
from minibert.text.sentences import split_sentences
from minibert.text.tokenizer import Encoding, WordPieceTokenizer
