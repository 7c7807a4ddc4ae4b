"""`minibert bench word2vec`: words per second and quality, beside gensim where it is installed.

All run one thread, in one process, in turn: what slows the machine down for a while slows all of them. Words are those of
the training text, times the epochs; the time is that of training, from token lists to vectors, vocabulary included.
Quality is measured on text held out from training and on a file of rated word pairs.
"""

import json
import statistics
import time
from typing import NamedTuple

import numpy as np

from minibert.text.corpora import PYTHON_DOCS

NEGATIVE, WINDOW = 5, 5


class Trained(NamedTuple):
    vectors: object  # WordVectors
    output: np.ndarray  # (V, D)
    words_per_second: float


def add(subcommands):
    """Add the benchmark to argparse's subparsers."""
    command = subcommands.add_parser(
        "word2vec",
        help="Word2Vec: words per second and quality, beside gensim",
        description="Train skip-gram and CBOW in turn with minibert and, where it is installed, gensim, one thread each, "
        "with a new seed in each round. Prints medians, and each round with --json.",
    )
    command.set_defaults(run=run)
    command.add_argument("--corpus", nargs="+", default=[PYTHON_DOCS], metavar="NAME|PATH",
                         help="text to train on, as for minibert word2vec (default: python-docs)")  # fmt: skip
    command.add_argument("--similarity", metavar="FILE", help="word pairs with ratings, such as wordsim353.txt")
    command.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds (default: %(default)s)")
    command.add_argument("--epochs", type=int, default=5, metavar="N", help="times to read the text (default: %(default)s)")
    command.add_argument("--model", choices=("skip-gram", "cbow", "both"), default="both",
                         help="what to train (default: both)")  # fmt: skip
    command.add_argument("--json", action="store_true", help="print one JSON object")


def run(options):
    """Run `minibert bench word2vec`."""
    from threadpoolctl import threadpool_limits

    from minibert.text.corpora import load_corpus, split_held_out
    from minibert.text.words import words_of

    corpus = load_corpus(options.corpus)
    training, held_out = map(words_of, split_held_out(corpus))
    num_words = sum(map(len, training))
    models = ["skip-gram", "cbow"] if options.model == "both" else [options.model]
    trainers = {"minibert": train_minibert}
    if has_gensim():
        trainers["gensim"] = train_gensim
    results = []
    with threadpool_limits(1):
        for seed in range(1, options.rounds + 1):
            for model in models:
                for name, train in trainers.items():
                    trained = train(training, int(model == "skip-gram"), options.epochs, seed)
                    result = {"model": model, "by": name, "seed": seed, "words_per_second": trained.words_per_second,
                              "held_out_loss": held_out_loss(trained.vectors, trained.output, held_out)}  # fmt: skip
                    if options.similarity:
                        result["spearman"] = trained.vectors.evaluate_similarity(options.similarity).spearman
                    results.append(result)
    if options.json:
        settings = {"corpus": corpus.name, "fingerprint": corpus.fingerprint, "words": num_words, "epochs": options.epochs}
        print(json.dumps({**settings, "results": results}, indent=1))
        return
    print(corpus)
    print(f"training text: {num_words:,} words, {options.epochs} epochs, one thread; median of {options.rounds} rounds")
    for line in table(results, models, trainers):
        print(line)
    if len(trainers) == 1:
        print("gensim is not installed: pip install gensim to see it beside")


def table(results, models, names):
    """Yield the lines of the table: medians, and half the range of what measures quality."""
    yield f"\n{'':<10} {'':<10} {'words/s':>12} {'held-out loss':>16} {'Spearman':>16}"
    for model in models:
        speeds = {}
        for name in names:
            rows = [result for result in results if (result["model"], result["by"]) == (model, name)]
            speeds[name] = statistics.median(row["words_per_second"] for row in rows)
            loss, rank = (spread([row[key] for row in rows if key in row]) for key in ("held_out_loss", "spearman"))
            yield f"{model:<10} {name:<10} {speeds[name]:>12,.0f} {loss:>16} {rank:>16}"
        if "gensim" in speeds:
            yield f"{'':<10} {'ratio':<10} {speeds['minibert'] / speeds['gensim']:>12.2f}"


def spread(values):
    """Return the median and half the range of some values as text."""
    return f"{statistics.median(values):.3f} ± {(max(values) - min(values)) / 2:.3f}" if values else "-"


def has_gensim():
    """Tell whether gensim can be imported."""
    try:
        import gensim  # noqa: F401
    except ImportError:
        return False
    return True


def train_minibert(sentences, sg, epochs, seed):
    """Train ours."""
    from minibert.word_vectors.word2vec import Word2Vec

    start = time.perf_counter()
    vectors = Word2Vec(sentences, sg=sg, epochs=epochs, seed=seed, negative=NEGATIVE, window=WINDOW)
    seconds = time.perf_counter() - start
    return Trained(vectors, vectors.output_vectors, epochs * vectors.num_words / seconds)


def train_gensim(sentences, sg, epochs, seed):
    """Train gensim's with the same settings and one worker."""
    import gensim

    from minibert.word_vectors.vectors import WordVectors

    start = time.perf_counter()
    model = gensim.models.Word2Vec(sentences, vector_size=100, window=WINDOW, negative=NEGATIVE, sg=sg, epochs=epochs,
                                   seed=seed, min_count=5, sample=1e-3, alpha=0.025, workers=1)  # fmt: skip
    seconds = time.perf_counter() - start
    counts = [model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key]
    vectors = WordVectors(model.wv.index_to_key, model.wv.vectors, counts)
    return Trained(vectors, model.syn1neg, epochs * sum(map(len, sentences)) / seconds)


def held_out_loss(vectors, output, sentences, sample=1e-3, seed=0):
    """Return the skip-gram loss with negative sampling on other text, per pair.

    The text is thinned out as in training, with draws of its own; distances are weighted as the dynamic window does it,
    and the negatives are not drawn but summed over all words, so that the number depends on the vectors alone:

        mean over pairs (i, j) of  −log σ(v_i · u_j) − negative · Σ_k p_k log σ(−v_i · u_k)
    """
    from minibert.word_vectors.word2vec_text import keep_probabilities, noise_probabilities

    rng = np.random.default_rng(seed)
    keep_probs, noise_probs = keep_probabilities(vectors.counts, sample), noise_probabilities(vectors.counts)
    texts = [np.array([vectors.index[word] for word in sentence if word in vectors], np.int64) for sentence in sentences]
    ids = np.concatenate(texts)
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
        scores = vectors.vectors[start:start + 1000] @ output.T
        loss += NEGATIVE * (num_as_input[start:start + 1000] @ (np.logaddexp(0, scores) @ noise_probs))
    return float(loss / num_pairs)
