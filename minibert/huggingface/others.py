"""What is in a folder that holds no model.safetensors or no config.json, and what makes a model of it."""

import pathlib
import re

from minibert.files import listed

UNPICKLING = (  # clone: tied weights may not share memory in a safetensors file
    'python -c "import glob, torch, safetensors.torch as s; s.save_file({{name: tensor.contiguous().clone() '
    "for file in {} for name, tensor in torch.load(file, map_location='cpu', weights_only=True).items()}}, "
    "'model.safetensors', {{'format': 'pt'}})\""
)
# What transformers' Trainer, PyTorch and OpenVINO write beside weights, or in place of them.
NO_WEIGHTS = re.compile(
    r"(training_args|openvino_.*|optimizer|scheduler|scaler|rng_state.*)\.(bin|pt|pth)|"
    r"(optimizer|state|unigram)\.safetensors"
)
CONVERTING = (
    "transformers 4 with {} installed converts it: BertForPreTraining.from_pretrained(folder, {}=True)"
    ".save_pretrained(folder)"
)
MADE_FROM = "made from a model, and leads to no weights: take the model it was made from"
KINDS = (  # a pattern of names; what such files are, and what to do
    (
        "adapter_model.safetensors",
        "an adapter (LoRA), which is a change of a model and no model: merge the two with peft's "
        "merge_and_unload() and save_pretrained()",
    ),
    ("model.safetensors.index.*.json", "the index of a variant: name it model.safetensors.index.json"),
    (
        "model-*-of-*.safetensors",
        "parts of the weights without model.safetensors.index.json, which lists their tensors: copy it, too",
    ),
    ("*.safetensors", "under another name: if this is the model, copy it to model.safetensors"),
    ("*.h5", f"of TensorFlow; {CONVERTING.format('TensorFlow', 'from_tf')}"),
    ("*.msgpack", f"of Flax; {CONVERTING.format('Flax', 'from_flax')}"),
    (
        "*.ckpt.index",
        "of TensorFlow 1, as BERT's authors published it; transformers 4 with TensorFlow installed converts "
        "it: transformers-cli convert --model_type bert",
    ),
    (
        "*.ckpt*",
        "a checkpoint of TensorFlow or a pickle of PyTorch Lightning; the program that wrote it can save the "
        "weights with safetensors",
    ),
    ("*.onnx", f"a program (ONNX), {MADE_FROM}"),
    ("onnx", f"a program (ONNX), {MADE_FROM}"),
    ("*.gguf", f"of llama.cpp, {MADE_FROM}"),
    ("*.tflite", f"of TensorFlow Lite, {MADE_FROM}"),
    ("openvino_*", f"of OpenVINO, {MADE_FROM}"),
    ("*.ot", f"of rust-bert, {MADE_FROM}"),
)


def what_is_there(directory):
    """Return what a folder without model.safetensors or config.json holds instead and what to do, as a
    clause; or ""."""
    directory = pathlib.Path(directory)
    if not directory.exists():
        return "the folder does not exist, and minibert downloads nothing"
    names = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
    lost = [name for name in names if (directory / name).is_symlink() and not (directory / name).exists()]
    if lost:
        return f"it holds {listed(lost)}, links that lead nowhere: copy the files themselves"
    weights = [name for name in ("model.safetensors", "model.safetensors.index.json") if name in names]
    if weights and "bert_config.json" in names:
        return "it holds bert_config.json: copy it to config.json"
    if weights:
        return f"it holds {weights[0]} but no config.json, which gives the sizes of the model: copy it, too"
    beside = [name for name in names if NO_WEIGHTS.fullmatch(name) and name.endswith((".bin", ".pt", ".pth"))]
    names = [name for name in names if not NO_WEIGHTS.fullmatch(name) or name.startswith("openvino_")]
    pickles = [name for name in names if pathlib.PurePath(name).match("pytorch_model*.bin")] or [
        name for name in names
        if name.endswith((".bin", ".pt", ".pth")) and not NO_WEIGHTS.fullmatch(name)
    ]
    if pickles:
        files = "glob.glob('pytorch_model*.bin')" if pickles[0].startswith("pytorch_model") else pickles
        return (
            f"it holds its weights as a pickle ({listed(pickles)}), and to read a pickle is to run whatever "
            "program it contains; minibert reads model.safetensors only. With PyTorch and safetensors "
            "installed, this line, in that folder, writes it, taking the tensors and running nothing: "
            f"{UNPICKLING.format(files)}"
        )
    for pattern, advice in KINDS:
        found = [name for name in names if pathlib.PurePath(name).match(pattern)]
        if found:
            return f"it holds {listed(found)}, {advice}"
    inner = [name for name in names if (directory / name / "config.json").is_file()]
    if inner:
        return f"there are models in its folders: give {directory / inner[-1]}"
    if "bert_config.json" in names:
        return "it holds bert_config.json: copy it to config.json"
    if beside:
        return f"it holds {listed(beside)}, as transformers' Trainer writes beside weights, but no weights"
    return ""
