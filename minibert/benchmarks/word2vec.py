"""Word2Vec: words per second and quality, beside gensim where it is installed.

All run one thread, in one process, in turn. Words are those of the training text, times the epochs; the time
is that of training, from token lists to vectors, vocabulary included. Quality is measured on text held out
from training and on a file of rated word pairs.
"""

import functools
import statistics
import time
from typing import NamedTuple

import numpy as np

from minibert.arguments import add_corpus
from minibert.benchmarks.harness import add_number, is_installed, median_ratio, spread, take_turns
from minibert.objectives.corpora import load_corpus
from minibert.text.corpora import split_held_out
from minibert.text.words import words_of
from minibert.word_vectors.vectors import WordVectors
from minibert.word_vectors.word2vec import Word2Vec
from minibert.word_vectors.word2vec_text import keep_probabilities, noise_probabilities

HELP = "Word2Vec: words per second and quality, beside gensim"
DESCRIPTION = (
    "Train skip-gram and CBOW in turn with minibert and, where it is installed, gensim, one thread each, "
    "with a new seed in each round. Prints medians, and each round with --json."
)
NEGATIVE, WINDOW = 5, 5


class Trained(NamedTuple):
    vectors: WordVectors
    output: np.ndarray  # (V, D)
    words_per_second: float


def add_options(command):
    """Add the options to an argparse parser."""
    add_corpus(command)
    command.add_argument(
        "--similarity", metavar="FILE", help="word pairs with ratings, such as wordsim353.txt"
    )
    add_number(command, "--rounds", 3, "rounds")
    add_number(command, "--epochs", 5, "passes over the text")
    command.add_argument(
        "--model", choices=("skip-gram", "cbow", "both"), default="both",
        help="model to train (default: both)",
    )


def measure(options, say):
    """Train all of them in turn; return the settings and a result for each round."""
    from threadpoolctl import threadpool_limits

    corpus = load_corpus(options.corpus)
    training, held_out = map(words_of, split_held_out(corpus))
    num_words = sum(map(len, training))
    trainers = {"minibert": train_minibert}
    if is_installed("gensim"):
        trainers["gensim"] = train_gensim

    def train(model, name, round_number):
        seed = 1 + round_number
        trained = trainers[name](training, int(model == "skip-gram"), options.epochs, seed)
        result = {
            "model": model, "by": name, "seed": seed, "words_per_second": trained.words_per_second,
            "held_out_loss": held_out_loss(trained.vectors, trained.output, held_out),
        }
        if options.similarity:
            result["spearman"] = trained.vectors.evaluate_similarity(options.similarity).spearman
        return result

    models = ["skip-gram", "cbow"] if options.model == "both" else [options.model]
    turns = {(model, name): functools.partial(train, model, name) for model in models for name in trainers}
    with threadpool_limits(1):
        rounds = zip(*take_turns(turns, options.rounds).values())
    results = [result for a_round in rounds for result in a_round]
    say(corpus)
    say(f"training text: {num_words:,} words, {options.epochs} epochs, one thread; median of "
        f"{options.rounds} rounds")
    for line in table(results, models, trainers):
        say(line)
    if "gensim" not in trainers:
        say("gensim is not installed: pip install gensim for a comparison")
    return {
        "corpus": corpus.name, "fingerprint": corpus.fingerprint, "words": num_words,
        "epochs": options.epochs, "results": results,
    }


def table(results, models, names):
    """Yield the lines of the table: medians, and half the range of the measures of quality."""
    yield f"\n{'':<10} {'':<10} {'words/s':>12} {'held-out loss':>16} {'Spearman':>16}"
    for model in models:
        speeds = {}
        for name in names:
            rows = [result for result in results if (result["model"], result["by"]) == (model, name)]
            speeds[name] = [row["words_per_second"] for row in rows]
            loss = spread([row["held_out_loss"] for row in rows])
            rank = spread([row["spearman"] for row in rows if "spearman" in row])
            yield f"{model:<10} {name:<10} {statistics.median(speeds[name]):>12,.0f} {loss:>16} {rank:>16}"
        if "gensim" in speeds:
            yield f"{'':<10} {'ratio':<10} {median_ratio(speeds['minibert'], speeds['gensim']):>12.2f}"


def train_minibert(sentences, sg, epochs, seed):
    """Train ours."""
    start = time.perf_counter()
    vectors = Word2Vec(sentences, sg=sg, epochs=epochs, seed=seed, negative=NEGATIVE, window=WINDOW)
    seconds = time.perf_counter() - start
    return Trained(vectors, vectors.output_vectors, epochs * vectors.num_words / seconds)


def train_gensim(sentences, sg, epochs, seed):
    """Train gensim's with the same settings and one worker."""
    import gensim

    start = time.perf_counter()
    model = gensim.models.Word2Vec(
        sentences, vector_size=100, window=WINDOW, negative=NEGATIVE, sg=sg, epochs=epochs, seed=seed,
        min_count=5, sample=1e-3, alpha=0.025, workers=1,
    )
    seconds = time.perf_counter() - start
    counts = [model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key]
    vectors = WordVectors(model.wv.index_to_key, model.wv.vectors, counts)
    return Trained(vectors, model.syn1neg, epochs * sum(map(len, sentences)) / seconds)


def held_out_loss(vectors, output, sentences, sample=1e-3, seed=0):
    """Return the skip-gram loss with negative sampling on other text, per pair.

    The text is thinned out as in training, with draws of its own; distances are weighted as the dynamic
    window does it, and the negatives are not drawn but summed over all words, so that the number depends on
    the vectors alone:

        mean over pairs (i, j) of  −log σ(v_i · u_j) − negative · Σ_k p_k log σ(−v_i · u_k)
    """
    rng = np.random.default_rng(seed)
    keep_probs, noise_probs = keep_probabilities(vectors.counts, sample), noise_probabilities(vectors.counts)
    texts = [[vectors.index[word] for word in sentence if word in vectors] for sentence in sentences]
    ids = np.concatenate([np.array(text, np.int64) for text in texts])
    sentence_ids = np.repeat(np.arange(len(texts)), list(map(len, texts)))
    is_kept = rng.random(len(ids)) < keep_probs[ids]
    ids, sentence_ids = ids[is_kept], sentence_ids[is_kept]
    loss, num_pairs, num_as_input = 0.0, 0.0, np.zeros(len(vectors))
    for distance in range(1, WINDOW + 1):
        weight = (WINDOW + 1 - distance) / WINDOW
        is_pair = sentence_ids[distance:] == sentence_ids[:-distance]
        left, right = ids[:-distance][is_pair], ids[distance:][is_pair]
        for inputs, targets in ((left, right), (right, left)):
            scores = np.einsum("nd,nd->n", vectors.vectors[inputs], output[targets])
            loss += weight * np.logaddexp(0, -scores).sum()
            num_as_input += weight * np.bincount(inputs, minlength=len(vectors))
            num_pairs += weight * len(inputs)
    for start in range(0, len(vectors), 1000):  # in blocks: all scores of 100,000 words would be 40 GB
        block = slice(start, start + 1000)
        scores = vectors.vectors[block] @ output.T
        loss += NEGATIVE * (num_as_input[block] @ (np.logaddexp(0, scores) @ noise_probs))
    return float(loss / num_pairs)
