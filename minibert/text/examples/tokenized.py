"""A corpus as one flat array of token ids, which all examples of real text are cut from."""

import numpy as np

from minibert.text.examples.masking import word_start_table


class TokenizedCorpus:
    """A corpus as one array of ids, and where its sentences and documents start in it.

    Args:
        corpus: a Corpus.
        tokenizer: a WordPieceTokenizer; or another one, which has no "##", and so starts_word and num_words
            have no meaning. Sentences without any token are dropped, and documents without sentences.

    Attributes:
        ids: int32 (N,), the pieces of all sentences one after the other, without special tokens.
        sentence_starts: int64 (S + 1,): sentence k is ids[sentence_starts[k]:sentence_starts[k + 1]].
        document_starts: int64 (D + 1,): document k holds the sentences from document_starts[k] to before
            document_starts[k + 1].
        starts_word: bool (N,), False for a piece that continues a word ("##ing").
        num_words: the number of words and punctuation marks. It does not depend on the vocabulary, so losses
            of different vocabularies compare as loss per word = loss per piece * N / num_words.
    """

    def __init__(self, corpus, tokenizer):
        ids = []
        sentence_starts = [0]
        document_starts = [0]
        for document in corpus.documents:
            for sentence in document:
                pieces = tokenizer.ids(sentence)
                if pieces:
                    ids += pieces
                    sentence_starts.append(len(ids))
            num_sentences = len(sentence_starts) - 1
            if num_sentences > document_starts[-1]:
                document_starts.append(num_sentences)
        self.ids = np.array(ids, np.int32)
        self.sentence_starts = np.array(sentence_starts, np.int64)
        self.document_starts = np.array(document_starts, np.int64)
        self.starts_word = word_start_table(tokenizer)[self.ids]
        self.num_words = int(np.count_nonzero(self.starts_word))

    def __repr__(self):
        return (f"TokenizedCorpus({len(self.ids):,} pieces, {self.num_words:,} words, "
                f"{len(self.sentence_starts) - 1:,} sentences, {len(self.document_starts) - 1:,} documents)")


def unigram_log_probs(tokenized, vocab_size):
    """Return the log-probability of each token under the unigram model of a TokenizedCorpus: float64 (V,).

        p(token) = (count(token) + 1) / (N + V)            add-one smoothing: no token has probability 0

    The unigram baseline of the masked language model is the mean of -log p over the predicted tokens: the
    loss of one who knows how frequent each token is, and looks at nothing else.
    """
    counts = np.bincount(tokenized.ids, minlength=vocab_size)
    return np.log((counts + 1) / (len(tokenized.ids) + vocab_size))
