"""GloVe: microseconds per entry and epoch, and the objective beside a plain loop's.

One thread. The first table is the whole corpus; counting, cutting and each epoch are timed separately. The
second is the beginning of the corpus, small enough for the loop over single entries (`glove_plain.py`), which
begins as the authors' program does.
"""

import statistics
import time

import numpy as np

from minibert.arguments import add_corpus, add_seed, not_negative
from minibert.benchmarks.harness import add_number, seconds_of
from minibert.objectives.corpora import load_corpus
from minibert.text.words import words_of
from minibert.word_vectors.glove import Trainer
from minibert.word_vectors.glove_counts import count_cooccurrences
from minibert.word_vectors.glove_plain import start_as_the_program, train_entry_by_entry
from minibert.word_vectors.word2vec_text import read_vocabulary

HELP = "GloVe: microseconds per entry and epoch, and the objective"
DESCRIPTION = (
    "Train GloVe on one thread; then once more on a small part of the text, beside a loop over single "
    "entries. Prints the median epoch, and each epoch with --json."
)
X_MAX, ALPHA, ETA, WINDOW, MIN_COUNT = 100, 0.75, 0.05, 15, 5


def add_options(command):
    """Add the options to an argparse parser."""
    add_corpus(command)
    add_number(command, "--vector-size", 100, "numbers in a vector", metavar="D")
    add_number(command, "--epochs", 15, "passes over all entries")
    command.add_argument(
        "--plain-words", type=not_negative(int), default=5000, metavar="N",
        help="words of the part for the plain loop; 0 for none (default: %(default)s)",
    )
    add_seed(command)


def measure(options, say):
    """Train on the whole text and on its beginning; return the settings and the measurements of each."""
    from threadpoolctl import threadpool_limits

    corpus = load_corpus(options.corpus)
    documents = words_of(corpus, whole_documents=True)
    with threadpool_limits(1):
        whole = measure_tiles(documents, options)
        part = first_words(documents, options.plain_words)
        plain = measure_plain(part, options) if part else None
    say(f"{corpus}\n{options.vector_size} dimensions, {options.epochs} epochs, one thread")
    say(f"{whole['words']:,} words, {whole['vocabulary']:,} different; {whole['entries']:,} entries")
    say(f"counted in {whole['counting_seconds']:.2f} s, cut into tiles in {whole['cutting_seconds']:.2f} s")
    say(f"{'µs per entry and epoch, median':<36}{whole['microseconds']:>10.3f}")
    say(f"{'objective at the end':<36}{whole['objective']:>10.6f}")
    if plain:
        say(f"\nfirst {plain['words']:,} words, {plain['entries']:,} entries {'tiles':>12}{'plain loop':>12}")
        microseconds = f"{plain['microseconds']:>10.3f}{plain['plain_microseconds']:>12.3f}"
        say(f"{'µs per entry and epoch':<36}{microseconds}")
        say(f"{'objective at the end':<36}{plain['objective']:>10.6f}{plain['plain_objective']:>12.6f}")
    return {
        "corpus": corpus.name, "fingerprint": corpus.fingerprint, "vector_size": options.vector_size,
        "epochs": options.epochs, "whole": whole, "plain": plain,
    }


def first_words(documents, num_words):
    """Return the first documents, until they hold so many words; the last one is cut."""
    chosen, left = [], num_words
    for document in documents:
        if left <= 0:
            break
        chosen.append(document[:left])
        left -= len(document)
    return chosen


def measure_tiles(documents, options, min_count=MIN_COUNT):
    """Train on the documents; return sizes, times and objective."""
    vocabulary = read_vocabulary(documents, min_count)
    times = [time.perf_counter()]
    upper = count_cooccurrences(vocabulary.word_ids, vocabulary.sentence_ids, WINDOW)
    times.append(time.perf_counter())
    trainer = Trainer(upper, len(vocabulary.words), options.vector_size, X_MAX, ALPHA, ETA, options.seed)
    times.append(time.perf_counter())
    for _ in range(options.epochs):
        trainer.run_epoch()
        times.append(time.perf_counter())
    counting, cutting, *epochs = np.diff(times).tolist()
    microseconds = [1e6 * seconds / upper.num_entries for seconds in epochs]
    return {
        "words": vocabulary.num_words, "vocabulary": len(vocabulary.words), "entries": upper.num_entries,
        "counting_seconds": counting, "cutting_seconds": cutting, "epochs": microseconds,
        "microseconds": statistics.median(microseconds),
        "objective": trainer.objective() / upper.num_entries,
    }


def measure_plain(documents, options):
    """As `measure_tiles`, and the same with the loop over single entries."""
    result = measure_tiles(documents, options, min_count=1)
    vocabulary = read_vocabulary(documents, 1)
    entries = count_cooccurrences(vocabulary.word_ids, vocabulary.sentence_ids, WINDOW).whole()
    rng = np.random.default_rng(options.seed)
    plain = start_as_the_program(len(vocabulary.words), options.vector_size, rng, X_MAX, ALPHA)
    seconds = seconds_of(train_entry_by_entry, plain, *entries, ETA, options.epochs, rng)
    num_visits = options.epochs * len(entries[0])
    return result | {
        "plain_microseconds": 1e6 * seconds / num_visits,
        "plain_objective": float(plain.forward(*entries)[0]) / len(entries[0]),
    }
