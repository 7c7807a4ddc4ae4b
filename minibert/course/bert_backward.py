"""The experiments of lesson 11: what holds for one random model may not hold for the next twenty."""

import dataclasses
import json
import pathlib

import numpy as np

import minibert
from minibert import trace
from minibert.gradcheck import museum
from minibert.text.toy import TOY
from minibert.text.toy.pairs import ToyExamples
from minibert.trace import example

MASK = 4  # the id of [MASK]
STEPS_SHOWN = 10  # a training curve has the mean of so many steps as one point


class Comparison:
    """Our gradients beside the library's, which were recorded while its backward pass ran.

    Attributes:
        recorded: {dotted name: array}, all that the library names on the way back.
        grads: {name: array} of the parameters' gradients.
        by_hand: {dotted name: array}, what `same` was given.

    Args:
        model, batch: a BertForPreTraining and the arguments of its forward.

    Example:
        >>> subject = example.by_hand()
        >>> library = Comparison(subject.model, subject.batch)
        >>> library.same("", d_asked=library.recorded["d_asked"])
        d_asked                                       (3, 8)          same
    """

    def __init__(self, model, batch):
        seen = trace.watch(model.replica(), **batch)
        steps = trace.steps(seen.backward)
        self.recorded = {f"{step.call.path}.{step.name}".lstrip("."): step.array for step in steps}
        self.grads = {name: parameter.grad for name, parameter in seen.model.parameters().items()}
        self.by_hand = {}

    def same(self, path, say=True, **arrays):
        """Print for each array whether it is the library's of that name, below that path.

        Args:
            path: "bert.encoder.2"; the parts of a block are found by themselves.
            say: False prints only what differs.
        """
        for name, array in arrays.items():
            full_name = self._find(path, name)
            self.by_hand[full_name] = array
            other = self.recorded[full_name]
            same = array.shape == other.shape and np.allclose(array, other, rtol=1e-10, atol=1e-13)
            if say or not same:
                print(f"{full_name:46}{str(array.shape):16}{'same' if same else 'DIFFERENT'}")

    def all_parameters(self, grads):
        """Print how many steps and parameters were compared; every parameter has to agree."""
        wrong = [
            name for name, grad in self.grads.items()
            if not np.allclose(grads[name], grad, rtol=1e-10, atol=1e-13)
        ]
        verdict = f"DIFFERENT: {', '.join(wrong)}" if wrong else "all as in the library"
        compared = f"{len(self.by_hand)} steps and the gradients of {len(self.grads)} parameters"
        print(f"{compared} by hand: {verdict}")

    def _find(self, path, name):
        for part in ("", "feed_forward.", "attention."):
            full_name = f"{path}.{part}{name}".lstrip(".")
            if full_name in self.recorded:
                return full_name
        raise KeyError(f"the library's backward names no {name} below {path!r}")


def by_hand(seed, initializer_range=0.5):
    """Return the lesson's model with other random weights, and the arguments of its forward.

    Args:
        seed: of the weights.  initializer_range: their standard deviation.
    """
    subject = example.by_hand(seed)
    config = dataclasses.replace(subject.model.config, initializer_range=initializer_range)
    return minibert.BertForPreTraining(config, seed, np.float64), subject.batch


def embedding_norms(seed, initializer_range=0.5):
    """Return the norm of the gradient at each embedding of the lesson's sentence pair.

    Args:
        seed: of the model.
        initializer_range: the standard deviation of its weights.

    Returns:
        norms (T,), is_mask (T,).

    Example:
        >>> norms, is_mask = embedding_norms(seed=0)
        >>> int((norms > 0).sum()), int(is_mask.sum())
        (13, 3)
    """
    model, batch = by_hand(seed, initializer_range)
    d_embeddings = model.backward(model.forward(**batch)[1])        # (B, T, H)
    return np.linalg.norm(d_embeddings[0], axis=-1), batch["input_ids"][0] == MASK


def share_outside(norms, is_mask):
    """Return the share of the squared norm at tokens other than [MASK]."""
    squares = norms * norms
    return float(squares[~is_mask].sum() / squares.sum())


def terms_of_a_block(seed, initializer_range=0.5, block=2):
    """Return the norms of the four terms whose sum is d_x of a block, relative to that of the skip path.

    Returns:
        {"query", "key", "value"}: norm / norm of the skip path's term.

    Example:
        >>> {part: round(norm, 2) for part, norm in terms_of_a_block(seed=0).items()}
        {'query': 0.74, 'key': 0.3, 'value': 0.61}
    """
    recorded = Comparison(*by_hand(seed, initializer_range)).recorded
    path = f"bert.encoder.{block}"
    skip = np.linalg.norm(recorded[f"{path}.d_attention_sum"])
    shares = {part: recorded[f"{path}.attention.share_of_{part}"] for part in ("query", "key", "value")}
    return {part: float(np.linalg.norm(share) / skip) for part, share in shares.items()}


def reach(seed, mask, place):
    """Return which tokens the loss at one place reaches, through blocks whose attention sees `mask`.

    Args:
        seed: of the model.  mask: (T, T), true where a query may look at a key.  place: of the loss.

    Returns:
        list of (T,) truth values: on top of the encoder, then below each block.

    Example:
        >>> [int(flags.sum()) for flags in reach(0, np.ones((13, 13), bool), place=8)]
        [1, 13, 13, 13]
    """
    model, batch = by_hand(seed)
    num_tokens = len(mask)
    embedded = model.bert.embeddings.forward(batch["input_ids"], batch["token_type_ids"])[0]
    hidden, caches = embedded[:, :num_tokens], []
    for layer in model.bert.encoder:
        hidden, layer_cache = layer.forward(hidden, mask)
        caches.append(layer_cache)
    d_states = np.zeros_like(hidden)
    d_states[0, place] = np.random.default_rng(seed).standard_normal(hidden.shape[-1])
    reached = [d_states[0].any(axis=-1)]
    for layer, layer_cache in zip(model.bert.encoder[::-1], caches[::-1]):
        d_states = layer.backward(d_states, layer_cache)
        reached.append(d_states[0].any(axis=-1))
    return reached


def largest_of_the_zeros(seed):
    """Return the largest entry of each gradient of the lesson's pair that is said to be zero.

    Returns:
        {which: largest absolute entry}, the last for comparison: that of the query biases, which are not.

    Example:
        >>> found = largest_of_the_zeros(seed=0)
        >>> found["[PAD], at every depth"], found["query biases"] > 0.1
        (0.0, True)
    """
    model, batch = by_hand(seed)
    library = Comparison(model, batch)
    recorded, grads = library.recorded, library.grads
    padding = batch["attention_mask"][0] == 0
    unread = batch["labels"][0] < 0
    unread[0] = False                                                   # [CLS]: the pooler reads it
    levels = [recorded["bert.d_last"], recorded["bert.embeddings.d_embeddings"]]
    levels += [recorded[f"bert.encoder.{block}.d_x"] for block in (1, 2)]
    position = grads["bert.embeddings.position.weight"]
    biases = {
        part: [grads[f"bert.encoder.{block}.attention.{part}.bias"] for block in range(3)]
        for part in ("key", "query")
    }
    arrays = {
        "[PAD], at every depth": [level[0, padding] for level in levels],
        "states that no head reads": [recorded["bert.d_last"][0, unread]],
        "their queries in the top block": [recorded["bert.encoder.2.attention.d_scores"][0, :, unread]],
        "position rows without a token": [position[len(padding):]],
        "key biases": biases["key"],
        "query biases": biases["query"],
    }
    return {which: float(max(np.abs(array).max() for array in found)) for which, found in arrays.items()}


def shares_of(model, batch):
    """Return what the decoder and what the lookup add to the gradient of the token table, (V, H) each."""
    seen = trace.watch(model.replica(), **batch)
    calls = {call.path: call for call in trace.calls(seen.backward)}
    return calls["mlm_head.decoder"].shares["weight"], calls["bert.embeddings.token"].shares["weight"]


def toy_bert(seed, dtype=np.float32, **sizes):
    """Return a fresh BERT with the usual small weights for the toy language, and its examples."""
    tokenizer = TOY.tokenizer()
    sizes = {"hidden_size": 32, "intermediate_size": 64, "max_position_embeddings": 40, **sizes}
    config = minibert.BertConfig(tokenizer.vocab_size, **sizes)
    return minibert.BertForPreTraining(config, seed, dtype), ToyExamples(TOY, tokenizer, seed=seed)


def value_to_key(seed, query=1.0, key=1.0, value=1.0):
    """Return how many times larger the gradient of W_value is than that of W_key, in a fresh BERT.

    Args:
        seed: of the model with 12 blocks and of its four sentence pairs.
        query, key, value: by which the weights are multiplied first; key=0 makes attention exactly uniform.

    Returns:
        the ratio of the norms, the median over the blocks.
    """
    model, examples = toy_bert(seed, np.float64, num_hidden_layers=12)
    attentions = [layer.attention for layer in model.bert.encoder]
    for attention in attentions:
        attention.query.weight.value *= query
        attention.key.weight.value *= key
        attention.value.weight.value *= value
    model.backward(model.forward(**examples.batch(0, 4)._asdict())[1])
    norms = np.array([
        [np.linalg.norm(layer.weight.grad) for layer in (attention.value, attention.key)]
        for attention in attentions
    ])
    return float(np.median(norms[:, 0]) / np.median(norms[:, 1]))


def measured(report, grads):
    """Return the gradients that a check measured from the forward pass alone, for d_loss = 1.

    Args:
        report: of check_gradients, whose upstream gradient is a random number.
        grads: {name: gradient for d_loss = 1}, of which one entry tells that number.
    """
    upstream = report.analytic["nsp_head.bias"][0] / grads["nsp_head.bias"][0]
    return {name: report.numeric[name] / upstream for name in grads}


def errors_of(grads, right):
    """Return {name: error} of gradients beside the right ones, as check_gradients defines the error."""
    largest = max(np.abs(array).max() for array in right.values())
    return {
        name: float(np.abs(grads[name] - array).max() / max(np.abs(array).max(), 1e-2 * largest, 1e-3))
        for name, array in right.items()
    }


def flat_gradient(model, batch):
    """Return the loss, and all gradients of a model as one vector, in the order of model.parameters()."""
    model.zero_grad()
    output, cache = model.forward(**batch)
    model.backward(cache)
    return output.loss, np.concatenate([parameter.grad.ravel() for parameter in model.parameters().values()])


def one_step(name, seed):
    """Step once along a wrong gradient of example.by_hand(seed).

    Args:
        name: of an exhibit of the museum.

    Returns:
        the cosine of the angle between the wrong and the right gradient; whether the loss falls when every
        parameter moves down the wrong gradient, 0.001 in all.
    """
    model, batch = by_hand(seed)
    planted = museum.plant(model, name)
    loss, right = flat_gradient(model.replica(), batch)
    _, wrong = flat_gradient(planted, batch)
    length = np.linalg.norm(wrong)
    for parameter in planted.parameters().values():
        parameter.value -= 1e-3 * parameter.grad / length
    falls = planted.forward(**batch)[0].loss < loss
    return float(right @ wrong / np.linalg.norm(right) / length), bool(falls)


def train(model, examples, num_steps=200, learning_rate=3e-3, batch_size=16):
    """Train with AdamW on the toy language.

    Returns:
        (num_steps // 10,) the MLM loss, each the mean of ten steps.
    """
    optimizer, losses = minibert.AdamW(model.parameters(), lr=learning_rate), []
    for step in range(num_steps):
        model.zero_grad()
        output, cache = model.forward(**examples.batch(step, batch_size)._asdict())
        model.backward(cache)
        optimizer.step()
        losses.append(float(output.mlm_loss))
    return np.mean(np.reshape(losses, (-1, STEPS_SHOWN)), axis=1)


def stored_runs(path):
    """Read what notebooks/data/11_forgotten_share.py has stored, five seeds.

    Returns:
        the name of the curve that lesson 11 shows first, without saying what it is;
        {name: (seeds, points)}, the MLM loss, each point the mean of ten steps;
        (seeds, 5), of the wrong run the cosine to the right gradient at its own weights, every 50 steps.
    """
    runs = list(json.loads(pathlib.Path(path).read_text(encoding="ascii")).values())
    curves = {name: np.array([run["curves"][name] for run in runs]) for name in runs[0]["curves"]}
    return "forgotten-share 0.003", curves, np.array([run["cosines"] for run in runs])
