"""Make minibert/text/character_classes.py: letters, numbers and spaces, as the rule of GPT-2 asks for them.

    python tests/reference/tokenizer/make_character_classes.py [FILE]    (needs regex; default: that file)

GPT-2 splits text with the package `regex`, by Unicode's general categories L and N and its white space.
Python's own `re` has no such classes, and its \\s is another one.
"""

import importlib.metadata
import pathlib
import sys
import textwrap

from make_sentence_marks import unicode_version

FILE = pathlib.Path(__file__).parents[3] / "minibert" / "text" / "character_classes.py"
MODULE = '''"""Unicode's letters (\\\\p{{L}}), numbers (\\\\p{{N}}) and white space, as ranges of code points.

Made by tests/reference/tokenizer/make_character_classes.py from regex {package}; not to be edited.
"""

UNICODE_VERSION = "{unicode}"
LETTERS = """
{letters}
"""
NUMBERS = """
{numbers}
"""
SPACES = """
{spaces}
"""
'''


def ranges_of(pattern):
    """Return the code points that a pattern matches, as text: "41-5A 61-7A AA"."""
    import regex

    is_member = regex.compile(pattern).fullmatch
    members = [number for number in range(sys.maxunicode + 1) if is_member(chr(number))]
    starts = [number for number in members if not is_member(chr(max(number - 1, 0))) or number == 0]
    ends = [number for number in members if number == sys.maxunicode or not is_member(chr(number + 1))]
    ranges = [f"{start:X}" + f"-{end:X}" * (start < end) for start, end in zip(starts, ends)]
    return textwrap.fill(" ".join(ranges), width=108, break_on_hyphens=False)


def main(file=FILE):
    module = MODULE.format(
        package=importlib.metadata.version("regex"), unicode=unicode_version(),
        letters=ranges_of(r"\p{L}"), numbers=ranges_of(r"\p{N}"), spaces=ranges_of(r"\s"),
    )
    pathlib.Path(file).write_text(module, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
