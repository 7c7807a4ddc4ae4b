"""Our weights <-> the Hugging Face checkpoint directory: config.json and model.safetensors.

    bert-run/config.json                     the sizes, under the names of BertConfig
             model.safetensors               the weights, or, in several files,
             model.safetensors.index.json    {"weight_map": {tensor: its file}} and the files it names

Nothing in a file is believed before it is checked: sizes and names are compared with the file's true length and with
config.json before memory is taken or a number is read, so that a broken or hostile file ends in a message at once.
"""

import dataclasses
import json
import math
import os
import pathlib
import warnings
from typing import NamedTuple

import numpy as np

# Our name, Hugging Face's name, whether the array is transposed between them (their dense weights are (out, in), ours
# are (in, out)), and our shape: V vocabulary, P positions, S segments, H hidden size, F feed-forward size. {} is the
# number of the layer. BertModel alone has the same names without "bert.".
NAMES = (
    ("bert.embeddings.token.weight", "bert.embeddings.word_embeddings.weight", False, "VH"),
    ("bert.embeddings.position.weight", "bert.embeddings.position_embeddings.weight", False, "PH"),
    ("bert.embeddings.segment.weight", "bert.embeddings.token_type_embeddings.weight", False, "SH"),
    ("bert.embeddings.norm.gamma", "bert.embeddings.LayerNorm.weight", False, "H"),
    ("bert.embeddings.norm.beta", "bert.embeddings.LayerNorm.bias", False, "H"),
    ("bert.encoder.{}.attention.query.weight", "bert.encoder.layer.{}.attention.self.query.weight", True, "HH"),
    ("bert.encoder.{}.attention.query.bias", "bert.encoder.layer.{}.attention.self.query.bias", False, "H"),
    ("bert.encoder.{}.attention.key.weight", "bert.encoder.layer.{}.attention.self.key.weight", True, "HH"),
    ("bert.encoder.{}.attention.key.bias", "bert.encoder.layer.{}.attention.self.key.bias", False, "H"),
    ("bert.encoder.{}.attention.value.weight", "bert.encoder.layer.{}.attention.self.value.weight", True, "HH"),
    ("bert.encoder.{}.attention.value.bias", "bert.encoder.layer.{}.attention.self.value.bias", False, "H"),
    ("bert.encoder.{}.attention.output.weight", "bert.encoder.layer.{}.attention.output.dense.weight", True, "HH"),
    ("bert.encoder.{}.attention.output.bias", "bert.encoder.layer.{}.attention.output.dense.bias", False, "H"),
    ("bert.encoder.{}.attention_norm.gamma", "bert.encoder.layer.{}.attention.output.LayerNorm.weight", False, "H"),
    ("bert.encoder.{}.attention_norm.beta", "bert.encoder.layer.{}.attention.output.LayerNorm.bias", False, "H"),
    ("bert.encoder.{}.feed_forward.intermediate.weight", "bert.encoder.layer.{}.intermediate.dense.weight", True, "HF"),
    ("bert.encoder.{}.feed_forward.intermediate.bias", "bert.encoder.layer.{}.intermediate.dense.bias", False, "F"),
    ("bert.encoder.{}.feed_forward.output.weight", "bert.encoder.layer.{}.output.dense.weight", True, "FH"),
    ("bert.encoder.{}.feed_forward.output.bias", "bert.encoder.layer.{}.output.dense.bias", False, "H"),
    ("bert.encoder.{}.output_norm.gamma", "bert.encoder.layer.{}.output.LayerNorm.weight", False, "H"),
    ("bert.encoder.{}.output_norm.beta", "bert.encoder.layer.{}.output.LayerNorm.bias", False, "H"),
    ("bert.pooler.dense.weight", "bert.pooler.dense.weight", True, "HH"),
    ("bert.pooler.dense.bias", "bert.pooler.dense.bias", False, "H"),
    ("mlm_head.dense.weight", "cls.predictions.transform.dense.weight", True, "HH"),
    ("mlm_head.dense.bias", "cls.predictions.transform.dense.bias", False, "H"),
    ("mlm_head.norm.gamma", "cls.predictions.transform.LayerNorm.weight", False, "H"),
    ("mlm_head.norm.beta", "cls.predictions.transform.LayerNorm.bias", False, "H"),
    ("mlm_head.decoder_bias", "cls.predictions.bias", False, "V"),
    ("nsp_head.weight", "cls.seq_relationship.weight", True, "H2"),
    ("nsp_head.bias", "cls.seq_relationship.bias", False, "2"),
)
# What a checkpoint may lack, each part as a whole (it is newly initialised then): the beginning of its names, and its name.
OPTIONAL_PARTS = {"bert.pooler.": "pooler", "cls.predictions.": "mlm_head", "cls.seq_relationship.": "nsp_head"}

# The decoder shares the token embeddings and its bias; some checkpoints store it a second time under these names.
TIED_COPIES = (
    ("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
    ("cls.predictions.decoder.bias", "cls.predictions.bias"),
)
IGNORED = ("bert.embeddings.position_ids",)  # 0, 1, 2, ...: a buffer that older versions stored

# What Hugging Face assumes where config.json does not say (the sizes of BERT-base), and not what our BertConfig assumes.
CONFIG_DEFAULTS = {
    "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
    "max_position_embeddings": 512,
}  # fmt: skip

# The number types of .safetensors files. NumPy has no bfloat16: its 16 bits are the upper half of a float32.
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
FLOATS = ("F64", "F32", "F16", "BF16")
MAX_JSON = 1 << 22  # bytes; the header of BERT-large takes 50,000. What is longer is not parsed: that alone can fill a memory

UNPICKLING = (  # clone: tied weights may not share memory in a safetensors file
    "python -c \"import glob, torch, safetensors.torch as s; s.save_file({{name: tensor.contiguous().clone() for file in "
    "glob.glob('{}') for name, tensor in torch.load(file, map_location='cpu', weights_only=True).items()}}, "
    "'model.safetensors', {{'format': 'pt'}})\""
)


class CheckpointError(ValueError):
    """A checkpoint directory that cannot be read; the message says which file and what is wrong with it."""


class CheckpointWarning(UserWarning):
    """A checkpoint that was read, but some parts of the model are not in it, or some of its tensors not in the model."""


class LoadingInfo(NamedTuple):
    """What did not meet when a checkpoint was read, as Hugging Face's tensor names."""

    missing_keys: list     # in the model, not in the checkpoint: newly initialised
    unexpected_keys: list  # in the checkpoint, not in the model: not used


# --- names ---


def _rows(num_hidden_layers, with_heads):
    """Yield (our name, Hugging Face's name, transposed, shape) of every tensor; the encoder's names begin with "bert."."""
    for ours, theirs, transposed, letters in NAMES:
        if with_heads or ours.startswith("bert."):
            for layer in range(num_hidden_layers if "{}" in ours else 1):
                yield ours.format(layer), theirs.format(layer), transposed, letters


def tensor_names(model):
    """Return {our name: (Hugging Face's name, transposed)} for every parameter of a BertModel or BertForPreTraining."""
    with_heads = hasattr(model, "bert")
    strip = 0 if with_heads else len("bert.")
    rows = _rows(model.config.num_hidden_layers, with_heads)
    return {ours[strip:]: (theirs[strip:], transposed) for ours, theirs, transposed, _ in rows}


def state_dict(model, grads=False):
    """Return {Hugging Face tensor name: array in Hugging Face's layout}, of the values or of the gradients.

    The names are those of PyTorch's `model.named_parameters()`, so that two models can be laid side by side:

        for name, parameter in torch_model.named_parameters():
            abs(arrays[name] - parameter.grad.numpy()).max()

    One gradient differs by design: PyTorch's `Embedding(padding_idx=...)` drops what the row of [PAD] receives as an input.
    """
    parameters = model.parameters()
    arrays = {}
    for our_name, (their_name, transposed) in tensor_names(model).items():
        array = parameters[our_name].grad if grads else parameters[our_name].value
        arrays[their_name] = np.ascontiguousarray(array.T) if transposed else array
    return arrays


# --- writing ---


def save(model, directory):
    """Write config.json and model.safetensors, each under a temporary name first, so that neither is ever half written.

    Raises:
        ValueError: the parameters are complex numbers (a gradient check's copy of a model), which no checkpoint holds.
    """
    arrays = state_dict(model)
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            raise ValueError(f"{name} holds {array.dtype}, and a checkpoint holds floats: save model.astype(np.float32)")
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    config = {"architectures": [type(model).__name__], "model_type": "bert", **dataclasses.asdict(model.config)}
    config |= {"pad_token_id": 0, "position_embedding_type": "absolute", "tie_word_embeddings": True}
    write_tensors(directory / "model.safetensors", arrays, {"format": "pt"})
    write_atomically(directory / "config.json", (json.dumps(config, indent=2) + "\n").encode("utf-8"))


def write_tensors(path, tensors, metadata=None):
    """Write {name: array} as a .safetensors file, atomically."""
    import safetensors.numpy

    # safetensors writes memory as it lies there: without order="C", a transposed or sliced view would come out scrambled.
    in_order = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    write_atomically(path, safetensors.numpy.save(in_order, metadata))


def write_atomically(path, content):
    """Write bytes so that `path` holds either what it held before or all of `content`, even after a power cut."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


# --- reading a checkpoint directory ---


def load(model_class, config_class, directory, with_heads, dtype=None, output_loading_info=False):
    """Build a model from a checkpoint directory.

    The encoder must be there whole. The pooler and each head may be absent: they are newly initialised then (seed 0).
    What is newly initialised, and which tensors of the checkpoint have no place in the model, a CheckpointWarning tells.

    Args:
        model_class, config_class: BertModel or BertForPreTraining, and BertConfig.
        directory: holds config.json and model.safetensors, or model.safetensors.index.json and the files it names.
        with_heads: whether the model has the two pretraining heads.
        dtype: of the parameters; None is that of the file, or float32 where the file holds float16 or bfloat16.
        output_loading_info: return (model, LoadingInfo), and do not warn.

    Raises:
        CheckpointError: a file is missing, truncated or not what it should be, or a tensor is missing or has a wrong shape.
        ValueError: dtype is no type of floating-point or complex numbers.
    """
    if dtype is not None and not np.issubdtype(dtype, np.inexact):
        raise ValueError(f"dtype must be a type of floating-point numbers such as np.float32, got {dtype!r}")
    directory = pathlib.Path(directory)
    config = read_config(config_class, directory)
    path, tensors = checkpoint_tensors(directory)
    found, info = _match(path, tensors, config, with_heads)
    if dtype is None:
        dtype = np.float64 if any(tensor.dtype == "F64" for tensor, _ in found.values()) else np.float32
    model = model_class(config, dtype=dtype)
    for our_name, parameter in model.parameters().items():
        tensor, transposed = found.get(our_name if with_heads else f"bert.{our_name}", (None, False))
        if tensor is not None:
            array = tensor.read()
            parameter.value[...] = array.T if transposed else array
    if output_loading_info:
        return model, info
    if info.missing_keys or info.unexpected_keys:
        warnings.warn(_describe(path, info), CheckpointWarning, stacklevel=3)  # names the line that called from_pretrained
    return model


def checkpoint_tensors(directory):
    """Return the file that lists the tensors of a checkpoint directory, and {name in NAMES: StoredTensor}; reads no weights.

    Raises:
        CheckpointError: a file is missing or damaged, there are pickled weights only, or a tensor is there twice.
    """
    path, index = directory / "model.safetensors", directory / "model.safetensors.index.json"
    if path.is_file():
        stored = stored_tensors(path)
    elif index.is_file():
        path, stored = index, _sharded(index)
    else:
        _refuse_pickles(directory)
        raise CheckpointError(f"{path} does not exist: the checkpoint is incomplete")
    tensors = {}
    for name, tensor in stored.items():
        # Files converted from the first BERT, bert-base-uncased too, say gamma and beta; those of encoders omit "bert.".
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        name = f"bert.{name}" if name.startswith(("embeddings.", "encoder.", "pooler.")) else name
        if name in tensors:
            both = f"{_brief(tensors[name].name)} and {_brief(tensor.name)}"
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
            raise CheckpointError(f"{index} names the file {_brief(file)}: the files of a checkpoint lie in its own folder")
        headers[file] = stored_tensors(index.parent / file)
    for name, file in weight_map.items():
        if name not in headers[file]:
            raise CheckpointError(f"{index.parent / file} has no tensor {_brief(name)}, though {index.name} says so")
    return {name: headers[file][name] for name, file in weight_map.items()}


def _refuse_pickles(directory):
    for pattern in ("pytorch_model*.bin", "*.bin", "*.pt", "*.pth"):
        pickles = sorted(path.name for path in directory.glob(pattern))
        if pickles:
            raise CheckpointError(
                f"{directory} holds its weights as a pickle ({_listed(pickles)}), and to read a pickle is to run whatever "
                "program it contains; minibert reads model.safetensors only. With PyTorch and safetensors installed, this "
                f"line, in that folder, writes it, taking the tensors and running nothing: {UNPICKLING.format(pattern)}"
            )


def _match(path, tensors, config, with_heads):
    """Hold what is stored against what the model needs, before anything is built.

    Returns:
        {our name: (StoredTensor, transposed)}, LoadingInfo. CheckpointError where they do not fit.
    """
    sizes = {
        "V": config.vocab_size, "P": config.max_position_embeddings, "S": config.type_vocab_size,
        "H": config.hidden_size, "F": config.intermediate_size, "2": 2,
    }  # fmt: skip
    unused = {name: tensor for name, tensor in tensors.items() if name not in IGNORED}
    for copy, original in TIED_COPIES:
        if copy in unused:
            copied = unused.pop(copy)
            kept = unused.setdefault(original, copied)  # some files hold the copy alone
            if with_heads and not copied.equals(kept):
                raise CheckpointError(
                    f"{path}: {copied.name!r} differs from {kept.name!r}, and in minibert they are one and the same (tied) "
                    "weight; BertModel.from_pretrained reads the encoder of such a checkpoint"
                )
    stored_parts = {_part(theirs) for theirs in unused}
    found, missing = {}, []
    for ours, theirs, transposed, letters in _rows(config.num_hidden_layers, with_heads):
        shown = theirs if with_heads else theirs.removeprefix("bert.")
        if _part(theirs) in OPTIONAL_PARTS.keys() - stored_parts:
            missing.append(shown)
            continue
        if theirs not in unused:  # this also ends the loop where config.json claims a billion layers
            model = "BertForPreTraining" if with_heads else "BertModel"
            raise CheckpointError(
                f"{path} has no tensor {shown!r}: it is no {model} checkpoint, or not all of one; "
                f"it holds {_listed(tensor.name for tensor in tensors.values())}"
            )
        tensor = unused.pop(theirs)
        shape = tuple(sizes[letter] for letter in (reversed(letters) if transposed else letters))
        if tensor.dtype not in FLOATS:
            raise CheckpointError(f"tensor {tensor.name!r} in {tensor.path} holds {tensor.dtype_name()}, not floats")
        if tensor.shape != shape:
            raise CheckpointError(
                f"tensor {tensor.name!r} in {tensor.path} has shape {_brief(tensor.shape)}, but config.json asks for {shape}"
            )
        found[ours] = tensor, transposed
    return found, LoadingInfo(missing, [tensor.name for tensor in unused.values()])


def _part(their_name):
    """Return which of the OPTIONAL_PARTS a tensor belongs to, or None."""
    return next((prefix for prefix in OPTIONAL_PARTS if their_name.startswith(prefix)), None)


def _describe(path, info):
    sentences = []
    if info.missing_keys:
        parts = dict.fromkeys(OPTIONAL_PARTS[_part(name) or "bert.pooler."] for name in info.missing_keys)
        listed = ", ".join(parts)
        sentences.append(f"newly initialised, because the checkpoint has none, and to be trained before use: {listed}")
    if info.unexpected_keys:
        sentences.append(f"not used, because the model has no place for it: {_listed(info.unexpected_keys)}")
    return f"{path}: {'; '.join(sentences)}"


# --- reading files ---


def read_config(config_class, directory):
    """Read config.json; keys that are not sizes or rates of the model are left out.

    Raises:
        CheckpointError: the file is missing or no JSON object, or it describes a model that would compute something else.
    """
    path = pathlib.Path(directory) / "config.json"
    if not path.is_file():
        raise CheckpointError(
            f"{path} does not exist: {directory} is no checkpoint directory (minibert downloads nothing: give a folder)"
        )
    content = read_json(path)
    if content.get("model_type", "bert") != "bert":
        raise CheckpointError(f"{path} describes a {_brief(content['model_type'])} model; minibert reads 'bert'")
    for name, supported in (("position_embedding_type", "absolute"), ("is_decoder", False), ("add_cross_attention", False)):
        if content.get(name) not in (None, supported):
            raise CheckpointError(f"{path}: {name} {_brief(content[name])} is not supported, only {supported!r}")
    given = {field.name: content[field.name] for field in dataclasses.fields(config_class) if field.name in content}
    for name, value in given.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if name.endswith(("_prob", "_range", "_eps")) and not is_number:
            raise CheckpointError(f"{path}: {name} must be a number, got {_brief(value)}")
        if name == "hidden_act" and not isinstance(value, str):
            raise CheckpointError(f"{path}: {name} must be a name, got {_brief(value)}")
    try:
        return config_class(**{**CONFIG_DEFAULTS, **given})
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from None


def read_json(path):
    """Return the object (a dict) that a JSON file of at most MAX_JSON bytes holds."""
    try:
        if path.stat().st_size > MAX_JSON:
            raise ValueError(f"{path.stat().st_size:,} bytes, and at most {MAX_JSON:,} are read")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} must hold a JSON object, got a {type(content).__name__}")
    return content


class StoredTensor(NamedTuple):
    """Where a tensor lies in a .safetensors file; its numbers have not been read yet."""

    path: pathlib.Path
    name: str
    dtype: str    # as the file says it: "F32", "BF16", ...
    shape: tuple
    start: int    # its first byte in the file

    def dtype_name(self):
        """NumPy's name of the dtype where it has one: "int64" for "I64"."""
        return np.dtype(DTYPES[self.dtype]).name if self.dtype in DTYPES and self.dtype != "BF16" else self.dtype

    def read(self):
        """Return the numbers, an array of its own; bfloat16 becomes float32, of which it is the upper 16 bits."""
        if self.dtype not in DTYPES:
            raise CheckpointError(f"tensor {self.name!r} in {self.path} holds {_brief(self.dtype)}, which NumPy cannot")
        array = np.fromfile(self.path, DTYPES[self.dtype], math.prod(self.shape), offset=self.start)
        array = array.astype(array.dtype.newbyteorder("="), copy=False).reshape(self.shape)
        return (array.astype(np.uint32) << 16).view(np.float32) if self.dtype == "BF16" else array

    def equals(self, other):
        """Whether it is the other tensor, or holds the same numbers."""
        if self is other:
            return True
        alike = (self.dtype, self.shape) == (other.dtype, other.shape)
        return alike and np.array_equal(self.read(), other.read(), equal_nan=True)


def read_tensors(path):
    """Return {name: array} of a .safetensors file."""
    return {name: tensor.read() for name, tensor in stored_tensors(path).items()}


def stored_tensors(path):
    """Return {name: StoredTensor} of a .safetensors file, from its header alone.

    The file: 8 bytes with the length of the header; the header, {name: {"dtype", "shape", "data_offsets": [begin, end]}} in
    JSON; and the numbers of all tensors, one after the other, without gaps.

    Raises:
        CheckpointError: the file is missing, or holds less, more or something else than its header says.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist: the checkpoint is incomplete")
    try:
        with open(path, "rb") as file:
            num_bytes = os.fstat(file.fileno()).st_size
            first = file.read(8)
            header_length = int.from_bytes(first, "little")
            if len(first) < 8 or header_length > min(MAX_JSON, num_bytes - 8):
                _name_foreign(path, first)
                raise ValueError(
                    f"it says that its header has {header_length:,} bytes; the file has {num_bytes:,}, "
                    f"and a header at most {MAX_JSON:,}"
                )
            header = json.loads(file.read(header_length).decode("utf-8"))
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
        return _checked(path, header, 8 + header_length, num_bytes)
    except CheckpointError:
        raise
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): was it cut short when it was copied?") from None


def _name_foreign(path, first):
    """Raise a CheckpointError that says what a file is, if its first eight bytes tell that it is no .safetensors file."""
    if first.startswith((b"PK", b"\x80\x02")):
        raise CheckpointError(f"{path} cannot be read: it is a zip file or a pickle, as torch.save writes, wrongly named")
    if first == b"version ":
        raise CheckpointError(f"{path} cannot be read: it is a Git LFS pointer, not the file; `git lfs pull` fetches that")


def _checked(path, header, data_start, num_bytes):
    """Return {name: StoredTensor} of a parsed header; ValueError where it does not describe this file to the byte."""
    tensors, spans = {}, []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
            numbers = [*shape, begin, end]
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"tensor {_brief(name)} needs dtype, shape and data_offsets, got {_brief(entry)}") from None
        if not isinstance(dtype, str) or len(shape) > 32 or not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
            raise ValueError(f"tensor {_brief(name)} has an impossible dtype, shape or offset: {_brief(entry)}")
        if dtype in DTYPES and end - begin != math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize:
            raise ValueError(f"tensor {_brief(name)} claims {end - begin:,} bytes for {_brief(shape)} of {dtype}")
        tensors[name] = StoredTensor(path, name, dtype, tuple(shape), data_start + begin)
        spans.append((begin, end, name))
    position = 0
    for begin, end, name in sorted(spans):  # no gap and no overlap: many names cannot lead to the same bytes
        if begin != position:
            raise ValueError(f"tensor {_brief(name)} begins at byte {begin:,} of the numbers, and {position:,} comes next")
        position = end
    if data_start + position != num_bytes:
        raise ValueError(f"its tensors take {position:,} bytes, and there are {num_bytes - data_start:,}")
    return tensors


def _brief(value):
    """Return repr(value), cut where it is long: what a broken file holds may be."""
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _listed(names, limit=4):
    """Return the first names of many, as text."""
    names = list(names)
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(name if len(name) <= 120 else name[:117] + "..." for name in names[:limit]) + more or "nothing"
