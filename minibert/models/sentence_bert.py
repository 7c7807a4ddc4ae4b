"""Sentence-BERT: a vector for each sentence, so that similar sentences have similar vectors.

Nils Reimers and Iryna Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks", EMNLP 2019,
https://arxiv.org/abs/1908.10084.
"""

import pathlib
import warnings

import numpy as np

from minibert.files import CheckpointError, read_json
from minibert.huggingface import CheckpointWarning
from minibert.models.bert import BertModel
from minibert.text.tokenizer import WordPieceTokenizer


def sentence_vectors(model, encoding):
    """The mean of each sentence's token states, scaled to length 1 (Reimers & Gurevych 2019, section 3).

        mean = Σ_t mask_t · state_t / Σ_t mask_t          vector = mean / |mean|

    Args:
        model: a BertModel.
        encoding: an Encoding of a batch, (B, T) each; [CLS] and [SEP] count as tokens, padding does not.

    Returns:
        vectors (B, H), so that vectors @ vectors.T are the cosines.
    """
    output, _ = model.forward(encoding.input_ids, encoding.token_type_ids, encoding.attention_mask)
    states = output.last_hidden_state                                       # (B, T, H)
    mask = encoding.attention_mask[:, :, np.newaxis].astype(states.dtype)   # (B, T, 1)
    mean = (states * mask).sum(axis=1) / mask.sum(axis=1)                   # (B, H)
    length = np.sqrt((mean * mean).sum(axis=1, keepdims=True))              # (B, 1)
    return mean / np.maximum(length, 1e-12)


def load_encoder(directory):
    """Load a sentence encoder, or any other BERT checkpoint, from a directory in Hugging Face's layout.

    Args:
        directory: folder of config.json; the files that sentence-transformers writes beside it are read too.

    Returns:
        (BertModel, WordPieceTokenizer, most tokens of a sequence).

    Raises:
        CheckpointError: the checkpoint is broken, or its vectors are not the mean of the states.
        ValueError: the tokenizer has more tokens than the model.
    """
    folder = pathlib.Path(directory)
    _check_pooling(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)  # heads and pooler are not used here
        model = BertModel.from_pretrained(folder)
    tokenizer = WordPieceTokenizer.from_pretrained(folder)
    if tokenizer.vocab_size > model.config.vocab_size:
        raise ValueError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} tokens, but the model only "
            f"{model.config.vocab_size}"
        )
    max_length = model.config.max_position_embeddings
    if (folder / "sentence_bert_config.json").is_file():
        stated = read_json(folder / "sentence_bert_config.json").get("max_seq_length")
        if isinstance(stated, int) and stated >= 2:
            max_length = min(max_length, stated)
    return model, tokenizer, max_length


def _check_pooling(folder):
    """Refuse an encoder whose own files (1_Pooling/config.json, 2_Dense/ ...) describe more than the mean."""
    pooling = folder / "1_Pooling" / "config.json"
    if pooling.is_file():
        modes = []
        for name, is_on in read_json(pooling).items():
            if name.startswith("pooling_mode_") and is_on is True:
                modes.append(name)
        if modes and modes != ["pooling_mode_mean_tokens"]:
            raise CheckpointError(
                f"{pooling} sets {', '.join(modes)}; minibert supports pooling_mode_mean_tokens alone, "
                "the mean over the tokens"
            )
    known = ("Transformer", "Pooling", "Normalize")
    extra = sorted(path.name for path in folder.glob("[0-9]_*") if path.name[2:] not in known)
    if extra:
        raise CheckpointError(
            f"{folder} has layers after the mean, in {', '.join(extra)}; minibert does not support them"
        )
