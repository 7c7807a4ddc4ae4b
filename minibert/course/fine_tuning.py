"""The experiments of lesson 13: what fine-tuning changes, when it fails, and what a probe does not tell.

The task is acceptability in the toy language: is a sentence as the language makes it, or is a verb in the
wrong number, or are two words exchanged? The pretrained model is a BERT of two layers of the toy language.
"""

import functools
from typing import NamedTuple

import numpy as np

import minibert
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.models.bert import hidden_states
from minibert.text.toy import TOPICS, TOY
from minibert.text.toy.pairs import ToyExamples
from minibert.training.layerwise import layer_groups, layerwise_adamw
from minibert.training.optimizers import clip_gradients
from minibert.training.probes import fit_probe
from minibert.training.schedules import linear_schedule

LABELS, BATCH, STEPS, RATE = 300, 16, 120, 1e-3
TESTED, MLM_PAIRS = 1000, 256
FAILED = 0.6  # a run whose training accuracy is below this has failed
RATES = 1e-3, 3e-3, 1e-2
SIZES = 50, 300, 1000, 5000  # numbers of labels
RECIPES = {
    "neither": {"warmup": 0, "correct_bias": False},
    "warm-up": {"warmup": STEPS // 10, "correct_bias": False},
    "correction": {"warmup": 0, "correct_bias": True},
    "both": {"warmup": STEPS // 10, "correct_bias": True},
}
GROUPS = "embeddings", "layer 1", "layer 2", "pooler, head"


class Texts(NamedTuple):
    """Sentences as a model reads them: input_ids and attention_mask (N, T), labels (N,)."""

    input_ids: np.ndarray
    attention_mask: np.ndarray
    labels: np.ndarray


def texts(sentences, labels):
    """Return the Texts of sentences, each between [CLS] and [SEP], padded to the longest.

    Example:
        >>> texts([["bees", "hum"], ["a", "bee", "hums"]], [1, 0]).attention_mask.tolist()
        [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    """
    vocab = TOY.tokenizer().vocab
    rows = [[vocab.get(word, vocab["[UNK]"]) for word in ("[CLS]", *words, "[SEP]")] for words in sentences]
    longest = max(map(len, rows))
    ids = np.array([row + [vocab["[PAD]"]] * (longest - len(row)) for row in rows])
    lengths = np.array([len(row) for row in rows])
    return Texts(ids, (np.arange(longest) < lengths[:, np.newaxis]).astype(int), np.array(labels).astype(int))


def acceptability(number, seed):
    """Return the Texts of sentences, half of them spoiled; label 1 is acceptable. In random order."""
    found = TOY.acceptability(number, seed)
    order = np.random.default_rng(seed).permutation(number)
    sentences, labels = zip(*(found[place] for place in order))
    return texts(sentences, labels)


def share_seen(tested, learned):
    """Return the share of the sentences of some Texts that also occur in others.

    Example:
        >>> share_seen(texts([["bees", "hum"], ["bees"]], [1, 0]), texts([["bees"], ["a", "bee"]], [0, 0]))
        0.5
    """
    learned_ids, asked = (
        [tuple(ids[:length]) for ids, length in zip(each.input_ids.tolist(), each.attention_mask.sum(axis=1))]
        for each in (learned, tested)
    )
    seen = set(learned_ids)
    return sum(ids in seen for ids in asked) / len(asked)


def topics(number, seed):
    """Return the Texts of acceptability(number, seed) that show a topic; the label: its number in TOPICS."""
    documents = TOY.documents(-(-number // TOY.grammar.document_length), seed)
    sentences = [sentence for document in documents for sentence in document]
    found = [(words, TOPICS.index(sentence.topic))
             for (words, _), sentence in zip(TOY.acceptability(number, seed), sentences) if sentence.topic]
    return texts(*zip(*found))


def classifier(pretrained, seed, num_labels=2, from_scratch=False):
    """Return a classifier that begins with a pretrained model's body, or from scratch with new weights."""
    config = minibert.BertConfig(**{**_fields(pretrained.config), "num_labels": num_labels})
    model = minibert.BertForSequenceClassification(config, seed=seed)
    theirs = pretrained.parameters()
    if not from_scratch:
        for name, parameter in model.parameters().items():
            if name in theirs:
                parameter.value[...] = theirs[name].value
    return model


def _fields(config):
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def train(
    model, examples, seed, rate=RATE, num_steps=STEPS, warmup=STEPS // 10, correct_bias=True, layer_decay=1.0,
    num_trained=None, batch_size=BATCH, replay=None,
):
    """Train a classifier in place → its losses (num_steps,).

    Args:
        examples: Texts.  seed: of their order.
        rate: the peak; it falls in a line to 0.  warmup: steps in which it rises.
        correct_bias: of AdamW.  layer_decay: of layerwise_adamw.
        num_trained: groups that are trained, from the top; None: all.
        replay: None, or a function of a step that adds to the gradients of the body before each update.
    """
    groups = layer_groups(model)
    groups = groups if num_trained is None else groups[-num_trained:]
    optimizer = layerwise_adamw(groups, rate, layer_decay, correct_bias=correct_bias)
    rng, losses, order = np.random.default_rng([seed, 13]), [], np.array([], int)
    for step in range(num_steps):
        if len(order) < batch_size:
            order = rng.permutation(len(examples.labels))
        chosen, order = order[:batch_size], order[batch_size:]
        output, cache = model.forward(
            examples.input_ids[chosen], attention_mask=examples.attention_mask[chosen],
            labels=examples.labels[chosen])
        model.zero_grad()
        model.backward(cache)
        if replay is not None:
            replay(step)
        clip_gradients(optimizer.parameters, 1.0)
        optimizer.lr = linear_schedule(step, num_steps, warmup, rate)
        optimizer.step()
        losses.append(float(output.loss))
    return np.array(losses)


def logits_of(model, examples):
    """Return the logits (N, K)."""
    return model.forward(examples.input_ids, attention_mask=examples.attention_mask)[0].logits


def accuracy(model, examples):
    """Return the accuracy on Texts."""
    return float((logits_of(model, examples).argmax(axis=1) == examples.labels).mean())


def mean_states(model, examples, layer):
    """Return the mean of the states after a layer (N, H), over the tokens that are not padding.

    Args:
        model: with a body `bert`.  examples: Texts.  layer: from 1; 0 is the embeddings.
    """
    output, cache = model.bert.forward(examples.input_ids, attention_mask=examples.attention_mask)
    seen = examples.attention_mask[:, :, np.newaxis]
    return (hidden_states(output, cache)[layer] * seen).sum(axis=1) / seen.sum(axis=1)


def of_frozen(pretrained, seed, layer):
    """Return the accuracy of a linear layer on mean_states of the pretrained model, with LABELS labels."""
    examples, tested = acceptability(LABELS, 100 + seed), acceptability(TESTED, 900)
    probe = fit_probe(mean_states(pretrained, examples, layer), examples.labels, 2, weight_decay=1e-2)
    return probe.accuracy(mean_states(pretrained, tested, layer), tested.labels)


# --- what moves ---


def distances(model, start):
    """Return {group: |values - those of start| / |those of start|} of GROUPS.

    Args:
        model, start: two models of the same shape.
    """
    found = {}
    for name, group, theirs in zip(GROUPS, layer_groups(model), layer_groups(start), strict=True):
        moved = sum(float(((group[key].value - theirs[key].value) ** 2).sum()) for key in group)
        size = sum(float((theirs[key].value ** 2).sum()) for key in group)
        found[name] = (moved / size) ** 0.5
    return found


def put_back(model, start, group):
    """Return a copy of a model, in which the parameters of one of GROUPS are those of `start`."""
    copy = model.astype(np.float32)
    place = GROUPS.index(group)
    for key, parameter in layer_groups(start)[place].items():
        layer_groups(copy)[place][key].value[...] = parameter.value
    return copy


def what_moves(pretrained, seed):
    """Return the distances of a fine-tuned model and a model from scratch, and what each layer is worth.

    Returns:
        {"distance", "from scratch": {group: number}, "accuracy": number, "put back": {group: accuracy},
        "top groups": [accuracy with the last 1, 2, 3, 4 of GROUPS trained]}
    """
    examples, tested = acceptability(LABELS, 100 + seed), acceptability(TESTED, 900)
    start = classifier(pretrained, seed)
    model = classifier(pretrained, seed)
    train(model, examples, seed)
    scratch = classifier(pretrained, seed, from_scratch=True)
    train(scratch, examples, seed)
    new = classifier(pretrained, seed, from_scratch=True)
    return {
        "distance": distances(model, start),
        "from scratch": distances(scratch, new),
        "accuracy": accuracy(model, tested),
        "put back": {name: accuracy(put_back(model, start, name), tested) for name in GROUPS},
        "top groups": [_of_top_groups(pretrained, seed, examples, tested, number) for number in (1, 2, 3, 4)],
    }


def _of_top_groups(pretrained, seed, examples, tested, number):
    model = classifier(pretrained, seed)
    train(model, examples, seed, num_trained=number)
    return accuracy(model, tested)


# --- failed runs ---


def mlm_loss(model, pretrained, number=MLM_PAIRS):
    """Return the MLM loss of a classifier's body with the pretrained model's MLM head, on held-out pairs."""
    whole = _with_body(pretrained, model)
    return float(whole.forward(**_held_out(number)._asdict())[0].mlm_loss)


@functools.cache
def _held_out(number):
    return ToyExamples(TOY, TOY.tokenizer()).held_out_pairs(number).batch


def _with_body(pretrained, model):
    """Return a copy of a pretrained model that has the body of a classifier."""
    whole, ours = pretrained.astype(np.float32), model.parameters()
    for name, parameter in whole.parameters().items():
        if name in ours:
            parameter.value[...] = ours[name].value
    return whole


def remember(model, pretrained, seed, is_shuffled=False):
    """Return a `replay` for train: in each step the body also learns from a batch of masked pairs.

    With is_shuffled the hidden words of a batch are dealt out anew: a second task as large as the first,
    which keeps nothing of the pretrained model but how often words occur.
    """
    examples = ToyExamples(TOY, TOY.tokenizer(), seed=700 + seed)
    whole, ours = pretrained.astype(np.float32), model.parameters()
    theirs = whole.parameters()
    shared = [name for name in theirs if name in ours and not name.startswith("bert.pooler")]

    def replay(step):
        for name in shared:
            theirs[name].value[...] = ours[name].value
        batch = examples.batch(step, BATCH)
        if is_shuffled:
            batch = batch._replace(labels=_shuffled(batch.labels, np.random.default_rng([seed, step])))
        _, cache = whole.forward(**batch._asdict())
        whole.zero_grad()
        whole.backward(cache, {"mlm": 1.0, "nsp": 0.0})
        for name in shared:
            ours[name].grad += theirs[name].grad

    return replay


def _shuffled(labels, rng):
    found, places = labels.copy(), labels != IGNORE_INDEX
    found[places] = rng.permutation(labels[places])
    return found


def one_run(pretrained, seed, rate, recipe, from_scratch=False, **replay):
    """Return {"training", "test", "loss", "mlm"} of one run: two accuracies and two losses.

    replay: {} for none, or the arguments of `remember` after the seed.
    """
    examples, tested = acceptability(LABELS, 100), acceptability(TESTED, 900)
    model = classifier(pretrained, seed, from_scratch=from_scratch)
    beside = remember(model, pretrained, seed, **replay) if replay else None
    losses = train(model, examples, seed, rate, **RECIPES[recipe], replay=beside)
    return {
        "training": accuracy(model, examples), "test": accuracy(model, tested),
        "loss": losses[-10:].mean(), "mlm": mlm_loss(model, pretrained),
    }


def sweep(pretrained, seed):
    """Return {rate: {recipe: run}} of RATES and RECIPES; a run is that of one_run."""
    return {
        str(rate): {recipe: one_run(pretrained, seed, rate, recipe) for recipe in RECIPES} for rate in RATES
    }


def without_forgetting(pretrained, seed):
    """Return {name: run} of runs that could refute "it fails because it forgot".

    "scratch": a model that has nothing to forget, with the middle rate and neither means; "scratch, both":
    the same with the least rate and both means; "remembering": pretrained, with the middle rate and neither
    means, where the body goes on to learn its masked words; "other words": the same with shuffled words.
    """
    middle = RATES[1]
    ways = {
        "scratch": (middle, "neither", {"from_scratch": True}),
        "scratch, both": (RATES[0], "both", {"from_scratch": True}),
        "remembering": (middle, "neither", {"is_shuffled": False}),
        "other words": (middle, "neither", {"is_shuffled": True}),
    }
    return {
        name: one_run(pretrained, seed, rate, recipe, **more) for name, (rate, recipe, more) in ways.items()
    }


# --- probes, and whether the model uses what they find ---


def first_states(model, examples, layer):
    """Return the state of [CLS] after a layer (N, H); 0 is the embeddings'."""
    output, cache = model.bert.forward(examples.input_ids, attention_mask=examples.attention_mask)
    return hidden_states(output, cache)[layer][:, 0]


def eraser(states, labels):
    """Return (matrix (H, H), mean (H,)) such that no linear probe finds the labels in `erased` states.

    Belrose et al. 2023, "LEACE": of all changes that give every label the same mean state, the smallest. In
    coordinates in which the states have covariance 1, it removes the K − 1 directions of the labels' means.

    Args:
        states: (N, H).  labels: (N,) from 0 to K − 1.
    """
    mean = states.mean(axis=0)
    centred = (states - mean).astype(float)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(states))
    kept = values > 1e-6 * values.max()
    roots = np.sqrt(values[kept])
    whitened = centred @ (vectors[:, kept] / roots)                             # (N, J)
    means = np.stack([whitened[labels == label].mean(axis=0) for label in np.unique(labels)])
    _, _, directions = np.linalg.svd(means, full_matrices=False)
    directions = directions[: len(means) - 1]                                   # (K - 1, J)
    back = (vectors[:, kept] * roots).T                                         # (J, H)
    return vectors[:, kept] / roots @ directions.T @ directions @ back, mean


def erased(states, matrix, mean):
    """Return states (N, H) without what an eraser removes."""
    return states - (states - mean) @ matrix


def answers(model, states):
    """Return what the pooler and the head answer to [CLS] states (N, H)."""
    pooled, _ = model.bert.pooler.forward(states[:, np.newaxis].astype(np.float32))     # (N, H)
    return model.head.forward(pooled)[0].logits.argmax(axis=1)


def removals(pretrained, seed, number=1500):
    """Return what a probe finds in the [CLS] of a fine-tuned model, and what its answers lose without it.

    Erased are the topic, the label, and, as a control, labels that are drawn at random.

    Returns:
        {"found": {name: accuracy of a probe on other sentences}, "left": {name: the same after erasing},
        "answers": {"all", "topic", "label", "random": accuracy of the model's answers without it}}
    """
    model = classifier(pretrained, seed)
    train(model, acceptability(LABELS, 100 + seed), seed)
    data = {
        "topic": (topics(number, 300 + seed), topics(TESTED, 900)),
        "label": (acceptability(number, 300 + seed), acceptability(TESTED, 900)),
    }
    layer = model.config.num_hidden_layers
    asked, right = first_states(model, data["label"][1], layer), data["label"][1].labels
    found, left = {}, {}
    of_answers = {"all": float((answers(model, asked) == right).mean())}
    for name, (learned, tested) in data.items():
        states, others = first_states(model, learned, layer), first_states(model, tested, layer)
        num_labels = int(learned.labels.max()) + 1
        matrix, mean = eraser(states, learned.labels)
        for results, change in ((found, lambda x: x), (left, lambda x: erased(x, matrix, mean))):
            probe = fit_probe(change(states), learned.labels, num_labels, weight_decay=1e-2)
            results[name] = probe.accuracy(change(others), tested.labels)
        of_answers[name] = float((answers(model, erased(asked, matrix, mean)) == right).mean())
    random = np.random.default_rng(seed).integers(0, len(TOPICS), number)
    nothing = eraser(first_states(model, data["label"][0], layer), random)
    of_answers["random"] = float((answers(model, erased(asked, *nothing)) == right).mean())
    return {"found": found, "left": left, "answers": of_answers}


# --- labels saved ---


def by_labels(pretrained, seed, sizes=SIZES):
    """Return {system: [accuracy for each number of labels]} of two ways to learn acceptability.

    A model from scratch is given three times as many epochs, and 200 steps at least, as the other is.
    """
    tested, found = acceptability(TESTED, 900), {"fine-tuned": [], "from scratch": []}
    for size in sizes:
        examples = acceptability(size, 100 + seed)
        for (name, values), epochs in zip(found.items(), (2, 6)):
            model = classifier(pretrained, seed, from_scratch=name == "from scratch")
            num_steps = max(200, epochs * size // BATCH)
            train(model, examples, seed, num_steps=num_steps, warmup=num_steps // 10)
            values.append(accuracy(model, tested))
    return found
