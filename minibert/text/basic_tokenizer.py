"""Basic tokenization: a text is cleaned, normalised, and split into words, punctuation marks and ideographs.

    "Héllo, 世界!"  ->  ["hello", ",", "世", "界", "!"]

Unicode says which characters are accents, punctuation marks or invisible, and Unicode grows every year. The
code that makes the ids of today's models, Hugging Face's Rust library `tokenizers` 0.23, knows the
characters of Unicode 8.0 (2015; categories) and 9.0 (2016; decompositions). It keeps later ones as if they
were letters. This module does the same, so a text has the same ids here as there, whichever Unicode the
reader's Python knows (14.0 in Python 3.11, 16.0 in 3.14). Only `str.lower` is taken as it comes.

Source: Devlin et al. 2018, "BERT", and its published code; the Unicode Standard Annexes #15 (decomposition,
NFD) and #44 (categories: Mn is a nonspacing mark, such as an accent, P punctuation, Cc, Cf and Co control,
format and private use).
"""

import re
import unicodedata
from typing import NamedTuple

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = [PAD, UNK, CLS, SEP, MASK]
ADDED = "\0"  # put before an added token among the words of a text

# The blocks of CJK ideographs, as first and last code point. Chinese puts no spaces between words, so BERT
# makes each ideograph a word. U+2B820 to U+2B91F are missing in Hugging Face's code, so they are here.
CJK_BLOCKS = [
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
]
IDEOGRAPHS = "".join(f"{chr(first)}-{chr(last)}" for first, last in CJK_BLOCKS)  # for [...]


def _character_class(ranges):
    """Return the inside of a regular expression's [...] for code points such as "61D 890-8E2"."""
    ends = [[chr(int(end, 16)) for end in part.split("-")] for part in ranges.split()]
    return "".join(f"{end[0]}-{end[-1]}" for end in ends)


# The Mn, P and Cf characters that are later than Unicode 8.0 (up to 18.0). A range may run over other
# characters, where it makes no difference.
LATER_THAN_8 = re.compile("[" + _character_class(
    "5C8-5C9 61D 7FD 890-8E2 9FD-9FE A76 AFA-AFF B53-B55 C04-C3C C77 C84 D00 D3B-D3C D81 EBA ECE 180F-1886 "
    "1ABF-1AF0 1B4E-1B4F 1B7D-1B7F 1DF6-1DFB 2E43-2E63 A82C A8C5 A8FF A9BD 10D24-10F89 11070-11074 "
    "110C2-110CD 111CF 1123E-11241 1133B 113BB-1145E 11660-1166C 116B9 1182F-11FFF 12FF1-1612F 16D6D-16F4F "
    "16FE2-16FE4 1CF00-1D128 1D25B-1D25C 1E000-1E6F5 1E944-1E95F") + "]")

# The characters later than Unicode 9.0 that decompose or change places with others in NFD; here they do not.
LATER_THAN_9 = _character_class(
    "5C8-5C9 7FD 897-8D3 9FE C3C D3B-D3C EBA 1715 1ABF-1AF0 1DF6-1DFA A82C 105C9-105E4 10D24-10F85 11070 "
    "1133B 11383-113D0 1145E 11839-11A99 11D42-1612F 16D68-16FF1 1D127-1D128 1D250-1D281 1E08F-1E6F5")
KNOWN_TO_9 = re.compile(f"[^{LATER_THAN_9}]+")

# Characters whose category has changed since, and their earlier one.
CATEGORY_IN_8 = {"\u166d": "Po", "\u1734": "Mn", "\U000111c9": "Po", "\U0001171e": "Mn"}


class AddedToken(NamedTuple):
    """A token that was added to a finished vocabulary, and is kept whole where a text holds it.

    As `tokenizers` defines it; its `lstrip` and `rstrip` only take spaces, which BERT drops anyway.
    """

    content: str
    normalized: bool = True    # looked for in the normalised text, normalised itself; or in the text as it is
    single_word: bool = False  # only where no letter, digit, mark or underscore is beside it
    is_piece: bool = False     # the vocabulary itself holds it, so words may be cut into it


class BasicTokenizer:
    """Split a text into words and punctuation marks, normalised as BERT does.

    Each step treats one character at a time and is written as a function of one character (`_clean`,
    `_fold`), which `str.translate` applies to a text; each replacement is computed once. Only the
    decomposition between them looks at several: it also brings the accents of a letter into a fixed order.

    Args:
        do_lower_case, strip_accents, tokenize_chinese_chars: see WordPieceTokenizer.
        special_tokens: are kept whole where the text holds them, as they are.
        added_tokens: AddedToken's; a special token counts where both match.
    """

    def __init__(self, do_lower_case=True, strip_accents=None, tokenize_chinese_chars=True,
                 special_tokens=SPECIAL_TOKENS, added_tokens=()):
        self.do_lower_case = do_lower_case
        self.strip_accents = do_lower_case if strip_accents is None else strip_accents
        self.tokenize_chinese_chars = tokenize_chinese_chars
        self._cleaned = _Remember(self._clean)
        self._normalised = _Remember(self._normalise)
        self._folded = _Remember(self._fold)
        as_they_are = {token: AddedToken(token) for token in special_tokens}
        as_they_are |= {token.content: token for token in added_tokens
                        if not token.normalized and token.content not in as_they_are}
        normalised = {self._normalised_text(token.content): token
                      for token in added_tokens if token.normalized}
        self._special_tokens = {*special_tokens}
        self._as_they_are, self._in_normalised_text = map(_Finder, (as_they_are, normalised))

    def words(self, text):
        """Return the words, punctuation marks and special tokens of a text, in order: a list of strings.

        An added token follows the character ADDED, which no word holds.
        """
        words = []
        for part, word in self.parts(text):
            words += self._words_between(part) if word is None else [word]
        return words

    def parts(self, text):
        """Yield (a special or added token as the text has it, its word) and (text between them, None)."""
        for part, token in self._as_they_are.split(text):
            if token is None:
                yield part, None
            else:
                yield part, part if part in self._special_tokens else ADDED + token.content

    def _words_between(self, text):
        """Return the words, punctuation marks and normalised added tokens of a text without the others."""
        if not self._in_normalised_text.tokens:
            return self._decomposed(text).translate(self._folded).split()
        words = []
        for part, token in self._in_normalised_text.split(self._normalised_text(text)):
            words += part.translate(self._folded).split() if token is None else [ADDED + token.content]
        return words

    def _decomposed(self, text):
        """Return a text that is cleaned and, where accents are dropped, decomposed."""
        text = text.translate(self._cleaned)
        if self.strip_accents and not text.isascii():
            text = decompose(text)  # "é" becomes "e" and an accent, which _fold drops
        return text

    def _normalised_text(self, text):
        """Return a text with all that is done before punctuation marks are set apart."""
        return self._decomposed(text).translate(self._normalised)

    def _clean(self, code_point):
        """Return the replacement of a character: "" drops it, spaces around it make it a word of its own."""
        character = chr(code_point)
        if character in "\t\n\r":
            return " "
        # A lone surrogate (Cs) stays in the text, and its word becomes [UNK].
        if character in "\0\ufffd" or category(character) in ("Cc", "Cf", "Co"):
            return ""
        if character.isspace():
            return " "
        if self.tokenize_chinese_chars and any(first <= code_point <= last for first, last in CJK_BLOCKS):
            return f" {character} "
        return character

    def _normalise(self, code_point):
        """Return the replacement of a character of the cleaned and decomposed text, without spaces."""
        character = chr(code_point)
        if self.strip_accents and category(character) == "Mn":
            return ""
        return character.lower() if self.do_lower_case else character

    def _fold(self, code_point):
        """Return the replacement of a character of the cleaned and decomposed text."""
        character = chr(code_point)
        return f" {character} " if is_punctuation(character) else self._normalise(code_point)


class _Finder:
    """Finds tokens in a text: {how it is written there: AddedToken}. The longest one counts."""

    def __init__(self, tokens):
        self.tokens = {written: token for written, token in tokens.items() if written}
        by_length = sorted(self.tokens, key=len, reverse=True)
        self._expression = re.compile("|".join(map(re.escape, by_length)))

    def split(self, text):
        """Yield (a token as the text has it, its AddedToken) and (text between tokens, None), in order."""
        start = 0
        if self.tokens:
            for match in self._expression.finditer(text):
                token = self.tokens[match[0]]
                if not token.single_word or _is_alone(text, *match.span()):
                    yield text[start:match.start()], None
                    yield match[0], token
                    start = match.end()
        yield text[start:], None


def _is_alone(text, start, end):
    """Return whether no character of a word is beside text[start:end]."""
    beside = text[max(0, start - 1):start] + text[end:end + 1]
    return not any(character.isalnum() or character in "\u200c\u200d" or category(character)[0] == "M"
                   or category(character) == "Pc" for character in beside)


class _Remember(dict):
    """A dict that computes a missing value from its key, once."""

    def __init__(self, function):
        self.function = function

    def __missing__(self, key):
        self[key] = self.function(key)
        return self[key]


def category(character):
    """Return the general category of a character in Unicode 8.0; "Cn" (unassigned) for a later one."""
    if LATER_THAN_8.match(character):
        return "Cn"
    return CATEGORY_IN_8.get(character) or unicodedata.category(character)


def is_punctuation(character):
    """Return whether a character is punctuation: in ASCII, all but letters, digits and the space."""
    if "!" <= character <= "~":
        return not character.isalnum()
    return category(character).startswith("P")


def decompose(text):
    """Return the canonical decomposition (NFD) of a text by Unicode 9.0; later characters stay."""
    return KNOWN_TO_9.sub(_decompose_match, text)


def _decompose_match(match):
    return unicodedata.normalize("NFD", match[0])
