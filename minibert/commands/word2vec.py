"""`minibert word2vec`: word vectors from text."""

import time

from minibert.arguments import add_lines, not_negative
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
        "word2vec",
        help="train word vectors: Word2Vec, skip-gram or CBOW",
        description="Train Word2Vec on the documentation of this Python installation, or on your own text, "
        "and write the vectors in the word2vec format, which gensim and others read too.",
        epilog="example: minibert word2vec --corpus my-texts/ --output vectors.txt",
    )
    command.set_defaults(run=run)
    add_vector_options(command, vector_size=100, window=5, epochs=5)
    add_lines(command)
    command.add_argument(
        "--negative", type=not_negative(int), default=5, metavar="N",
        help="noise words for each pair (default: %(default)s)",
    )
    command.add_argument(
        "--alpha", type=not_negative(float), default=0.025, metavar="R",
        help="learning rate (default: %(default)s)",
    )
    command.add_argument(
        "--sample", type=not_negative(float), default=1e-3, metavar="T",
        help="drop at random words with a larger share of the text; 0 for none (default: %(default)s)",
    )
    command.add_argument(
        "--cbow", action="store_true", help="predict a word from its neighbours, not the neighbours from it"
    )
    command.add_argument(
        "--hs", action="store_true", help="hierarchical softmax in place of negative sampling"
    )


def run(options):
    """Run `minibert word2vec`."""
    from minibert.text.words import words_of
    from minibert.training.memory import keep_freed_memory
    from minibert.word_vectors.word2vec import Word2Vec

    keep_freed_memory()
    check_folder(options.output)
    corpus = load_corpus(options.corpus, options.lines)
    say(corpus)
    sentences = words_of(corpus)
    start = time.perf_counter()
    with ProgressBar("word", total=options.epochs * sum(map(len, sentences))) as bar:
        vectors = Word2Vec(
            sentences, vector_size=options.vector_size, window=options.window,
            negative=0 if options.hs else options.negative, sg=int(not options.cbow), hs=int(options.hs),
            sample=options.sample, min_count=options.min_count, alpha=options.alpha, epochs=options.epochs,
            seed=options.seed, on_progress=bar.advance,
        )
    seconds = time.perf_counter() - start
    vectors.save(options.output, binary=options.binary)
    say(f"{len(vectors):,} words, {vectors.vector_size} dimensions, {seconds:.1f} s, "
        f"{options.epochs * vectors.num_words / seconds:,.0f} words per second")
    say_where(vectors, options.output)
