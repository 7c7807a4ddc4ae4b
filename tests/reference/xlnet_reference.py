"""What make_reference.py stores of XLNet, in xlnet/.

    model.safetensors, config.json   a checkpoint in float64 with large random weights, saved by transformers
    expected.safetensors             a batch with padding on either side, orders, targets and segments; the
                                     states of both streams before each layer, the memory, the logits, the
                                     loss and its gradient for every parameter; and the logits of a second
                                     batch that is given the memory of the first
    trajectory.safetensors           ten batches, the losses of 100 AdamW steps over them, the last weights

transformers makes its positions in float32, so that a model in float64 cannot use them: they are made here.
Every target sees a token at least: where one sees nothing, transformers lets it see everything.
"""

import types

import make_reference
import numpy as np

SIZES = {
    "vocab_size": 29, "d_model": 8, "n_head": 2, "n_layer": 2, "d_inner": 10, "dropout": 0.0,
    "summary_last_dropout": 0.0, "mem_len": None, "pad_token_id": 0,
}
BATCH_SIZE, NUM_TOKENS, NUM_TARGETS = 5, 7, 4


def random_batch(
    rng, batch_size=BATCH_SIZE, num_tokens=NUM_TOKENS, vocab_size=SIZES["vocab_size"], num_targets=NUM_TARGETS
):
    """Return the arguments of forward: every other sequence has its padding on the left."""
    lengths = rng.permutation(np.linspace(2, num_tokens, batch_size).round().astype(int))
    attention_mask = np.arange(num_tokens) < lengths[:, np.newaxis]
    attention_mask[::2] = attention_mask[::2, ::-1]
    input_ids = np.where(attention_mask, rng.integers(1, vocab_size, attention_mask.shape), 0)
    token_type_ids = np.where(attention_mask, rng.integers(0, 3, attention_mask.shape), 3)
    targets = np.full((batch_size, num_targets), -1)
    order = np.zeros(attention_mask.shape)  # 0 for tokens that all see, from 1 on for targets
    for row in range(batch_size):
        places = rng.permutation(np.flatnonzero(attention_mask[row]))[1:][:num_targets]  # one is no target
        targets[row, : len(places)] = places
        order[row, places] = 1 + rng.permutation(len(places))
    is_later = order[:, np.newaxis] >= order[:, :, np.newaxis]
    answers = np.take_along_axis(input_ids[::-1], np.maximum(targets, 0), axis=1)
    arrays = {
        "input_ids": input_ids, "token_type_ids": token_type_ids, "attention_mask": attention_mask,
        "perm_mask": is_later & (order[:, np.newaxis] > 0),
        "target_mapping": targets[:, :, np.newaxis] == np.arange(num_tokens),
        "labels": np.where(targets >= 0, answers, -100),
    }
    return {name: array.astype(np.int64) for name, array in arrays.items()}


def positions(model, qlen, klen, bsz=None, device=None):
    """XLNetModel.relative_positional_encoding in float64."""
    import torch

    frequencies = 10000.0 ** -(torch.arange(0, model.d_model, 2, dtype=torch.float64) / model.d_model)
    last = -qlen if model.attn_type == "bi" else -1
    distances = torch.arange(klen, last, -1, dtype=torch.float64)
    return model.positional_embedding(distances, frequencies, bsz)


def torch_model(model_class, scale, seed, **config):
    """A transformers model in float64 with normal numbers as parameters, around 1 for LayerNorm's gain."""
    import torch
    import transformers

    config = transformers.XLNetConfig(**{**SIZES, **config})
    model = getattr(transformers, model_class)(config).double().eval()
    body = getattr(model, "transformer", model)
    body.relative_positional_encoding = types.MethodType(positions, body)
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = scale * rng.standard_normal(parameter.shape)
            parameter.copy_(torch.from_numpy(values + 1 if name.endswith("layer_norm.weight") else values))
    return model


def run(model, batch, **options):
    """The output of transformers' model, whose masks are real numbers."""
    inputs = make_reference.tensors(batch)
    real = {name: inputs[name].double() for name in ("perm_mask", "target_mapping") if name in inputs}
    return model(**inputs | real, output_hidden_states=True, use_mems=True, **options)


def loss_of(model, batch):
    """The mean cross-entropy of the predicted tokens."""
    return run(model, batch).loss


def streams_of(output, num_layers):
    """{name: states} of both streams before each layer, and of the query stream after the last."""
    states = [states.detach().numpy() for states in output.hidden_states]  # h and g of each layer in turn
    content = {f"content.{k}": states[2 * k] for k in range(num_layers)}
    return content | {f"query.{k}": states[2 * k + 1] for k in range(num_layers + 1)}


def memory_of(output):
    """The memory of each layer, batch first as ours."""
    return [memory.detach().numpy().swapaxes(0, 1) for memory in output.mems]


def make(directory):
    """Write the folder into a directory."""
    folder, rng = directory / "xlnet", np.random.default_rng(41)
    model = torch_model("XLNetLMHeadModel", 0.7, 42)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    batch, second = random_batch(rng), random_batch(rng)
    output = run(model, batch)
    output.loss.backward()
    arrays = {f"input.{key}": array.astype(np.int16) for key, array in batch.items()}
    arrays |= {f"second.{key}": array.astype(np.int16) for key, array in second.items()}
    arrays |= streams_of(output, SIZES["n_layer"])
    arrays |= {f"memory.{k}": memory for k, memory in enumerate(memory_of(output))}
    arrays["output.loss"] = output.loss.detach().numpy()
    arrays["output.logits"] = output.logits.detach().numpy()
    arrays["output.second"] = run(model, second, mems=output.mems).logits.detach().numpy()
    arrays |= {f"grad.{key}": parameter.grad.numpy() for key, parameter in model.named_parameters()}
    make_reference.write(folder / "expected.safetensors", arrays)
    make_reference.make_trajectory(folder / "trajectory.safetensors", model, random_batch, loss_of)
