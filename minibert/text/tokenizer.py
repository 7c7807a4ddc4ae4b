"""BERT's tokenizer splits text into words and punctuation marks, and words into the pieces of a vocabulary.

    "The unaffable cat."  ->  ["the", "una", "##ffa", "##ble", "cat", "."]
                          ->  [1996, 14477, 20961, 3468, 4937, 1012]

Three steps, as in Hugging Face's `BertTokenizer`:
1. special tokens written in the text, such as "[MASK]", are kept whole;
2. basic tokenization: control characters are dropped, letters lower-cased and freed of accents, punctuation
   marks and CJK characters set apart;
3. WordPiece: each word is read from the left, always taking the longest piece that the vocabulary holds.
The ids are exactly those of transformers 5, for every character that the Unicode of this Python assigns
(compared in
tests/reference/tokenizer/).

The pieces of a word are looked up once and remembered, so that most words cost one look into a dict. A
megabyte of python-docs takes 0.13 s, with a new tokenizer and a vocabulary of 30,522; Hugging Face's Rust
library takes 0.4 to 0.8 s, their older Python tokenizer 1.9 s (tests/reference/tokenizer/measure_speed.py,
one thread).

Source: Devlin et al. 2018, "BERT", section 3 ("Input/Output Representations"); Wu et al. 2016, "Google's
Neural Machine Translation System", section 4.1 (WordPiece). A vocabulary is learned by merging frequent
pairs, as in Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", section 3.2.
"""

import re
import unicodedata
import warnings
from collections import Counter
from typing import NamedTuple

import numpy as np

from minibert.text.basic_tokenizer import (
    ADDED,
    CLS,
    MASK,
    PAD,
    SEP,
    SPECIAL_TOKENS,
    UNK,
    BasicTokenizer,
)
from minibert.text.merging import CONTINUATION, merge_pairs
from minibert.text.offsets import words_with_places
from minibert.text.remembered import Remembered
from minibert.text.tokenizer_files import read_files, write_files

MAX_WORD = 100       # characters; longer words become [UNK]
MAX_ALPHABET = 1000  # characters a learned vocabulary holds, unless told; the rarer ones are left to [UNK]
COVERAGE = 0.9995    # share of the text that an alphabet without a limit covers
MUCH_UNKNOWN = 0.01  # share of the words that become [UNK] that is worth a warning
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character; it cannot be written to a file


class Encoding(NamedTuple):
    """An encoded text or pair of texts: int64 arrays (T,). Or a padded batch of them: (B, T)."""

    input_ids: np.ndarray       # [CLS] A [SEP] or [CLS] A [SEP] B [SEP], then [PAD]
    token_type_ids: np.ndarray  # 0 for [CLS] A [SEP], 1 for B [SEP], 0 for [PAD]
    attention_mask: np.ndarray  # 1 for a token, 0 for [PAD]


class WordPieceTokenizer:
    """Text to ids of word pieces, and back.

    Args:
        vocab: the tokens in the order of their ids (a list), or {token: id} with the ids 0, 1, 2, ...
        do_lower_case: lower-case the text ("uncased" models).
        max_input_chars_per_word: longer words become [UNK].
        strip_accents: drop accents. None means: where the text is lower-cased, as BERT does.
        tokenize_chinese_chars: make each CJK ideograph a word.
        extra_special_tokens: tokens of the vocabulary that are kept whole, too, like "[MASK]".
        added_tokens: tokens of the vocabulary that were added to it later: AddedToken's.
        allow_repeated: a token may occur in the list twice, as in some published files; then its last id
            counts, as in transformers.

    Attributes:
        vocab: {token: id}.
        id_to_token: the list of tokens, by id.
        vocab_size: their number.
        pad_token_id, unk_token_id, cls_token_id, sep_token_id, mask_token_id: the ids of the special tokens.

    Raises:
        ValueError: the vocabulary holds a token twice or one that is not a line, lacks a special token,
            or its ids are not 0, 1, 2, ...; or an option is not of its type.
    """

    def __init__(self, vocab, do_lower_case=True, max_input_chars_per_word=MAX_WORD, strip_accents=None,
                 tokenize_chinese_chars=True, extra_special_tokens=(), added_tokens=(), allow_repeated=False):
        _check_options(max_input_chars_per_word, do_lower_case=do_lower_case, strip_accents=strip_accents,
                       tokenize_chinese_chars=tokenize_chinese_chars)
        self.id_to_token = _tokens_in_order(vocab)
        if isinstance(vocab, str) or isinstance(extra_special_tokens, str):
            raise ValueError("vocab and extra_special_tokens are lists of tokens, got one string; put it "
                             "into a list, or read the folder of a vocabulary with from_pretrained")
        needed = [*SPECIAL_TOKENS, *extra_special_tokens, *(token.content for token in added_tokens)]
        self.vocab = _ids_of_tokens(self.id_to_token, needed, allow_repeated)
        self.vocab_size = len(self.id_to_token)
        self.pad_token_id = self.vocab[PAD]
        self.unk_token_id = self.vocab[UNK]
        self.cls_token_id = self.vocab[CLS]
        self.sep_token_id = self.vocab[SEP]
        self.mask_token_id = self.vocab[MASK]
        self.do_lower_case = do_lower_case
        self.max_input_chars_per_word = max_input_chars_per_word
        self.strip_accents = strip_accents
        self.tokenize_chinese_chars = tokenize_chinese_chars
        self.extra_special_tokens = list(extra_special_tokens)
        self.added_tokens = list(added_tokens)
        self._special_tokens = {*SPECIAL_TOKENS, *extra_special_tokens}
        self._basic = BasicTokenizer(
            do_lower_case, strip_accents, tokenize_chinese_chars, self._special_tokens, self.added_tokens)
        apart = {token.content for token in added_tokens if not token.is_piece}
        self._pieces = {token: index for token, index in self.vocab.items() if token not in apart}
        self._longest_piece = max(map(len, self.id_to_token))
        self._ids_of_word = Remembered(self._word_ids)

    def __repr__(self):
        return f"WordPieceTokenizer({self.vocab_size} tokens, do_lower_case={self.do_lower_case})"

    # --- text to tokens to ids ---

    def tokenize(self, text):
        """Return the word pieces of a text, without [CLS] and [SEP]: a list of strings."""
        return [self.id_to_token[index] for index in self.ids(text)]

    def words(self, text):
        """Return the words and punctuation marks of a text, normalised, before they are cut into pieces."""
        return self._basic.words(text)

    def ids(self, text):
        """Return the ids of the word pieces of a text, without [CLS] and [SEP]: a list of int.

        Raises:
            ValueError: the text is not a string.
        """
        if not isinstance(text, str):
            raise ValueError(f"a text must be a string, got the {type(text).__name__} {text!r:.80}; give a "
                             "list of texts to encode_batch, one string to the other methods")
        ids = []
        for word in self._basic.words(text):
            ids += self._ids_of_word[word]
        return ids

    def ids_with_offsets(self, text):
        """Return the ids of a text as `ids` does, and where each piece is in the text.

        Returns:
            a list of int, and a list of (first character, one after the last): text[first:last] was read as
            the piece, before it was normalised.
        """
        ids, offsets = [], []
        for word, places in words_with_places(self._basic, text):
            word_ids = self._word_ids(word)
            first = 0
            for index in word_ids:
                piece = self.id_to_token[index]
                length = len(places) if len(word_ids) == 1 else len(piece) - (first and len(CONTINUATION))
                offsets.append((places[first][0], places[first + length - 1][1]))
                first += length
            ids += word_ids
        return ids, offsets

    def _word_ids(self, word):
        """Greedy longest match from the left. Where no piece matches, the whole word is [UNK]."""
        if word in self._special_tokens:
            return [self.vocab[word]]
        if word.startswith(ADDED):
            return [self.vocab[word.removeprefix(ADDED)]]
        if len(word) > self.max_input_chars_per_word:
            return [self.unk_token_id]
        ids = []
        start = 0
        while start < len(word):
            end = min(len(word), start + self._longest_piece)
            while end > start and self._piece(word, start, end) not in self._pieces:
                end -= 1
            if end == start:
                return [self.unk_token_id]
            ids.append(self._pieces[self._piece(word, start, end)])
            start = end
        return ids

    def _piece(self, word, start, end):
        return word[start:end] if start == 0 else CONTINUATION + word[start:end]

    def encode(self, text, pair=None, max_length=None):
        """Return the Encoding of "[CLS] text [SEP]" or "[CLS] text [SEP] pair [SEP]": int64 arrays (T,).

        With `max_length`, T is at most that: tokens are taken off the end of the longer one of the two until
        they fit. An empty pair is a pair and has its [SEP].

        Raises:
            ValueError: a text is not a string, or `max_length` leaves no room for the special tokens.
        """
        ids_a = self.ids(text)
        ids_b = [] if pair is None else self.ids(pair)
        if max_length is not None:
            num_special = 2 if pair is None else 3
            if max_length < num_special:
                raise ValueError(f"max_length {max_length} leaves no room for the {num_special} special "
                                 f"tokens, [CLS] and [SEP]; give at least {num_special + 1}")
            length_a, length_b = longest_first(len(ids_a), len(ids_b), max_length - num_special)
            ids_a, ids_b = ids_a[:length_a], ids_b[:length_b]
        input_ids = [self.cls_token_id, *ids_a, self.sep_token_id]
        token_type_ids = [0] * len(input_ids)
        if pair is not None:
            input_ids += [*ids_b, self.sep_token_id]
            token_type_ids += [1] * (len(ids_b) + 1)
        return Encoding(input_ids=np.array(input_ids, np.int64),
                        token_type_ids=np.array(token_type_ids, np.int64),
                        attention_mask=np.ones(len(input_ids), np.int64))

    def encode_batch(self, texts, max_length=None):
        """Return the Encoding of texts or (text, pair) tuples, padded to the longest: int64 arrays (B, T).

        Raises:
            ValueError: `texts` is empty or one string, a text is not a string, or `max_length` leaves no room
                for the special tokens.
        """
        if isinstance(texts, str) or not len(texts):
            raise ValueError(f"encode_batch takes a list of one text or more, got {texts!r}")
        encodings = []
        for item in texts:
            text, pair = item if isinstance(item, (tuple, list)) and len(item) == 2 else (item, None)
            encodings.append(self.encode(text, pair, max_length))
        shape = len(texts), max(len(encoding.input_ids) for encoding in encodings)
        batch = Encoding(input_ids=np.full(shape, self.pad_token_id, np.int64),
                         token_type_ids=np.zeros(shape, np.int64),
                         attention_mask=np.zeros(shape, np.int64))
        for row, encoding in enumerate(encodings):
            for padded, array in zip(batch, encoding):
                padded[row, :len(array)] = array
        return batch

    # --- ids to text ---

    def decode(self, ids):
        """Return the text of a sequence of ids (a list or an int array), for people to read.

        Pieces are joined to words, and . , ! ? to the word before them. [CLS], [SEP] and [PAD] are left out;
        [MASK] and [UNK] are kept, because each replaces a word. Case, accents and the original spacing are
        not recovered.

        Raises:
            ValueError: an id is outside the vocabulary.
        """
        tokens = []
        for index in np.ravel(ids).tolist():
            if not 0 <= index < self.vocab_size:
                raise ValueError(f"id {index} is outside the vocabulary of {self.vocab_size} tokens; "
                                 f"ids are 0 to {self.vocab_size - 1}")
            tokens.append(self.id_to_token[index])
        text = " ".join(token for token in tokens if token not in (CLS, SEP, PAD))
        return re.sub(r" ([.,!?])", r"\1", text.replace(" " + CONTINUATION, ""))

    # --- files ---

    def save_pretrained(self, directory, model_max_length=None):
        """Write vocab.txt, tokenizer_config.json and special_tokens_map.json, as transformers does.

        Args:
            directory: is made where it does not exist.
            model_max_length: the longest sequence of the model (its max_position_embeddings); None: not
                recorded.
        """
        options = {
            "do_lower_case": self.do_lower_case,
            "strip_accents": self.strip_accents,
            "tokenize_chinese_chars": self.tokenize_chinese_chars,
        }
        if self.max_input_chars_per_word != MAX_WORD:  # transformers has no such option and always takes 100
            options["max_input_chars_per_word"] = self.max_input_chars_per_word
        added = {self.vocab[token.content]: token for token in self.added_tokens}
        write_files(directory, self.id_to_token, options, self.extra_special_tokens, model_max_length, added)

    @classmethod
    def from_pretrained(cls, directory):
        """Read a tokenizer from a Hugging Face model directory: vocab.txt or tokenizer.json, and the options.

        Raises:
            ValueError: the directory or the vocabulary is missing, a file is not UTF-8 or not JSON, it
                describes another kind of tokenizer, or the vocabulary is unusable (see the class).
        """
        path, arguments = read_files(directory)
        try:
            return cls(**arguments)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    # --- learning a vocabulary ---

    @classmethod
    def train(cls, sentences, vocab_size, do_lower_case=True, min_frequency=2, strip_accents=None,
              limit_alphabet=MAX_ALPHABET):
        """Learn a vocabulary from an iterable of strings, and return its tokenizer.

        The vocabulary starts with the special tokens and the alphabet (see `_alphabet`). Then the most
        frequent pair of neighbouring pieces becomes a new piece, again and again, until there are
        `vocab_size` tokens or no pair occurs `min_frequency` times; so there may be fewer tokens than
        `vocab_size`, never more. Of equally frequent pairs the first by code points is taken: the same
        strings always give the same vocabulary.

        Args:
            sentences: an iterable of str.
            vocab_size: tokens at most.
            do_lower_case, strip_accents: see the class.
            min_frequency: rarer characters and pairs of pieces are left out.
            limit_alphabet: characters at most, the most frequent ones. None: 1,000, and as many more as
                cover 99.95 % of the text, where `vocab_size` has room for them (Chinese needs thousands).

        Raises:
            ValueError: the strings hold no words, `vocab_size` is too small for the alphabet, or a sentence
                is not a string.

        Warns (UserWarning): more than one word in a hundred becomes [UNK].
        """
        if isinstance(sentences, str):
            raise ValueError("train takes an iterable of strings, got one string; put it into a list")
        _check_options(MAX_WORD, do_lower_case=do_lower_case, strip_accents=strip_accents)
        if limit_alphabet is not None and (not isinstance(limit_alphabet, int) or limit_alphabet < 1):
            raise ValueError(f"limit_alphabet is {limit_alphabet!r}; it must be a whole number, 1 or more, "
                             "or None")
        basic = BasicTokenizer(do_lower_case, strip_accents)
        counts = Counter()
        for sentence in sentences:
            if not isinstance(sentence, str):
                raise ValueError(f"a sentence must be a string, got the {type(sentence).__name__} "
                                 f"{sentence!r:.80}; train takes an iterable of strings")
            counts.update(basic.words(sentence))
        for token in SPECIAL_TOKENS:
            del counts[token]
        alphabet = _alphabet(counts, min_frequency, limit_alphabet, vocab_size - len(SPECIAL_TOKENS))
        if not alphabet:
            raise ValueError(f"no vocabulary can be learned from {counts.total()} words: no character occurs "
                             f"{min_frequency} times; give more text")
        smallest = len(SPECIAL_TOKENS) + len(alphabet)
        if vocab_size < smallest:
            raise ValueError(f"vocab_size {vocab_size} is too small: this text needs {len(SPECIAL_TOKENS)} "
                             f"special tokens and an alphabet of {len(alphabet)} pieces; give at least "
                             f"{smallest} (thousands are usual), or a smaller limit_alphabet")
        spelled = {word: count for word, count in counts.items() if len(word) <= MAX_WORD}  # others are [UNK]
        merged = merge_pairs(spelled, alphabet, vocab_size - smallest, min_frequency)
        _warn_of_unknown(counts, alphabet)
        return cls([*SPECIAL_TOKENS, *alphabet, *merged], do_lower_case=do_lower_case,
                   strip_accents=strip_accents)


def longest_first(length_a, length_b, limit):
    """Return the lengths of A and B after tokens are taken from the longer one until both fit into `limit`.

    In closed form: the shorter one keeps its tokens up to half of the limit, the longer one gets the rest.
    """
    if length_a + length_b <= limit:
        return length_a, length_b
    if length_a <= length_b:
        length_a = min(length_a, limit // 2)
        return length_a, limit - length_a
    length_b = min(length_b, limit // 2)
    return limit - length_b, length_b


def _check_options(max_input_chars_per_word, **flags):
    for name, value in flags.items():
        may_be_none = name == "strip_accents"
        if not isinstance(value, bool) and not (may_be_none and value is None):
            expected = "True, False or None" if may_be_none else "True or False"
            raise ValueError(f"{name} is {value!r}; it must be {expected}")
    if not isinstance(max_input_chars_per_word, int) or max_input_chars_per_word < 1:
        raise ValueError(f"max_input_chars_per_word is {max_input_chars_per_word!r}; it must be a whole "
                         "number, 1 or more")


def _tokens_in_order(vocab):
    """Return the list of tokens, by id, of a vocabulary given as a list or as {token: id}."""
    if not isinstance(vocab, dict):
        return list(vocab)
    ids = list(vocab.values())
    if not all(isinstance(index, (int, np.integer)) for index in ids) or sorted(ids) != list(range(len(ids))):
        raise ValueError(f"the ids of a vocabulary of {len(vocab)} tokens must be 0 to {len(vocab) - 1}, "
                         "each once")
    return sorted(vocab, key=vocab.get)


def _ids_of_tokens(tokens, special_tokens, allow_repeated):
    """Return {token: id} of a list of tokens, checked; the last id of a token that is repeated."""
    vocab = {}
    for index, token in enumerate(tokens):
        if not isinstance(token, str) or "\n" in token or "\r" in token or _SURROGATE.search(token):
            raise ValueError(f"the token with id {index} is {token!r}; a token must be a string that makes a "
                             "line of vocab.txt")
        if token in vocab and not allow_repeated:
            raise ValueError(f"the vocabulary holds {token!r} twice, in lines {vocab[token] + 1} and "
                             f"{index + 1} (ids {vocab[token]} and {index}); each token must occur once")
        vocab[token] = index
    missing = [token for token in special_tokens if token not in vocab]
    if missing:
        raise ValueError(f"the vocabulary of {len(tokens)} tokens lacks {', '.join(missing)}; a BERT "
                         f"vocabulary holds {', '.join(special_tokens)}")
    return vocab


def _alphabet(counts, min_frequency, limit=MAX_ALPHABET, room=0):
    """Return the pieces of one character that a learned vocabulary holds, sorted.

    The alphabet is made of the characters that occur `min_frequency` times at least, the `limit` most
    frequent where there are more. Each is a piece, and a "##" piece where it occurs within a word. Words with
    other characters become [UNK].

    Args:
        counts: {word: count}.
        limit, room: None is MAX_ALPHABET, and as many more as cover COVERAGE of the text, while no more than
            `room` pieces are needed.
    """
    frequency = Counter()
    within_words = set()
    for word, count in counts.items():
        for character in word:
            frequency[character] += count
        within_words.update(word[1:])
    characters = [character for character in frequency if frequency[character] >= min_frequency
                  and unicodedata.category(character) != "Cs"]  # a surrogate cannot be written to a file
    characters.sort(key=lambda character: (-frequency[character], character))
    if limit is None:
        limit = _num_covering(characters, frequency, within_words, room)
    characters = sorted(characters[:limit])
    return characters + [CONTINUATION + character for character in characters if character in within_words]


def _num_covering(characters, frequency, within_words, room):
    """Return how many characters to take from the front; see `_alphabet`."""
    needed = COVERAGE * frequency.total()
    covered = num_pieces = 0
    for number, character in enumerate(characters):
        num_pieces += 1 + (character in within_words)
        if number >= MAX_ALPHABET and (covered >= needed or num_pieces > room):
            return number
        covered += frequency[character]
    return len(characters)


def _warn_of_unknown(counts, alphabet):
    """Warn if many of the words, {word: count}, become [UNK] with this alphabet."""
    known = {*alphabet}
    num_unknown = sum(count for word, count in counts.items()
                      if len(word) > MAX_WORD or not known.issuperset(word))
    if num_unknown > MUCH_UNKNOWN * counts.total():
        warnings.warn(f"{num_unknown / counts.total():.1%} of the words of this text become [UNK]: they are "
                      f"longer than {MAX_WORD} characters, or have some that are too rare for the alphabet; "
                      "give more text, a larger limit_alphabet (or None) or a larger vocab_size",
                      stacklevel=3)
