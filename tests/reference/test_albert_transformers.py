"""ALBERT beside transformers; needs `pip install -e ".[test,reference]"`."""

import os
import warnings

import albert_reference
import numpy as np
import pytest
from make_reference import tensors
from test_stored import assert_gradients_equal

import minibert

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TOKENIZERS_PARALLELISM="false")
torch = pytest.importorskip("torch", reason="needs PyTorch: pip install minibert[reference]")
transformers = pytest.importorskip(
    "transformers", reason="needs transformers: pip install minibert[reference]"
)


def pair(name, tmp_path, scale, seed, **config):
    """A model of transformers, and ours that reads its checkpoint."""
    theirs = albert_reference.torch_model(name, scale, seed, **config)
    theirs.save_pretrained(tmp_path)
    return theirs, getattr(minibert, name).from_pretrained(tmp_path)


@pytest.mark.parametrize("seed", range(6))
def test_logits_and_every_gradient_of_random_models(seed, tmp_path):
    rng = np.random.default_rng(seed)
    num_heads = int(rng.integers(1, 5))
    sizes = {
        "vocab_size": int(rng.integers(10, 60)), "num_attention_heads": num_heads,
        "hidden_size": num_heads * int(rng.integers(2, 7)), "embedding_size": int(rng.integers(2, 9)),
        "intermediate_size": int(rng.integers(3, 30)), "num_hidden_layers": int(rng.integers(1, 5)),
        "hidden_act": ["gelu_new", "gelu", "relu"][seed % 3],
    }
    theirs, ours = pair("AlbertForPreTraining", tmp_path, [0.02, 0.3, 1.0][seed % 3], seed, **sizes)
    batch = albert_reference.random_batch(rng, vocab_size=sizes["vocab_size"])
    expected = theirs(**tensors(batch))
    expected.loss.backward()
    output, cache = ours.forward(**batch)
    ours.backward(cache)
    assert abs(output.loss - expected.loss.item()) <= 1e-10
    assert np.abs(output.sop_logits - expected.sop_logits.detach().numpy()).max() <= 1e-10
    logits = expected.prediction_logits.detach().numpy()[batch["labels"] != -100]
    assert np.abs(output.prediction_logits - logits).max() <= 1e-10
    assert_gradients_equal(ours, {key: p.grad.numpy() for key, p in theirs.named_parameters()})


def test_the_states_of_the_body(tmp_path):
    theirs, ours = pair("AlbertModel", tmp_path, 0.5, 3)
    batch = albert_reference.random_batch(np.random.default_rng(3))
    given = {name: batch[name] for name in ("input_ids", "token_type_ids", "attention_mask")}
    expected = theirs(**tensors(given))
    output, _ = ours.forward(**given)
    assert np.abs(output.last_hidden_state - expected.last_hidden_state.detach().numpy()).max() <= 1e-10
    assert np.abs(output.pooler_output - expected.pooler_output.detach().numpy()).max() <= 1e-10


@pytest.mark.parametrize("name, changes", [
    ("AlbertModel", {}),
    ("AlbertForPreTraining", {}),
    ("AlbertForPreTraining", {"tie_word_embeddings": False}),
])
def test_transformers_opens_ours_and_ours_opens_that(name, changes, tmp_path, capfd):
    """Without a warning, and back again to the same bits."""
    config = minibert.AlbertConfig(50, 24, 2, 3, 40, embedding_size=7, classifier_dropout=0.3, **changes)
    ours = getattr(minibert, name)(config, seed=4)
    ours.save_pretrained(tmp_path / "ours")
    theirs_class = getattr(transformers, name)  # imports its module, which is not what is tested
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs, info = theirs_class.from_pretrained(
            tmp_path / "ours", output_loading_info=True, dtype=torch.float32)
    missing = info.pop("missing_keys")
    assert not any(info.values()), info
    assert missing <= {"predictions.bias"} if changes else not missing  # which nothing reads there
    assert "warn" not in capfd.readouterr().err.lower() or changes
    assert (theirs.config.embedding_size, theirs.config.classifier_dropout_prob) == (7, 0.3)
    assert (theirs.config.hidden_act, theirs.config.hidden_dropout_prob) == ("gelu_new", 0.0)
    theirs.save_pretrained(tmp_path / "theirs")
    with warnings.catch_warnings():
        warnings.simplefilter("error" if not changes else "ignore")
        again = getattr(minibert, name).from_pretrained(tmp_path / "theirs")
    assert again.config.classifier_dropout == 0.3
    for key, parameter in ours.parameters().items():
        assert np.array_equal(parameter.value, again.parameters()[key].value), key
