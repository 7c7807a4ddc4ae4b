"""Checkpoints in Hugging Face's directory layout, in and out."""

from minibert.files import CheckpointError
from minibert.huggingface.checkpoint import (
    CheckpointWarning,
    LoadingInfo,
    checkpoint_tensors,
    load,
    renamed_parameters,
    save,
    state_dict,
    tensor_names,
)
