"""How far back a word's reason is: the distances of dependencies, from the templates.

Two words depend on each other if their classes share a variable: the verb and its noun share the number,
"his" and the hero's name share the gender. A variable of the sentence ties words of one sentence, a document
variable those of all sentences. A model that sees the k words before a word sees a dependency of at most k.
"""

import itertools
from typing import NamedTuple


class Dependency(NamedTuple):
    """A word and the nearest word before it that says the same variable.

    Attributes:
        templates: of the sentences, a tuple of str; the word is in the last.
        variable: what both depend on ("hero", where one of them depends on the gender of the hero).
        source, target: the slots, such as "{noun}" and "{verb}".
        distance: in words, 1 for neighbours. A [SEP] between two sentences adds one token.
    """

    templates: tuple
    variable: str
    source: str
    target: str
    distance: int


def dependencies(language, *kinds):
    """Return the Dependencies of the last of some neighbouring sentences, in every form they can take.

    Args:
        language: a Language.
        kinds: of the sentences, in order.

    Raises:
        ValueError: there is no such kind, or a kind never follows the one before.

    Example:
        >>> from minibert.text.toy import TOY
        >>> {found.distance for found in dependencies(TOY, "question", "answer") if found.variable == "item"}
        {7}
    """
    unknown = [kind for kind in kinds if kind not in language.grammar.sentences]
    if unknown or not kinds:
        known = ", ".join(language.grammar.sentences)
        raise ValueError(f"kinds of sentences are {known}; got {', '.join(unknown) or 'none'}")
    states = [[number for number, state in enumerate(language.states) if state[0] == kind] for kind in kinds]
    paths = [path for path in itertools.product(*states)
             if all(language.transitions[pair] > 0 for pair in itertools.pairwise(path))]
    if not paths:
        raise ValueError(f"sentences of the kinds {', '.join(kinds)} never follow each other")
    found = {}  # without repetition
    for path in paths:
        slots = [[language.blocks[number][2] for number in language.blocks_of_state[state]] for state in path]
        for sentences in itertools.product(*slots):
            found |= dict.fromkeys(_of_last(language, sentences))
    return list(found)


def _of_last(language, sentences):
    """Yield the Dependencies of the last of some sentences, lists of slots."""
    last = len(sentences) - 1
    words = [(number, slot, list(dict.fromkeys(map(language.root, language.variables_of(slot)))))
             for number, slots in enumerate(sentences) for slot in slots]
    for place, (number, target, variables) in enumerate(words):
        for variable in variables if number == last else ():
            reaches = variable in language.grammar.document  # into the sentences before
            distance = next((back for back, (where, _, others) in enumerate(reversed(words[:place]), 1)
                             if variable in others and (where == last or reaches)), None)
            if distance:
                source = words[place - distance][1]
                yield Dependency(tuple(map(" ".join, sentences)), variable, source, target, distance)
