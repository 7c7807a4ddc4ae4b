"""`minibert generate`: a text, and how a language model goes on with it."""

import itertools
import re
import shutil
import sys
import unicodedata

import numpy as np

from minibert.arguments import add_seed, path, positive
from minibert.commands.common import complain

DEFAULT = 50  # new tokens

def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "generate",
        help="go on with a text, or translate it",
        description="Go on with a text, token by token, with a model that predicts the next one: GPT-2, GPT "
        "or an LSTM, of minibert or Hugging Face. Each token is drawn by its probability, unless --greedy or "
        "--beams says otherwise. A Transformer writes the translation of the text, and takes the likeliest "
        "tokens.",
        epilog='example: minibert generate gpt-run "The function returns" --top-p 0.9',
    )
    command.set_defaults(run=run)
    command.add_argument("model", type=path, metavar="DIR", help="directory of a model or of a run")
    command.add_argument(
        "prompt", metavar="TEXT", help='text to go on with, "" for none; or the text to translate'
    )
    command.add_argument(
        "--tokens", type=positive(int), metavar="N",
        help="new tokens at most (default: 50, or fewer if the model reads no more; of a translation 50 more "
        "than the text has)",
    )
    command.add_argument(
        "--temperature", type=positive(float), metavar="R",
        help="below 1: likely tokens become likelier (default: 1)",
    )
    command.add_argument(
        "--top-k", type=positive(int), metavar="K", help="draw from the K likeliest tokens (default: all)"
    )
    command.add_argument(
        "--top-p", type=positive(float), metavar="P",
        help="draw from the fewest tokens whose probabilities reach P (default: all)",
    )
    ways = command.add_mutually_exclusive_group()
    ways.add_argument("--greedy", action="store_true", help="take the likeliest token each time")
    ways.add_argument(
        "--beams", type=positive(int), metavar="K", help="look for the likeliest text with K beams"
    )
    add_seed(command)


def run(options):
    """Run `minibert generate`."""
    from minibert.generation import check_choice, generate, stream
    from minibert.gpt2_writer import GPT2Writer
    from minibert.models.gpt import GPT2LMHeadModel

    drawing = {
        name: value for name in ("temperature", "top_k", "top_p")
        if (value := getattr(options, name)) is not None
    }
    if drawing and (options.greedy or options.beams):
        raise ValueError(
            "--temperature, --top-k and --top-p are for tokens that are drawn: leave them out, or --greedy "
            "and --beams"
        )
    check_choice(options.temperature or 1.0, options.top_k, options.top_p)
    model, tokenizer = load(options.model)
    end, start = ends_of(model, tokenizer)
    translates = model.generates == "translation"
    prompt = [start] * (start is not None and not translates) + tokenizer.ids(options.prompt)
    if not prompt:
        raise ValueError(
            "the text to translate is empty: give some words" if translates else
            "the prompt is empty, and no token begins a text of this model: give some words"
        )
    num_tokens = (
        options.tokens or len(prompt) + DEFAULT if translates  # as in Vaswani et al. 2017, section 6.1
        else _num_tokens(model, len(prompt), options.tokens)
    )
    given = {"input_ids": np.array([prompt]), "max_new_tokens": num_tokens, "eos_token_id": end}
    if options.beams:
        beams = generate(model, num_beams=options.beams, **given)[0, 1 if translates else len(prompt):]
        chosen = beams[:, np.newaxis]
    else:
        draws = bool(drawing) if translates else not options.greedy
        writer = GPT2Writer(model) if isinstance(model, GPT2LMHeadModel) else model
        chosen = stream(writer, do_sample=draws, seed=options.seed, **drawing, **given)
    flow, ids, shown = Flow(sys.stdout), [] if translates else list(prompt), ""
    for token in itertools.chain([None], (int(tokens[0]) for tokens in chosen)):  # at first none is new
        ids += [] if token is None else [token]
        text = tokenizer.decode([index for index in ids if index not in (start, end)])
        text = text.rstrip("\N{REPLACEMENT CHARACTER}")  # a character of which bytes are still to come
        if text.startswith(shown):
            flow.add(text[len(shown):])
            shown = text
    flow.end()


def load(directory):
    """Return a model that predicts the next token, and its tokenizer.

    Raises:
        ValueError: there is no model, it is broken, or of another kind.
    """
    import minibert
    from minibert.files import read_json
    from minibert.training.checkpoint import find_model

    folder = find_model(directory)
    name = (read_json(folder / "config.json").get("architectures") or ["a model without a name"])[0]
    model_class = getattr(minibert, name, None) if name in minibert.__all__ else None
    if getattr(model_class, "generates", None) is None:
        raise ValueError(
            f"{folder} holds {name}, which this command cannot use: it needs a model that predicts the "
            "next token, such as GPT2LMHeadModel"
        )
    model, tokenizer = model_class.from_pretrained(folder), load_tokenizer(folder)
    if tokenizer.vocab_size > model.config.vocab_size:
        raise ValueError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} tokens, but config.json says "
            f"{model.config.vocab_size}"
        )
    return model, tokenizer


def load_tokenizer(folder):
    """Return the tokenizer of a folder: where there are merges, GPT-2's or GPT's, otherwise WordPiece."""
    from minibert.text.byte_level_bpe import BYTE_CHARACTERS, ByteLevelBPETokenizer
    from minibert.text.gpt_tokenizer import OpenAIGPTTokenizer
    from minibert.text.tokenizer import WordPieceTokenizer
    from minibert.text.tokenizer_files import read_object

    vocab, merges, both = (folder / name for name in ("vocab.json", "merges.txt", "tokenizer.json"))
    tokens = None
    if vocab.is_file() and merges.is_file():
        tokens = read_object(vocab)
    elif both.is_file() and not (folder / "vocab.txt").is_file():
        model = read_object(both).get("model") or {}
        tokens = model.get("vocab") if "merges" in model else None
    if tokens is None:
        return WordPieceTokenizer.from_pretrained(folder)
    # GPT's text is lower-cased, so it has no token for the character that shows a space in GPT-2's.
    is_of_bytes = BYTE_CHARACTERS[ord(" ")] in tokens
    return (ByteLevelBPETokenizer if is_of_bytes else OpenAIGPTTokenizer).from_pretrained(folder)


def ends_of(model, tokenizer):
    """Return the ids that end a text and begin one, None for none: the model's, or else the tokenizer's."""
    end = getattr(model.config, "eos_token_id", None)
    if end is None:
        end = getattr(tokenizer, "sep_token_id", getattr(tokenizer, "eos_token_id", None))
    start = getattr(model.config, "bos_token_id", None)
    return end, end if start is None else start


def _num_tokens(model, num_prompt, num_asked):
    """Return how many new tokens there is room for; say so where it is less than was asked for."""
    most = getattr(model.config, "max_position_embeddings", None)
    wanted = num_asked or DEFAULT
    if most is None or not num_prompt <= most < num_prompt + wanted - 1:
        return wanted
    room = most + 1 - num_prompt
    if num_asked:
        complain(f"note: the model reads {most} tokens, the prompt has {num_prompt}: {room} new ones at most")
    return room


class Flow:
    """Text that arrives bit by bit, printed at once; on a terminal, in lines that end between words.

    Args:
        stream: standard output.
    """

    def __init__(self, stream):
        self.stream, self.column, self.waiting, self.spaces = stream, 0, "", ""
        self.width = shutil.get_terminal_size().columns if stream.isatty() else None

    def add(self, text):
        """Print more text; on a terminal, its last word waits for its end."""
        if self.width is None:
            self._print(text)
            return
        *whole, self.waiting = re.findall(r"\s+|\S+", self.waiting + text) or [""]
        for part in whole:
            self._place(part)

    def end(self):
        """Print what waits, and end the line."""
        if self.waiting:
            self._place(self.waiting)
        self._print("\n")

    def _place(self, part):
        """Print a word, on this line or the next; spaces wait for the word after them."""
        if part.isspace():
            self.spaces += part
            return
        lines, self.spaces = self.spaces.split("\n"), ""
        if len(lines) > 1:
            self._print("\n" * (len(lines) - 1))
            self.column = 0
        spaces = lines[-1]
        if self.column and self.column + _columns(spaces + part) > self.width:
            self._print("\n")
            self.column, spaces = 0, ""
        for character in spaces + part:
            if self.column + _columns(character) > self.width:
                self._print("\n")
                self.column = 0
            self._print(character)
            self.column += _columns(character)

    def _print(self, text):
        self.stream.write(text)
        self.stream.flush()


def _columns(text):
    """Return the columns that a text takes on a terminal: a Chinese character has two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
