"""The tokenized corpus is the text, and the unigram model counts its tokens."""

import numpy as np
import pytest

from minibert.text import Corpus
from minibert.text.examples import TokenizedCorpus, unigram_log_probs


def test_tokenized_corpus_is_the_text(text, tokenized):
    tokenizer, corpus = text
    sentence = 0
    for document, first in zip(corpus.documents, tokenized.document_starts):
        assert first == sentence
        for expected in document:
            start, end = tokenized.sentence_starts[sentence:sentence + 2]
            assert tokenized.ids[start:end].tolist() == tokenizer.ids(expected)
            sentence += 1
    assert tokenized.document_starts[-1] == sentence and tokenized.sentence_starts[-1] == len(tokenized.ids)
    assert tokenized.ids.dtype == np.int32
    assert tokenized.num_words == corpus.num_words + len(corpus.sentences)  # the full stops count, too
    assert 0.2 < tokenized.starts_word.mean() < 0.9


def test_empty_sentences_and_documents_are_dropped(text):
    corpus = Corpus("holes", [["\u200b"], ["ba ce.", "\u200b", "di."], ["\u200b"], ["fo."]])
    tokenized = TokenizedCorpus(corpus, text[0])
    assert tokenized.document_starts.tolist() == [0, 2, 3]
    assert tokenized.sentence_starts.tolist() == [0, 3, 5, 7]


def test_unigram_log_probs(text, tokenized):
    tokenizer = text[0]
    log_probs = unigram_log_probs(tokenized, tokenizer.vocab_size)
    assert log_probs.dtype == np.float64 and np.exp(log_probs).sum() == pytest.approx(1.0)
    full_stop = tokenizer.vocab["."]
    total = len(tokenized.ids) + tokenizer.vocab_size
    num_full_stops = 60 * 6.5  # 60 documents of 6.5 sentences each
    assert log_probs[full_stop] == pytest.approx(np.log((num_full_stops + 1) / total))
    assert log_probs[tokenizer.mask_token_id] == pytest.approx(-np.log(total))
