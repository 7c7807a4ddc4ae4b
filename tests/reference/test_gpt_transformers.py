"""GPT and GPT-2 beside transformers; needs `pip install -e ".[test,reference]"`."""

import os
import warnings

import gpt_reference
import numpy as np
import pytest
from test_stored import assert_gradients_equal

import minibert

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TOKENIZERS_PARALLELISM="false")
torch = pytest.importorskip("torch", reason="needs PyTorch: pip install minibert[reference]")
transformers = pytest.importorskip(
    "transformers", reason="needs transformers: pip install minibert[reference]"
)

both = pytest.mark.parametrize("name", gpt_reference.CLASSES)


@both
@pytest.mark.parametrize("seed", range(6))
def test_outputs_and_every_gradient_of_random_models(name, seed, tmp_path):
    rng = np.random.default_rng(seed)
    num_heads = int(rng.integers(1, 5))
    sizes = {
        "vocab_size": int(rng.integers(10, 60)), "n_head": num_heads,
        "n_embd": num_heads * int(rng.integers(2, 7)), "n_layer": int(rng.integers(1, 4)),
    }
    if name == "gpt2":
        sizes["activation_function"] = ["gelu_new", "gelu", "relu"][seed % 3]
    theirs = gpt_reference.torch_model(name, [0.02, 0.3, 1.0][seed % 3], seed, **sizes)
    theirs.save_pretrained(tmp_path)
    ours = getattr(minibert, gpt_reference.CLASSES[name]).from_pretrained(tmp_path)
    batch = gpt_reference.random_batch(rng, vocab_size=sizes["vocab_size"])
    loss = gpt_reference.loss_of(theirs, batch)
    loss.backward()
    output, cache = ours.forward(**batch)
    ours.backward(cache)
    assert abs(output.loss - loss.item()) <= 1e-10
    gradients = {key: parameter.grad.numpy() for key, parameter in theirs.named_parameters()}
    assert_gradients_equal(ours, gradients)


@both
def test_transformers_opens_ours_and_writes_the_same_text(name, tmp_path, capfd):
    config_class = minibert.GPT2Config if name == "gpt2" else minibert.OpenAIGPTConfig
    config = config_class(50, 24, 2, 3, max_position_embeddings=30, initializer_range=0.3, pad_token_id=0)
    ours = getattr(minibert, gpt_reference.CLASSES[name])(config, seed=4, dtype=np.float64)
    ours.save_pretrained(tmp_path)
    getattr(transformers, gpt_reference.CLASSES[name])  # imports its module, which is not what is tested
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs, info = transformers.AutoModelForCausalLM.from_pretrained(
            tmp_path, output_loading_info=True, dtype=torch.float64
        )
    assert type(theirs).__name__ == gpt_reference.CLASSES[name] and not any(info.values()), info
    assert "warn" not in capfd.readouterr().err.lower()
    prompts = np.array([[3, 7, 9, 1, 4], [0, 0, 8, 8, 2]])
    mask = np.array([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    if name == "gpt":  # transformers gives GPT no positions that know of padding
        prompts, mask = prompts[:1], mask[:1]
    for beams in (1, 4):
        expected = theirs.generate(
            torch.from_numpy(prompts), attention_mask=torch.from_numpy(mask), max_new_tokens=12,
            do_sample=False, num_beams=beams, length_penalty=0.0, eos_token_id=None,
        ).numpy()
        found = minibert.generate(ours, prompts, mask, max_new_tokens=12, num_beams=beams)
        assert np.array_equal(found, expected), beams
