"""`minibert word2vec`: word vectors from text."""

from minibert.text.corpora import PYTHON_DOCS


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "word2vec",
        help="train word vectors: Word2Vec, skip-gram or CBOW",
        description="Train Word2Vec on the documentation of this Python installation, or on text of yours, and write the "
        "vectors in the word2vec format, which gensim and others read too.",
        epilog="example: minibert word2vec --corpus my-texts/ --output vectors.txt",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "--corpus", nargs="+", default=[PYTHON_DOCS], metavar="NAME|PATH",
        help="python-docs (the default), toy, or UTF-8 text files and folders of them, a blank line between documents",
    )  # fmt: skip
    command.add_argument("--output", default="vectors.txt", metavar="FILE", help="file to write (default: %(default)s)")
    command.add_argument("--binary", action="store_true", help="write the binary format, a third as large")
    command.add_argument("--vector-size", type=int, default=100, metavar="D", help="numbers in a vector (default: 100)")
    command.add_argument("--window", type=int, default=5, metavar="N", help="distance of neighbours (default: 5)")
    command.add_argument("--min-count", type=int, default=5, metavar="N", help="leave out rarer words (default: 5)")
    command.add_argument("--negative", type=int, default=5, metavar="N", help="noise words for each pair (default: 5)")
    command.add_argument("--epochs", type=int, default=5, metavar="N", help="times to read the text (default: 5)")
    command.add_argument("--alpha", type=float, default=0.025, metavar="R", help="learning rate (default: 0.025)")
    command.add_argument("--sample", type=float, default=1e-3, metavar="T",
                         help="thin out words with a larger share of the text (default: %(default)s)")  # fmt: skip
    command.add_argument("--seed", type=int, default=0, metavar="S", help="seed of everything that is random (default: 0)")
    command.add_argument("--cbow", action="store_true", help="predict a word from its neighbours, not they from it")
    command.add_argument("--hs", action="store_true", help="hierarchical softmax in place of negative sampling")


def run(options):
    """Run `minibert word2vec`."""
    import os
    import time

    from minibert.text.corpora import load_corpus
    from minibert.text.words import words_of
    from minibert.word_vectors.word2vec import Word2Vec

    folder = os.path.dirname(os.path.abspath(options.output))
    if not os.path.isdir(folder):
        raise ValueError(f"--output {options.output}: there is no folder {folder}; make it first")
    corpus = load_corpus(options.corpus)
    print(corpus, flush=True)
    sentences = words_of(corpus)
    start = time.perf_counter()
    with word_bar(options.epochs * sum(map(len, sentences))) as bar:
        vectors = Word2Vec(
            sentences, vector_size=options.vector_size, window=options.window,
            negative=0 if options.hs else options.negative, sg=int(not options.cbow), hs=int(options.hs),
            sample=options.sample, min_count=options.min_count, alpha=options.alpha, epochs=options.epochs, seed=options.seed, on_progress=bar.update,
        )  # fmt: skip
    seconds = time.perf_counter() - start
    vectors.save(options.output, binary=options.binary)
    print(f"{len(vectors):,} words, {vectors.vector_size} dimensions, {seconds:.1f} s, "
          f"{options.epochs * vectors.num_words / seconds:,.0f} words per second")
    print(f"The vectors are in {options.output}. Try: minibert neighbours {options.output} {typical_word(vectors)}")


def word_bar(num_words):
    """Return a progress bar that counts words; shown where the output is a terminal."""
    from tqdm import tqdm

    return tqdm(total=num_words, unit="word", unit_scale=True, dynamic_ncols=True, leave=False, disable=None)


def typical_word(vectors):
    """Return a word to try: a frequent one with more than four letters, which is seldom mere grammar."""
    return next((word for word in vectors.words if word.isalpha() and len(word) > 4), vectors.words[0])
