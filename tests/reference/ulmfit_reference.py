"""What PyTorch computes with ULMFiT's classifier, for make_reference.py and the tests: nn.LSTM and pooling.

Everything is in float64, and all random numbers are NumPy's.
"""

import make_reference
import numpy as np
from recurrent_reference import fill

V, E, H, C, K, B, T = 13, 3, 5, 7, 4, 6, 8
NUM_BATCHES, NUM_STEPS = 4, 60


def batch(number):
    """Return the arguments of the model's forward: texts of several lengths, one without a label."""
    rng = np.random.default_rng([number, 41])
    lengths = np.array([T, 1, 5, 3, 2, 7])
    attention_mask = (np.arange(T) < lengths[:, np.newaxis]).astype(np.int64)
    labels = rng.integers(K, size=B)
    labels[2] = -100
    return {"input_ids": rng.integers(V, size=(B, T)), "attention_mask": attention_mask, "labels": labels}


def torch_model():
    """Return the classifier in PyTorch."""
    import torch

    class Classifier(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.Embedding(V, E)
            sizes = [(E, H), (H, E)]
            self.rnns = torch.nn.ModuleList(
                torch.nn.ModuleDict({"module": torch.nn.LSTM(*size, batch_first=True)}) for size in sizes
            )
            self.dense, self.classifier = torch.nn.Linear(3 * E, C), torch.nn.Linear(C, K)

        def forward(self, input_ids, attention_mask, labels):
            states, mask = self.encoder(input_ids), attention_mask[:, :, None].bool()
            for layer in self.rnns:
                states, _ = layer["module"](states)
            lengths = attention_mask.sum(dim=1)
            last = states[torch.arange(B), lengths - 1]
            largest = states.masked_fill(~mask, -torch.inf).max(dim=1).values
            mean = states.masked_fill(~mask, 0).sum(dim=1) / lengths[:, None]
            hidden = torch.relu(self.dense(torch.cat([last, largest, mean], dim=1)))
            logits = self.classifier(hidden)
            return torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100), logits

    return fill(Classifier(), seed=5)


def results():
    """Return {name: array}: weights, loss, logits, gradients, and the losses of steps of AdamW."""
    import torch

    model = torch_model()
    found = {f"weight.{name}": value.detach().numpy().copy() for name, value in model.named_parameters()}
    loss, logits = model(**make_reference.tensors(batch(0)))
    loss.backward()
    found |= {"loss": loss.detach().numpy(), "logits": logits.detach().numpy()}
    found |= {f"grad.{name}": value.grad.numpy().copy() for name, value in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, eps=1e-6, weight_decay=0.0)
    losses = []
    for step in range(NUM_STEPS):
        optimizer.zero_grad()
        loss, _ = model(**make_reference.tensors(batch(step % NUM_BATCHES)))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {**found, "losses": np.array(losses)}


def make(directory):
    """Write ulmfit.safetensors into a directory."""
    make_reference.write(directory / "ulmfit.safetensors", results())
