"""What make_reference.py stores of ELECTRA, in electra/.

    generator/, discriminator/   checkpoints in float64 with large random weights, saved by transformers, each
                                 with expected.safetensors: a batch with padding and two segments, the logits,
                                 the loss and its gradient for every parameter
    trajectory.safetensors       ten batches, the losses of 100 AdamW steps of the discriminator over them,
                                 the last weights

The discriminator's loss is computed here: transformers turns it into float32.
"""

import make_reference
import numpy as np

SIZES = {**make_reference.SIZES, "embedding_size": 5, "num_hidden_layers": 2}
GENERATOR = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 6}


def masked_batch(rng, *sizes, **named):
    """Return the arguments of the generator's forward: as of BERT, without the second task."""
    batch = make_reference.random_batch(rng, *sizes, **named)
    del batch["next_sentence_label"]
    return batch


def replaced_batch(rng, *sizes, **named):
    """Return the arguments of the discriminator's forward: about a third of the tokens is replaced."""
    batch = masked_batch(rng, *sizes, **named)
    batch["labels"] = (rng.random(batch["input_ids"].shape) < 0.3).astype(np.int64)
    return batch


def torch_model(model_class, scale, seed, **config):
    """A transformers model in float64 with normal numbers as parameters, around 1 for LayerNorm's gain."""
    import torch
    import transformers

    config = transformers.ElectraConfig(**{**SIZES, **config}, attn_implementation="eager")
    model = getattr(transformers, model_class)(config).double()
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = scale * rng.standard_normal(parameter.shape)
            parameter.copy_(torch.from_numpy(values + 1 if name.endswith("LayerNorm.weight") else values))
    return model


def replaced_loss(model, batch):
    """The discriminator's loss in float64: the mean over the tokens that are no padding."""
    import torch

    inputs = make_reference.tensors(batch)
    logits, is_token = model(**inputs).logits, inputs["attention_mask"] == 1
    labels = inputs["labels"][is_token].double()
    return torch.nn.functional.binary_cross_entropy_with_logits(logits[is_token], labels)


def make_one(folder, model, batch, loss_of):
    """Write a checkpoint and what it says of a batch."""
    model.save_pretrained(folder)
    loss = loss_of(model, batch)
    loss.backward()
    arrays = {f"input.{key}": array.astype(np.int16) for key, array in batch.items()}
    arrays["output.loss"] = loss.detach().numpy()
    arrays["output.logits"] = model(**make_reference.tensors(batch)).logits.detach().numpy()
    arrays |= {f"grad.{key}": parameter.grad.numpy() for key, parameter in model.named_parameters()}
    make_reference.write(folder / "expected.safetensors", arrays)


def make(directory):
    """Write the folder into a directory."""
    folder, rng = directory / "electra", np.random.default_rng(62)
    generator = torch_model("ElectraForMaskedLM", 0.7, 63, **GENERATOR)
    make_one(folder / "generator", generator, masked_batch(rng), make_reference.loss_of)
    discriminator = torch_model("ElectraForPreTraining", 0.7, 64)
    make_one(folder / "discriminator", discriminator, replaced_batch(rng), replaced_loss)
    make_reference.make_trajectory(
        folder / "trajectory.safetensors", discriminator, replaced_batch, replaced_loss)
