"""The names of a task's labels, as a configuration holds them."""

import numpy as np

PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")


def named_labels(num_labels=None, id2label=None, label2id=None):
    """Return (num_labels, id2label, label2id), each made from what is given of the others.

    Args:
        num_labels: K; None is the number of names, or 2 as in Hugging Face's configurations.
        id2label: {0: name, ...}; the numbers may be text, as in JSON. None names them as label2id does, or
            LABEL_0, LABEL_1, ...
        label2id: {name: number}; None is made from id2label.

    Raises:
        ValueError: the number is not a positive integer, the numbers of the names are not 0 to K - 1, or the
            three contradict each other.

    >>> named_labels(id2label={"0": "no", "1": "yes"})
    (2, {0: 'no', 1: 'yes'}, {'no': 0, 'yes': 1})
    """
    is_count = isinstance(num_labels, (int, np.integer)) and not isinstance(num_labels, bool)
    if num_labels is not None and not (is_count and num_labels > 0):
        raise ValueError(f"num_labels must be a positive integer, got {num_labels!r}")
    for name, given in (("id2label", id2label), ("label2id", label2id)):
        if given is not None and not isinstance(given, dict):
            raise ValueError(f"{name} must be a dict, got {given!r}")
    if id2label is None and label2id is None:
        id2label = {number: f"LABEL_{number}" for number in range(2 if num_labels is None else num_labels)}
    if id2label is None:
        id2label = {number: label for label, number in label2id.items()}
    names = {_number(number): str(label) for number, label in id2label.items()}
    names = dict(sorted(names.items()))
    if list(names) != list(range(len(names))) or not names:
        raise ValueError(
            f"id2label must name the labels 0 to K - 1, each once; it has the numbers {list(id2label)}")
    if num_labels not in (None, len(names)):
        raise ValueError(f"num_labels is {num_labels}, but id2label has {len(names)} names: give one of them")
    if label2id is None:
        label2id = {label: number for number, label in names.items()}
    numbers = {str(label): _number(number) for label, number in label2id.items()}
    if any(names.get(number) != label for label, number in numbers.items()):
        raise ValueError(f"label2id {label2id} contradicts id2label {names}")
    return len(names), names, numbers


def _number(number):
    """Return the number of a label, which JSON holds as text, as an integer; -1 where it is none."""
    try:
        return int(number)
    except (TypeError, ValueError):
        return -1
