"""Do the trainings of lesson 02 for five seeds: some three minutes on one core.

    python notebooks/data/02_glove.py    # writes 02_glove.json beside it

The functions are those of the notebook. On another machine the last bits differ.
"""

import pathlib

import numpy as np
from threadpoolctl import threadpool_limits

import minibert
from minibert.course.experiments import definitions, store
from minibert.course.word_vectors import analogies_solved, log_correlations
from minibert.gradcheck import museum
from minibert.text import toy
from minibert.text.toy import grammar
from minibert.text.words import words_of

HERE = pathlib.Path(__file__).parent
ETAS, WINDOW, SHOWN = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0), 10, (0, 1, 2, 4, 9)
LESSON = definitions(HERE.parent / "02_glove.ipynb")

documents = words_of(toy.corpus(), whole_documents=True)
vocabulary = sorted({word for document in documents for word in document})
index = {word: row for row, word in enumerate(vocabulary)}
word_ids = np.array([index[word] for document in documents for word in document])
document_ids = np.repeat(np.arange(len(documents)), [len(document) for document in documents])


def table(part=slice(None), weights=1 / np.arange(1, WINDOW + 1)):
    """Return X (V, V) of some of the words of the text."""
    return LESSON["count_pairs"](word_ids[part], document_ids[part], len(vocabulary), weights)


X = table()
at_rows, at_columns = np.nonzero(X)
cells = X[at_rows, at_columns].astype(np.float32)
LESSON.update(V=len(vocabulary), D=40, at_rows=at_rows, at_columns=at_columns, cells=cells)


def build(seed, with_biases=False):
    """Return the lesson's model; `with_biases`, one whose biases begin where log X is best fitted by them."""
    model = LESSON["GloVeOfLookups"](len(vocabulary), 40, np.random.default_rng(seed))
    if with_biases:
        log_x = np.where(X > 0, np.log(np.maximum(X, 1e-9)), 0)
        of_word = log_x.sum(axis=1) / (X > 0).sum(axis=1) - log_x.sum() / (X > 0).sum() / 2
        for bias in (model.word_bias, model.context_bias):
            bias.weight.value[:, 0] = of_word
    return model


def curve(model, seed, epochs=10, **options):
    """Return the objective per cell after some of the epochs."""
    with np.errstate(over="ignore", invalid="ignore"):
        history, squares = LESSON["train"](model, epochs, seed=seed + 1, **options)
    return history, squares


def curves(seed):
    """Return the curves of sections 6 and 7, and the objective by rate."""
    found = {rule: [curve(build(seed), seed, 6, eta=eta, adagrad=rule == "AdaGrad")[0][-1] for eta in ETAS]
             for rule in ("AdaGrad", "gradient descent")}
    squares = curve(build(seed), seed, 6)[1]["word.weight"]
    left = 0.1 / np.sqrt(squares).mean(axis=1)
    found["rate left"] = left.max() / left[index["the"]]
    planted = museum.plant(build(seed), "repeated-ids")
    small = museum.plant(build(seed), "repeated-ids")
    trials = {
        "right": (build(seed), {}),
        "bias without rate": (build(seed), {"bias_eta": 1.0}),
        "right, biases fitted": (build(seed, with_biases=True), {}),
        "bias without rate, biases fitted": (build(seed, with_biases=True), {"bias_eta": 1.0}),
        "planted": (planted, {}),
        "right, batches of 256": (build(seed), {"batch": 256}),
        "planted, batches of 256": (small, {"batch": 256}),
    }
    for name, (model, options) in trials.items():
        history, _ = curve(model, seed, **options)
        found[name] = [history[epoch] for epoch in SHOWN]
    return found


def ratios(glove):
    """Return how well the vectors give the ratios of duck and frog: the correlation, and the slope."""
    order = [glove.index[word] for word in vocabulary]
    duck, frog = index["duck"], index["frog"]
    both = (X[duck] > 2) & (X[frog] > 2)
    counted = np.log(X[duck][both] / X[frog][both])
    scores = (glove.word_vectors @ glove.context_vectors.T)[np.ix_(order, order)]
    fitted = (scores[duck] - scores[frog])[both]
    covariance = np.cov(counted, fitted)
    return [np.corrcoef(counted, fitted)[0, 1], covariance[0, 1] / covariance[0, 0]]


def vectors(seed):
    """Return what section 8 measures."""
    options = {"vector_size": 50, "window": WINDOW, "x_max": 10, "epochs": 100, "eta": 0.1, "seed": seed}
    glove = minibert.GloVe(documents, **options)
    word2vec = minibert.Word2Vec(documents, vector_size=50, window=WINDOW, negative=5, epochs=5, sample=0,
                                 min_count=1, equal_negatives="paper", seed=seed)
    order, read = (np.ix_(*2 * [[each.index[word] for word in vocabulary]]) for each in (glove, word2vec))
    bias = (glove.word_bias[:, np.newaxis] + glove.context_bias)[order]
    score = (glove.word_vectors @ glove.context_vectors.T)[order] + bias
    near = table(weights=1 - np.arange(WINDOW) / WINDOW)
    noise = np.bincount(word_ids) ** 0.75
    its_bias = np.log(near.sum(axis=1))[:, np.newaxis] + np.log(5 * noise / noise.sum())
    its_score = (word2vec.vectors @ word2vec.output_vectors.T)[read] + its_bias
    found = {"GloVe": log_correlations(X, score, bias),
             "Word2Vec": log_correlations(near, its_score, its_bias)}
    for name, scores, counts in (("GloVe", score, X), ("Word2Vec", its_score, near)):
        off = scores - np.log(np.maximum(counts, 1e-9))
        found[f"{name}, spread"] = [off[(counts > 0) & (counts < 2)].std(), off[counts > 100].std()]
    found["ratios"] = ratios(glove)
    found["ratios, 150 columns"] = ratios(minibert.GloVe(documents, **{**options, "vector_size": 150}))
    found["ratios, all weigh 1"] = ratios(minibert.GloVe(documents, **{**options, "x_max": 0.1}))
    kinds = {"w + c": glove, "w": minibert.WordVectors(glove.words, glove.word_vectors, glove.counts),
             "Word2Vec": word2vec}
    lemmas = [line.split() for topic in grammar.LEMMAS for line in topic]
    families = [[("king", "queen"), ("prince", "princess"), ("man", "woman"), ("boy", "girl")],
                list(zip(grammar.COUNTRIES.split(), grammar.CAPITALS.split())),
                [(lemma[0], lemma[1]) for lemma in lemmas[:6]]]
    verbs_and_looks = {word for lemma in lemmas for word in lemma[2:]}
    for name, kind in kinds.items():
        found[f"{name}, analogies"] = [analogies_solved(kind, pairs)[0] for pairs in families]
        nearest = [word for lemma in lemmas for word, _ in kind.most_similar(lemma[0], topn=5)]
        found[f"{name}, does and is"] = np.mean([word in verbs_and_looks for word in nearest])
        found[f"{name}, duck"] = [word for word, _ in kind.most_similar("duck", topn=5)]
    return found


def spreads(seed):
    """Return the spread of log X between two random halves of the documents, for small and large counts."""
    first = np.random.default_rng(seed).permutation(len(documents))[: len(documents) // 2]
    is_first = np.isin(document_ids, first)
    one, other = table(is_first), table(~is_first)
    both, size = (one > 0) & (other > 0), one + other
    off = np.log(np.maximum(one, 1e-9)) - np.log(np.maximum(other, 1e-9))
    return [off[both & (size < 2)].std(), off[both & (size > 100)].std()]


def of_little_text(seed, largest=20):
    """Train on a few documents; return for x_max 10 and 100 how far the scores are from log X, on average."""
    order, number = np.random.default_rng(seed).permutation(len(documents)), 1
    while (counted := table(np.isin(document_ids, order[:number]))).max() < largest:
        number += 1
    rows, columns = np.nonzero(counted)
    LESSON.update(at_rows=rows, at_columns=columns, cells=counted[rows, columns].astype(np.float32))
    found = []
    for x_max in (10, 100):
        model = build(seed)
        model.x_max = x_max
        curve(model, seed, batch=256)
        _, cache = model.forward(rows, columns, counts=LESSON["cells"])
        found.append(np.abs(cache.difference).mean())
    LESSON.update(at_rows=at_rows, at_columns=at_columns, cells=cells)
    return found


def of_seed(seed):
    """Return all that the lesson says of trained vectors."""
    return {**curves(seed), **vectors(seed), "halves": spreads(seed), "little text": of_little_text(seed)}


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):
        store(__file__, of_seed)
