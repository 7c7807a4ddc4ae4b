"""ELECTRA beside transformers; needs `pip install -e ".[test,reference]"`."""

import os
import warnings

import electra_reference
import make_reference
import numpy as np
import pytest
from test_stored import assert_gradients_equal

import minibert

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TOKENIZERS_PARALLELISM="false")
torch = pytest.importorskip("torch", reason="needs PyTorch: pip install minibert[reference]")
transformers = pytest.importorskip(
    "transformers", reason="needs transformers: pip install minibert[reference]"
)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["ElectraForMaskedLM", "ElectraForPreTraining"])
def test_logits_and_every_gradient_of_random_models(name, seed, tmp_path):
    rng = np.random.default_rng(seed)
    num_heads, width = int(rng.integers(1, 5)), int(rng.integers(2, 7))
    sizes = {
        "vocab_size": int(rng.integers(10, 60)), "num_attention_heads": num_heads,
        "hidden_size": num_heads * width, "embedding_size": [num_heads * width, 7][seed % 2],
        "intermediate_size": int(rng.integers(3, 30)), "num_hidden_layers": int(rng.integers(1, 4)),
        "hidden_act": ["gelu", "relu", "gelu_new"][seed % 3],
    }
    theirs = electra_reference.torch_model(name, [0.02, 0.3, 1.0][seed % 3], seed, **sizes)
    theirs.save_pretrained(tmp_path)
    ours = getattr(minibert, name).from_pretrained(tmp_path)
    is_generator = name == "ElectraForMaskedLM"
    make_batch = electra_reference.masked_batch if is_generator else electra_reference.replaced_batch
    batch = make_batch(rng, vocab_size=sizes["vocab_size"])
    loss = (make_reference.loss_of if is_generator else electra_reference.replaced_loss)(theirs, batch)
    loss.backward()
    expected = theirs(**make_reference.tensors(batch))
    output, cache = ours.forward(**batch)
    ours.backward(cache)
    assert abs(output.loss - loss.item()) <= 1e-10
    asked = batch["labels"] != -100 if is_generator else batch["attention_mask"] == 1
    assert np.abs(output.logits - expected.logits.detach().numpy()[asked]).max() <= 1e-10
    assert abs(output.loss - expected.loss.item()) <= 1e-6  # the discriminator's is float32 there
    assert_gradients_equal(ours, {key: p.grad.numpy() for key, p in theirs.named_parameters()})


@pytest.mark.parametrize("name, changes", [
    ("ElectraModel", {}),
    ("ElectraForMaskedLM", {}),
    ("ElectraForMaskedLM", {"tie_word_embeddings": False}),
    ("ElectraForPreTraining", {}),
    ("ElectraForPreTraining", {"embedding_size": 24}),
])
def test_transformers_opens_ours_and_ours_opens_that(name, changes, tmp_path, capfd):
    """Without a warning, and back again to the same bits."""
    config = minibert.ElectraConfig(50, 24, 2, 3, 40, **{"embedding_size": 7, **changes})
    ours = getattr(minibert, name)(config, seed=4)
    ours.save_pretrained(tmp_path / "ours")
    theirs_class = getattr(transformers, name)  # imports its module, which is not what is tested
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs, info = theirs_class.from_pretrained(
            tmp_path / "ours", output_loading_info=True, dtype=torch.float32)
    assert not any(info.values()), info
    assert "warn" not in capfd.readouterr().err.lower()
    assert theirs.config.embedding_size == config.embedding_size
    theirs.save_pretrained(tmp_path / "theirs")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = getattr(minibert, name).from_pretrained(tmp_path / "theirs")
    for key, parameter in ours.parameters().items():
        assert np.array_equal(parameter.value, again.parameters()[key].value), key
