"""`minibert neighbours`: the words that are used like a word, analogies, and how good the vectors are."""

import sys

from minibert.arguments import positive
from minibert.commands.common import say


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "neighbours",
        help="show the words that are nearest to a word, solve an analogy, or evaluate vectors",
        description="Show the words whose vectors have the largest cosine with that of a word. With three "
        "words, A B C: the words that are to C as B is to A. With - in place of words: read one word or "
        "three from each line of standard input, so that a file is loaded once. Reads "
        "the formats of word2vec, gensim and GloVe.",
        epilog="examples: minibert neighbours vectors.txt array; "
        "minibert neighbours vectors.txt method methods attribute; "
        "minibert neighbours vectors.txt --similarity wordsim353.txt --analogies questions-words.txt",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "vectors", metavar="VECTORS", help="file of word vectors, text or binary, compressed or not"
    )
    command.add_argument("words", nargs="*", metavar="WORD", help="one word, three for an analogy, or -")
    command.add_argument(
        "--top", type=positive(int), default=10, metavar="N", help="words to show (default: %(default)s)"
    )
    command.add_argument(
        "--similarity", metavar="FILE",
        help="compare the cosines of word pairs with the ratings in this file (such as wordsim353.txt)",
    )
    command.add_argument(
        "--analogies", metavar="FILE",
        help="count the analogies of this file that are solved (such as questions-words.txt)",
    )
    command.add_argument(
        "--limit", type=positive(int), metavar="N", help="read the first N words of the file only"
    )
    command.add_argument(
        "--encoding", default="utf-8", metavar="NAME", help="of the words (default: %(default)s)"
    )
    command.add_argument(
        "--errors", default="strict", metavar="NAME",
        help="malformed words: strict refuses the file, skip leaves them out, replace reads words that are "
        "not in the encoding (default: %(default)s)",
    )


def run(options):
    """Run `minibert neighbours`."""
    from minibert.word_vectors.vectors import WordVectors

    if not (options.words or options.similarity or options.analogies):
        raise ValueError("give one word, three for an analogy, or --similarity or --analogies with a file")
    if options.words and options.words != ["-"]:
        _check_number(options.words)
    vectors = WordVectors.load(
        options.vectors, encoding=options.encoding, errors=options.errors, limit=options.limit
    )
    if options.similarity:
        say(f"{options.similarity}: {vectors.evaluate_similarity(options.similarity)}")
    if options.analogies:
        for result in vectors.evaluate_analogies(options.analogies):
            say(f"{options.analogies}: {result}")
    if options.words == ["-"]:
        for number, line in enumerate(sys.stdin, start=1):
            if line.strip():
                _try_to_answer(line.split(), number, vectors, options.top)
    elif options.words:
        _answer(options.words, vectors, options.top)


def _try_to_answer(words, number, vectors, top):
    """Answer a line of the standard input; an error is printed, and does not end the command."""
    try:
        _check_number(words)
        _answer(words, vectors, top)
    except ValueError as error:
        say(f"line {number}: {error}")


def _check_number(words):
    if len(words) not in (1, 3):
        raise ValueError(f"give one word, or three for an analogy, got {len(words)}")


def _answer(words, vectors, top):
    """Print the nearest words, or those that complete the analogy."""
    words = [_as_known(word, vectors) for word in words]
    try:
        if len(words) == 1:
            nearest = vectors.most_similar(words[0], topn=top)
        else:
            say(f"{words[0]} is to {words[1]} as {words[2]} is to")
            nearest = vectors.analogy(*words, topn=top)
    except KeyError as error:
        raise ValueError(str(error)) from None
    for word, cosine in nearest:
        say(f"{cosine:6.3f}  {word}")


def _as_known(word, vectors):
    """Return the word, or its lower case if the vectors know only that."""
    return word.lower() if word not in vectors and word.lower() in vectors else word
