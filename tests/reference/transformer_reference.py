"""What make_reference.py stores of the Transformer, in transformer/: nn.Transformer without its last norms.

    model.safetensors, config.json   a checkpoint of ours in float64, its numbers from PyTorch
    expected.safetensors             a batch with padding, logits, the smoothed loss, and its every gradient
    trajectory.safetensors           ten batches, the losses of 100 AdamW steps over them, the last weights
"""

import math

import make_reference
import numpy as np

SIZES = {
    "vocab_size": 19, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 6, "hidden_act": "relu", "label_smoothing": 0.1,
}
BATCH_SIZE, NUM_SOURCE, NUM_TARGET = 5, 7, 6


def random_batch(rng):
    """Return the arguments of forward."""
    lengths = rng.permutation(np.linspace(2, NUM_SOURCE, BATCH_SIZE).round().astype(int))
    source_mask = np.arange(NUM_SOURCE) < lengths[:, np.newaxis]
    target_ids = rng.integers(1, SIZES["vocab_size"], (BATCH_SIZE, NUM_TARGET))
    labels = np.roll(target_ids, -1, axis=1)
    labels[rng.random(labels.shape) < 0.3] = -100
    labels[0, 0] = 3  # at least one
    source_ids = np.where(source_mask, rng.integers(1, SIZES["vocab_size"], source_mask.shape), 0)
    arrays = {
        "source_ids": source_ids, "target_ids": target_ids, "source_mask": source_mask, "labels": labels,
    }
    return {name: array.astype(np.int64) for name, array in arrays.items()}


def torch_model(scale=0.5, seed=31):
    """PyTorch's encoder and decoder with an embedding, in float64, with normal numbers as parameters."""
    import torch

    size, layers = SIZES["hidden_size"], SIZES["num_hidden_layers"]
    model = torch.nn.Transformer(
        size, SIZES["num_attention_heads"], layers, layers, SIZES["intermediate_size"], dropout=0.0,
        batch_first=True)
    model.encoder.norm = model.decoder.norm = torch.nn.Identity()
    model.embedding = torch.nn.Embedding(SIZES["vocab_size"], size)
    model = model.double()
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            values = scale * rng.standard_normal(parameter.shape)
            is_gain = ".norm" in name and name.endswith("weight")
            parameter.copy_(torch.from_numpy(values + 1 if is_gain else values))
    return model


def waves(num_tokens):
    """Sines at even columns and cosines at odd ones, number by number."""
    import torch

    size = SIZES["hidden_size"]
    return torch.tensor([
        [(math.cos if column % 2 else math.sin)(place / 10000 ** (column // 2 * 2 / size))
         for column in range(size)]
        for place in range(num_tokens)
    ], dtype=torch.float64)


def logits_of(model, batch):
    """The logits, (B, T, V)."""
    import torch

    source, target = (
        math.sqrt(SIZES["hidden_size"]) * model.embedding(torch.from_numpy(batch[name])) + waves(num_tokens)
        for name, num_tokens in (("source_ids", NUM_SOURCE), ("target_ids", NUM_TARGET))
    )
    is_padding = torch.from_numpy(batch["source_mask"] == 0)
    later = torch.triu(torch.ones(NUM_TARGET, NUM_TARGET, dtype=torch.bool), diagonal=1)
    hidden = model(
        source, target, tgt_mask=later, src_key_padding_mask=is_padding, memory_key_padding_mask=is_padding)
    return hidden @ model.embedding.weight.T


def loss_of(model, batch):
    """The smoothed cross-entropy."""
    import torch

    logits, labels = logits_of(model, batch), torch.from_numpy(batch["labels"])
    return torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), label_smoothing=SIZES["label_smoothing"])


def make(directory):
    """Write the folder into a directory."""
    import minibert

    folder, model = directory / "transformer", torch_model()
    config = minibert.TransformerConfig(**SIZES, hidden_dropout_prob=0.0)
    minibert.Transformer(config, dtype=np.float64).save_pretrained(folder)
    arrays = {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}
    make_reference.write(folder / "model.safetensors", arrays)
    batch = random_batch(np.random.default_rng(32))
    loss = loss_of(model, batch)
    loss.backward()
    arrays = {f"input.{key}": array.astype(np.int16) for key, array in batch.items()}
    arrays["output.loss"] = loss.detach().numpy()
    arrays["output.logits"] = logits_of(model, batch).detach().numpy()
    arrays |= {f"grad.{key}": parameter.grad.numpy() for key, parameter in model.named_parameters()}
    make_reference.write(folder / "expected.safetensors", arrays)
    make_reference.make_trajectory(folder / "trajectory.safetensors", model, random_batch, loss_of)
