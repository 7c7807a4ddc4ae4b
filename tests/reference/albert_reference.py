"""What make_reference.py stores of ALBERT, in albert/.

    model.safetensors, config.json   a checkpoint in float64 with large random weights, saved by transformers
    expected.safetensors             a batch with padding and two segments, the logits of both heads, the
                                     loss and its gradient for every parameter
    trajectory.safetensors           ten batches, the losses of 100 AdamW steps over them, the last weights
"""

import make_reference
import numpy as np

SIZES = {
    **make_reference.SIZES, "embedding_size": 5, "num_hidden_layers": 3, "classifier_dropout_prob": 0.0,
}


def random_batch(rng, *sizes, **named):
    """Return the arguments of forward: as of BERT, but for the name of the second task."""
    batch = make_reference.random_batch(rng, *sizes, **named)
    batch["sentence_order_label"] = batch.pop("next_sentence_label")
    return batch


def torch_model(model_class, scale, seed, **config):
    """A transformers model in float64 with normal numbers as parameters, around 1 for LayerNorm's gain."""
    import torch
    import transformers

    config = transformers.AlbertConfig(**{**SIZES, **config}, attn_implementation="eager")
    model = getattr(transformers, model_class)(config).double()
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = scale * rng.standard_normal(parameter.shape)
            is_gain = name.lower().endswith(("layernorm.weight", "layer_norm.weight"))
            parameter.copy_(torch.from_numpy(values + 1 if is_gain else values))
    return model


def make(directory):
    """Write the folder into a directory."""
    folder = directory / "albert"
    model = torch_model("AlbertForPreTraining", 0.7, 51)
    model.save_pretrained(folder)
    batch = random_batch(np.random.default_rng(52))
    output = model(**make_reference.tensors(batch))
    output.loss.backward()
    arrays = {f"input.{key}": array.astype(np.int16) for key, array in batch.items()}
    for name in ("loss", "prediction_logits", "sop_logits"):
        arrays[f"output.{name}"] = output[name].detach().numpy()
    arrays |= {f"grad.{key}": parameter.grad.numpy() for key, parameter in model.named_parameters()}
    make_reference.write(folder / "expected.safetensors", arrays)
    make_reference.make_trajectory(folder / "trajectory.safetensors", model, random_batch)
