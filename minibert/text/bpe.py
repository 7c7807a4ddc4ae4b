"""Byte-pair encoding: what the tokenizers of GPT and GPT-2 have in common.

A word is a list of tokens, its characters at first. Of all pairs of neighbours the one that was learned first
is merged, at every place, and so on until no pair is known. merging.py learns the pairs.

Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", section 3.2.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from minibert.files import write_atomically, write_json
from minibert.text.tokenizer_files import read_object, read_text


class TextEncoding(NamedTuple):
    """An encoded text: int64 arrays (T,). Or a batch of them, padded on the left: (B, T)."""

    input_ids: np.ndarray
    attention_mask: np.ndarray  # 1 for a token, 0 for padding


def ranks_of(merges):
    """Return {pair: its place in the list}, the first one where a pair occurs twice."""
    return {pair: rank for rank, pair in reversed(list(enumerate(merges)))}


def merged(tokens, ranks):
    """Merge the pair of lowest rank at every place, from the left, until no pair has a rank; return a list.

    Args:
        tokens: an iterable of tokens, the characters of a word.
        ranks: {(left, right): rank}.
    """
    tokens = list(tokens)
    while len(tokens) > 1:
        best = min(zip(tokens, tokens[1:]), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        shorter, place = [], 0
        while place < len(tokens):
            is_best = tuple(tokens[place : place + 2]) == best
            shorter.append(best[0] + best[1] if is_best else tokens[place])
            place += 2 if is_best else 1
        tokens = shorter
    return tokens


# --- the methods that both tokenizers have ---


def encode(tokenizer, text, max_length=None):
    """Return the TextEncoding of a text, int64 arrays (T,); with `max_length`, its first tokens only."""
    ids = tokenizer.ids(text)[:max_length]
    return TextEncoding(np.array(ids, np.int64), np.ones(len(ids), np.int64))


def encode_batch(tokenizer, texts, max_length=None):
    """Return the TextEncoding of a list of texts, int64 arrays (B, T), padded on the left.

    Raises:
        ValueError: `texts` is empty or one string, or holds what is no text.
    """
    if isinstance(texts, str) or not len(texts):
        raise ValueError(f"encode_batch takes a list of one text or more, got {texts!r}")
    encodings = [tokenizer.encode(text, max_length) for text in texts]
    shape = len(texts), max(len(encoding.input_ids) for encoding in encodings)
    batch = TextEncoding(np.full(shape, tokenizer.pad_token_id, np.int64), np.zeros(shape, np.int64))
    for row, encoding in enumerate(encodings):
        for padded, array in zip(batch, encoding):
            padded[row, shape[1] - len(array) :] = array
    return batch


def tokens_of(tokenizer, ids):
    """Yield the token of each id (a list or an int array). ValueError for one outside the vocabulary."""
    for index in np.ravel(ids).tolist():
        if not 0 <= index < tokenizer.vocab_size:
            raise ValueError(f"id {index} is outside the vocabulary of {tokenizer.vocab_size} tokens; "
                             f"ids are 0 to {tokenizer.vocab_size - 1}")
        yield tokenizer.id_to_token[index]


def check_ids(vocab):
    """Raise ValueError if the ids of {token: id} are not 0, 1, 2, ..."""
    if sorted(vocab.values()) != list(range(len(vocab))):
        raise ValueError(f"the ids of a vocabulary of {len(vocab)} tokens must be 0 to {len(vocab) - 1}, "
                         "each once")


def check_merges(vocab, merges):
    """Raise ValueError if a merge makes or needs a token that the vocabulary lacks."""
    for pair in merges:
        for token in (*pair, "".join(pair)):
            if len(pair) != 2 or token not in vocab:
                raise ValueError(f"the merge {' '.join(pair)!r} needs the token {token!r}, which is not in "
                                 "the vocabulary: the two are of different tokenizers")


# --- files ---


def save(tokenizer, directory, content, config, model_max_length):
    """Write vocab.json, merges.txt, tokenizer.json and tokenizer_config.json, as transformers does.

    Args:
        directory: is made where it does not exist.
        content: the object of tokenizer.json.
        config: that of tokenizer_config.json.
        model_max_length: the longest sequence of the model, for config; None: not recorded.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "vocab.json", tokenizer.vocab)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in tokenizer.merges)]
    write_atomically(directory / "merges.txt", "".join(f"{line}\n" for line in lines).encode())
    write_json(directory / "tokenizer.json", content)
    longest = {} if model_max_length is None else {"model_max_length": model_max_length}
    write_json(directory / "tokenizer_config.json", config | longest)


def added_tokens(tokenizer):
    """Return the special tokens as tokenizer.json has them: a list of dicts."""
    return [
        {"id": tokenizer.vocab[token], "content": token, "single_word": False, "lstrip": False,
         "rstrip": False, "normalized": False, "special": True}
        for token in tokenizer.special_tokens
    ]


def load(directory, check_kind, make):
    """Return make(vocab, merges, added) of vocab.json and merges.txt, or else of tokenizer.json.

    Args:
        directory: a Hugging Face model directory.
        check_kind: function (path, content) that raises ValueError if a tokenizer.json is of another kind.
        make: function of {token: id}, the pairs, and the added tokens of tokenizer.json: a list of dicts.

    Raises:
        ValueError: the directory or a file is missing, a file is not UTF-8 or not JSON, or one of the two
            functions raised one; with the path of the file.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise ValueError(f"{directory} is not a directory; give the one that a model was saved in")
    path, both = directory / "vocab.json", directory / "tokenizer.json"
    has_two = path.is_file() and (directory / "merges.txt").is_file()
    if not has_two and not both.is_file():
        raise ValueError(f"{directory} holds no vocab.json with merges.txt, and no tokenizer.json; give "
                         "the directory that a model was saved in")
    try:
        added = read_object(both).get("added_tokens") or [] if both.is_file() else []
        if has_two:
            return make(read_object(path), _read_merges(directory / "merges.txt"), added)
        path, content = both, read_object(both)
        check_kind(both, content)
        pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in content["model"]["merges"]]
        return make(content["model"]["vocab"], pairs, added)
    except (AttributeError, KeyError, TypeError) as error:  # such as a list in place of an object
        raise ValueError(f"{path} is not of the form that Hugging Face's tokenizers write ({error!r})"
                         ) from None
    except ValueError as error:
        named = str(error).startswith(str(directory))
        raise ValueError(str(error) if named else f"{path}: {error}") from None


def _read_merges(path):
    """Return the pairs of a merges.txt: one a line, after a line with the version."""
    lines = read_text(path).split("\n")
    start = 1 if lines[0].startswith("#version") else 0
    return [line.removesuffix("\r").split(" ") for line in lines[start:] if line.strip()]
