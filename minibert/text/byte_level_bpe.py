"""GPT-2's tokenizer: byte-level byte-pair encoding.

    "Hello world"  ->  ["Hello", "Ġworld"]  ->  [15496, 995]

Three steps, as in Hugging Face's `GPT2Tokenizer`:
1. special tokens written in the text, "<|endoftext|>", are kept whole;
2. a rule splits the text into words, numbers, signs and spaces; one space belongs to what follows it;
3. each part is written in UTF-8, and its bytes are merged in pairs: of all pairs of neighbours the one that
   was learned first is merged, at every place, and so on until no pair is known.

There is no unknown token: every text is made of the 256 bytes. A byte is shown as a character that can be
seen, so that tokens fit into text files: 188 bytes as the character of their own code, the others as those
from 256 on (a space is "Ġ", a line end "Ċ").

Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2, and its code;
Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", section 3.2. The ids are
those of the library tokenizers, for every character of Python's Unicode
(tests/reference/tokenizer/test_byte_level_bpe_tokenizers.py).
"""

import re
from collections import Counter

from minibert.text.bpe import (
    added_tokens,
    check_ids,
    check_merges,
    encode,
    encode_batch,
    load,
    merged,
    ranks_of,
    save,
    tokens_of,
)
from minibert.text.character_classes import LETTERS, NUMBERS, SPACES
from minibert.text.merging import merges
from minibert.text.remembered import Remembered

END = "<|endoftext|>"
WRITTEN = ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json")  # by save_pretrained


def byte_characters():
    """Return {byte: the character that shows it}, in the order of GPT-2's vocabulary.

    Bytes with a visible character of their own code come first: ! to ~, ¡ to ¬ and ® to ÿ.
    """
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {
        byte: chr(256 + number) for number, byte in enumerate(others)
    }


BYTE_CHARACTERS = byte_characters()
BYTES = {character: byte for byte, character in BYTE_CHARACTERS.items()}


def _characters(ranges):
    """Return ranges of code points, "41-5A AA", as they are written in a set of a regular expression."""
    return re.sub(r"([0-9A-F]+)\s*", lambda found: rf"\U{int(found[1], 16):08x}", ranges.strip())


# GPT-2's rule, in which \p{L} and \p{N} are letters and numbers and \s is Unicode's white space:
#   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
_LETTERS, _NUMBERS, _SPACES = (_characters(ranges) for ranges in (LETTERS, NUMBERS, SPACES))
PARTS = re.compile(
    f"'(?:s|t|re|ve|m|ll|d)| ?[{_LETTERS}]+| ?[{_NUMBERS}]+| ?[^{_SPACES}{_LETTERS}{_NUMBERS}]+"
    f"|[{_SPACES}]+(?![^{_SPACES}])|[{_SPACES}]+"
)


class ByteLevelBPETokenizer:
    """Text to ids of byte-level tokens, and back: decode(encode(text).input_ids) is the text.

    Args:
        vocab: {token: id}, with the ids 0, 1, 2, ...
        merges: the pairs (left, right) in the order in which they were learned.
        special_tokens: tokens of the vocabulary that are kept whole where a text holds them.

    Attributes:
        vocab: {token: id}.  id_to_token: the list of tokens, by id.  vocab_size: their number.
        merges: the list of pairs.  special_tokens: a list.
        eos_token_id: the id of "<|endoftext|>", None where there is none.
        pad_token_id: the same, or 0: what fills a batch. The mask tells it from an end.

    Raises:
        ValueError: the ids are not 0, 1, 2, ..., a byte has no token, or a merge makes or needs a token that
            the vocabulary lacks.
    """

    def __init__(self, vocab, merges, special_tokens=(END,)):
        self.vocab = dict(vocab)
        self.id_to_token = sorted(self.vocab, key=self.vocab.get)
        self.vocab_size = len(self.id_to_token)
        self.merges = [tuple(pair) for pair in merges]
        self.special_tokens = [token for token in dict.fromkeys(special_tokens) if token in self.vocab]
        check_ids(self.vocab)
        _check_bytes(self.vocab)
        check_merges(self.vocab, self.merges)
        self.eos_token_id = self.vocab.get(END)
        self.pad_token_id = self.eos_token_id or 0
        self._ranks = ranks_of(self.merges)
        longest_first = sorted(self.special_tokens, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        self._ids_of_part = Remembered(self._ids_of)

    def __repr__(self):
        return f"ByteLevelBPETokenizer({self.vocab_size} tokens)"

    # --- text to tokens to ids ---

    def tokenize(self, text):
        """Return the tokens of a text: a list of strings, in which each byte is a character."""
        return [self.id_to_token[index] for index in self.ids(text)]

    def ids(self, text):
        """Return the ids of the tokens of a text: a list of int. ValueError if it is no text."""
        _check_text(text)
        ids, start = [], 0
        for found in self._special.finditer(text):
            ids += self._ids_without_special(text[start : found.start()])
            ids.append(self.vocab[found.group()])
            start = found.end()
        return ids + self._ids_without_special(text[start:])

    def _ids_without_special(self, text):
        ids = []
        for part in PARTS.findall(text):
            ids += self._ids_of_part[part]
        return ids

    def _ids_of(self, part):
        return [self.vocab[token] for token in merged(_visible(part), self._ranks)]

    def encode(self, text, max_length=None):
        """Return the TextEncoding of a text, int64 arrays (T,); with `max_length`, its first tokens only."""
        return encode(self, text, max_length)

    def encode_batch(self, texts, max_length=None):
        """Return the TextEncoding of a list of texts, int64 arrays (B, T), padded on the left.

        So each sequence ends at the last column, where generate goes on.

        Raises:
            ValueError: `texts` is empty or one string, or holds what is no text.
        """
        return encode_batch(self, texts, max_length)

    def decode(self, ids):
        """Return the text of a sequence of ids (a list or an int array).

        Bytes that are no UTF-8, as where a character is cut in two, become "\N{REPLACEMENT CHARACTER}".

        Raises:
            ValueError: an id is outside the vocabulary.
        """
        content = bytearray()
        for token in tokens_of(self, ids):
            is_special = token in self.special_tokens or not BYTES.keys() >= set(token)
            content += token.encode() if is_special else bytes(BYTES[character] for character in token)
        return content.decode("utf-8", errors="replace")

    # --- files ---

    def save_pretrained(self, directory, model_max_length=None):
        """Write vocab.json, merges.txt, tokenizer.json and tokenizer_config.json, as transformers does.

        Args:
            directory: is made where it does not exist.
            model_max_length: the longest sequence of the model; None: not recorded.
        """
        end = {} if self.eos_token_id is None else dict.fromkeys(("bos_token", "eos_token", "unk_token"), END)
        config = {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False, **end}
        save(self, directory, _tokenizer_json(self), config, model_max_length)

    @classmethod
    def from_pretrained(cls, directory):
        """Read a tokenizer from a Hugging Face model directory: vocab.json and merges.txt, or tokenizer.json.

        Raises:
            ValueError: the directory or a file is missing, a file is not UTF-8 or not JSON, it describes
                another kind of tokenizer, or the vocabulary is unusable (see the class).
        """
        return load(directory, _check_kind, lambda vocab, merges, added: cls(
            {**vocab, **{token["content"]: token["id"] for token in added}}, merges,
            [END, *(token["content"] for token in added)]))

    # --- learning a vocabulary ---

    @classmethod
    def train(cls, texts, vocab_size, min_frequency=2):
        """Learn a vocabulary from an iterable of strings, and return its tokenizer.

        It begins with the 256 bytes and ends with "<|endoftext|>". Between them, the most frequent pair of
        neighbours becomes a token, again and again, until there are `vocab_size` tokens or no pair occurs
        `min_frequency` times. Of equally frequent pairs the first by code points is taken.

        Raises:
            ValueError: `texts` is one string, holds what is no text, or `vocab_size` is below 257.
        """
        if isinstance(texts, str):
            raise ValueError("train takes an iterable of strings, got one string; put it into a list")
        if vocab_size < 257:
            raise ValueError(f"vocab_size {vocab_size} is too small: there are 256 bytes and {END}")
        counts = Counter()
        for text in texts:
            _check_text(text)
            counts.update(PARTS.findall(text))
        words = {_visible(part): count for part, count in counts.items()}
        vocab = {character: number for number, character in enumerate(BYTE_CHARACTERS.values())}
        learned = []
        for left, right, both in merges(words, list(vocab), min_frequency, continuation=""):
            if len(vocab) == vocab_size - 1:
                break
            learned.append((left, right))
            vocab.setdefault(both, len(vocab))
        vocab[END] = len(vocab)
        return cls(vocab, learned)


def _visible(text):
    """Return the bytes of a text as characters."""
    return "".join(BYTE_CHARACTERS[byte] for byte in text.encode())


def _check_text(text):
    if not isinstance(text, str):
        raise ValueError(f"a text must be a string, got the {type(text).__name__} {text!r:.80}; give a list "
                         "of texts to encode_batch, one string to the other methods")
    half = re.search("[\ud800-\udfff]", text)
    if half:
        raise ValueError(f"the text has half a character, {half.group()!r}, at place {half.start()}, which "
                         "UTF-8 cannot write: take it out")


def _check_bytes(vocab):
    absent = [character for character in BYTES if character not in vocab]
    if absent:
        raise ValueError(f"the vocabulary has no token for {len(absent)} of the 256 bytes, such as "
                         f"{absent[0]!r}: it is not that of a byte-level tokenizer")


def _tokenizer_json(tokenizer):
    """Return the object that the library tokenizers writes for this tokenizer."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    model = {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
        "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
        "vocab": tokenizer.vocab, "merges": [list(pair) for pair in tokenizer.merges],
    }
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added_tokens(tokenizer),
        "normalizer": None, "pre_tokenizer": byte_level,
        "post_processor": byte_level | {"trim_offsets": False},
        "decoder": byte_level, "model": model,
    }


def _check_kind(path, content):
    """Raise ValueError if a tokenizer.json is of another kind."""
    model, splitting = content["model"], content.get("pre_tokenizer") or {}
    if (model.get("type", "BPE"), splitting.get("type")) != ("BPE", "ByteLevel"):
        raise ValueError(f"{path} describes another tokenizer: model {model.get('type')!r} after "
                         f"{splitting.get('type')!r}; that of GPT-2 has 'BPE' after 'ByteLevel'")
    for name, expected in (("add_prefix_space", False), ("use_regex", True)):
        if splitting.get(name, expected) != expected:
            raise ValueError(f"{path}: {name} {splitting[name]!r} is not supported, only {expected!r}")
    if content.get("normalizer"):
        raise ValueError(f"{path} has a normalizer, which is not supported; that of GPT-2 has none")
