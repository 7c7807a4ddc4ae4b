"""What transformers makes of BERT with each head, for tests without PyTorch; make_reference.py calls it.

heads.safetensors holds, for each case, the loss, the logits and the gradients of all parameters; and the
losses and last weights of 100 steps of fine-tuning with a rate for each layer. Weights and batches are not
stored: both sides draw them, each weight by its name.
"""

import re
import zlib

import make_reference
import numpy as np

SIZES = {
    "vocab_size": 13,
    "hidden_size": 6,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 5,
    "max_position_embeddings": 8,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "pad_token_id": None,  # PyTorch would give the row of [PAD] no gradient
    "id2label": {0: "no", 1: "yes", 2: "maybe"},
}
CASES = {  # name: class and changes of the configuration
    "sequence": ("BertForSequenceClassification", {}),
    "regression": ("BertForSequenceClassification", {"id2label": {0: "stars"}}),
    "numbers": ("BertForSequenceClassification", {"problem_type": "regression"}),
    "tokens": ("BertForTokenClassification", {}),
    "span": ("BertForQuestionAnswering", {"id2label": {0: "start", 1: "end"}}),
    "choice": ("BertForMultipleChoice", {}),
}
NUM_CHOICES, NUM_BATCHES, NUM_STEPS = 3, 7, 100
LEARNING_RATE, WARMUP, EPS, WEIGHT_DECAY, LAYER_DECAY = 1e-2, 10, 1e-6, 0.01, 0.7


def weights(name, shape):
    """The values of a parameter, in transformers' layout; around 1 for LayerNorm's gain."""
    values = 0.5 * np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    return values + 1 if name.endswith("LayerNorm.weight") else values


def batch_of(case, seed=0):
    """The arguments of forward: sequences of several lengths, and answers of which some are ignored."""
    rng = np.random.default_rng([seed, len(case)])
    num_rows = make_reference.BATCH_SIZE * (NUM_CHOICES if case == "choice" else 1)
    drawn = make_reference.random_batch(rng, num_rows, vocab_size=SIZES["vocab_size"])
    batch = {name: drawn[name] for name in ("input_ids", "token_type_ids", "attention_mask")}
    num_rows, num_tokens = batch["input_ids"].shape
    if case == "choice":
        shape = (-1, NUM_CHOICES, num_tokens)
        batch = {name: array.reshape(shape) for name, array in batch.items()}
    if case == "tokens":
        is_labelled = rng.random((num_rows, num_tokens)) < 0.5 * batch["attention_mask"]
        batch["labels"] = np.where(is_labelled, rng.integers(3, size=is_labelled.shape), -100)
        batch["labels"][:2, 0] = 2, 0
    elif case == "span":
        batch["start_positions"] = np.array([0, 3, num_tokens, 2, 1])
        batch["end_positions"] = np.array([2, num_tokens + 4, num_tokens, 5, 1])
    elif case in ("regression", "numbers"):
        shape = (num_rows,) if case == "regression" else (num_rows, 3)
        batch["labels"] = rng.standard_normal(shape)
    else:
        batch["labels"] = rng.integers(3, size=make_reference.BATCH_SIZE)
        batch["labels"][1] = -100
    return batch


def logits_of(output):
    """The logits of an output, ours or theirs, by name."""
    names = ("logits", "start_logits", "end_logits")
    return {name: getattr(output, name) for name in names if hasattr(output, name)}


def learning_rate(step):
    """A straight line up to LEARNING_RATE and down again."""
    return LEARNING_RATE * min((step + 1) / WARMUP, (NUM_STEPS - step) / (NUM_STEPS - WARMUP))


def layers_below_the_head(name):
    """How many groups of layers a parameter, by transformers' name, is below the head."""
    layer = re.search(r"encoder\.layer\.(\d+)\.", name)
    if layer:
        return SIZES["num_hidden_layers"] - int(layer[1])
    return SIZES["num_hidden_layers"] + 1 if "embeddings" in name else 0


def in_a_row(arrays):
    """All numbers of {name: array} by the order of the names, so that a file needs no name for each."""
    return np.concatenate([np.ravel(arrays[name]) for name in sorted(arrays)])


def torch_model(case):
    import torch
    import transformers

    model_class, changes = CASES[case]
    sizes = SIZES | changes
    label2id = {label: number for number, label in sizes["id2label"].items()}
    config = transformers.BertConfig(**sizes, label2id=label2id, attn_implementation="eager")
    model = getattr(transformers, model_class)(config).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(weights(name, parameter.shape)))
    return model


def train(model, case):
    """Fine-tune with PyTorch's AdamW: a group for each layer, with and without decay; return the losses."""
    import torch

    groups = {}
    for name, parameter in model.named_parameters():
        key = layers_below_the_head(name), parameter.ndim > 1
        groups.setdefault(key, []).append(parameter)
    optimizer = torch.optim.AdamW(
        [{"params": group, "weight_decay": WEIGHT_DECAY * is_matrix, "below": below}
         for (below, is_matrix), group in groups.items()],
        betas=(0.9, 0.999), eps=EPS,
    )
    losses = []
    for step in range(NUM_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step) * LAYER_DECAY ** group["below"]
        loss = model(**make_reference.tensors(batch_of(case, step % NUM_BATCHES))).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def make(directory):
    arrays = {}
    for case in CASES:
        model = torch_model(case)
        output = model(**make_reference.tensors(batch_of(case)))
        output.loss.backward()
        arrays[f"{case}.loss"] = output.loss.detach().numpy()
        arrays |= {f"{case}.{name}": array.detach().numpy() for name, array in logits_of(output).items()}
        arrays[f"{case}.grad"] = in_a_row({name: item.grad for name, item in model.named_parameters()})
    model = torch_model("sequence")
    arrays["trained.losses"] = train(model, "sequence")
    final = {name: item.detach() for name, item in model.named_parameters()}
    arrays["trained.final"] = in_a_row(final)
    make_reference.write(directory / "heads.safetensors", arrays)
