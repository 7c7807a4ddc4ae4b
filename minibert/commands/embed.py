"""`minibert embed`: sentences as vectors, and how similar they are."""

import io
import pathlib

import numpy as np

from minibert.arguments import path
from minibert.commands.common import say
from minibert.files import write_atomically

NUM_SHOWN = 5     # numbers of each vector that are printed
MAX_SHOWN = 50    # characters of each sentence


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "embed",
        help="sentences as vectors, and how similar they are",
        description="Compute a vector of length 1 for each sentence, the mean of the encoder's states of "
        "its tokens, and show how similar the sentences are: the cosine of the angle between their "
        "vectors. Made for BERT checkpoints that were trained as sentence encoders, such as "
        "all-MiniLM-L6-v2; any other BERT will do for a comparison.",
        epilog='example: minibert embed all-MiniLM-L6-v2 "A man eats." "Someone has a meal." "Hello?"',
    )
    command.set_defaults(run=run)
    command.add_argument("model", type=path, metavar="DIR", help="directory of a model or of a run")
    command.add_argument("sentences", metavar="SENTENCE", nargs="+", help="one text or more")
    command.add_argument(
        "--output", type=path, metavar="FILE.npy",
        help="write the vectors to this file, (sentences, H) float32",
    )


def run(options):
    """Run `minibert embed`."""
    from minibert.models.sentence_bert import load_encoder, sentence_vectors
    from minibert.training.checkpoint import find_model

    if options.output and not options.output.endswith(".npy"):
        raise ValueError(f"--output {options.output}: give a file whose name ends in .npy (np.load reads it)")
    model, tokenizer, max_length = load_encoder(find_model(options.model))
    rows = []
    for number, sentence in enumerate(options.sentences, start=1):  # one by one: a cache grows with the batch
        num_tokens = len(tokenizer.encode(sentence).input_ids)
        if num_tokens > max_length:
            say(f"sentence {number} has {num_tokens:,} tokens; the model reads the first {max_length}")
        rows.append(sentence_vectors(model, tokenizer.encode_batch([sentence], max_length)))
    vectors = np.concatenate(rows)                                          # (sentences, H)
    if options.output:
        content = io.BytesIO()
        np.save(content, vectors)
        write_atomically(pathlib.Path(options.output), content.getvalue())
    _print_vectors(options.sentences, vectors)
    say()
    _print_similarity(vectors @ vectors.T)


def _print_vectors(sentences, vectors):
    num_shown = min(NUM_SHOWN, vectors.shape[1])
    texts = [" ".join(sentence.split()) for sentence in sentences]
    shown = [text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..." for text in texts]
    width = max(map(len, shown))
    say(f"{'':<4}{'sentence':<{width}}  the first {num_shown} of {vectors.shape[1]} numbers, all of length 1")
    for number, (text, vector) in enumerate(zip(shown, vectors), start=1):
        say(f"{number:<4}{text:<{width}}" + "".join(f"{value:>9.4f}" for value in vector[:num_shown]))


def _print_similarity(similarity):
    say("similarity (cosine: 1 for the same direction, 0 for nothing in common)")
    say("    " + "".join(f"{number:>8}" for number in range(1, len(similarity) + 1)))
    for number, row in enumerate(similarity, start=1):
        say(f"{number:<4}" + "".join(f"{value:>8.3f}" for value in row))
