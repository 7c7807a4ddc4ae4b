"""What lesson 15 computes while it runs: a teacher's answers, batches in parts, replaced words."""

import json
import pathlib

import numpy as np

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.layers.softmax import softmax
from minibert.models.electra import sample
from minibert.text.examples import PairBatch
from minibert.text.toy import TOY
from minibert.text.toy.limits import Limits
from minibert.text.toy.pairs import ToyExamples, split

SENTENCE, ANOTHER = "surely maria is my [MASK] from paris", "next she gladly planted the tiny carrots"
RIGHT = "daughter"
FAMILY = "daughter niece sister aunt son nephew brother"  # RIGHT is the first


def over_seeds(path):
    """Return get(part, name, *keys), which looks up one result of each seed as an array (seeds, ...).

    Args:
        path: of the file that notebooks/data/15_cheaper_pretraining.py writes: {part: {seed: {name: found}}}.

    Raises:
        KeyError: a seed of the part has no such name.
    """
    stored = json.loads(pathlib.Path(path).read_text("ascii"))

    def get(part, name, *keys):
        values = []
        for runs in stored[part].values():
            found = runs[name]
            for key in keys:
                found = found[key]
            values.append(found)
        return np.array(values, float)

    return get


def hidden_word():
    """Return the PairBatch of one pair, SENTENCE and ANOTHER, with RIGHT hidden: one row."""
    vocab = TOY.tokenizer().vocab
    first, second = SENTENCE.split(), ANOTHER.split()
    words = ["[CLS]", *first, "[SEP]", *second, "[SEP]"]
    ids = np.array([[vocab[word] for word in words]])                               # (1, T)
    segments = (np.arange(len(words)) > len(first) + 1).astype(int)[np.newaxis]     # (1, T)
    labels = np.where(ids == vocab["[MASK]"], vocab[RIGHT], IGNORE_INDEX)           # (1, T)
    return PairBatch(ids, segments, np.ones_like(ids), labels, np.array([1]))


def four_answers(teacher, temperature=2.0):
    """Return what four teachers say of the hidden word, of FAMILY's words: {name: (K,) probabilities}.

    Args:
        teacher: a BertForPreTraining of the toy language.
        temperature: of the third.
    """
    batch, tokenizer = hidden_word(), TOY.tokenizer()
    logits = teacher.forward(*batch[:3], labels=batch.labels)[0].prediction_logits  # (1, V)
    exact, _ = Limits(TOY, tokenizer).posteriors(batch)                             # (1, V)
    label = np.arange(tokenizer.vocab_size) == tokenizer.vocab[RIGHT]               # (V,)
    rows = {"the label": label.astype(float), "a teacher": softmax(logits)[0],
            f"at T = {temperature:g}": softmax(logits / temperature)[0], "exact": exact[0]}
    return {name: probs[tokenizer.ids(FAMILY)] for name, probs in rows.items()}


def label_noise(model, seed, number=32, num_draws=8):
    """Compare the gradient of drawn labels with that of the exact probabilities.

    Each draw takes a label for every hidden word from its exact probabilities, as a text does.

    Args:
        model: a BertForPreTraining of the toy language, in float64.
        seed: of the pairs and of the labels.  number: of pairs.  num_draws: of labels for the same pairs.

    Returns:
        cosines (num_draws,) between the gradient of a draw and the exact one, and the cosine of the draws'
        mean gradient with it. Gradients are those of the encoder's weights.
    """
    tokenizer, rng = TOY.tokenizer(), np.random.default_rng(seed)
    batch = ToyExamples(TOY, tokenizer, seed).batch(0, number)
    exact, _ = Limits(TOY, tokenizer).posteriors(batch)                             # (M, V)
    with np.errstate(divide="ignore"):
        scores = np.log(exact)                                                      # (M, V)
    draws = [np.eye(exact.shape[1])[sample(scores, rng)] for _ in range(num_draws)]
    place = batch.labels != IGNORE_INDEX
    encoded, cache = model.bert.forward(*batch[:3])
    logits, head_cache = model.mlm_head.forward(encoded.last_hidden_state[place])   # (M, V)
    gradients = []
    for wanted in (exact, *draws):
        model.zero_grad()
        d_states = np.zeros(encoded.last_hidden_state.shape)                        # (B, T, H)
        d_states[place] = model.mlm_head.backward((softmax(logits) - wanted) / len(wanted), head_cache)
        model.bert.backward((d_states, None), cache)
        gradients.append(np.concatenate(
            [p.grad.ravel() for name, p in model.parameters().items() if ".encoder." in name]))
    of_exact, of_draws = gradients[0], np.array(gradients[1:])
    return np.array([_cosine(each, of_exact) for each in of_draws]), _cosine(of_draws.mean(axis=0), of_exact)


def _cosine(one, other):
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))


def gradient(model, batch, size=None, of_parts=False, seed=None):
    """Return the gradient of a batch that goes through a model, in parts or at once, as one vector (P,).

    Args:
        model: a BertForPreTraining.
        batch: a PairBatch.
        size: sequences in a part; None is all.
        of_parts: whether all parts count the same; else each predicted word does, and each pair.
        seed: of dropout; None is no dropout.
    """
    model.zero_grad()
    rng = None if seed is None else np.random.default_rng(seed)
    parts = split(batch, size or len(batch.labels))
    words, pairs = (batch.labels != IGNORE_INDEX).sum(), len(batch.labels)
    for part in parts:
        output, cache = model.forward(**part._asdict(), rng=rng)
        by_count = {"mlm": output.counts["mlm"] / words, "nsp": output.counts["nsp"] / pairs}
        model.backward(cache, 1 / len(parts) if of_parts else by_count)
    return np.concatenate([parameter.grad.ravel() for parameter in model.parameters().values()])


def moved(model, batch, optimizer_class, divisor=1, num_steps=3):
    """Return how far an optimizer moves the weights, (P,), if every gradient is divided by a number.

    Args:
        model: a BertForPreTraining, which stays as it is.
        batch: a PairBatch, the same in all steps.
        optimizer_class: optimizer_class(parameters) has a step().
    """
    copied = model.astype(model.bert.pooler.dense.weight.value.dtype)
    before, parameters = _values(copied), copied.parameters()
    optimizer = optimizer_class(parameters)
    for _ in range(num_steps):
        gradient(copied, batch)
        for parameter in parameters.values():
            parameter.grad /= divisor
        optimizer.step()
    return _values(copied) - before


def _values(model):
    return np.concatenate([parameter.value.ravel() for parameter in model.parameters().values()])


class SGD:
    """Plain descent: weights -= rate · gradient."""

    def __init__(self, parameters, lr=1e-3):
        self.parameters, self.lr = parameters, lr

    def step(self):
        """Update all parameters."""
        for parameter in self.parameters.values():
            parameter.value[...] -= self.lr * parameter.grad


def replaced_words(generator, seed=0, number=6):
    """Fill the hidden words of held-out pairs by samples.

    Args:
        generator: a BertForPreTraining of the toy language.
        seed: of the samples.  number: of pairs, those with a hidden word or more.

    Returns:
        [(words, which differ from the original)] of the pairs, and the share of the hidden words that differ,
        over four times as many pairs.
    """
    tokenizer = TOY.tokenizer()
    pairs = ToyExamples(TOY, tokenizer).held_out_pairs(4 * number)
    place = pairs.batch.labels != IGNORE_INDEX
    masked = np.where(place, tokenizer.mask_token_id, pairs.clean_ids)
    output, _ = generator.forward(masked, *pairs.batch[1:3], labels=pairs.batch.labels)
    filled = pairs.clean_ids.copy()
    filled[place] = sample(output.prediction_logits, np.random.default_rng(seed))
    differs, found = filled != pairs.clean_ids, []
    for row in np.flatnonzero(place.any(axis=1))[:number]:
        seen = pairs.batch.attention_mask[row] == 1
        words = [tokenizer.id_to_token[token] for token in filled[row, seen]]
        found.append((words, differs[row, seen]))
    return found, float(differs.sum() / place.sum())
