"""Other people's checkpoints beside transformers: activations, masks, positions, padding rows, decoders."""

import json
import os

import make_reference
import numpy as np
import pytest
from make_reference import tensors
from test_stored import assert_gradients_equal

import minibert
from minibert import huggingface

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TOKENIZERS_PARALLELISM="false")
torch = pytest.importorskip("torch", reason="needs PyTorch: pip install minibert[reference]")
transformers = pytest.importorskip(
    "transformers", reason="needs transformers: pip install minibert[reference]"
)

ACTIVATIONS = [
    "gelu", "gelu_python", "gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh",
    "relu", "silu", "swish",
]
BATCH = make_reference.random_batch(np.random.default_rng(5))
LENGTH = BATCH["input_ids"].shape[1]
PER_QUERY = BATCH["attention_mask"][:, np.newaxis] * np.tril(np.ones((LENGTH, LENGTH), int))  # (B, T, T)


def both(tmp_path, seed=3, **config):
    theirs = make_reference.torch_model("BertForPreTraining", 0.5, seed, num_hidden_layers=2, **config)
    theirs.save_pretrained(tmp_path / "theirs")
    return theirs, minibert.BertForPreTraining.from_pretrained(tmp_path / "theirs")


def assert_alike(theirs, ours, batch, tolerance=1e-10, **changes):
    """The same losses, logits and gradients; `changes` are for transformers."""
    expected = theirs(**tensors({**batch, **changes}))
    expected.loss.backward()
    output, cache = ours.forward(**batch)
    ours.backward(cache)
    assert abs(output.loss - expected.loss.item()) <= tolerance
    logits = expected.prediction_logits[torch.from_numpy(batch["labels"] != -100)].detach().numpy()
    assert np.abs(output.prediction_logits - logits).max() <= tolerance * 10
    gradients = {name: parameter.grad.numpy() for name, parameter in theirs.named_parameters()
                 if parameter.grad is not None}
    assert_gradients_equal(ours, gradients)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, tmp_path):
    theirs, ours = both(tmp_path, hidden_act=name, pad_token_id=None)
    assert_alike(theirs, ours, BATCH, 1e-8 if name == "gelu_fast" else 1e-10)  # its constant has ten digits
    ours.save_pretrained(tmp_path / "ours")
    back = transformers.BertForPreTraining.from_pretrained(tmp_path / "ours")
    assert back.config.hidden_act == name


def test_positions_for_padding_on_the_left(tmp_path):
    theirs, ours = both(tmp_path, pad_token_id=None)
    batch = {name: array[:, ::-1].copy() if array.ndim == 2 else array for name, array in BATCH.items()}
    batch["position_ids"] = np.maximum(batch["attention_mask"].cumsum(axis=1) - 1, 0)
    assert_alike(theirs, ours, batch)
    batch["position_ids"] = np.arange(LENGTH)[np.newaxis, ::-1].copy()  # one row for all
    theirs, ours = both(tmp_path, pad_token_id=None)
    assert_alike(theirs, ours, batch)


@pytest.mark.parametrize("mask", [
    PER_QUERY,                                          # (B, T, T)
    PER_QUERY[:, np.newaxis],                           # (B, 1, T, T)
    PER_QUERY[:, np.newaxis].astype(bool),
    np.where(PER_QUERY[:, np.newaxis], 0.0, -10_000.0),  # as it is added there
    np.where(PER_QUERY[:, np.newaxis], 0.0, -np.inf),
])
def test_masks_for_each_query(mask, tmp_path):
    theirs, ours = both(tmp_path, pad_token_id=None)
    # Floats: there booleans mask nothing.
    added = np.where(PER_QUERY[:, np.newaxis], 0.0, np.finfo(np.float64).min)
    assert_alike(theirs, ours, {**BATCH, "attention_mask": mask}, attention_mask=added)


def test_a_mask_for_each_head(tmp_path):
    theirs, ours = both(tmp_path, pad_token_id=None)
    is_seen = np.random.default_rng(2).random((len(PER_QUERY), 4, LENGTH, LENGTH)) < 0.5
    is_seen[..., 0] = True
    added = np.where(is_seen, 0.0, np.finfo(np.float64).min)
    assert_alike(theirs, ours, {**BATCH, "attention_mask": is_seen}, attention_mask=added)


@pytest.mark.parametrize("pad_token_id", [3, 0, None])
def test_pad_token_id_comes_back(pad_token_id, tmp_path):
    """PyTorch drops the share that its row receives as an input; the others' gradients are the same."""
    theirs, ours = both(tmp_path, pad_token_id=pad_token_id)
    ours.save_pretrained(tmp_path / "ours")
    back = transformers.BertForPreTraining.from_pretrained(
        tmp_path / "ours", dtype=torch.float64, attn_implementation="eager"
    )
    assert back.config.pad_token_id == back.get_input_embeddings().padding_idx == pad_token_id
    back(**tensors(BATCH)).loss.backward()
    theirs(**tensors(BATCH)).loss.backward()
    _, cache = ours.forward(**BATCH)
    ours.backward(cache)
    row = "bert.embeddings.word_embeddings.weight"
    gradient = huggingface.state_dict(ours, grads=True)[row]
    for model in (theirs, back):
        expected = dict(model.named_parameters())[row].grad.numpy()
        wrong = np.flatnonzero(np.abs(gradient - expected).max(axis=1) > 1e-10).tolist()
        assert wrong in ([], [pad_token_id])


def test_a_decoder_that_shares_nothing(tmp_path):
    theirs, ours = both(tmp_path, tie_word_embeddings=False, pad_token_id=None)
    weights = theirs.state_dict()
    name = "cls.predictions.decoder.weight"
    assert not torch.equal(weights[name], weights["bert.embeddings.word_embeddings.weight"])
    assert_alike(theirs, ours, BATCH)
    ours.save_pretrained(tmp_path / "ours")
    back = transformers.BertForPreTraining.from_pretrained(
        tmp_path / "ours", dtype=torch.float64, attn_implementation="eager"
    )
    assert torch.equal(back(**tensors(BATCH)).loss, theirs(**tensors(BATCH)).loss)


def test_a_vocabulary_that_was_padded(tmp_path):
    theirs, _ = both(tmp_path)
    theirs.resize_token_embeddings(29, pad_to_multiple_of=8)
    theirs.save_pretrained(tmp_path / "padded")
    ours = minibert.BertForPreTraining.from_pretrained(tmp_path / "padded")
    assert ours.config.vocab_size == 32
    inputs = {name: BATCH[name] for name in ("input_ids", "token_type_ids", "attention_mask")}
    expected = theirs(**tensors(inputs)).prediction_logits.detach().numpy()
    assert np.abs(ours.forward(**inputs)[0].prediction_logits - expected).max() <= 1e-10


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_config_json_does_not_say(encoding, tmp_path):
    """Sizes of transformers' defaults, vocab_size among them; and the byte-order marks of Windows."""
    theirs = make_reference.torch_model("BertModel", 0.1, 0, vocab_size=30522, num_hidden_layers=1)
    theirs.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    del config["vocab_size"]
    path.write_text(json.dumps(config), encoding=encoding)
    ours = minibert.BertModel.from_pretrained(tmp_path)
    inputs = {name: BATCH[name] for name in ("input_ids", "token_type_ids", "attention_mask")}
    expected = theirs(**tensors(inputs)).pooler_output.detach().numpy()
    assert np.abs(ours.forward(**inputs)[0].pooler_output - expected).max() <= 1e-10
