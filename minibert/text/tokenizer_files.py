"""The tokenizer's files in a Hugging Face model directory.

    vocab.txt                 the vocabulary, a token a line in the order of the ids
    tokenizer.json            vocabulary and options in one; transformers 5 saves only this and the next one
    tokenizer_config.json     options: do_lower_case, strip_accents, tokenize_chinese_chars
    special_tokens_map.json   the names of the special tokens
    added_tokens.json         {token: id}: tokens added to vocab.txt later; transformers 5 keeps them, and how
                              they are looked for, in tokenizer.json

Where there are both, vocab.txt is read and not tokenizer.json, and an option in tokenizer_config.json counts
more than the one in tokenizer.json, as in transformers 5. Without any, the options are those of BERT's
uncased models.
"""

import json
from pathlib import Path

from minibert.files import kind_of_foreign, write_atomically, write_json
from minibert.text.basic_tokenizer import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK, AddedToken

WRITTEN = ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json")  # by write_files
ROLES = {"pad_token": PAD, "unk_token": UNK, "cls_token": CLS, "sep_token": SEP, "mask_token": MASK}
OPTIONS = {  # their names in tokenizer_config.json, and in the normalizer of tokenizer.json
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
CLASSES = ("BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend")
# This tokenizer in the terms of tokenizer.json; one that says otherwise would give other ids.
EXPECTED = {
    "model": {"type": "WordPiece", "unk_token": UNK, "continuing_subword_prefix": "##"},
    "normalizer": {"type": "BertNormalizer", "clean_text": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
}


def write_files(directory, tokens, options, extra_special_tokens=(), model_max_length=None, added=None):
    """Write vocab.txt, tokenizer_config.json and special_tokens_map.json; no file is ever half written.

    Args:
        options: {name: value}, for tokenizer_config.json.
        extra_special_tokens: those besides [PAD], [UNK], [CLS], [SEP] and [MASK].
        model_max_length: see WordPieceTokenizer.save_pretrained.
        added: {id: AddedToken}; they are among `tokens`, too.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    config = {**ROLES, **options, "tokenizer_class": "BertTokenizer"}
    if extra_special_tokens:
        config["additional_special_tokens"] = list(extra_special_tokens)
    if added:
        config["added_tokens_decoder"] = {
            str(index): {"content": token.content, "lstrip": False, "rstrip": False, "special": False,
                         "normalized": token.normalized, "single_word": token.single_word}
            for index, token in added.items()}
    if model_max_length is not None:
        config["model_max_length"] = model_max_length
    vocabulary, options_file, names = (directory / name for name in WRITTEN)
    write_atomically(vocabulary, "".join(token + "\n" for token in tokens).encode())
    write_json(options_file, config)
    write_json(names, ROLES)


def read_files(directory):
    """Return the path of the file that holds the vocabulary, and the arguments of WordPieceTokenizer: a dict.

    Raises:
        ValueError: the directory or the vocabulary is missing, a file is not UTF-8 or not JSON, or it
            describes a tokenizer that this one is not; with the path of the file.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise ValueError(f"{directory} is not a directory; give the one that a model was saved in")
    path = directory / "vocab.txt"
    if path.is_file():
        # Only "\n" ends a line: splitlines() would also split at U+2028, a token of some vocabularies.
        tokens = [line.removesuffix("\r") for line in read_text(path).rstrip("\r\n").split("\n")]
        arguments = {"vocab": tokens, "allow_repeated": True}
        names = ["added_tokens.json"]
    else:
        path = directory / "tokenizer.json"
        if not path.is_file():
            raise ValueError(f"{directory} holds no vocab.txt and no tokenizer.json; give the directory that "
                             "a model was saved in")
        arguments = {}
        names = ["tokenizer.json"]

    added, plain = {}, {}
    for name in [*names, "tokenizer_config.json", "special_tokens_map.json"]:  # a later one counts more
        if (directory / name).is_file():
            content = read_object(directory / name)
            try:
                if name == "added_tokens.json":
                    content = {"added_tokens": [{"content": token, "id": index, "special": False,
                                                 "normalized": True} for token, index in content.items()]}
                else:
                    read_one = _from_tokenizer_json if name == "tokenizer.json" else _from_config
                    arguments |= read_one(directory / name, content)
                for record in _added_tokens(content):
                    token, index = record["content"], record.get("id")
                    added[token] = added.get(token) if index is None else index
                    how = bool(record.get("normalized")), bool(record.get("single_word"))
                    if not record["special"] or any(how):
                        plain[token] = AddedToken(token, *how)
            except (AttributeError, KeyError, TypeError) as error:  # such as a list in place of an object
                raise ValueError(f"{directory / name} is not of the form that Hugging Face's tokenizers "
                                 f"write ({error!r})") from None
    held = {*arguments["vocab"]}
    _append(path, arguments["vocab"], added)
    plain = [token._replace(is_piece=token.content in held) for token in plain.values()]
    special = [token for token in added if token not in {token.content for token in plain}]
    return path, {**arguments, "extra_special_tokens": special, "added_tokens": plain}


def _from_tokenizer_json(path, content):
    """Return the vocabulary and the options of tokenizer.json as arguments of WordPieceTokenizer."""
    for part, expected in EXPECTED.items():
        if not content.get(part):
            raise ValueError(f"{path} describes another tokenizer: it has no {part}; that of BERT has one")
        for name, value in expected.items():
            found = content[part].get(name, value)  # older files leave out the type of the model
            if found != value:
                raise ValueError(f"{path} describes another tokenizer: its {part} has {name} {found!r}; "
                                 f"that of BERT has {value!r}")
    normalizer = content["normalizer"]
    options = {ours: normalizer[theirs] for ours, theirs in OPTIONS.items() if theirs in normalizer}
    return {"vocab": {**content["model"]["vocab"]}, **options}


def _from_config(path, content):
    """Return the options in tokenizer_config.json; check the names in it or in special_tokens_map.json."""
    name = content.get("tokenizer_class")
    if name is not None and name not in CLASSES:
        raise ValueError(f"{path} describes a {name}; minibert reads a {CLASSES[0]}")
    for role, expected in ROLES.items():
        token = _content(content.get(role) or expected)
        if token != expected:
            raise ValueError(f"{path} says that {role} is {token!r}; minibert's tokenizer knows only "
                             f"{expected!r}")
    return {name: content[name] for name in [*OPTIONS, "max_input_chars_per_word"] if name in content}


def _added_tokens(content):
    """Return the tokens added to the five special ones: records with at least content and special."""
    listed = _list(content.get("additional_special_tokens"))  # transformers 4
    listed += _list(content.get("extra_special_tokens"))      # transformers 5
    records = [{"content": _content(token), "special": True} for token in listed]
    records += _list(content.get("added_tokens"))  # tokenizer.json
    for index, token in (content.get("added_tokens_decoder") or {}).items():
        records.append({**token, "id": int(index) if index.isdecimal() else index})
    for record in records:
        index = record.get("id")
        if index is not None and not isinstance(index, int):
            raise TypeError(f"the id {index!r}")
    return [record for record in records if record["content"] and record["content"] not in SPECIAL_TOKENS]


def _append(path, vocab, added):
    """Append the added tokens that a vocabulary does not hold yet, first those that have an id."""
    known = set(vocab)
    in_order = sorted(added, key=lambda token: (added[token] is None, added[token]))
    for token in in_order:
        index = len(vocab) if added[token] is None else added[token]
        if token not in known and index != len(vocab):
            raise ValueError(f"{path} holds {len(vocab)} tokens, so the next id is {len(vocab)}, but the "
                             f"token {token!r} is said to have id {index}")
        if token not in known and isinstance(vocab, list):
            vocab.append(token)
        elif token not in known:
            vocab[token] = index


def _list(value):
    """Lists of tokens are also written as objects, whose values are the tokens, or left out."""
    if not isinstance(value, (list, dict, type(None))):
        raise TypeError(f"a {type(value).__name__} in place of a list")
    return list(value.values() if isinstance(value, dict) else value or [])


def _content(token):
    """A token is written as a string, or as an object that holds the string."""
    return token["content"] if isinstance(token, dict) else token


def read_text(path):
    """Return the text of a UTF-8 file, with the line ends it has."""
    content = path.read_bytes()
    foreign = kind_of_foreign(content)
    if foreign:
        raise ValueError(f"{path} cannot be read: {foreign}")
    try:
        return content.decode("utf-8-sig")  # "sig": Windows editors put a byte-order mark in front
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte offset {error.start}); save it as UTF-8") from None


def read_object(path):
    """Return the JSON object in a file, or raise ValueError."""
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"{path} is not JSON of a tokenizer: it is nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a JSON {type(content).__name__}; Hugging Face's tokenizers write an "
                         "object")
    return content
