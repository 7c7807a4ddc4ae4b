"""Our weights <-> the Hugging Face checkpoint directory: config.json and model.safetensors."""

import dataclasses
import json
import os
import pathlib

import numpy as np

# Our name, Hugging Face's name, and whether the array is transposed between them: their dense weights are (out, in),
# ours are (in, out). {} is the number of the layer. BertModel alone has the same names without "bert.".
NAMES = (
    ("bert.embeddings.token.weight", "bert.embeddings.word_embeddings.weight", False),
    ("bert.embeddings.position.weight", "bert.embeddings.position_embeddings.weight", False),
    ("bert.embeddings.segment.weight", "bert.embeddings.token_type_embeddings.weight", False),
    ("bert.embeddings.norm.gamma", "bert.embeddings.LayerNorm.weight", False),
    ("bert.embeddings.norm.beta", "bert.embeddings.LayerNorm.bias", False),
    ("bert.encoder.{}.attention.query.weight", "bert.encoder.layer.{}.attention.self.query.weight", True),
    ("bert.encoder.{}.attention.query.bias", "bert.encoder.layer.{}.attention.self.query.bias", False),
    ("bert.encoder.{}.attention.key.weight", "bert.encoder.layer.{}.attention.self.key.weight", True),
    ("bert.encoder.{}.attention.key.bias", "bert.encoder.layer.{}.attention.self.key.bias", False),
    ("bert.encoder.{}.attention.value.weight", "bert.encoder.layer.{}.attention.self.value.weight", True),
    ("bert.encoder.{}.attention.value.bias", "bert.encoder.layer.{}.attention.self.value.bias", False),
    ("bert.encoder.{}.attention.output.weight", "bert.encoder.layer.{}.attention.output.dense.weight", True),
    ("bert.encoder.{}.attention.output.bias", "bert.encoder.layer.{}.attention.output.dense.bias", False),
    ("bert.encoder.{}.attention_norm.gamma", "bert.encoder.layer.{}.attention.output.LayerNorm.weight", False),
    ("bert.encoder.{}.attention_norm.beta", "bert.encoder.layer.{}.attention.output.LayerNorm.bias", False),
    ("bert.encoder.{}.feed_forward.intermediate.weight", "bert.encoder.layer.{}.intermediate.dense.weight", True),
    ("bert.encoder.{}.feed_forward.intermediate.bias", "bert.encoder.layer.{}.intermediate.dense.bias", False),
    ("bert.encoder.{}.feed_forward.output.weight", "bert.encoder.layer.{}.output.dense.weight", True),
    ("bert.encoder.{}.feed_forward.output.bias", "bert.encoder.layer.{}.output.dense.bias", False),
    ("bert.encoder.{}.output_norm.gamma", "bert.encoder.layer.{}.output.LayerNorm.weight", False),
    ("bert.encoder.{}.output_norm.beta", "bert.encoder.layer.{}.output.LayerNorm.bias", False),
    ("bert.pooler.dense.weight", "bert.pooler.dense.weight", True),
    ("bert.pooler.dense.bias", "bert.pooler.dense.bias", False),
    ("mlm_head.dense.weight", "cls.predictions.transform.dense.weight", True),
    ("mlm_head.dense.bias", "cls.predictions.transform.dense.bias", False),
    ("mlm_head.norm.gamma", "cls.predictions.transform.LayerNorm.weight", False),
    ("mlm_head.norm.beta", "cls.predictions.transform.LayerNorm.bias", False),
    ("mlm_head.decoder_bias", "cls.predictions.bias", False),
    ("nsp_head.weight", "cls.seq_relationship.weight", True),
    ("nsp_head.bias", "cls.seq_relationship.bias", False),
)


class CheckpointError(ValueError):
    """A checkpoint directory that cannot be read; the message says which file and what is wrong with it."""


def tensor_names(model):
    """Return {our name: (Hugging Face's name, transposed)} for every parameter of a BertModel or BertForPreTraining."""
    prefix = "bert." if hasattr(model, "bert") else ""
    names = {}
    for ours, theirs, transposed in NAMES:
        for layer in range(model.config.num_hidden_layers if "{}" in ours else 1):
            our_name = ours.format(layer)
            if prefix or our_name.startswith("bert."):
                strip = 0 if prefix else len("bert.")
                names[our_name[strip:]] = (theirs.format(layer)[strip:], transposed)
    return names


def state_dict(model, grads=False):
    """Return {Hugging Face tensor name: array in Hugging Face's layout}, of the values or of the gradients."""
    parameters = model.parameters()
    arrays = {}
    for our_name, (their_name, transposed) in tensor_names(model).items():
        array = parameters[our_name].grad if grads else parameters[our_name].value
        arrays[their_name] = np.ascontiguousarray(array.T) if transposed else array
    return arrays


def save(model, directory):
    """Write config.json and model.safetensors, each under a temporary name first, so that neither is ever half written."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    config = {"architectures": [type(model).__name__], "model_type": "bert", **dataclasses.asdict(model.config)}
    config |= {"pad_token_id": 0, "position_embedding_type": "absolute", "tie_word_embeddings": True}
    write_tensors(directory / "model.safetensors", state_dict(model), {"format": "pt"})
    write_atomically(directory / "config.json", (json.dumps(config, indent=2) + "\n").encode("utf-8"))


def write_atomically(path, content):
    """Write bytes so that `path` holds either what it held before or all of `content`, even after a power cut."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load(model_class, config_class, directory, dtype=None):
    """Build a model from a checkpoint directory.

    Args:
        model_class, config_class: BertModel or BertForPreTraining, and BertConfig.
        directory: holds config.json and model.safetensors.
        dtype: of the parameters; None keeps that of the file.

    Raises:
        CheckpointError: a file is missing, truncated or not what it should be, or a tensor is missing or has a wrong shape.
    """
    directory = pathlib.Path(directory)
    config = read_config(config_class, directory)
    tensors = {_new_name(name): array for name, array in read_tensors(directory / "model.safetensors").items()}
    if "bert.pooler.dense.weight" in tensors and model_class.__name__ == "BertModel":  # the encoder of a model with heads
        tensors = {name.removeprefix("bert."): array for name, array in tensors.items()}
    model = model_class(config, dtype=np.float32)
    parameters = model.parameters()
    for our_name, (their_name, transposed) in tensor_names(model).items():
        if their_name not in tensors:
            raise CheckpointError(
                f"{directory / 'model.safetensors'} has no tensor {their_name!r}: it is no {model_class.__name__} checkpoint"
            )
        array = tensors[their_name].T if transposed else tensors[their_name]
        if not np.issubdtype(array.dtype, np.floating):
            raise CheckpointError(f"tensor {their_name!r} in {directory / 'model.safetensors'} holds {array.dtype}, not floats")
        parameter = parameters[our_name]
        if array.shape != parameter.value.shape:
            raise CheckpointError(
                f"tensor {their_name!r} in {directory / 'model.safetensors'} has shape {tensors[their_name].shape}, "
                f"but config.json asks for {parameter.value.T.shape if transposed else parameter.value.shape}"
            )
        parameter.value = np.array(array, dtype=dtype, order="C")
        parameter.grad = np.zeros(parameter.value.shape, parameter.value.dtype)
    return model


def _new_name(name):
    """Return today's name of a tensor: files converted from the first BERT, bert-base-uncased too, say gamma and beta."""
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def read_config(config_class, directory):
    """Read config.json; keys that are not sizes or rates of the model are left out."""
    path = pathlib.Path(directory) / "config.json"
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist: {directory} is no checkpoint directory")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} must hold a JSON object, got a {type(content).__name__}")
    if content.get("model_type", "bert") != "bert":
        raise CheckpointError(f"{path} describes a {content['model_type']!r} model; minibert reads 'bert'")
    if content.get("position_embedding_type", "absolute") != "absolute":
        raise CheckpointError(
            f"{path}: position_embedding_type {content['position_embedding_type']!r} is not supported, only 'absolute'"
        )
    fields = [field.name for field in dataclasses.fields(config_class)]
    try:
        return config_class(**{name: content[name] for name in fields if name in content})
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from None


def write_tensors(path, tensors, metadata=None):
    """Write {name: array} as a .safetensors file, atomically."""
    import safetensors.numpy

    # safetensors writes memory as it lies there: without order="C", a transposed or sliced view would come out scrambled.
    in_order = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    write_atomically(path, safetensors.numpy.save(in_order, metadata))


def read_tensors(path):
    """Return {name: array} of a .safetensors file."""
    import safetensors
    import safetensors.numpy

    if not path.is_file():
        raise CheckpointError(f"{path} does not exist: the checkpoint is incomplete")
    try:
        return safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): was it cut short when it was copied?") from None
