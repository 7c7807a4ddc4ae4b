"""What make_reference.py stores of GPT and GPT-2, in gpt/ and gpt2/.

    model.safetensors, config.json   a checkpoint in float64 with large random weights, saved by transformers
    expected.safetensors             a batch with padding on either side, the logits, the loss, and the
                                     gradient of the loss for every parameter
    trajectory.safetensors           ten batches, the losses of 100 AdamW steps over them, the last weights

transformers computes this loss in float32 even where the model is in float64, so it is computed here.
"""

import make_reference
import numpy as np

CLASSES = {"gpt": "OpenAIGPTLMHeadModel", "gpt2": "GPT2LMHeadModel"}
SIZES = {
    "vocab_size": 29, "n_embd": 8, "n_head": 2, "n_layer": 2, "n_positions": 9,
    "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "bos_token_id": 0, "eos_token_id": 0,
}
BATCH_SIZE, NUM_TOKENS = 5, 7


def random_batch(rng, batch_size=BATCH_SIZE, num_tokens=NUM_TOKENS, vocab_size=SIZES["vocab_size"]):
    """Return the arguments of forward: every other sequence has its padding on the left."""
    lengths = rng.permutation(np.linspace(2, num_tokens, batch_size).round().astype(int))
    attention_mask = np.arange(num_tokens) < lengths[:, np.newaxis]
    attention_mask[::2] = attention_mask[::2, ::-1]
    input_ids = np.where(attention_mask, rng.integers(1, vocab_size, attention_mask.shape), 0)
    labels = np.where(attention_mask & (rng.random(attention_mask.shape) < 0.7), input_ids, -100)
    labels[:, 1:][~attention_mask[:, :-1]] = -100  # padding predicts nothing
    labels[0, -1] = 3  # at least one
    arrays = {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}
    return {name: array.astype(np.int64) for name, array in arrays.items()}


def torch_model(name, scale, seed, **config):
    """A transformers model in float64 with normal numbers as parameters, around 1 for LayerNorm's gain."""
    import torch
    import transformers

    model_class = getattr(transformers, CLASSES[name])
    given = {**SIZES, **({"n_inner": 10} if name == "gpt2" else {}), **config}
    model = model_class(model_class.config_class(**given, attn_implementation="eager")).double()
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for tensor_name, parameter in model.named_parameters():
            values = scale * rng.standard_normal(parameter.shape)
            is_gain = "ln_" in tensor_name and tensor_name.endswith("weight")
            parameter.copy_(torch.from_numpy(values + 1 if is_gain else values))
    return model


def logits_of(model, batch):
    """The logits of transformers' model, (B, T, V), with the positions that its `generate` gives."""
    positions = np.maximum(batch["attention_mask"].cumsum(axis=1) - 1, 0)
    inputs = {
        "input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"],
        "position_ids": positions,
    }
    return model(**make_reference.tensors(inputs)).logits


def loss_of(model, batch):
    """The mean cross-entropy of the next tokens, in float64."""
    import torch

    logits = logits_of(model, batch)[:, :-1]
    labels = torch.from_numpy(batch["labels"][:, 1:])
    return torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1))


def make(directory):
    """Write both folders into a directory."""
    for seed, name in enumerate(CLASSES, start=21):
        folder = directory / name
        model = torch_model(name, 0.7, seed)
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink()
        batch = random_batch(np.random.default_rng(seed))
        loss = loss_of(model, batch)
        loss.backward()
        arrays = {f"input.{key}": array.astype(np.int16) for key, array in batch.items()}
        arrays["output.loss"] = loss.detach().numpy()
        arrays["output.logits"] = logits_of(model, batch).detach().numpy()
        arrays |= {f"grad.{key}": parameter.grad.numpy() for key, parameter in model.named_parameters()}
        make_reference.write(folder / "expected.safetensors", arrays)
        make_reference.make_trajectory(folder / "trajectory.safetensors", model, random_batch, loss_of)
