"""Make minibert/text/sentence_marks.py: the characters that end a sentence in any script.

    python tests/reference/tokenizer/make_sentence_marks.py [FILE]    (needs regex; default: that file)

Python's unicodedata does not know Unicode's property Sentence_Terminal; the package `regex` does.
"""

import importlib.metadata
import pathlib
import re
import sys
import textwrap

FILE = pathlib.Path(__file__).parents[3] / "minibert" / "text" / "sentence_marks.py"
MODULE = '''"""The characters with Unicode's property Sentence_Terminal (STerm), as hexadecimal code points.

Made by tests/reference/tokenizer/make_sentence_marks.py from regex {package}; not to be edited.
"""

UNICODE_VERSION = "{unicode}"
SENTENCE_TERMINALS = """
{numbers}
"""
'''


def sentence_terminals():
    """Return the code points that have the property, in ascending order."""
    import regex

    mark = regex.compile(r"\p{Sentence_Terminal}")
    return [number for number in range(sys.maxunicode + 1) if mark.match(chr(number))]


def unicode_version():
    """Return the version of Unicode that the installed `regex` says it knows."""
    description = importlib.metadata.metadata("regex").get_payload()
    return re.search(r"supports Unicode (\d+\.\d+\.\d+)", description)[1]


def main(file=FILE):
    numbers = " ".join(f"{number:X}" for number in sentence_terminals())
    module = MODULE.format(package=importlib.metadata.version("regex"), unicode=unicode_version(),
                           numbers=textwrap.fill(numbers, width=108))
    pathlib.Path(file).write_text(module, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
