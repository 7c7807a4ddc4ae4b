"""What PyTorch computes with recurrent layers and language models, for make_reference.py and the tests.

Everything is in float64, and all random numbers are NumPy's.
"""

import numpy as np

V, D, H, P, B, T = 13, 3, 5, 2, 4, 7
NUM_BATCHES, NUM_STEPS = 5, 100
LAYERS = {  # name: PyTorch's class, its options
    "rnn": ("RNN", {}),
    "lstm": ("LSTM", {}),
    "projected": ("LSTM", {"proj_size": P}),
}
MODELS = {"RNNLanguageModel": "RNN", "LSTMLanguageModel": "LSTM"}


def random(*shape, seed):
    """Normal numbers of that shape."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def fill(module, seed):
    """Give every parameter of a PyTorch module normal numbers; return the module, in float64."""
    import torch

    module = module.double()
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            parameter.copy_(torch.from_numpy(random(*parameter.shape, seed=seed + number)))
    return module


def arguments_of(name):
    """Return x, the state that comes in, and the gradients of y and of the last state, for a layer."""
    width = P if name == "projected" else H
    state = (random(B, H, seed=21),) if name == "rnn" else (random(B, width, seed=21), random(B, H, seed=22))
    d_state = tuple(random(*part.shape, seed=23 + k) for k, part in enumerate(state))
    return random(B, T, D, seed=20), state, random(B, T, width, seed=25), d_state


def layer_results(name):
    """Return {name: array}: weights, outputs and gradients of one layer in PyTorch."""
    import torch

    kind, options = LAYERS[name]
    layer = fill(getattr(torch.nn, kind)(D, H, batch_first=True, **options), seed=1)
    x, state, d_y, d_state = arguments_of(name)
    x = torch.from_numpy(x).requires_grad_()
    given = [torch.from_numpy(part[np.newaxis]).requires_grad_() for part in state]
    y, last = layer(x, tuple(given) if len(given) == 2 else given[0])
    last = last if isinstance(last, tuple) else (last,)
    loss = (y * torch.from_numpy(d_y)).sum()
    loss = loss + sum((part[0] * torch.from_numpy(d)).sum() for part, d in zip(last, d_state))
    loss.backward()
    results = {f"weight.{key}": value.detach().numpy() for key, value in layer.named_parameters()}
    results |= {f"grad.{key}": value.grad.numpy() for key, value in layer.named_parameters()}
    results |= {"y": y.detach().numpy(), "d_x": x.grad.numpy()}
    for number, (part, incoming) in enumerate(zip(last, given)):
        results |= {f"last.{number}": part[0].detach().numpy(), f"d_state.{number}": incoming.grad[0].numpy()}
    return results


def convolution_results():
    """Return {name: array}: the largest value of each filter of an nn.Conv1d over a word, and gradients."""
    import torch

    convolution = fill(torch.nn.Conv1d(D, H, kernel_size=P), seed=3)
    x = torch.from_numpy(random(B, T, D, seed=20)).requires_grad_()
    y = convolution(x.transpose(1, 2)).max(dim=2).values
    (y * torch.from_numpy(random(B, H, seed=25))).sum().backward()
    results = {f"weight.{key}": value.detach().numpy() for key, value in convolution.named_parameters()}
    results |= {f"grad.{key}": value.grad.numpy() for key, value in convolution.named_parameters()}
    return results | {"y": y.detach().numpy(), "d_x": x.grad.numpy()}


def batch(number):
    """Return input_ids and labels, (B, T) each, and the mask of what is predicted."""
    rng = np.random.default_rng([number, 31])
    ids = rng.integers(V, size=(B, T + 1))
    labels = np.where(rng.random((B, T)) < 0.8, ids[:, 1:], -100)
    return ids[:, :-1], labels


def torch_model(kind):
    """Return PyTorch's example of a language model: encoder, rnn of two layers, decoder."""
    import torch

    class LanguageModel(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.Embedding(V, D)
            self.rnn = getattr(torch.nn, kind)(D, H, num_layers=2, batch_first=True)
            self.decoder = torch.nn.Linear(H, V)

        def forward(self, input_ids, labels):
            states, _ = self.rnn(self.encoder(torch.from_numpy(input_ids)))
            logits = self.decoder(states)
            answers = torch.from_numpy(labels).reshape(-1)
            loss = torch.nn.functional.cross_entropy(logits.reshape(-1, V), answers, ignore_index=-100)
            return loss, logits

    return fill(LanguageModel(), seed=2)


def model_results(name):
    """Return {name: array}: weights, loss, logits, gradients, and 100 steps of AdamW of a language model."""
    import torch

    model = torch_model(MODELS[name])
    results = {f"weight.{key}": value.detach().numpy().copy() for key, value in model.named_parameters()}
    loss, logits = model(*batch(0))
    loss.backward()
    results |= {"loss": loss.detach().numpy(), "logits": logits.detach().numpy()}
    results |= {f"grad.{key}": value.grad.numpy().copy() for key, value in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, eps=1e-6, weight_decay=0.0)
    losses = []
    for step in range(NUM_STEPS):
        optimizer.zero_grad()
        loss, _ = model(*batch(step % NUM_BATCHES))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {**results, "losses": np.array(losses)}


def results():
    """Return all of it under "layer or model/name"."""
    found = {name: layer_results(name) for name in LAYERS} | {name: model_results(name) for name in MODELS}
    found["convolution"] = convolution_results()
    return {f"{owner}/{key}": value for owner, arrays in found.items() for key, value in arrays.items()}
