"""GPT's tokenizer of 2018: lower-cased words, and byte-pair encoding of their characters.

    "The unaffable cat."  ->  ["the</w>", "un", "aff", "able</w>", "cat</w>", ".</w>"]

Two steps, as in transformers' `OpenAIGPTTokenizer`:
1. BERT's basic tokenization: letters are lower-cased and freed of accents, punctuation marks and CJK
   characters set apart, special tokens kept whole;
2. each word is cut into its characters, the last of which carries "</w>", the end of a word. Then pairs are
   merged as in GPT-2: of all pairs of neighbours the one that was learned first.
A character that the vocabulary lacks is "<unk>".

The program of 2018 splits with the packages spaCy and ftfy; transformers documents this way in their place,
and so do we. Case, accents and spacing are lost: decode("the</w>", ".</w>") is "the .".

Source: Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", section 4.1;
Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", section 3.2. The ids are
those of transformers (tests/reference/tokenizer/test_gpt_tokenizer_transformers.py).
"""

import unicodedata
from collections import Counter

from minibert.text.basic_tokenizer import BasicTokenizer
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
from minibert.text.merging import merges
from minibert.text.remembered import Remembered

UNK, END_OF_WORD = "<unk>", "</w>"
# This tokenizer in the terms of tokenizer.json; one that says otherwise would give other ids.
EXPECTED = {
    "model": {"type": "BPE", "unk_token": UNK, "end_of_word_suffix": END_OF_WORD},
    "normalizer": {
        "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
}


class OpenAIGPTTokenizer:
    """Text to ids of GPT's tokens, and back.

    Args:
        vocab: {token: id}, with the ids 0, 1, 2, ...
        merges: the pairs (left, right) in the order in which they were learned.
        special_tokens: tokens of the vocabulary that are kept whole where a text holds them.

    Attributes:
        vocab: {token: id}.  id_to_token: the list of tokens, by id.  vocab_size: their number.
        merges: the list of pairs.  special_tokens: a list.
        unk_token_id: the id of "<unk>".
        pad_token_id: 0: what fills a batch. The mask tells it from a token.

    Raises:
        ValueError: the ids are not 0, 1, 2, ..., there is no "<unk>", or a merge makes or needs a token that
            the vocabulary lacks.
    """

    def __init__(self, vocab, merges, special_tokens=(UNK,)):
        self.vocab = dict(vocab)
        self.id_to_token = sorted(self.vocab, key=self.vocab.get)
        self.vocab_size = len(self.id_to_token)
        self.merges = [tuple(pair) for pair in merges]
        self.special_tokens = [token for token in dict.fromkeys(special_tokens) if token in self.vocab]
        check_ids(self.vocab)
        if UNK not in self.vocab:
            raise ValueError(f"the vocabulary of {self.vocab_size} tokens has no {UNK!r} for characters that "
                             "it does not know: it is not that of GPT")
        check_merges(self.vocab, self.merges)
        self.unk_token_id, self.pad_token_id = self.vocab[UNK], 0
        self._ranks = ranks_of(self.merges)
        self._basic = BasicTokenizer(special_tokens=self.special_tokens)
        self._ids_of_word = Remembered(self._ids_of)

    def __repr__(self):
        return f"OpenAIGPTTokenizer({self.vocab_size} tokens)"

    # --- text to tokens to ids ---

    def tokenize(self, text):
        """Return the tokens of a text: a list of strings."""
        return [self.id_to_token[index] for index in self.ids(text)]

    def ids(self, text):
        """Return the ids of the tokens of a text: a list of int. ValueError if it is no text."""
        _check_text(text)
        ids = []
        for word in self._basic.words(text):
            ids += self._ids_of_word[word]
        return ids

    def _ids_of(self, word):
        if word in self.special_tokens:
            return [self.vocab[word]]
        known = [token if token in self.vocab else UNK for token in _characters(word)]
        return [self.vocab[token] for token in merged(known, self._ranks)]

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
        """Return the text of a sequence of ids (a list or an int array): words with spaces between them.

        Raises:
            ValueError: an id is outside the vocabulary.
        """
        tokens = list(tokens_of(self, ids))
        last = len(tokens) - 1
        return "".join(
            token.replace(END_OF_WORD, " " if place < last else "") for place, token in enumerate(tokens)
        )

    # --- files ---

    def save_pretrained(self, directory, model_max_length=None):
        """Write vocab.json, merges.txt, tokenizer.json and tokenizer_config.json, as transformers does.

        Args:
            directory: is made where it does not exist.
            model_max_length: the longest sequence of the model; None: not recorded.
        """
        config = {"tokenizer_class": "OpenAIGPTTokenizer", "unk_token": UNK}
        save(self, directory, _tokenizer_json(self), config, model_max_length)

    @classmethod
    def from_pretrained(cls, directory):
        """Read a tokenizer from a Hugging Face model directory: vocab.json and merges.txt, or tokenizer.json.

        Raises:
            ValueError: the directory or a file is missing, a file is not UTF-8 or not JSON, it describes
                another kind of tokenizer, or the vocabulary is unusable (see the class).
        """
        def make(vocab, merges, added):
            _check_added(added)
            ids = {token["content"]: token["id"] for token in added}
            return cls({**vocab, **ids}, merges, [UNK, *ids])

        return load(directory, _check_kind, make)

    # --- learning a vocabulary ---

    @classmethod
    def train(cls, texts, vocab_size, min_frequency=2):
        """Learn a vocabulary from an iterable of strings, and return its tokenizer.

        It begins with "<unk>" and the characters, within a word and at its end, that occur `min_frequency`
        times. Then the most frequent pair of neighbours becomes a token, again and again, until there are
        `vocab_size` tokens or no pair occurs `min_frequency` times. Of equally frequent pairs the first by
        code points is taken.

        Raises:
            ValueError: `texts` is one string, holds what is no text, or `vocab_size` is too small for the
                characters.
        """
        if isinstance(texts, str):
            raise ValueError("train takes an iterable of strings, got one string; put it into a list")
        basic, counts = BasicTokenizer(special_tokens=[UNK]), Counter()
        for text in texts:
            _check_text(text)
            counts.update(basic.words(text))
        del counts[UNK]
        words = {_characters(word): count for word, count in counts.items()}
        frequency = Counter()
        for characters, count in words.items():
            for character in characters:
                frequency[character] += count
        alphabet = sorted(token for token, count in frequency.items()
                          if count >= min_frequency and unicodedata.category(token[0]) != "Cs")
        if vocab_size <= len(alphabet):
            raise ValueError(f"vocab_size {vocab_size} is too small: this text needs {UNK} and "
                             f"{len(alphabet)} characters; give {len(alphabet) + 1} or more")
        vocab = {token: number for number, token in enumerate([UNK, *alphabet])}
        learned = []
        for left, right, both in merges(words, alphabet, min_frequency, continuation=""):
            if len(vocab) == vocab_size:
                break
            learned.append((left, right))
            vocab.setdefault(both, len(vocab))
        return cls(vocab, learned)


def _characters(word):
    """Return the characters of a word, the last one with the end of a word: a tuple."""
    return (*word[:-1], word[-1] + END_OF_WORD)


def _check_text(text):
    if not isinstance(text, str):
        raise ValueError(f"a text must be a string, got the {type(text).__name__} {text!r:.80}; give a list "
                         "of texts to encode_batch, one string to the other methods")


def _check_added(added):
    """Raise ValueError for an added token that is not looked for in the text as it is."""
    for token in added:
        for option in ("normalized", "single_word"):
            if token.get(option):
                raise ValueError(f"the added token {token['content']!r} has {option!r}, which is not "
                                 "supported: only tokens that are kept whole wherever a text holds them are")


def _check_kind(path, content):
    """Raise ValueError if a tokenizer.json is of another kind."""
    for part, expected in EXPECTED.items():
        for name, value in expected.items():
            found = (content.get(part) or {}).get(name)
            if found != value:
                raise ValueError(f"{path} describes another tokenizer: its {part} has {name} {found!r}; "
                                 f"that of GPT has {value!r}")


def _tokenizer_json(tokenizer):
    """Return the object that the library tokenizers writes for this tokenizer."""
    model = EXPECTED["model"] | {
        "dropout": None, "continuing_subword_prefix": "", "fuse_unk": False, "byte_fallback": False,
        "ignore_merges": False, "vocab": tokenizer.vocab, "merges": [list(pair) for pair in tokenizer.merges],
    }
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added_tokens(tokenizer),
        "normalizer": EXPECTED["normalizer"], "pre_tokenizer": EXPECTED["pre_tokenizer"],
        "post_processor": None, "decoder": {"type": "BPEDecoder", "suffix": END_OF_WORD}, "model": model,
    }
