"""The experiments of lesson 03: what an n-gram model, an RNN and an LSTM know of the words before.

The text is a small part of the toy language, HIDING: somebody hides something, is asked, and answers. A
document has five sentences of seven words, and each ends with [SEP]: 40 tokens to predict, for which the best
possible answer is known (minibert/text/toy/documents.py).
"""

import functools
from typing import NamedTuple

import numpy as np

import minibert
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.models.kneser_ney import KneserNey
from minibert.text.toy.documents import Documents
from minibert.text.toy.generator import Language
from minibert.text.toy.grammar import GRAMMAR, SENTENCES, WORDS
from minibert.text.toy.limits import Limits
from minibert.training.optimizers import clip_gradients
from minibert.training.schedules import linear_schedule

USED = "name pronoun his capital item surely yes pets how look".split()
FOLLOWS = {"intro": {"question": 1}, "question": {"answer": 2, "pause": 1}, "pause": {"answer": 1},
           "answer": {"question": 1}}
HIDING = Language(GRAMMAR._replace(
    variables={**GRAMMAR.variables, "item": np.full(6, 1 / 6)},
    document=("hero", "country", "item"),
    words={name: WORDS[name] for name in USED},
    sentences={"intro": SENTENCES["intro"][1:],  # "surely anna keeps her parrots in paris"
               **{kind: SENTENCES[kind] for kind in ("question", "pause", "answer")}},
    follows=FOLLOWS,
    any={"question": 1},
    document_length=5))

SENTENCE = 8  # tokens of a sentence: seven words and its [SEP]
NUM_TOKENS = HIDING.grammar.document_length * SENTENCE
NUM_STEPS, BATCH_SIZE, RATE = 500, 32, 0.01  # of training; the batch is of documents
CHUNK = 100  # steps whose documents are made at once
NUM_HELD_OUT = 512  # documents for evaluation
NUM_COUNTED = NUM_STEPS * BATCH_SIZE  # documents that an n-gram model counts: as many as a network reads

COPY = 2 * SENTENCE + 6  # the place of the item of an answer that is the third sentence of its document
READ = 2 * SENTENCE + 4  # tokens that were read when two states are exchanged: up to "[SEP] yes anna quietly"
LAST = NUM_TOKENS - 2  # the place of the last word
NUM_CARRIERS = 6

# name: how the fresh model is made, tokens after which the gradient is cut, whether the state is carried on
VARIANTS = {
    "RNN": ("RNN", NUM_TOKENS, True),
    "LSTM, half open": ("LSTM, half open", NUM_TOKENS, True),
    "LSTM": ("LSTM", NUM_TOKENS, True),
    "LSTM, cut after 8": ("LSTM", SENTENCE, True),
    "LSTM, reset": ("LSTM", SENTENCE, False),
}


class Text(NamedTuple):
    """N documents.

    Attributes:
        plans: (N, 5), see minibert/text/toy/generator.py.  words: (N, 5, 7).
        ids: (N, 41): [SEP], and the tokens of five sentences.
    """

    plans: np.ndarray
    words: np.ndarray
    ids: np.ndarray

    @property
    def input_ids(self):
        return self.ids[:, :-1]

    @property
    def labels(self):
        return self.ids[:, 1:]

    def is_kind(self, kind):
        """Return which sentences are of a kind, bool (N, 5)."""
        of_states = np.array([name == kind for name, _ in HIDING.states])
        return of_states[HIDING.state[self.plans]]

    def places(self, slot, is_sentence):
        """Return where the label is the word of a slot, bool (N, 40), in sentences where is_sentence holds.

        Args:
            slot: such as "{item}".  is_sentence: bool (N, 5).
        """
        slots = [[name == slot for name in template[0]] for template in HIDING.templates]
        found = np.zeros((*self.plans.shape, SENTENCE), bool)
        found[..., :-1] = np.array(slots)[HIDING.template[self.plans]]
        return (found & is_sentence[..., np.newaxis]).reshape(self.labels.shape)

    def asked(self):
        """Return {name: bool (N, 40)}: the labels that tell what a model remembers.

        copy: the item of the first answer, directly after the question that named it, seven words before.
        far copy: the same, with a sentence between.
        pronoun: she or he in the place of the name; who it is was said in a sentence before.
        """
        answer, pause = self.is_kind("answer"), self.is_kind("pause")
        is_first = answer & (np.cumsum(answer, axis=1) == 1)
        after_pause = np.zeros_like(answer)
        after_pause[:, 1:] = pause[:, :-1]
        return {
            "copy": self.places("{item}", is_first & ~after_pause),
            "far copy": self.places("{item}", is_first & after_pause),
            "pronoun": self.places("{pronoun}", np.ones_like(answer)),
        }


@functools.cache
def tokenizer():
    """Return the tokenizer of HIDING."""
    return HIDING.tokenizer()


@functools.cache
def _limits():
    return Limits(HIDING, tokenizer())


def documents(number, seed):
    """Return a Text of `number` documents, the same for the same seed.

    Example:
        >>> text = documents(2, seed=0)
        >>> text.input_ids.shape, text.labels.shape
        ((2, 40), (2, 40))
    """
    rng = np.random.default_rng([seed, number])
    plans, _ = HIDING.sample_documents(number, rng)
    words = HIDING.sample_words(plans, rng)
    ids = _limits().word_ids(np.pad(words, ((0, 0), (0, 0), (0, 1)), constant_values=-1))
    start = np.full((number, 1), _limits().sep)
    return Text(plans, words, np.hstack([start, ids.reshape(number, -1)]))


def to_words(ids):
    """Return the tokens of ids as a list."""
    return [tokenizer().id_to_token[number] for number in ids]


def to_ids(words):
    """Return the ids of words, a str with spaces between: (1, T)."""
    return np.array([[tokenizer().vocab[word] for word in words.split()]])


# --- models ---


def fresh(kind, seed, dtype=np.float32):
    """Return an untrained model: H = 32, and the decoder shares the embeddings.

    Args:
        kind: "RNN"; "RNN, larger weights", with W_hh three times as large; "LSTM, half open", whose forget
            gates begin near ½; "LSTM", whose forget gates begin near σ(2) = 0.88, by a bias (Jozefowicz et
            al. 2015, "An empirical exploration of recurrent network architectures").
    """
    model_class = minibert.RNNLanguageModel if kind.startswith("RNN") else minibert.LSTMLanguageModel
    config = minibert.LSTMConfig(
        vocab_size=tokenizer().vocab_size, embedding_size=32, hidden_size=32, initializer_range=0.5,
        tie_word_embeddings=True)
    model = model_class(config, seed=seed, dtype=dtype)
    [layer] = model.layers
    if kind == "LSTM":
        layer.bias_ih.value[32:64] = 2                                          # of i, f, g, o the second
    elif kind == "RNN, larger weights":
        layer.weight_hh.value *= 3
    return model


def train(variant, seed, num_steps=NUM_STEPS):
    """Train one of the VARIANTS for the first num_steps of NUM_STEPS; return the model, its losses (S,).

    A step reads 32 new documents. The gradients of all its windows are added before the weights change, so
    the variants differ only in what a window knows and in how far its gradient goes back.
    """
    kind, window, is_carried = VARIANTS[variant]
    model, losses = fresh(kind, seed), []
    optimizer = minibert.AdamW(model.parameters(), lr=RATE, weight_decay=0)
    for step in range(num_steps):
        first = step % CHUNK * BATCH_SIZE
        ids = _training_ids(seed, step // CHUNK)[first:first + BATCH_SIZE]      # (B, 41)
        model.zero_grad()
        losses.append(add_gradients(model, ids[:, :-1], ids[:, 1:], window, is_carried))
        clip_gradients(model.parameters(), 1.0)
        optimizer.lr = linear_schedule(step, NUM_STEPS, NUM_STEPS // 20, RATE)
        optimizer.step()
    return model, np.array(losses)


@functools.lru_cache(NUM_STEPS // CHUNK)
def _training_ids(seed, chunk):
    return documents(CHUNK * BATCH_SIZE, seed=1000 * (seed + 1) + chunk).ids


def add_gradients(model, input_ids, labels, window, is_carried=True):
    """Truncated backpropagation through time: add the gradient of the mean loss, and return that loss.

    Args:
        input_ids, labels: (B, T).
        window: tokens after which the gradient is cut; T is a multiple of it.
        is_carried: the state goes on where the gradient is cut. Else it is reset to zeros.
    """
    state, total = None, 0.0
    num_windows = input_ids.shape[1] // window
    for start in range(0, input_ids.shape[1], window):
        part = slice(start, start + window)
        output, cache = model.forward(input_ids[:, part], labels=labels[:, part], state=state)
        model.backward(cache, d_loss=1 / num_windows)
        state = output.state if is_carried else None
        total += float(output.loss) / num_windows
    return total


# --- how they are judged ---


def log_probs(model, text, is_kept=True):
    """Return the log-probabilities of all words at each place, (N, 40, V).

    Args:
        is_kept: the state is kept through a document. Else it is reset before every sentence.
    """
    rows = text.input_ids if is_kept else text.input_ids.reshape(-1, SENTENCE)
    logits = model.forward(rows)[0].logits.astype(np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    found = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return found.reshape(*text.labels.shape, -1)


def measured(found, text):
    """Return what log-probabilities (N, 40, V) are worth: {name: number}, rounded.

    loss: nats per token.  copy, far copy: accuracy on the item of an answer.  pronoun: how often the right
    one of she and he has the larger probability.
    """
    losses = -np.take_along_axis(found, text.labels[..., np.newaxis], axis=-1)[..., 0]
    asked, right = text.asked(), found.argmax(axis=-1) == text.labels
    she, he = to_ids("she he")[0]
    says_she = found[..., she] > found[..., he]
    pronoun = (says_she == (text.labels == she))[asked["pronoun"]].mean()
    values = {"loss": losses.mean(), "pronoun": pronoun}
    values |= {name: right[asked[name]].mean() for name in ("copy", "far copy")}
    values |= {f"{name} loss": losses[asked[name]].mean() for name in asked}
    return {name: round(float(value), 4) for name, value in values.items()}


def losses_by_place(losses, text):
    """Return {"all", "copy", "far copy", "pronoun": mean of losses (N, 40) in nats}."""
    places = {"all": np.ones(losses.shape, bool), **text.asked()}
    return {name: round(float(losses[there].mean()), 4) for name, there in places.items()}


def best_losses(text):
    """Return the losses of the best possible model, which remembers the document, (N, 40)."""
    return Documents(_limits()).next_token(text.words)[0].reshape(text.labels.shape)


def kneser_ney(order=5, number=NUM_COUNTED):
    """Return the KneserNey model of `number` documents."""
    return KneserNey(list(documents(number, seed=1).ids), tokenizer().vocab_size, order)


# --- gradients, gates and states ---


def gradients_by_distance(model, text, place):
    """Return the mean norm of d loss / d x, k tokens before a place, relative to k = 0: (place + 1,).

    Only the label at that place has a loss; x are the embeddings.
    """
    labels = np.full(text.labels.shape, IGNORE_INDEX)
    labels[:, place] = text.labels[:, place]
    model = model.replica()                                                     # with gradients of its own
    _, cache = model.forward(text.input_ids, labels=labels)
    d_embedded = model.backward(cache, d_loss=float(len(labels)))               # (N, 40, E)
    norms = np.linalg.norm(d_embedded, axis=-1).mean(axis=0)[place::-1]
    return norms / norms[0]


def fresh_gradients(kinds, seeds=range(5)):
    """Return {kind: (seeds, 39)}: gradients_by_distance of untrained models, in float64."""
    text = documents(64, seed=2)
    return {kind: np.array([gradients_by_distance(fresh(kind, seed, np.float64), text, LAST)
                            for seed in seeds])
            for kind in kinds}


def cell_factors(kind, seeds=range(5)):
    """Return the factor of the gradient per token, k = 10 to 20, if only the cell carries it back: (seeds,).

    W_hh of untrained LSTMs is set to zero, so no path goes through h.
    """
    text, found = documents(64, seed=2), []
    for seed in seeds:
        model = fresh(kind, seed, np.float64)
        model.layers[0].weight_hh.value[:] = 0
        gradients = gradients_by_distance(model, text, LAST)
        found.append((gradients[20] / gradients[10]) ** 0.1)
    return np.array(found)


def first_answers(text):
    """Return the documents whose third sentence answers their first question, as a Text."""
    chosen = text.asked()["copy"][:, COPY]
    return Text(text.plans[chosen], text.words[chosen], text.ids[chosen])


def exchanged(model, text, hidden=False, cell=False):
    """Exchange states in the middle of answers; return how often each item is named: (own, the other's).

    Two documents with different items are read up to READ; then each goes on with the h, or the c, or both,
    of the other.
    """
    ids = first_answers(text).ids
    partner = np.roll(np.arange(len(ids)), 1)
    own, other = ids[:, COPY + 1], ids[partner, COPY + 1]
    [(own_hidden, own_cell)] = model.forward(ids[:, :READ])[0].state
    state = own_hidden[partner] if hidden else own_hidden, own_cell[partner] if cell else own_cell
    said = model.forward(ids[:, READ:COPY + 1], state=(state,))[0].logits[:, -1].argmax(axis=-1)
    differ = own != other
    return _shares(said[differ], own[differ], other[differ])


def _shares(said, own, other):
    return [round(float((said == item).mean()), 4) for item in (own, other)]


def carriers(model, text, number=NUM_CARRIERS):
    """Return the cells that know the item best in the middle of the answer: their means differ most."""
    ids = first_answers(text).ids
    [(_, cell)] = model.forward(ids[:, :READ])[0].state                         # (N, H)
    means = [cell[ids[:, COPY + 1] == item].mean(axis=0) for item in np.unique(ids[:, COPY + 1])]
    return np.argsort(-np.var(means, axis=0))[:number]


def flattened(model, text, cells):
    """Return the accuracy on copies if some cells take their mean over texts in the middle of the answer."""
    ids = first_answers(text).ids
    [(hidden, cell)] = model.forward(ids[:, :READ])[0].state
    flat = cell.copy()
    flat[:, cells] = cell[:, cells].mean(axis=0)
    said = model.forward(ids[:, READ:COPY + 1], state=((hidden, flat),))[0].logits[:, -1].argmax(axis=-1)
    return round(float((said == ids[:, COPY + 1]).mean()), 4)


def gates_of(model, ids):
    """Return {"input", "forget", "output": (B, T, H)}: the gates of an LSTM that reads ids (B, T)."""
    _, cache = model.forward(ids)
    input_gate, forget_gate, _, output_gate = cache.layers[0].gates.transpose(1, 2, 0, 3)   # (B, T, H) each
    return {"input": input_gate, "forget": forget_gate, "output": output_gate}


# --- all of it, five seeds each ---


def run(variant, seed, num_steps=NUM_STEPS):
    """Train a model and return it with everything that the lesson shows of it, as lists and numbers."""
    text = documents(NUM_HELD_OUT, seed=0)
    model, losses = train(variant, seed, num_steps)
    found = {
        "losses": [round(float(loss), 4) for loss in losses[::5]],
        "kept": measured(log_probs(model, text), text),
        "reset": measured(log_probs(model, text, is_kept=False), text),
        "gradients": [float(f"{norm:.4g}")
                      for norm in gradients_by_distance(model, first_answers(text), COPY)],
    }
    if variant == "LSTM":
        found |= _inside(model, text)
    return model, found


def _inside(model, text):
    """Return what is measured inside a trained LSTM."""
    best = carriers(model, text)
    others = np.setdiff1d(np.arange(32), best)
    forget = gates_of(model, first_answers(text).input_ids)["forget"][:, 2 * SENTENCE:COPY]  # of the answer
    return {
        "exchanged": {"h": exchanged(model, text, hidden=True), "c": exchanged(model, text, cell=True),
                      "nothing": exchanged(model, text)},
        "flattened": {"carriers": flattened(model, text, best),
                      "six others": flattened(model, text, others[::4][:NUM_CARRIERS])},
        "forget": {"carriers": round(float(forget[..., best].mean()), 4),
                   "others": round(float(forget[..., others].mean()), 4)},
    }
