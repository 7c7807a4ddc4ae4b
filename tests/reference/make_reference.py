"""Make the files that let plain `pytest` hold minibert against PyTorch where PyTorch is not installed.

    python tests/reference/make_reference.py [DIR]    (needs torch and transformers; default: this folder)

Made with torch 2.13.0 and transformers 5.23.0; test_pytorch.py makes them again and compares. What it writes:

    gelu/, gelu_new/        checkpoints in float64 with large random weights, saved by transformers, and
                            expected.safetensors: a batch with padding and two segments, its outputs, and the
                            gradient of the loss for every parameter
    trajectory.safetensors  ten batches, the losses of 100 AdamW steps over them from the weights of gelu/,
                            and the last weights
    sharded/                a masked-LM checkpoint (no pooler, no next-sentence head) in bfloat16 and several
                            files, saved by transformers, and expected.safetensors: its logits
    heads.safetensors       BERT with the heads of fine-tuning: see heads_reference.py
    gpt/, gpt2/             the same for GPT and GPT-2: see gpt_reference.py
    recurrent.safetensors   RNN and LSTM layers and language models, a convolution with a maximum: weights,
                            outputs, gradients, training
    ulmfit.safetensors      the same for ULMFiT's classifier: see ulmfit_reference.py
    transformer/            the same for the Transformer of 2017: see transformer_reference.py
    xlnet/                  the same for XLNet: see xlnet_reference.py
    albert/                 the same for ALBERT: see albert_reference.py
    electra/                the same for ELECTRA's two models: see electra_reference.py

All random numbers are NumPy's, so that nothing depends on the version of PyTorch.
"""

import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent
SIZES = {  # pairwise different, so that no two axes can be mistaken for each other
    "vocab_size": 29,
    "hidden_size": 12,
    "num_attention_heads": 4,
    "intermediate_size": 10,
    "max_position_embeddings": 9,
    "type_vocab_size": 2,
    "pad_token_id": 0,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
BATCH_SIZE, NUM_TOKENS = 5, 7
NUM_BATCHES, NUM_STEPS = 10, 100
LEARNING_RATE, WARMUP, EPS, WEIGHT_DECAY = 1e-3, 10, 1e-6, 0.01


def random_batch(rng, batch_size=BATCH_SIZE, num_tokens=NUM_TOKENS, vocab_size=SIZES["vocab_size"]):
    """Return the arguments of BertForPreTraining.forward: sequences of several lengths, padding with id 0."""
    lengths = rng.permutation(np.linspace(2, num_tokens, batch_size).round().astype(int))
    attention_mask = np.arange(num_tokens) < lengths[:, np.newaxis]
    input_ids = np.where(attention_mask, rng.integers(1, vocab_size, attention_mask.shape), 0)
    token_type_ids = attention_mask & (np.arange(num_tokens) >= (lengths // 2)[:, np.newaxis])
    labels = np.where(attention_mask & (rng.random(attention_mask.shape) < 0.4), input_ids[::-1, ::-1], -100)
    labels[0, 0] = 3  # at least one
    next_sentence_label = rng.integers(0, 2, batch_size)
    arrays = (input_ids, token_type_ids, attention_mask, labels, next_sentence_label)
    names = ("input_ids", "token_type_ids", "attention_mask", "labels", "next_sentence_label")
    return {name: array.astype(np.int64) for name, array in zip(names, arrays)}


def learning_rate(step):
    """A straight line up to LEARNING_RATE and down again."""
    return LEARNING_RATE * min((step + 1) / WARMUP, (NUM_STEPS - step) / (NUM_STEPS - WARMUP))


def torch_model(model_class, scale, seed, **config):
    """A transformers model in float64 with normal numbers as parameters, around 1 for LayerNorm's gain."""
    import torch
    import transformers

    config = transformers.BertConfig(**{**SIZES, **config}, attn_implementation="eager")
    model = getattr(transformers, model_class)(config).double()
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = scale * rng.standard_normal(parameter.shape)
            parameter.copy_(torch.from_numpy(values + 1 if name.endswith("LayerNorm.weight") else values))
    return model


def tensors(batch):
    """The arrays of a batch as PyTorch's tensors."""
    import torch

    return {name: torch.from_numpy(array) for name, array in batch.items()}


def loss_of(model, batch):
    """The loss that transformers' model returns."""
    return model(**tensors(batch)).loss


def train(model, batches, loss_of=loss_of):
    """Train with PyTorch's AdamW, without decay for biases and LayerNorm; return the loss of every step."""
    import torch

    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.999), eps=EPS)
    losses = []
    for step in range(NUM_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        loss = loss_of(model, batches[step % len(batches)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def write(path, arrays):
    import safetensors.numpy

    path.write_bytes(
        safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    )


def make_case(directory, seed, **config):
    model = torch_model("BertForPreTraining", 0.7, seed, **config)
    model.save_pretrained(directory)
    batch = random_batch(np.random.default_rng(seed + 1))
    output = model(**tensors(batch))
    output.loss.backward()
    arrays = {f"input.{name}": array.astype(np.int16) for name, array in batch.items()}
    arrays["output.loss"] = output.loss.detach().numpy()
    arrays["output.prediction_logits"] = output.prediction_logits.detach().numpy()
    arrays["output.seq_relationship_logits"] = output.seq_relationship_logits.detach().numpy()
    arrays |= {f"grad.{name}": parameter.grad.numpy() for name, parameter in model.named_parameters()}
    write(directory / "expected.safetensors", arrays)
    return model


def make_trajectory(path, model, random_batch=random_batch, loss_of=loss_of):
    rng = np.random.default_rng(5)
    batches = [random_batch(rng) for _ in range(NUM_BATCHES)]
    arrays = {"losses": train(model, batches, loss_of)}
    for name in batches[0]:
        arrays[f"input.{name}"] = np.stack([batch[name] for batch in batches]).astype(np.int16)
    arrays |= {f"final.{name}": parameter.detach().numpy() for name, parameter in model.named_parameters()}
    write(path, arrays)


def make_sharded(directory):
    import torch

    model = torch_model("BertForMaskedLM", 0.5, 7, num_hidden_layers=1).bfloat16()
    model.save_pretrained(directory, max_shard_size="1KB")
    batch = random_batch(np.random.default_rng(8))
    inputs = {name: batch[name] for name in ("input_ids", "token_type_ids", "attention_mask")}
    with torch.no_grad():
        logits = model.double()(**tensors(inputs)).logits.numpy()
    arrays = {f"input.{name}": array.astype(np.int16) for name, array in inputs.items()}
    write(directory / "expected.safetensors", {**arrays, "output.logits": logits})


def main(directory=HERE):
    import albert_reference
    import electra_reference
    import gpt_reference
    import heads_reference
    import torch
    import transformer_reference
    import ulmfit_reference
    import xlnet_reference
    from recurrent_reference import results

    torch.set_num_threads(1)
    directory = pathlib.Path(directory)
    for name in ("gelu", "gelu_new", "sharded"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    make_case(directory / "gelu_new", seed=3, hidden_act="gelu_new", num_hidden_layers=1, layer_norm_eps=1e-5)
    model = make_case(directory / "gelu", seed=1, hidden_act="gelu", num_hidden_layers=2)
    make_trajectory(directory / "trajectory.safetensors", model)
    make_sharded(directory / "sharded")
    heads_reference.make(directory)
    gpt_reference.make(directory)
    write(directory / "recurrent.safetensors", results())
    transformer_reference.make(directory)
    ulmfit_reference.make(directory)
    xlnet_reference.make(directory)
    albert_reference.make(directory)
    electra_reference.make(directory)


if __name__ == "__main__":
    main(*sys.argv[1:])
