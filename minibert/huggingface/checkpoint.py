"""Our weights <-> the Hugging Face checkpoint directory: config.json and model.safetensors.

    bert-run/config.json                     the sizes, under the names of BertConfig
             model.safetensors               the weights, or, in several files,
             model.safetensors.index.json    {"weight_map": {tensor: its file}} and the files it names

Nothing in a file is believed before it is checked: sizes and names are compared with the file's true length
and with config.json before memory is taken or a number is read, so that a broken or hostile file ends in a
message at once.
"""

import dataclasses
import fnmatch
import functools
import importlib
import itertools
import math
import pathlib
import pkgutil
import warnings
from typing import NamedTuple

import numpy as np

import minibert.huggingface.names as names
from minibert.files import (
    CheckpointError,
    brief,
    listed,
    read_json,
    stored_tensors,
    write_json,
    write_tensors,
)
from minibert.huggingface.others import what_is_there

FLOATS = ("F64", "F32", "F16", "BF16")
LABELS = ("num_labels", "id2label", "label2id")  # of a configuration
TASK = ("id2label", "label2id", "classifier_dropout", "problem_type")  # written where they were chosen
DEFAULT_NAMES = {0: "LABEL_0", 1: "LABEL_1"}

class CheckpointWarning(UserWarning):
    """A checkpoint lacks some parts of the model, or holds tensors that the model has no place for."""


class LoadingInfo(NamedTuple):
    """The mismatches found when a checkpoint was read, as Hugging Face's tensor names."""

    missing_keys: list  # in the model, not in the checkpoint: newly initialised
    unexpected_keys: list  # in the checkpoint, not in the model: not used


# --- names ---


@functools.cache
def table_of(model_class):
    """Return the module of huggingface/names/ that lists a model's class; ValueError if none does."""
    for found in pkgutil.iter_modules(names.__path__):
        table = importlib.import_module(f"{names.__name__}.{found.name}")
        if model_class.__name__ in table.MODELS:
            return table
    raise ValueError(f"no table in minibert/huggingface/names/ lists {model_class.__name__} in its MODELS")


def _rows(table, model_class, config):
    """Yield (our names, Hugging Face's name, transposed, shape) of each tensor, the body's with its prefix.

    Where they keep several of our arrays as one, these lie side by side in it, along our last axis; the shape
    is that of one. A table whose layers differ in their sizes has NAMES as a function of the configuration,
    and shapes in numbers; the rows of its classifier, if it has one, are its HEAD as well.
    """
    parts = table.MODELS[model_class.__name__]
    untied = () if _shares_decoder(config) else table.UNTIED
    replaced = [row[0] for row in untied]
    named = table.NAMES(config) if callable(table.NAMES) else table.NAMES
    rows = (row for row in named if row[0] not in replaced)
    for ours, theirs, transposed, letters in itertools.chain(rows, untied):
        several = (ours,) if isinstance(ours, str) else ours
        if several[0].startswith(parts):
            for layer in range(config.num_hidden_layers if "{}" in several[0] else 1):
                yield [one.format(layer) for one in several], theirs.format(layer), transposed, letters


def _shares_decoder(config):
    return getattr(config, "tie_word_embeddings", True)


def _own(table, model_class, name):
    """Return a name as the model itself has it: a body alone has none of its prefix."""
    is_body = table.MODELS[model_class.__name__] == (table.BODY,)
    return name.removeprefix(table.BODY) if is_body else name


def renamed_parameters(model_class):
    """Return {a parameter's name in earlier versions of minibert: its name now}."""
    return table_of(model_class).RENAMED


def tensor_names(model):
    """Return {our name: (Hugging Face's name, transposed)} for every parameter of a model.

    Several of our arrays have one name there if they lie side by side in one array, as GPT-2's query, key,
    value.
    """
    table = table_of(type(model))
    return {
        _own(table, type(model), ours): (_own(table, type(model), theirs), transposed)
        for several, theirs, transposed, _ in _rows(table, type(model), model.config)
        for ours in several
    }


def state_dict(model, grads=False):
    """Return {Hugging Face tensor name: array in Hugging Face's layout}, of the values or of the gradients.

    The names are those of PyTorch's `model.named_parameters()`, so that two models can be laid side by side:

        for name, parameter in torch_model.named_parameters():
            abs(arrays[name] - parameter.grad.numpy()).max()

    One gradient differs by design: PyTorch's `Embedding(padding_idx=...)` drops the gradient that the row of
    [PAD], the config's pad_token_id, receives as an input.
    """
    parameters = model.parameters()
    arrays = {}
    for our_name, (their_name, transposed) in tensor_names(model).items():
        array = parameters[our_name].grad if grads else parameters[our_name].value
        array = np.ascontiguousarray(array.T) if transposed else array
        if their_name in arrays:
            array = np.concatenate([arrays[their_name], array], axis=0 if transposed else -1)
        arrays[their_name] = array
    return arrays


# --- writing ---


def save(model, directory):
    """Write config.json and model.safetensors, atomically; a model's `save_pretrained` is this function.

    Raises:
        ValueError: the parameters are complex (a gradient check's copy of a model).
    """
    arrays = state_dict(model)
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            raise ValueError(
                f"{name} holds {array.dtype}, and a checkpoint holds floats: save model.astype(np.float32)"
            )
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    table = table_of(type(model))
    sizes = {
        table.CONFIG.get(name, name): _their_value(table, name, value)
        for name, value in _written(model.config).items()
    }
    config = {
        "architectures": [type(model).__name__],
        "model_type": table.MODEL_TYPE,
        **sizes,
        **table.WRITTEN,
    }
    write_tensors(directory / "model.safetensors", arrays, {"format": "pt"})
    write_json(directory / "config.json", config)


def _written(config):
    """Return the fields of a configuration as config.json has them.

    Of labels, their names in both directions; like every other field of a task, where they were chosen.
    """
    fields = dataclasses.asdict(config)
    has_two = fields.pop("num_labels", 2) == 2
    task = {name: fields.pop(name, None) for name in TASK}
    if has_two and task["id2label"] == DEFAULT_NAMES:
        task["id2label"] = task["label2id"] = None
    return fields | {name: value for name, value in task.items() if value is not None}


def _their_value(table, name, value):
    """Return a value of config.json as Hugging Face calls it."""
    theirs = {ours: theirs for theirs, ours in table.VALUES.get(name, {}).items()}
    return theirs.get(value, value) if isinstance(value, str) else value


# --- reading a checkpoint directory ---


def load(model_class, directory, dtype=None, output_loading_info=False, seed=0, **changes):
    """Read a model that save_pretrained or Hugging Face wrote; a model's `from_pretrained` is this function.

    The body must be there whole. Parts that the model's table calls optional (a pooler, heads) may be
    absent: they are newly initialised then, from the seed. A CheckpointWarning names them, and the tensors of
    the checkpoint that have no place in the model.

        BertForSequenceClassification.from_pretrained("bert-run", num_labels=3)    # with a new head

    Args:
        model_class: with a config_class, listed in a table of huggingface/names/.
        directory: holds config.json and model.safetensors, or model.safetensors.index.json and the files it
            names.
        dtype: of the parameters; None is that of the file, or float32 where the file holds float16 or
            bfloat16.
        output_loading_info: return (model, LoadingInfo(missing_keys, unexpected_keys)), and do not warn.
        seed: of the parts that are newly initialised.
        changes: fields of the configuration with other values than in config.json: num_labels=3,
            hidden_dropout_prob=0.0. With num_labels, or the labels' names, a head of another
            size is new, too.

    Raises:
        CheckpointError: a file is missing, truncated or of another kind, or a tensor is missing or has
            a wrong shape.
        ValueError: dtype is not a type of floating-point or complex numbers, or the configuration has no
            field of that name or value.
    """
    if dtype is not None and not np.issubdtype(dtype, np.inexact):
        raise ValueError(f"dtype must be a type of floating-point numbers such as np.float32, got {dtype!r}")
    directory = pathlib.Path(directory)
    table = table_of(model_class)
    config = _changed(read_config(model_class, directory), changes)
    path, tensors = checkpoint_tensors(table, directory)
    asks_for_labels = any(name in changes for name in LABELS)
    found, info = _match(table, model_class, path, tensors, config, asks_for_labels)
    if dtype is None:
        dtype = np.float64 if any(tensor.dtype == "F64" for tensor, *_ in found.values()) else np.float32
    model = model_class(config, seed=seed, dtype=dtype)
    for our_name, parameter in model.parameters().items():
        tensor, transposed, number = found.get(our_name, (None, False, 0))
        if tensor is not None:
            array = tensor.read().T if transposed else tensor.read()
            width = parameter.value.shape[-1]
            parameter.value[...] = array[..., number * width : (number + 1) * width]
    if output_loading_info:
        return model, info
    if info.missing_keys or info.unexpected_keys:
        # stacklevel 2 names the line that called from_pretrained
        warnings.warn(_describe(table, path, info), CheckpointWarning, stacklevel=2)
    return model


def _changed(config, changes):
    """Return a configuration with other values; names of labels that do not fit a new number are dropped."""
    unknown = changes.keys() - {field.name for field in dataclasses.fields(config)}
    if unknown:
        raise ValueError(f"{type(config).__name__} has no {listed(sorted(unknown))}: leave it out")
    if any(name in changes and changes[name] != getattr(config, name) for name in LABELS):
        changes = dict.fromkeys(LABELS) | changes
    return dataclasses.replace(config, **changes)


def checkpoint_tensors(table, directory):
    """Return the file that lists a checkpoint's tensors, and {name in the table: StoredTensor}, unread.

    Raises:
        CheckpointError: a file is missing or damaged, there are pickled weights only, or a tensor is there
            twice.
    """
    path, index = directory / "model.safetensors", directory / "model.safetensors.index.json"
    if path.is_file():
        stored = stored_tensors(path)
    elif index.is_file():
        path, stored = index, _sharded(index)
    else:
        found = what_is_there(directory)
        raise CheckpointError(f"{path} does not exist: the checkpoint is incomplete{found and '; '}{found}")
    tensors = {}
    for name, tensor in stored.items():
        for old, new in table.OLD_NAMES:
            name = name.replace(old, new)
        if name.startswith(table.BODY_PARTS):  # a body alone has no prefix
            name = f"{table.BODY}{name}"
        if name in tensors:
            both = f"{brief(tensors[name].name)} and {brief(tensor.name)}"
            raise CheckpointError(f"{path} holds one tensor under two names: {both}")
        tensors[name] = tensor
    return path, tensors


def _sharded(index):
    """Return {name: StoredTensor} of a checkpoint in several files."""
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(file, str) for file in weight_map.values()):
        raise CheckpointError(f"{index} must hold an object 'weight_map' that names the file of each tensor")
    headers = {}
    for file in sorted(set(weight_map.values())):
        # As on Windows, where both / and \ lead to another folder.
        if file in ("", ".", "..") or pathlib.PureWindowsPath(file).name != file or len(file) > 255:
            raise CheckpointError(
                f"{index} names the file {brief(file)}: the files of a checkpoint lie in its own folder"
            )
        headers[file] = stored_tensors(index.parent / file)
    for name, file in weight_map.items():
        if name not in headers[file]:
            raise CheckpointError(
                f"{index.parent / file} has no tensor {brief(name)}, though {index.name} says so"
            )
    return {name: headers[file][name] for name, file in weight_map.items()}


def _match(table, model_class, path, tensors, config, asks_for_labels=False):
    """Compare the stored tensors with those that the model needs, before anything is built.

    Where the caller asks for labels, a head with another number of them is passed by.

    Returns:
        {our name: (StoredTensor, transposed, which of those that lie side by side in it)}, LoadingInfo.
        CheckpointError where they do not fit.
    """
    sizes = {letter: getattr(config, size, None) for letter, size in table.SIZES.items()}
    rows = _rows(table, model_class, config)
    is_body = table.MODELS[model_class.__name__] == (table.BODY,)
    unused = {
        name: tensor for name, tensor in tensors.items()
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in table.IGNORED)
    }
    for copy, original in table.TIED_COPIES:
        if copy in unused and (is_body or _shares_decoder(config)):
            copied = unused.pop(copy)
            kept = unused.setdefault(original, copied)  # some files hold the copy alone
            if not is_body and not copied.equals(kept):
                advice = (
                    "if the decoder has weights of its own, set tie_word_embeddings to false there; "
                    f"{table.BODY_CLASS}.from_pretrained reads the encoder alone"
                    if table.UNTIED else "an output with weights of its own is not supported"
                )
                raise CheckpointError(
                    f"{path}: {copied.name!r} differs from {kept.name!r}, and by config.json they are one "
                    f"and the same (tied) weight; {advice}"
                )
    stored_parts = {_part(table, theirs) for theirs in unused}
    if asks_for_labels:
        stored_parts -= _heads_of_other_sizes(table, unused, sizes)
    found, missing = {}, []
    for several, theirs, transposed, letters in rows:
        if _part(table, theirs) in table.OPTIONAL_PARTS.keys() - stored_parts:
            missing.append(theirs)
            continue
        if theirs not in unused:  # this also ends the loop where config.json claims a billion layers
            shown = _own(table, model_class, theirs)
            raise CheckpointError(
                f"{path} has no tensor {shown!r}: it is not a {model_class.__name__} checkpoint, or only "
                f"a part of one; it holds {listed(tensor.name for tensor in tensors.values())}"
            )
        tensor = unused.pop(theirs)
        shape = [sizes.get(letter) or int(letter) for letter in letters]  # a number is its own size
        shape[-1] *= len(several)
        shape = tuple(shape[::-1] if transposed else shape)
        if tensor.dtype not in FLOATS:
            raise CheckpointError(
                f"tensor {tensor.name!r} in {tensor.path} holds {tensor.dtype_name()}, not floats"
            )
        if tensor.shape != shape:
            raise CheckpointError(
                f"tensor {tensor.name!r} in {tensor.path} has shape {brief(tensor.shape)}, "
                f"but by config.json it must be {shape}"
            )
        for number, ours in enumerate(several):
            found[_own(table, model_class, ours)] = tensor, transposed, number
    missing = [_own(table, model_class, name) for name in missing]
    return found, LoadingInfo(missing, [tensor.name for tensor in unused.values()])


def _heads_of_other_sizes(table, tensors, sizes):
    """Return the optional parts whose tensors are there, but for another number of labels, K."""
    rows = table.HEAD if callable(table.NAMES) else table.NAMES
    labelled = [theirs for _, theirs, _, letters in rows if "K" in letters and theirs in tensors]
    return {_part(table, theirs) for theirs in labelled if tensors[theirs].shape[:1] != (sizes["K"],)}


def _part(table, their_name):
    """Return which of the optional parts a tensor belongs to, or None."""
    names = (their_name, table.BODY + their_name)
    return next((part for part in table.OPTIONAL_PARTS for name in names if name.startswith(part)), None)


def _describe(table, path, info):
    resized = [name for name in info.missing_keys if name in info.unexpected_keys]
    absent = [name for name in info.missing_keys if name not in resized]
    unused = [name for name in info.unexpected_keys if name not in resized]
    sentences = []
    if resized:
        parts = ", ".join(dict.fromkeys(table.OPTIONAL_PARTS[_part(table, name)] for name in resized))
        sentences.append(f"newly initialised, because the checkpoint's has another number of labels: {parts}")
    if absent:
        parts = ", ".join(dict.fromkeys(table.OPTIONAL_PARTS[_part(table, name)] for name in absent))
        sentences.append(
            f"newly initialised, because the checkpoint has none, and to be trained before use: {parts}"
        )
    if unused:
        sentences.append(f"not used, because the model has no place for it: {listed(unused)}")
    return f"{path}: {'; '.join(sentences)}"


def read_config(model_class, directory):
    """Read config.json; keys that are not sizes or rates of the model are left out.

    Raises:
        CheckpointError: the file is missing or no JSON object, or it describes a model that would compute
            something else.
    """
    path = pathlib.Path(directory) / "config.json"
    if not path.is_file():
        found = what_is_there(directory)
        raise CheckpointError(
            f"{path} does not exist: {directory} is not a checkpoint directory (minibert downloads nothing: "
            f"give a folder){found and '; '}{found}"
        )
    content, table, config_class = read_json(path), table_of(model_class), model_class.config_class
    model_type = content.get("model_type", table.MODEL_TYPE)
    if model_type != table.MODEL_TYPE:
        raise CheckpointError(
            f"{path} describes a model of type {brief(model_type)}; {model_class.__name__} reads "
            f"{table.MODEL_TYPE!r}"
        )
    for name, supported in table.SUPPORTED.items():
        if content.get(name) not in (None, supported):
            raise CheckpointError(
                f"{path}: {name} {brief(content[name])} is not supported, only {supported!r}"
            )
    their_names = {
        field.name: table.CONFIG.get(field.name, field.name) for field in dataclasses.fields(config_class)
    }
    given = {
        ours: _our_value(table, ours, content[theirs])
        for ours, theirs in their_names.items()
        if theirs in content
    }
    if given.get("id2label") is not None:  # the others follow from it, as in transformers
        given.pop("num_labels", None)
        given.pop("label2id", None)
    for name, value in given.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if name.endswith(("_prob", "_range", "_eps")) and not is_number:
            raise CheckpointError(f"{path}: {their_names[name]} must be a number, got {brief(value)}")
        if name == "hidden_act" and not isinstance(value, str):
            raise CheckpointError(f"{path}: {their_names[name]} must be a name, got {brief(value)}")
    try:
        return config_class(**{**table.CONFIG_DEFAULTS, **given})
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from None


def _our_value(table, name, value):
    """Return a value of config.json as we call it."""
    return table.VALUES.get(name, {}).get(value, value) if isinstance(value, str) else value
