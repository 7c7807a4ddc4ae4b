"""Going on from a BERT checkpoint, ours or Hugging Face's, on another text (Gururangan et al. 2020)."""

import warnings

import numpy as np

from minibert.huggingface.checkpoint import read_config
from minibert.models.bert import BertForPreTraining
from minibert.training.checkpoint import find_model

# What a checkpoint brings with it, and what cannot be chosen beside it.
ITS_OWN = ("vocab_size", "cased", "strip_accents", "alphabet", "hidden_size", "num_hidden_layers",
           "num_attention_heads", "initializer_range", "dropout", "embedding_start")
# A trained model is changed in small steps, on the share of masks and the lengths that it knows. BERT's own
# code advises a rate far below that of the start, too.
RECIPE = {"learning_rate": 1e-4, "mlm_probability": 0.15, "short_first": 0.0}
SEQ_LENGTH = 128  # tokens, or what the model reads


def settings(folder, changes):
    """Return the fields of a MaskedLMRecipe that goes on from the checkpoint in a folder.

    Args:
        folder: of a model or of a run.  changes: what else was chosen.

    Raises:
        ValueError: something was chosen that the checkpoint decides, or its sequences are shorter.
    """
    chosen = [name for name in ITS_OWN if name in changes]
    if chosen:
        flags = ", ".join("--" + name.replace("_", "-") for name in chosen)
        raise ValueError(f"a run --from a checkpoint has its vocabulary, sizes, weights: leave out {flags}")
    config = read_config(BertForPreTraining, find_model(folder))
    longest = config.max_position_embeddings
    if changes.get("seq_length", 0) > longest:
        raise ValueError(f"{folder} reads {longest} tokens: --seq-length {changes['seq_length']} is more")
    return {
        **RECIPE,
        "seq_length": min(SEQ_LENGTH, longest),
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "initializer_range": config.initializer_range,
        "dropout": config.hidden_dropout_prob,
    }


def load(folder, unigram):
    """Return the model of a checkpoint in float32, and what is newly initialised: a list of tensors' names.

    A decoder that is new starts at the log frequencies (V,) of the word pieces, as in a new model.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what is missing is returned
        model, info = BertForPreTraining.from_pretrained(folder, np.float32, output_loading_info=True)
    if any(name.startswith("cls.predictions.") for name in info.missing_keys):
        model.mlm_head.decoder.bias.value[: len(unigram)] = unigram
    return model, info.missing_keys


def reads_pairs(folder):
    """Whether the model of a checkpoint has a second segment."""
    return read_config(BertForPreTraining, folder).type_vocab_size > 1
