"""The attributes, arrays and generators that a layer can reach: remembered, and put back as they were."""

import functools
import types
from typing import NamedTuple

import numpy as np

from minibert.layers.walk import SIMPLE


class Place(NamedTuple):
    """Where an array is kept: in a list, in a dict or as an attribute; `path` leads on through tuples."""

    holder: object
    key: object
    path: tuple = ()

    def put(self, array):
        """Keep `array` there instead."""
        held = self.holder if isinstance(self.holder, (list, dict)) else vars(self.holder)
        held[self.key] = _exchanged(held[self.key], self.path, array) if self.path else array


def _exchanged(item, path, array):
    """Return a tuple with the element at the end of `path` exchanged."""
    if not path:
        return array
    elements = list(item)
    elements[path[0]] = _exchanged(elements[path[0]], path[1:], array)
    return type(item)(*elements) if hasattr(item, "_fields") else type(item)(elements)


class Memory:
    """Everything that `roots` can reach, as it is now.

    Args:
        roots: layers, or functions: their arguments (partial), closures and owners (methods) are entered.
        spared: arrays whose numbers nobody changes: they are not copied.
    """

    def __init__(self, roots, spared=()):
        self.places = {}  # id of an array -> its Places
        self.held = []  # (list, dict or attributes, its content then)
        self.arrays = []  # (array, its numbers)
        self.generators = []  # (bit generator or RandomState, its state)
        self._spared = {id(array) for array in spared}
        self._entered = {}  # id -> object, kept alive so that no id is used twice
        for root in roots:
            self._enter(root)

    def restore(self):
        """Put everything back, numbers included."""
        for holder, content in self.held:
            if isinstance(holder, list):
                holder[:] = content
            elif holder.keys() != content.keys() or any(holder[key] is not content[key] for key in content):
                holder.clear()
                holder.update(content)
        for array, numbers in self.arrays:
            if array.flags.writeable:
                np.copyto(array, numbers)
        self.restore_generators()

    def restore_generators(self):
        """Put the states of the random generators back."""
        for generator, state in self.generators:
            _set_state(generator, state)

    def is_as_it_was(self, apart_from=()):
        """Whether nothing has changed, apart from these places."""
        apart = {(id(_held_by(place.holder)), place.key) for place in apart_from}
        for holder, content in self.held:
            keys = range(len(holder)) if isinstance(holder, list) else holder
            if len(holder) != len(content):
                return False
            for key in keys:
                if (id(holder), key) in apart:
                    continue
                if not isinstance(content, list) and key not in content:
                    return False
                if holder[key] is not content[key]:
                    return False
        if not all(np.array_equal(array, numbers, equal_nan=True) for array, numbers in self.arrays):
            return False
        return all(repr(_state(generator)) == repr(state) for generator, state in self.generators)

    def _enter(self, item):
        if type(item) in SIMPLE or isinstance(item, (type, types.ModuleType)) or id(item) in self._entered:
            return
        self._entered[id(item)] = item
        if isinstance(item, np.ndarray):
            if item.dtype.kind in "biufc" and id(item) not in self._spared:
                self.arrays.append((item, item.copy()))
        elif isinstance(item, (np.random.Generator, np.random.RandomState)):
            self.generators.append((item, _state(item)))
        elif isinstance(item, (list, dict)):
            self._hold(item, item)
        elif isinstance(item, (tuple, set, frozenset)):
            for element in item:
                self._enter(element)
        else:
            for reached in _reached_by_code(item):
                self._enter(reached)
            if isinstance(getattr(item, "__dict__", None), dict) and not isinstance(item, types.FunctionType):
                self._hold(item, vars(item))

    def _hold(self, item, held):
        self.held.append((held, held.copy()))
        for key, element in enumerate(held) if isinstance(held, list) else list(held.items()):
            self._place(Place(item, key), element)
            self._enter(element)

    def _place(self, place, element):
        if isinstance(element, np.ndarray):
            self.places.setdefault(id(element), []).append(place)
        elif isinstance(element, tuple):
            for index, inner in enumerate(element):
                self._place(place._replace(path=(*place.path, index)), inner)


def _held_by(holder):
    return holder if isinstance(holder, (list, dict)) else vars(holder)


def _reached_by_code(item):
    """Return the objects that a function, method or partial brings along."""
    if isinstance(item, types.MethodType):
        return [item.__self__]
    if isinstance(item, functools.partial):
        return [item.func, *item.args, *item.keywords.values()]
    cells = getattr(item, "__closure__", None) or ()
    return [cell.cell_contents for cell in cells if _is_filled(cell)]


def _is_filled(cell):
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _state(generator):
    is_old = isinstance(generator, np.random.RandomState)
    return generator.get_state(legacy=False) if is_old else generator.bit_generator.state


def _set_state(generator, state):
    if isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.bit_generator.state = state
