"""Token embeddings that start from Word2Vec: Word2Vec learns them in a few seconds."""

import warnings

import numpy as np

from minibert.word_vectors.word2vec import Word2Vec

OPTIONS = {"window": 5, "negative": 5, "sample": 1e-3, "epochs": 5}


def word2vec_rows(tokenizer, sentences, size, seed):
    """Return the rows of an embedding table that Word2Vec learned something for, and their vectors.

    A row is found by its token, never by its place: Word2Vec counts words by frequency, a tokenizer in the
    order of its vocabulary. [CLS], [SEP] and [MASK] occur in no sentence and have no vector.

    Args:
        tokenizer: tokenizer.vocab is {token: row}.
        sentences: lists of tokens.
        size: H.
        seed: of Word2Vec's random numbers.

    Returns:
        rows: a list of R integers.
        vectors: (R, H) float32, centred, with standard deviation 1. None of both where no token has a
            neighbour to learn from.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a text too small for good vectors
            learned = Word2Vec(sentences, vector_size=size, min_count=1, seed=seed, **OPTIONS)
    except ValueError:
        return [], np.zeros((0, size), np.float32)
    centred = learned.vectors - learned.vectors.mean(axis=0)                # (R, H)
    return [tokenizer.vocab[token] for token in learned.words], centred / centred.std()
