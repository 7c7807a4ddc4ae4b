"""`minibert bench glove`: microseconds per entry and epoch, and the objective beside a plain loop's.

One thread. The first table is the whole corpus; counting and cutting stand for themselves, and an epoch is measured by
itself. The second is the beginning of the corpus, small enough for the loop over single entries (`glove_plain.py`), which
begins as the authors' program does.
"""

import json
import statistics
import time

import numpy as np

from minibert.text.corpora import PYTHON_DOCS

X_MAX, ALPHA, ETA, WINDOW, MIN_COUNT = 100, 0.75, 0.05, 15, 5


def add(subcommands):
    """Add the benchmark to argparse's subparsers."""
    command = subcommands.add_parser(
        "glove",
        help="GloVe: microseconds per entry and epoch, and the objective",
        description="Train GloVe on one thread; then once more on a small part of the text, beside a loop over single "
        "entries. Prints the median epoch, and each epoch with --json.",
    )
    command.set_defaults(run=run)
    command.add_argument("--corpus", nargs="+", default=[PYTHON_DOCS], metavar="NAME|PATH",
                         help="text to train on, as for minibert glove (default: python-docs)")  # fmt: skip
    command.add_argument("--vector-size", type=int, default=100, metavar="D",
                         help="numbers in a vector (default: %(default)s)")  # fmt: skip
    command.add_argument("--epochs", type=int, default=15, metavar="N",
                         help="times to go through it (default: %(default)s)")  # fmt: skip
    command.add_argument("--plain-words", type=int, default=5000, metavar="N",
                         help="words of the part for the plain loop; 0 for none (default: %(default)s)")  # fmt: skip
    command.add_argument("--seed", type=int, default=0, metavar="S", help="seed of everything that is random (default: 0)")
    command.add_argument("--json", action="store_true", help="print one JSON object")


def run(options):
    """Run `minibert bench glove`."""
    from threadpoolctl import threadpool_limits

    from minibert.text.corpora import load_corpus
    from minibert.text.words import words_of

    for name in ("vector_size", "epochs"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} is {getattr(options, name)}; it must be 1 or more")
    corpus = load_corpus(options.corpus)
    documents = words_of(corpus, whole_documents=True)
    with threadpool_limits(1):
        whole = measure(documents, options)
        part = first_words(documents, options.plain_words)
        plain = measure_plain(part, options) if part else None
    if options.json:
        print(json.dumps({"corpus": corpus.name, "fingerprint": corpus.fingerprint, "vector_size": options.vector_size,
                          "epochs": options.epochs, "whole": whole, "plain": plain}, indent=1))  # fmt: skip
        return
    print(f"{corpus}\n{options.vector_size} dimensions, {options.epochs} epochs, one thread")
    print(f"{whole['words']:,} words, {whole['vocabulary']:,} different; {whole['entries']:,} entries")
    print(f"counted in {whole['counting_seconds']:.2f} s, cut into tiles in {whole['cutting_seconds']:.2f} s")
    print(f"{'µs per entry and epoch, median':<36}{whole['microseconds']:>10.3f}")
    print(f"{'objective at the end':<36}{whole['objective']:>10.6f}")
    if plain:
        print(f"\nfirst {plain['words']:,} words, {plain['entries']:,} entries {'tiles':>12}{'plain loop':>12}")
        print(f"{'µs per entry and epoch':<36}{plain['microseconds']:>10.3f}{plain['plain_microseconds']:>12.3f}")
        print(f"{'objective at the end':<36}{plain['objective']:>10.6f}{plain['plain_objective']:>12.6f}")


def first_words(documents, num_words):
    """Return the first documents, until they hold so many words; the last one is cut."""
    chosen, left = [], num_words
    for document in documents:
        if left <= 0:
            break
        chosen.append(document[:left])
        left -= len(document)
    return chosen


def measure(documents, options, min_count=MIN_COUNT):
    """Train on the documents; return sizes, times and objective."""
    from minibert.word_vectors.glove import Trainer
    from minibert.word_vectors.glove_counts import count_cooccurrences
    from minibert.word_vectors.word2vec_text import read_vocabulary

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
    return {"words": vocabulary.num_words, "vocabulary": len(vocabulary.words), "entries": upper.num_entries,
            "counting_seconds": counting, "cutting_seconds": cutting, "microseconds": statistics.median(microseconds),
            "epochs": microseconds, "objective": trainer.objective() / upper.num_entries}  # fmt: skip


def measure_plain(documents, options):
    """As `measure`, and the same with the loop over single entries."""
    from minibert.word_vectors.glove_counts import count_cooccurrences
    from minibert.word_vectors.glove_plain import start_as_the_program, train_entry_by_entry
    from minibert.word_vectors.word2vec_text import read_vocabulary

    result = measure(documents, options, min_count=1)
    vocabulary = read_vocabulary(documents, 1)
    entries = count_cooccurrences(vocabulary.word_ids, vocabulary.sentence_ids, WINDOW).whole()
    rng = np.random.default_rng(options.seed)
    plain = start_as_the_program(len(vocabulary.words), options.vector_size, rng, X_MAX, ALPHA)
    start = time.perf_counter()
    train_entry_by_entry(plain, *entries, ETA, options.epochs, rng)
    seconds = time.perf_counter() - start
    num_visits = options.epochs * len(entries[0])
    return result | {"plain_microseconds": 1e6 * seconds / num_visits,
                     "plain_objective": float(plain.forward(*entries)[0]) / len(entries[0])}  # fmt: skip
