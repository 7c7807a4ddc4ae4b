"""`minibert neighbours`: the words that are used like a word, or that complete an analogy."""

from minibert.arguments import positive
from minibert.commands.common import say


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "neighbours",
        help="show the words that are nearest to a word, or solve an analogy",
        description="Show the words whose vectors have the largest cosine with that of a word. With three "
        "words, A B C: the words that are to C as B is to A. Reads the formats of word2vec, gensim and "
        "GloVe.",
        epilog="examples: minibert neighbours vectors.txt array; "
        "minibert neighbours vectors.txt man king woman",
    )
    command.set_defaults(run=run)
    command.add_argument("vectors", metavar="VECTORS", help="file of word vectors, text or binary")
    command.add_argument("words", nargs="+", metavar="WORD", help="one word, or three for an analogy")
    command.add_argument(
        "--top", type=positive(int), default=10, metavar="N", help="words to show (default: %(default)s)"
    )


def run(options):
    """Run `minibert neighbours`."""
    from minibert.word_vectors.vectors import WordVectors

    if len(options.words) not in (1, 3):
        raise ValueError(f"give one word, or three for an analogy, got {len(options.words)}")
    vectors = WordVectors.load(options.vectors)
    words = [_as_known(word, vectors) for word in options.words]
    try:
        if len(words) == 1:
            nearest = vectors.most_similar(words[0], topn=options.top)
        else:
            say(f"{words[0]} is to {words[1]} as {words[2]} is to")
            nearest = vectors.analogy(*words, topn=options.top)
    except KeyError as error:
        raise ValueError(str(error)) from None
    for word, cosine in nearest:
        say(f"{cosine:6.3f}  {word}")


def _as_known(word, vectors):
    """Return the word, or its lower case if the vectors know only that."""
    return word.lower() if word not in vectors and word.lower() in vectors else word
