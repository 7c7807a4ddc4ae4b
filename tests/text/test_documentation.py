"""The python-docs corpus: English is kept, code is not, and nothing is imported or executed to read it."""

import gc

import pytest

from minibert.text import documentation, python_docs, split_held_out

DOCSTRING = '''Return the sum of two arrays, see :func:`numpy.add`.

Heading of a section
====================

The **second** argument is ``optional`` [1]_ and
`its docs <https://example.org>`_ name :class:`~numpy.random.Generator`.  For example::

    total = add(1, 2)
    print(total)

After the code comes text.

Parameters
----------
x : array_like, optional
    The array that is added to.
y : int
    The number of elements that are added
    to it, two lines long.

>>> add(1, 2)
3
not a sentence, but output

.. note::
   This note is kept as it is text.

.. plot::

   plt.plot([1, 2])

* The first item of a list.
* The second item, on
  two lines.

| a table | of words |

=====  =====
a row  of it
=====  =====

:param z: The third argument of the function.
'''


def test_prose_of_a_docstring():
    assert documentation.prose(DOCSTRING) == [
        "Return the sum of two arrays, see numpy.add.",
        "The second argument is optional and its docs name Generator.  For example:",
        "After the code comes text.",
        "The array that is added to.",
        "The number of elements that are added to it, two lines long.",
        "This note is kept as it is text.",
        "The first item of a list.",
        "The second item, on two lines.",
        "The third argument of the function.",
    ]


@pytest.mark.parametrize("text, expected", [
    ("The if statement is used for conditional execution:", True),
    ("It is (usually) a list, isn't it?", True),
    ("Return the number of items in a container.", True),
    ("Too few words.", False),
    ("There is no full stop here", False),
    ("for item in the list:", False),
    ("The result x = f(y) is returned to the caller.", False),
    ("x y(1) z[2] foo_bar baz_qux is it.", False),
    ("See the page at https://example.org for more.", False),
])
def test_is_sentence(text, expected):
    assert documentation.is_sentence(text) == expected


SOURCE = '''"""This module counts the days of a week. It has a class and a function."""
raise SystemExit("this file must not be executed")
def count(days):
    """Return how many days there are in all."""
class Week:
    """A week of some number of days."""
    def start(self):
        """Return the first day of this week."""
    def end(self):
        """Return how many days there are in all."""
add_newdoc("numpy", "ndarray", ("item", """Return an item of this array as a scalar."""))
'''


def test_sources_are_parsed_not_executed(tmp_path, monkeypatch):
    (tmp_path / "week.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "broken.py").write_bytes(b"def (:\n\xff\0")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "week.py").write_text(SOURCE.replace("week", "test"), encoding="utf-8")
    monkeypatch.setattr(documentation, "PACKAGES", ["no_such_package"])
    monkeypatch.setattr(documentation, "_reference_pages", list)
    monkeypatch.setattr(documentation, "_builtin_pages", list)
    monkeypatch.setattr(documentation.sysconfig, "get_path", lambda name: str(tmp_path))
    assert documentation.read_documentation() == [
        ["This module counts the days of a week.", "It has a class and a function.",
         "Return how many days there are in all.", "Return an item of this array as a scalar."],
        ["A week of some number of days.", "Return the first day of this week."],  # the third is a repetition
    ]
    assert gc.isenabled()  # while a file is parsed it is not


@pytest.fixture(scope="module")
def sample():
    """The corpus without most of the source files: every twentieth of them is read."""
    all_files = documentation._python_files
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documentation, "_python_files", lambda folder: all_files(folder)[::20])
        return python_docs()


@pytest.fixture(scope="module")
def whole():
    """The whole corpus; reading it takes about 10 seconds."""
    return python_docs()


def check_text(corpus):
    assert all(len(document) >= 2 for document in corpus.documents)
    text = "\n".join(corpus.sentences)
    phrases = ["The if statement is used for conditional execution", "array",
               "number of items in a container"]
    for words in phrases:
        assert words in text
    assert ">>>" not in text and "::" not in text


def check_held_out(corpus):
    training, held_out = split_held_out(corpus)
    assert not set(training.sentences) & set(held_out.sentences)
    assert 0.02 * corpus.num_words < held_out.num_words < 0.06 * corpus.num_words


def test_a_sample_of_python_docs_is_real_text(sample):
    assert sample.num_words > 30_000 and len(sample.documents) > 100
    check_text(sample)


def test_a_sample_of_python_docs_held_out(sample):
    check_held_out(sample)


@pytest.mark.exhaustive
def test_python_docs_is_real_text(whole):
    assert whole.num_words > 200_000 and len(whole.documents) > 500
    check_text(whole)


@pytest.mark.exhaustive
def test_python_docs_held_out(whole):
    check_held_out(whole)


def test_a_package_is_read_file_by_file():
    files = documentation.read_package("json")
    assert {"json/__init__.py", "json/decoder.py", "json/encoder.py"} <= files.keys()
    assert "Simple JSON <https://json.org> decoder" not in files["json/decoder.py"]
    assert all(documentation.is_sentence(sentence) for found in files.values() for sentence in found)
    assert sum(map(len, files.values())) > 50 and documentation.read_package("no such package") == {}
