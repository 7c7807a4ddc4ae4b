"""Splitting a paragraph into sentences, in any script.

A sentence ends at a terminal mark with the closing quotes and brackets after it, before a letter, a digit or
an opening mark. Terminal marks are those of Unicode (`sentence_marks.py`), the ellipsis, the shad of Tibetan,
and its substitute where a keyboard lacks a mark: a semicolon for the Greek question mark, a colon for the
Armenian full stop, two word spaces for the Ethiopic one. Full stops after titles, initials and common
abbreviations end none. The rules look at a few characters around each mark, so the time is linear in the
length of the text.

Source: Unicode Standard Annex #29, "Unicode Text Segmentation", section 5 (sentence boundaries), where a full
stop never ends a sentence before a lower-case letter. Here it does, unless something speaks against it: much
text is written without capitals.
"""

import re
import unicodedata

from minibert.text.basic_tokenizer import IDEOGRAPHS
from minibert.text.sentence_marks import SENTENCE_TERMINALS


def _of_categories(*categories):
    """Return the characters that have these general categories, which are those of quotes and brackets."""
    return "".join(character for character in map(chr, [*range(0x3100), *range(0xfd00, 0x10000)])
                   if unicodedata.category(character) in categories)


def _one_of(characters, more=""):
    """Return a regular expression for one of these characters; `more` may hold ranges."""
    return f"[{re.escape(characters)}{more}]"


# --- marks ---

TERMINALS = "".join(chr(int(number, 16)) for number in SENTENCE_TERMINALS.split()) + "…།༎"
TYPED_TERMINALS = "(?<=[\u0370-\u03ff\u1f00-\u1fff])[;\u037e]|(?<=[\u0531-\u058f]):|፡፡"  # ; : ።
FULL_STOPS = ".\u2024\ufe52"
SPACED = FULL_STOPS + "!?…;:\u037e"            # these end a sentence only before a space, the others anywhere
WIDE_FULL_STOP = "\uff0e"                      # unless it is the point of a number
CLOSING = _of_categories("Pe", "Pf") + "\u061c\u200e\u200f\u202c\u2069"  # ) ] ” » 」, ends of directions
EITHER = "\"'" + _of_categories("Pi")          # " opens or closes, and so do “ and « (Polish „…“, German »…«)
QUOTING = _of_categories("Ps", "Pi") + "\"'"
OPENING = _of_categories("Ps", "Pi", "Pf") + "\"'¿¡—– \u061c\u200b\u200e\u200f\ufeff"
TERMINAL = f"(?:{_one_of(TERMINALS)}|{TYPED_TERMINALS})"
END = re.compile(f"{TERMINAL}{_one_of(TERMINALS + CLOSING + EITHER)}*")
LAST_TERMINAL = re.compile(f".*{_one_of(TERMINALS, ';:፡')}", re.DOTALL)
NOTES = re.compile(r"(?:\[\d{1,3}\])+(?= |$)")  # Wikipedia: It rained.[1] Then it stopped.
DETACHED_CLOSING = re.compile(f"(?: {_one_of(CLOSING)}(?= |$))+")  # French: « Il pleut. » Il part.
OPENINGS = re.compile(_one_of(OPENING, "\u202a-\u202e\u2066-\u2068") + "*")
QUOTATIVE = re.compile("と|って")  # Japanese: 「雨だ。」と言った
UNSPACED_SCRIPT = re.compile(f"[\u3040-\u30ff{IDEOGRAPHS}]")

# --- words before a full stop that ends no sentence ---

WITH_CAPITAL = set("""
    mr mrs ms messrs mx dr dra prof gen col maj capt cpt lt sgt cpl pvt adm cmdr brig rev hon gov sen rep pres
    supt st ste mt ft jr sr sra srta hr fr frl mme mmes mlle sig ing dott inc ltd co corp bros dept univ
    fig figs eq eqs sec cf vs approx viz
""".split())
IN_ANY_CASE = set("""
    mr mrs ms dr prof vs cf etc al viz approx eg ie inc ltd corp dept univ resp
    e.g i.e a.k.a n.b c.f z.b z.B d.h u.a p.ex p.ej m.in o.a
    bzw usw vgl evtl ggf inkl sog bspw tzn itd itp ecc enz bijv ул др пр см рис тыс млн млрд руб им проф акад
    гг डॉ
""".split())
BEFORE_NUMBERS = set("""
    no nos nr vol vols p pp ch chap sec sect art ref refs ver abb bd kap col tab op par fig figs eq eqs c ca
    стр гл
    jan feb mar apr jun jul aug sep sept oct nov dec
""".split())
BEFORE_LOWER_CASE = set("""
    max min avg est esp incl excl ext misc ca np str env av pág nb jan feb apr aug sept oct nov dec
""".split())
GERMAN_MONTHS = ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September",
                 "Oktober", "November", "Dezember")
LONGEST_WORD = 24  # characters looked at before a full stop
LONGEST_QUOTE = 2000  # characters looked at for an opening straight quotation mark

LAST_WORD = re.compile(r"""[^\s"'“‘„«(\[{/-]*$""")
SHORT_FORM = re.compile("[^\\W\\d_aeiouy]{2,4}", re.IGNORECASE)   # bzw, tzn: no word of English
ENUMERATOR = re.compile(r"""["'“‘(\[]*(?:\d{1,3}|[^\W\d_])""")  # "1. The first. 2. The second."
NUMBER = re.compile(r"\d|[IVXLC]{2,}\b")
ROMAN = re.compile("[IVXLC]{2,}")                                # Ludwig XIV. starb.
DAY = re.compile(r"\d{1,2}\. ?(?:\d{1,2}\. ?)?\d{4}(?!\d)")      # 1. 5. 2020, and from 5. on
# A letter alone that is not a word: capitals, small Greek and Cyrillic ones but я ("I"), Hebrew and Arabic.
INITIAL = re.compile(r"[^\W\d_]\.")  # z. B.
SMALL_INITIAL = re.compile("[\u0370-\u044e\u0450-\u04ff\u05d0-\u05ea\u0620-\u064a]")


def split_sentences(text):
    """Return the sentences of a paragraph: a list of strings, white space collapsed to single spaces."""
    text = " ".join(text.split())
    sentences = []
    start = 0
    for match in END.finditer(text):
        end = _after_closing_marks(text, start, match)
        if end is not None and _is_end(text, start, match, end):
            sentences.append(text[start:end])
            start = end + (text[end] == " ")
    if start < len(text):
        sentences.append(text[start:])
    return sentences


def _after_closing_marks(text, start, match):
    """Return where the terminal marks and closing marks of `match` end; None if a space is missing there."""
    end = match.end()
    notes = NOTES.match(text, end)
    if notes:
        return notes.end()
    detached = DETACHED_CLOSING.match(text, end)
    if detached:
        return detached.end()
    if end == len(text) or text[end] == " ":
        return end
    # Without a space, quotation marks after the terminal mark may open the next sentence.
    end = match.start() + LAST_TERMINAL.match(match[0]).end()
    mark, before = text[end - 1], text[max(start, match.start() - 1):match.start()]
    if mark in SPACED and not (UNSPACED_SCRIPT.match(before) and UNSPACED_SCRIPT.match(text, match.end())):
        return None
    if mark == WIDE_FULL_STOP and before.isdigit() and text[end].isdigit():
        return None
    while end < match.end() and (text[end] in CLOSING or _is_open(text, start, end)):
        end += 1
    return end


def _is_open(text, start, end):
    """Return whether the straight quotation mark at `end` closes one that the sentence has opened."""
    return text[end] in "\"'" and text.count(text[end], max(start, end - LONGEST_QUOTE), end) % 2 == 1


def _is_end(text, start, match, end):
    """Return whether a sentence that begins at `start` ends at `end`, after the marks of `match`."""
    next_start = OPENINGS.match(text, end).end()
    if next_start == len(text):
        return False
    letter = text[next_start]
    if not (letter.isalnum() or letter in "@#" or unicodedata.category(letter) in ("Sc", "So")):
        return False
    marks = LAST_TERMINAL.match(match[0])[0]
    is_closed = end > match.start() + len(marks)
    if is_closed and match.start() > start and text[match.start() - 1] in QUOTING:
        return False  # the mark itself is quoted: '?', (!)
    if is_closed and next_start == end and QUOTATIVE.match(text, next_start):
        return False
    is_apart = text[match.start() - 1:match.start()] == " "
    if letter.islower() and (is_closed or is_apart or len(marks) > 1 or marks in "…:"):
        return False  # "Why?" he said; well... perhaps; a . in a list of marks
    if marks not in FULL_STOPS:
        return True
    before = text[max(start, match.start() - LONGEST_WORD):match.start()]
    if len(before) < 6 and match.start() - start == len(before) and ENUMERATOR.fullmatch(before):
        return False
    return not _is_abbreviation(LAST_WORD.search(before)[0], text, start, next_start)


def _is_abbreviation(word, text, start, next_start):
    """Return whether a full stop after `word` ends no sentence; the next word begins at `next_start`."""
    before_lower_case = text[next_start].islower()
    small = word.lower()
    if word in IN_ANY_CASE or word[:1].isupper() and small in WITH_CAPITAL:
        return True
    if small in BEFORE_NUMBERS and NUMBER.match(text, next_start):
        return True
    last_part = word[word.rfind(".") + 1:]
    if len(last_part) == 1 and (last_part.isupper() or SMALL_INITIAL.match(last_part)
                                or INITIAL.match(text, next_start)):
        return True
    if word.isdigit():  # an ordinal number: am 3. Mai
        if len(word) <= 2 and (before_lower_case or text.startswith(GERMAN_MONTHS, next_start)
                               or DAY.match(f"{word}. {text[next_start:next_start + 9]}")):
            return True
        return before_lower_case and text[start].isupper()
    return before_lower_case and (small in BEFORE_LOWER_CASE or len(word) == 1 or "." in word  # os.path. it
                                  or ROMAN.fullmatch(word) is not None
                                  or SHORT_FORM.fullmatch(word) is not None)
