"""`minibert glove`: word vectors from co-occurrence counts."""

from minibert.text.corpora import PYTHON_DOCS


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "glove",
        help="train word vectors: GloVe",
        description="Train GloVe on the documentation of this Python installation, or on text of yours, and write the "
        "vectors in the word2vec format, which gensim and others read too. Pairs of words are counted within a document.",
        epilog="example: minibert glove --corpus my-texts/ --output vectors.txt",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "--corpus", nargs="+", default=[PYTHON_DOCS], metavar="NAME|PATH",
        help="python-docs (the default), toy, or UTF-8 text files and folders of them, a blank line between documents",
    )  # fmt: skip
    command.add_argument("--output", default="vectors.txt", metavar="FILE", help="file to write (default: %(default)s)")
    command.add_argument("--binary", action="store_true", help="write the binary format, a third as large")
    command.add_argument("--vector-size", type=int, default=50, metavar="D",
                         help="numbers in a vector (default: %(default)s)")  # fmt: skip
    command.add_argument("--window", type=int, default=15, metavar="N",
                         help="largest distance of two words that are counted as a pair (default: %(default)s)")  # fmt: skip
    command.add_argument("--min-count", type=int, default=5, metavar="N",
                         help="leave out rarer words (default: %(default)s)")  # fmt: skip
    command.add_argument("--x-max", type=float, default=10, metavar="X",
                         help="count from which pairs weigh alike; the paper's 100 is for billions of words "
                         "(default: %(default)s)")  # fmt: skip
    command.add_argument("--weight-exponent", type=float, default=0.75, metavar="R",
                         help="alpha: a pair below X weighs (count/X)^R (default: %(default)s)")  # fmt: skip
    command.add_argument("--eta", type=float, default=0.05, metavar="R", help="AdaGrad's rate (default: %(default)s)")
    command.add_argument("--epochs", type=int, default=25, metavar="N",
                         help="times to go through all pairs (default: %(default)s)")  # fmt: skip
    command.add_argument("--seed", type=int, default=0, metavar="S", help="seed of everything that is random (default: 0)")


def run(options):
    """Run `minibert glove`."""
    import os
    import time

    from minibert.commands.word2vec import typical_word
    from minibert.text.corpora import load_corpus
    from minibert.text.words import words_of
    from minibert.word_vectors.glove import GloVe

    folder = os.path.dirname(os.path.abspath(options.output))
    if not os.path.isdir(folder):
        raise ValueError(f"--output {options.output}: there is no folder {folder}; make it first")
    corpus = load_corpus(options.corpus)
    print(corpus, flush=True)
    documents = words_of(corpus, whole_documents=True)
    start = time.perf_counter()
    with EntryBar() as bar:
        vectors = GloVe(
            documents, vector_size=options.vector_size, window=options.window, x_max=options.x_max,
            alpha=options.weight_exponent, eta=options.eta, epochs=options.epochs, seed=options.seed,
            min_count=options.min_count, on_progress=bar.show,
        )  # fmt: skip
    seconds = time.perf_counter() - start
    vectors.save(options.output, binary=options.binary)
    print(f"{len(vectors):,} words, {vectors.vector_size} dimensions, {vectors.num_entries:,} entries of the matrix")
    print(f"{seconds:.1f} s, objective {vectors.objectives[0]:.5f} in the first epoch, {vectors.objective:.5f} at the end")
    print(f"The vectors are in {options.output}. Try: minibert neighbours {options.output} {typical_word(vectors)}")


class EntryBar:
    """A progress bar that counts entries of the matrix; shown where the output is a terminal, once they are counted."""

    def __enter__(self):
        self.bar = None
        return self

    def show(self, num_visited, num_visits):
        """Say how many entries were visited, and how many visits there will be."""
        from tqdm import tqdm

        if self.bar is None:
            self.bar = tqdm(total=num_visits, unit="entry", unit_scale=True, dynamic_ncols=True, leave=False, disable=None)
        self.bar.update(num_visited - self.bar.n)

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.close()
