"""The cases: built when they are looked up, found by listing the folder, no layer of the package left out."""

import importlib
import inspect
import itertools
import pkgutil
import sys

import numpy as np
import pytest

import minibert
from minibert.gradcheck import cases, museum
from minibert.gradcheck.cases import CASES, Cases, common
from minibert.gradcheck.subject import Subject, contents
from minibert.layers import Layer
from minibert.layers.walk import is_record, parts, walk

OPTIONAL = {"torch", "transformers", "gensim", "tokenizers"}  # what imports them holds no layers of ours
WRONG_ON_PURPOSE = ("minibert.gradcheck.museum.", "minibert.course.")


def modules():
    """Every module of the package, except for those with planted mistakes or an optional dependency."""
    for module in pkgutil.walk_packages(minibert.__path__, "minibert."):
        if module.name.startswith(WRONG_ON_PURPOSE) or module.name.endswith("__main__"):
            continue
        try:
            yield importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            assert error.name in OPTIONAL, module.name


def classes(kind):
    """{class: its name} of the subclasses of `kind` that are written in the package."""
    found = [
        item
        for module in modules()
        for item in vars(module).values()
        if inspect.isclass(item) and issubclass(item, kind) and item.__module__ == module.__name__
    ]
    return {item: item.__name__ for item in found if item is not kind}


# --- nothing is left out ---


def test_every_layer_and_model_is_checked():
    found = set(classes(Layer).values())
    assert len(found) >= 20
    assert found <= {case.partition(" ")[0] for case in CASES}


def test_a_case_is_named_after_its_class():
    for name, case in CASES.items():
        assert type(case.layer).__name__ == name.partition(" ")[0]


def test_every_record_is_made_by_some_case():
    """A cache class that no case returns belongs to a forward pass that nobody checks."""
    recorded = set()
    for case in CASES.values():
        with Subject(*case) as subject:
            records = walk(subject.plain_forward()[1], is_record, within=parts)
            recorded |= {type(cache) for _, cache in records}
    caches = {item for item, name in classes(tuple).items() if name.endswith("Cache")}
    assert len(caches) >= 18
    assert caches <= recorded


# --- what they are made of ---


def test_all_sizes_are_pairwise_different():
    num_predicted = int((common.LABELS != -100).sum())
    head_size = common.H // common.A
    sizes = [common.B, common.T, common.H, common.A, head_size, common.F, common.V, num_predicted]
    assert len(set(sizes)) == len(sizes)


def test_the_axes_of_an_input_are_told_apart_by_their_sizes():
    for name in CASES:
        _, inputs, forward_kwargs = CASES[name]
        for array in contents([inputs, list(forward_kwargs.values())]).values():
            sizes = [size for size in array.shape if size > 1]
            if array.shape[-2:] != (common.T, common.T):  # a mask of queries and keys
                assert len(set(sizes)) == len(sizes), (name, array.shape)


def test_no_value_is_small_or_special():
    """Weights of size one, no gain at 1 and no bias at 0, as they would be at the start of training."""
    for name, parameter in CASES["BertForPreTraining"].layer.parameters().items():
        assert 0.3 < np.sqrt(np.mean(parameter.value**2)) < 3, name
        assert not np.isin(parameter.value, (0, 1)).any(), name


def test_what_the_batch_holds():
    ids, labels, padding = common.INPUT_IDS, common.LABELS, common.PADDING
    assert any(np.bincount(row).max() > 1 for row in ids) and len(set(ids[:, 0])) == 1
    assert (labels == 0).any() and (labels == -100).all(axis=1).any()
    assert set(common.TOKEN_TYPES.flat) == set(cases.bert.NEXT.flat) == {0, 1}
    assert (padding == 0).any() and not labels[padding == 0].max(initial=-100) > -100


# --- built when they are looked up ---


def test_listing_the_names_builds_nothing():
    found = Cases(CASES.builders)
    assert len(list(found)) == len(found) == len(CASES) and "Linear" in found and "Line" not in found
    assert not found.built
    assert found["Linear"] is found["Linear"] is not CASES["Linear"]
    assert list(found.built) == ["Linear"]
    with pytest.raises(KeyError):
        found["Line"]


def test_layers_come_first():
    """They are the quickest to check and the first to be read."""
    assert list(CASES)[: len(cases.layers.CASES)] == list(cases.layers.CASES)


# --- a new model adds a file ---


@pytest.fixture
def family(monkeypatch, tmp_path):
    """A function that adds a file to the folder of a package, in this test only."""

    def add(package, name, text):
        tmp_path.joinpath(f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        added.append(f"{package.__name__}.{name}")

    added = []
    yield add
    for name in added:
        sys.modules.pop(name, None)


CASE = """
from minibert.gradcheck.cases.common import Case, random
from minibert.layers import Dropout

CASES = {%r: lambda: Case(Dropout(0.5), [random(3, 2)])}
"""

EXHIBIT = """
from minibert.gradcheck.museum.exhibit import Exhibit, changed
from minibert.layers import Dropout

@changed("backward", ours="return d_x", theirs="return 2 * d_x")
class Doubled(Dropout):
    "Twice the gradient."

EXHIBITS = [Exhibit("doubled", Dropout, Doubled, "Dropout", "x", "constant factor")]
"""


def test_a_family_is_found_by_its_file(family):
    family(cases, "a_new_model", CASE % "NewModel")
    found = Cases(cases.collect())
    assert set(found) == {*CASES, "NewModel"}
    assert found["NewModel"].inputs[0].shape == (3, 2)


def test_two_cases_of_one_name(family):
    family(cases, "another_model", CASE % "Linear")
    with pytest.raises(ValueError, match="two families have a case 'Linear'"):
        cases.collect()


def test_an_exhibit_is_found_by_its_file(family):
    family(museum, "a_new_mistake", EXHIBIT)
    exhibit = museum.collect()["doubled"]
    assert exhibit.story == "Twice the gradient."
    assert exhibit.check().first_wrong == "x"


def test_families_do_not_depend_on_each_other():
    """A file of cases imports common.py and no other family; so a family can be read, or left out, alone."""
    families = [module.name for module in pkgutil.iter_modules(cases.__path__) if module.name != "common"]
    for one, other in itertools.permutations(families, 2):
        source = inspect.getsource(importlib.import_module(f"{cases.__name__}.{one}"))
        assert f"cases.{other}" not in source
