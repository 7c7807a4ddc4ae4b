"""`minibert glove`: word vectors from co-occurrence counts."""

import time

from minibert.arguments import add_lines, positive
from minibert.commands.common import (
    ProgressBar,
    add_vector_options,
    check_folder,
    load_corpus,
    say,
    say_where,
)


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "glove",
        help="train word vectors: GloVe",
        description="Train GloVe on the documentation of this Python installation, or on your own text, "
        "and write the vectors in the word2vec format, which gensim and others read too. Pairs of words "
        "are counted within a document, or within a line where the text keeps its lines apart.",
        epilog="example: minibert glove --corpus my-texts/ --output vectors.txt",
    )
    command.set_defaults(run=run)
    add_vector_options(command, vector_size=50, window=15, epochs=25)
    add_lines(command)
    command.add_argument(
        "--x-max", type=positive(float), default=10, metavar="X",
        help="count from which all pairs have weight 1; the paper's 100 is for billions of words "
        "(default: %(default)s)",
    )
    command.add_argument(
        "--weight-exponent", type=positive(float), default=0.75, metavar="R",
        help="alpha: a pair with a count below X has weight (count/X)^R (default: %(default)s)",
    )
    command.add_argument(
        "--eta", type=positive(float), default=0.05, metavar="R",
        help="AdaGrad's learning rate (default: %(default)s)",
    )


def run(options):
    """Run `minibert glove`."""
    from minibert.text.words import words_of
    from minibert.training.memory import keep_freed_memory
    from minibert.word_vectors.glove import GloVe

    keep_freed_memory()
    check_folder(options.output)
    corpus = load_corpus(options.corpus, options.lines)
    say(corpus)
    documents = words_of(corpus, whole_documents=True)
    start = time.perf_counter()
    with ProgressBar("entry") as bar:
        vectors = GloVe(
            documents, vector_size=options.vector_size, window=options.window, x_max=options.x_max,
            alpha=options.weight_exponent, eta=options.eta, epochs=options.epochs, seed=options.seed,
            min_count=options.min_count, on_progress=bar.reach,
        )
    seconds = time.perf_counter() - start
    vectors.save(options.output, binary=options.binary)
    say(f"{len(vectors):,} words, {vectors.vector_size} dimensions, {vectors.num_entries:,} entries")
    say(f"{seconds:.1f} s, objective {vectors.objectives[0]:.5f} in the first epoch, "
        f"{vectors.objective:.5f} at the end")
    say_where(vectors, options.output)
