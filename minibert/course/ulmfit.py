"""The experiments of lesson 04 with ULMFiT: three stages, and what each of its means is worth.

Stage 1 reads GENERAL, the kinds of sentences of the toy language that ELMo's text (elmo.py) does not have.
Stage 2 goes on with that text, TARGET. Stage 3 learns from labels whether a sentence of TARGET is as the
language makes it, or spoiled: a verb in the wrong number, or two words exchanged.
"""

from typing import NamedTuple

import numpy as np

import minibert
from minibert.course.elmo import KINDS, TARGET, part
from minibert.models.recurrent import AWDLSTMConfig, AWDLSTMLanguageModel
from minibert.models.ulmfit import AWDLSTMForSequenceClassification, ULMFiTConfig
from minibert.objectives.ulmfit import BETAS, language_model_groups
from minibert.text.toy import TOY
from minibert.text.toy.grammar import SENTENCES
from minibert.training.layerwise import Unfreezing, layer_groups, layerwise_adamw
from minibert.training.optimizers import clip_gradients
from minibert.training.schedules import linear_schedule, slanted_triangular

GENERAL = part([kind for kind in SENTENCES if kind not in KINDS])
GENERAL_STEPS, GENERAL_BATCH, GENERAL_RATE = 600, 64, 1e-2
NUM_UNLABELLED, TEXT_BATCH, TEXT_EPOCHS, TEXT_RATE = 4000, 32, 4, 1e-2
NUM_LABELS, LABEL_BATCH, LABEL_EPOCHS, LABEL_RATE = 1000, 16, 8, 3e-3
NUM_TESTED = 2000
FACTOR = 2.6  # of the rates of neighbouring layers
SIZES = {
    "embedding_size": 64, "hidden_size": 64, "num_hidden_layers": 2, "embedding_dropout_prob": 0.0,
    "input_dropout_prob": 0.0, "hidden_dropout_prob": 0.05, "output_dropout_prob": 0.05,
    "weight_dropout_prob": 0.05,
}


class Means(NamedTuple):
    """Which of ULMFiT's parts a run has."""

    general: bool = True  # stage 1
    text: bool = True  # stage 2
    triangle: bool = True  # else a constant rate of half the peak, in stages 2 and 3
    gradual: bool = True  # else all layers from the first epoch of stage 3 on
    by_layer: bool = False  # the paper's factor in stage 3, too; it is always there in stage 2


VARIANTS = {
    "all of it": Means(),
    "no stage 1": Means(general=False),
    "no stage 2": Means(text=False),
    "neither": Means(general=False, text=False),
    "constant rate": Means(triangle=False),
    "all layers at once": Means(gradual=False),
    "2.6 in stage 3, too": Means(by_layer=True),
}


def rows_of(language, number, seed):
    """Return the ids (number, 9) of sentences between two [SEP], in TOY's vocabulary."""
    vocab = TOY.tokenizer().vocab
    ids = np.array([vocab[word] for word in language.words])
    rng = np.random.default_rng([seed, number])
    plans, _ = language.sample_documents(-(-number // language.grammar.document_length), rng)
    words = language.sample_words(plans, rng).reshape(-1, language.rows.shape[1])[:number]
    return np.pad(ids[words], ((0, 0), (1, 1)), constant_values=vocab["[SEP]"])


def labelled(number, seed):
    """Return (ids (number, 9), labels (number,)) of acceptability: 1 is as the language makes it."""
    vocab = TOY.tokenizer().vocab
    sentences, labels = zip(*TARGET.acceptability(number, seed))
    ids = np.array([[vocab[word] for word in ("[SEP]", *words, "[SEP]")] for words in sentences])
    return ids, np.array(labels).astype(int)


def fresh(seed):
    """Return an untrained AWD-LSTM: E = 64, H = 64, two layers, a tenth of the usual dropout."""
    return AWDLSTMLanguageModel(AWDLSTMConfig(TOY.tokenizer().vocab_size, **SIZES), seed=seed)


def next_token_loss(model, ids):
    """Return the loss in nats per token on rows of ids."""
    return float(model.forward(ids[:, :-1], labels=ids[:, 1:])[0].loss)


def general(seed, num_steps=GENERAL_STEPS):
    """Stage 1: return a language model of GENERAL, trained for the first num_steps of GENERAL_STEPS."""
    model = fresh(seed)
    optimizer = minibert.AdamW(model.parameters(), weight_decay=0)
    rows = rows_of(GENERAL, GENERAL_STEPS * GENERAL_BATCH, seed=100 + seed)
    for step in range(num_steps):
        ids = rows[step * GENERAL_BATCH:(step + 1) * GENERAL_BATCH]
        optimizer.lr = linear_schedule(step, GENERAL_STEPS, GENERAL_STEPS // 20, GENERAL_RATE)
        _step(model, optimizer, {"input_ids": ids[:, :-1], "labels": ids[:, 1:]}, step)
    return model


def further(model, seed, means=Means()):
    """Stage 2: train a language model, in place, on NUM_UNLABELLED sentences of TARGET."""
    rows = rows_of(TARGET, NUM_UNLABELLED, seed=200 + seed)
    optimizer = _optimizer(language_model_groups(model), by_layer=True)
    batches = list(_epochs(len(rows), TEXT_EPOCHS, TEXT_BATCH, seed))
    for step, chosen in enumerate(batches):
        optimizer.lr = _rate(step, len(batches), TEXT_RATE, means)
        ids = rows[chosen]
        _step(model, optimizer, {"input_ids": ids[:, :-1], "labels": ids[:, 1:]}, step)


def classifier(language_model, seed, means=Means(), num_labels=NUM_LABELS):
    """Stage 3: return a classifier that begins with a language model and has learned num_labels labels."""
    config = ULMFiTConfig(TOY.tokenizer().vocab_size, **SIZES, num_labels=2)
    model, ours = AWDLSTMForSequenceClassification(config, seed=seed), language_model.parameters()
    for name, parameter in model.parameters().items():
        if name in ours:
            parameter.value[...] = ours[name].value
    ids, labels = labelled(num_labels, seed=300 + seed)
    groups = layer_groups(model)
    optimizer = _optimizer(groups, means.by_layer)
    per_epoch = -(-num_labels // LABEL_BATCH)
    if means.gradual:
        optimizer = Unfreezing(optimizer, [number * per_epoch for number in range(len(groups))])
    batches = list(_epochs(num_labels, LABEL_EPOCHS, LABEL_BATCH, seed))
    for step, chosen in enumerate(batches):
        optimizer.lr = _rate(step, len(batches), LABEL_RATE, means)
        _step(model, optimizer, {"input_ids": ids[chosen], "labels": labels[chosen]}, step)
    return model


def accuracy(model, number=NUM_TESTED):
    """Return the accuracy of a classifier on other sentences."""
    ids, labels = labelled(number, seed=400)
    return float((model.forward(ids)[0].logits.argmax(axis=1) == labels).mean())


def run(seed, say=print):
    """Return {variant: {"accuracy", "text_loss"}} of one seed; stage 1 is trained once for all of them."""
    pretrained, found, stage_two = general(seed), {}, {}
    held_out = rows_of(TARGET, 512, seed=500)
    for name, means in VARIANTS.items():
        key = means._replace(gradual=True, by_layer=False)      # of stage 3 only
        if key not in stage_two:
            model = (pretrained if means.general else fresh(seed)).astype(np.float32)   # a copy
            if means.text:
                further(model, seed, means)
            stage_two[key] = model
        model = stage_two[key]
        found[name] = {
            "accuracy": round(accuracy(classifier(model, seed, means)), 4),
            "text_loss": round(next_token_loss(model, held_out), 4),
        }
        say(f"seed {seed}, {name}: {found[name]}")
    return found


def rates(num_epochs, per_epoch, peak=LABEL_RATE):
    """Return {group: (S,)}: the learning rate of each group in each step of stage 3, NaN before it begins."""
    num_steps, found = num_epochs * per_epoch, {}
    triangle = np.array([slanted_triangular(step, num_steps, peak) for step in range(num_steps)])
    for below_the_head, name in enumerate(("head", "LSTM 2", "LSTM 1", "embeddings")):
        begun = np.arange(num_steps) >= below_the_head * per_epoch
        found[name] = np.where(begun, triangle / FACTOR**below_the_head, np.nan)
    return found


# --- a step ---


def _optimizer(groups, by_layer):
    decay = 1 / FACTOR if by_layer else 1.0
    return layerwise_adamw(groups, 1.0, decay, betas=BETAS, weight_decay=0.0)


def _rate(step, num_steps, peak, means):
    return slanted_triangular(step, num_steps, peak) if means.triangle else peak / 2


def _epochs(number, epochs, batch_size, seed):
    """Yield the rows of each batch, shuffled anew in each epoch."""
    rng = np.random.default_rng([seed, number])
    for _ in range(epochs):
        order = rng.permutation(number)
        for start in range(0, number, batch_size):
            yield order[start:start + batch_size]


def _step(model, optimizer, batch, step):
    _, cache = model.forward(**batch, rng=np.random.default_rng([step, 7]))
    model.zero_grad()
    model.backward(cache)
    clip_gradients(optimizer.parameters, 1.0)
    optimizer.step()
