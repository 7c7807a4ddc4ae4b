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
        "all-MiniLM-L6-v2; any other BERT will do for a comparison. An ELMo gives the mean over its layers, "
        "or one of them.",
        epilog='example: minibert embed all-MiniLM-L6-v2 "A man eats." "Someone has a meal." "Hello?"',
    )
    command.set_defaults(run=run)
    command.add_argument("model", type=path, metavar="DIR", help="directory of a model or of a run")
    command.add_argument("sentences", metavar="SENTENCE", nargs="+", help="one text or more")
    command.add_argument(
        "--layer", type=int, metavar="L",
        help="of an ELMo: 0 is the words' own vectors, 1 the first LSTMs' (default: the mean over layers)",
    )
    command.add_argument(
        "--output", type=path, metavar="FILE.npy",
        help="write the vectors to this file, (sentences, H) float32",
    )


def run(options):
    """Run `minibert embed`."""
    from minibert.files import read_json
    from minibert.training.checkpoint import find_model

    if options.output and not options.output.endswith(".npy"):
        raise ValueError(f"--output {options.output}: give a file whose name ends in .npy (np.load reads it)")
    folder = find_model(options.model)
    is_elmo = read_json(pathlib.Path(folder) / "config.json").get("model_type") == "elmo"
    if options.layer is not None and not is_elmo:
        raise ValueError(f"--layer {options.layer} is for an ELMo, and {folder} holds none: leave it out")
    embed = _of_elmo(folder, options.layer) if is_elmo else _of_bert(folder)
    vectors = np.concatenate([embed(*numbered) for numbered in enumerate(options.sentences, start=1)])
    if options.output:
        content = io.BytesIO()
        np.save(content, vectors)
        write_atomically(pathlib.Path(options.output), content.getvalue())
    _print_vectors(options.sentences, vectors)
    say()
    _print_similarity(vectors @ vectors.T)


def _of_bert(folder):
    """Return a function (number, sentence) → its vector, (1, H); one by one: a cache grows with the batch."""
    from minibert.models.sentence_bert import load_encoder, sentence_vectors

    model, tokenizer, max_length = load_encoder(folder)

    def embed(number, sentence):
        num_tokens = len(tokenizer.encode(sentence).input_ids)
        if num_tokens > max_length:
            say(f"sentence {number} has {num_tokens:,} tokens; the model reads the first {max_length}")
        return sentence_vectors(model, tokenizer.encode_batch([sentence], max_length))

    return embed


def _of_elmo(folder, layer):
    """Return a function (number, sentence) → its vector, (1, 2P), and say which layer it is of."""
    from minibert.models.elmo import ELMo
    from minibert.text.tokenizer import WordPieceTokenizer

    model, tokenizer = ELMo.from_pretrained(folder), WordPieceTokenizer.from_pretrained(folder)
    num_layers = model.config.num_hidden_layers
    if layer is not None and not 0 <= layer <= num_layers:
        raise ValueError(f"--layer {layer}: this ELMo has layers 0 to {num_layers}; give one of these")
    mean = f"the mean over the layers 0 to {num_layers}"
    say(f"ELMo: {mean if layer is None else f'layer {layer} of 0 to {num_layers}'}")

    def embed(number, sentence):
        words = tokenizer.words(sentence)
        if not words:
            raise ValueError(f"sentence {number} has no word, and ELMo reads words: give one or more")
        layers = model.of_sentences([words])[0]                             # (L + 1, T, 2P)
        states = layers.mean(axis=0) if layer is None else layers[layer]    # (T, 2P)
        mean = states.mean(axis=0, keepdims=True)                           # (1, 2P)
        return mean / np.maximum(np.linalg.norm(mean), 1e-12)

    return embed


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
