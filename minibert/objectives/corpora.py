"""The corpora that a command line or a recipe may name: python-docs, the toy language, and paths."""

import dataclasses
import os

from minibert.text import corpora, toy
from minibert.training.recipe import Recipe

PYTHON_DOCS, TOY = corpora.PYTHON_DOCS, "toy"  # the names of corpora that are not paths


def load_corpus(names, lines=None):
    """Return the corpus of "python-docs", "toy", paths of files and folders, or several of these.

    Args:
        names: a list, or one name or path; "-" is standard input.
        lines: the meaning of a line end in a file, see `minibert.text.read_files`.

    Raises:
        CorpusError: a path does not exist, a folder holds no files, a file is binary or not UTF-8, or there
            is no text.
    """
    return corpora.load_corpus(names, others={TOY: toy.corpus}, lines=lines)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusRecipe(Recipe):
    """A recipe whose sizes come from a preset, and are others for the toy language.

    Attributes (beside those of Recipe):
        corpus: names or paths.  preset: where the sizes come from.
        presets: {name: changes}.  toy_recipe: changes for the corpus "toy".
    """

    corpus: tuple = (PYTHON_DOCS,)
    preset: str = "tiny"

    presets, toy_recipe = {"tiny": {}}, {}  # a model's own

    def __post_init__(self):
        if isinstance(self.corpus, (str, os.PathLike)):
            raise ValueError(
                f"corpus must be a list of names or paths, got {self.corpus!r}: write [{str(self.corpus)!r}]"
            )
        object.__setattr__(self, "corpus", tuple(map(str, self.corpus)))

    @classmethod
    def of(cls, corpus=None, preset="tiny", **changes):
        """Return the recipe for a corpus and a preset, with `changes`.

        Raises:
            ValueError: there is no preset or field of that name.
        """
        if preset not in cls.presets:
            raise ValueError(f"there is no preset {preset!r}: choose one of {', '.join(cls.presets)}")
        corpus = cls.corpus if corpus is None else corpus
        toy_recipe = cls.toy_recipe if tuple(corpus) == (TOY,) else {}
        given = {"corpus": corpus, "preset": preset, **changes}
        return super().of(**{**toy_recipe, **cls.presets[preset], **given})

    @property
    def default_minutes(self):
        """The toy language is learnt in 90 seconds."""
        return 1.5 if self.corpus == (TOY,) else 5.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class WordPieceRecipe(CorpusRecipe):
    """A recipe whose text is read in word pieces, unless its model says otherwise.

    Attributes (beside those of CorpusRecipe):
        lines: the meaning of a line end, see `minibert.text.read_files`.
        vocab_size: word pieces at most.  cased: capitals are told from small letters.
        strip_accents: accents are dropped.
        alphabet: characters at most; None chooses, see `WordPieceTokenizer.train`.
    """

    lines: bool | None = None
    vocab_size: int = 4000
    cased: bool = False
    strip_accents: bool = False
    alphabet: int | None = None
