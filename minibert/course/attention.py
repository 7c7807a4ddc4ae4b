"""The experiments of lesson 05: what an average cannot do, and what each part of attention is for."""

from typing import NamedTuple

import numpy as np

import minibert
from minibert.gradcheck import museum
from minibert.gradcheck.museum.exhibit import changed
from minibert.layers import CrossEntropy, Embedding, Linear, MultiHeadAttention
from minibert.layers.attention import MultiHeadAttentionCache
from minibert.layers.base import Layer, describe_cache
from minibert.layers.cross_entropy import CrossEntropyCache
from minibert.layers.embedding import EmbeddingCache
from minibert.layers.linear import LinearCache
from minibert.layers.softmax import softmax

# The first three hints of a word say nature, the others money.
HINTS = {
    "bank": ["river", "shore", "mud", "loan", "cash", "vault"],
    "bill": ["duck", "goose", "feather", "tax", "fee", "price"],
}
TEMPLATES = [
    "the {} and the {} near the {word}",
    "this {word} had one {} and one {}",
    "one {word} was near the {} and {}",
]
HELD_OUT = 2  # of the nine pairs of hints that agree, or disagree, in the same way

NUM_WORDS, NUM_TOKENS = 16, 6  # of the sentences in which each token is asked for its neighbours


class Sentences(NamedTuple):
    """All sentences of the language of *bank* and *bill*."""

    texts: list  # N lists of T words
    ids: np.ndarray  # (N, T), numbers of words
    places: np.ndarray  # (N,), where bank or bill is
    labels: np.ndarray  # (N,), 0 nature, 1 money
    decisive: np.ndarray  # (N, T), True at the hint that decides
    pairs: np.ndarray  # (N, 2), the numbers of the hints for bank and for bill

    def rows(self, chosen):
        """Return the arguments of Reader.forward for some of the sentences."""
        return self.ids[chosen], (np.arange(len(chosen)), self.places[chosen]), self.labels[chosen]


class Scores(NamedTuple):
    """How well a Reader knows some sentences: means over them."""

    loss: float
    accuracy: float
    share: float  # of the attention of bank or bill that the deciding hint receives


class Run(NamedTuple):
    """A Reader that was trained, and what was measured on the way."""

    model: Layer
    steps: np.ndarray  # (S,)
    losses: np.ndarray  # (S,), over all sentences
    shares: np.ndarray  # (S,), over all sentences
    held_out: Scores  # at the end, on sentences whose pair of hints was never trained


def vocabulary():
    """Return the words of the language in alphabetical order."""
    words = " ".join(TEMPLATES).replace("{word}", "bank bill").replace("{}", "").split()
    return sorted({*words, *HINTS["bank"], *HINTS["bill"]})


def sentences():
    """Return the 432 Sentences: two words, 36 pairs of hints in both orders, three templates.

    Example:
        >>> language = sentences()
        >>> " ".join(language.texts[18]), int(language.labels[18])
        ('the river and the tax near the bank', 0)
    """
    texts, labels, decisive, pairs = [], [], [], []
    for word, number, other_number in np.ndindex(2, 6, 6):
        asked = list(HINTS)[word]
        hint, other = HINTS["bank"][number], HINTS["bill"][other_number]
        deciding = (hint, other)[word]
        for template in TEMPLATES:
            for order in ((hint, other), (other, hint)):
                texts.append(template.format(*order, word=asked).split())
                labels.append(int((number, other_number)[word] >= 3))
                decisive.append([token == deciding for token in texts[-1]])
                pairs.append((number, other_number))
    number_of = {word: number for number, word in enumerate(vocabulary())}
    ids = np.array([[number_of[word] for word in text] for text in texts])
    places = np.array([[word in HINTS for word in text].index(True) for text in texts])
    return Sentences(texts, ids, places, np.array(labels), np.array(decisive), np.array(pairs))


def split(language, seed):
    """Return the numbers of the training and of the held-out sentences: no pair of hints is in both.

    So no held-out sentence has the words of a training sentence in another order. Of each kind of pair
    (nature or money for bank, nature or money for bill) as many are held out: the limit of an average is
    the same in both parts.

    Returns:
        (N_train,), (N_held_out,).
    """
    rng = np.random.default_rng(seed)
    held_out = np.zeros((6, 6), bool)
    for quadrant in np.ndindex(2, 2):
        for cell in rng.choice(9, HELD_OUT, replace=False):
            held_out[3 * quadrant[0] + cell // 3, 3 * quadrant[1] + cell % 3] = True
    is_held_out = held_out[language.pairs[:, 0], language.pairs[:, 1]]
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


class ReaderCache(NamedTuple):
    embedding: EmbeddingCache
    position: EmbeddingCache | None
    attention: MultiHeadAttentionCache
    classifier: LinearCache
    loss: CrossEntropyCache
    rows: tuple
    y_shape: tuple
    __repr__ = describe_cache


class Reader(Layer):
    """Embedding, one attention, and a linear layer that answers questions about some tokens.

    Args:
        vocab_size, hidden_size, num_heads: V, H, A.
        num_questions, num_classes: K questions about a token, C possible answers to each.
        num_positions: of learned position vectors that are added to the embeddings; 0 for none.
        seed: of all weights.
        attention_range: standard deviation of the weights of attention at the start.
    """

    def __init__(self, vocab_size, hidden_size, num_heads=1, *, num_questions=1, num_classes=2,
                 num_positions=0, seed=0, attention_range=0.1):
        rng = np.random.default_rng(seed)
        self.num_classes = num_classes
        self.embedding = Embedding(vocab_size, hidden_size, rng=rng, initializer_range=1.0)
        self.position = None
        if num_positions:
            self.position = Embedding(num_positions, hidden_size, rng=rng, initializer_range=1.0)
        at_start = {"rng": rng, "initializer_range": attention_range}
        self.attention = MultiHeadAttention(hidden_size, num_heads, **at_start)
        self.classifier = Linear(hidden_size, num_questions * num_classes, rng=rng, initializer_range=0.1)
        self.loss = CrossEntropy()

    def forward(self, ids, rows, labels):
        """Return (loss, logits (N K, C)), cache.

        Args:
            ids: (B, T).
            rows: the numbers of the sentences (N,) and of the tokens (N,) that are asked.
            labels: the right answers, (N,) or (N, K).
        """
        x, embedding_cache = self.embedding.forward(ids)                        # (B, T, H)
        position_cache = None
        if self.position is not None:
            places = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
            positions, position_cache = self.position.forward(places)           # (B, T, H)
            x = x + positions
        y, attention_cache = self.attention.forward(x)                          # (B, T, H)
        answers, classifier_cache = self.classifier.forward(y[rows])            # (N, K C)
        logits = answers.reshape(-1, self.num_classes)                          # (N K, C)
        loss, loss_cache = self.loss.forward(logits, labels.reshape(-1))
        cache = ReaderCache(
            embedding=embedding_cache, position=position_cache, attention=attention_cache,
            classifier=classifier_cache, loss=loss_cache, rows=rows, y_shape=y.shape)
        return (loss, logits), cache

    def backward(self, d_loss, cache):
        """Add to the gradients of all parameters."""
        d_logits, _ = self.loss.backward(d_loss, cache.loss)                    # (N K, C)
        d_answers = d_logits.reshape(len(cache.rows[0]), -1)                    # (N, K C)
        d_chosen = self.classifier.backward(d_answers, cache.classifier)        # (N, H)
        d_y = np.zeros(cache.y_shape, d_chosen.dtype)                           # (B, T, H)
        d_y[cache.rows] = d_chosen                                              # the other rows were not read
        d_x = self.attention.backward(d_y, cache.attention)                     # (B, T, H)
        self.embedding.backward(d_x, cache.embedding)
        if self.position is not None:
            self.position.backward(d_x, cache.position)


def train(model, batch, num_steps, *, lr=0.01, frozen=(), seed=0):
    """Train a Reader with AdamW; yields after each step.

    Args:
        batch: function of a random generator that returns the arguments of forward.
        frozen: beginnings of the names of parameters that keep their values.
    """
    rng = np.random.default_rng(seed)
    learned = {name: p for name, p in model.parameters().items() if not name.startswith(tuple(frozen))}
    optimizer = minibert.AdamW(learned, lr=lr, weight_decay=0)
    for _ in range(num_steps):
        _, cache = model.forward(*batch(rng))
        model.zero_grad()
        model.backward(np.float32(1), cache)
        optimizer.step()
        yield


def judge(model, language, chosen):
    """Return the Scores of a Reader on some sentences."""
    (loss, logits), cache = model.forward(*language.rows(chosen))
    probs = cache.attention.probs.mean(axis=1)                                  # (N, T, T)
    asked = probs[np.arange(len(chosen)), language.places[chosen]]              # (N, T)
    accuracy = (logits.argmax(axis=-1) == language.labels[chosen]).mean()
    share = (asked * language.decisive[chosen]).sum(axis=-1).mean()
    return Scores(float(loss), float(accuracy), float(share))


# --- variants of the reader of bank and bill ---


@changed("forward", ours="scale = 1 / math.sqrt(query_heads.shape[-1])", theirs="scale = 1.0")
@changed("backward", ours="scale = 1 / math.sqrt(query_heads.shape[-1])", theirs="scale = 1.0")
class Undivided(MultiHeadAttention):
    """Attention without the division by √D."""


def set_to_identity(*layers):
    """Make linear layers hand on what they are given."""
    for layer in layers:
        layer.weight.value[...] = np.eye(len(layer.weight.value))
        layer.bias.value[...] = 0


def without_scores(model):
    """All weights of the average are equal."""
    for layer in (model.attention.query, model.attention.key):
        layer.weight.value[...] = 0
    return model


def x_with_x(model):
    """No projections: words are compared and averaged as they are."""
    attention = model.attention
    set_to_identity(attention.query, attention.key, attention.value, attention.output)
    return model


def unchanged(model):
    return model


def transposed_key(model):
    return museum.plant(model, "transposed-key")


# name: what is done to the fresh model, and which parameters are not trained
VARIANTS = {
    "average": (without_scores, ("attention.query", "attention.key")),
    "attention": (unchanged, ()),
    "x with x": (x_with_x, ("attention",)),
    "attention, fixed words": (unchanged, ("embedding",)),
    "x with x, fixed words": (x_with_x, ("embedding", "attention")),
    "transposed key": (transposed_key, ()),
    "key never trained": (unchanged, ("attention.key",)),
}


def read(language, variant, seed, num_steps=150, every=10):
    """Train one of the VARIANTS on the training part of the sentences and return the Run."""
    change, frozen = VARIANTS[variant]
    model = change(Reader(len(vocabulary()), 16, seed=seed))
    return _run(model, language, frozen, seed, num_steps, every, lr=0.01)


# name: is the score divided by √D, and by what is the query's weight divided at the start
SCALES = {
    "divided": (True, 1),
    "not divided": (False, 1),
    "not divided, smaller start": (False, 8),
}


def read_with_scale(language, scale, seed, num_steps=100):
    """Train a reader with D = 64 whose queries and keys have entries of size one at the start.

    Args:
        scale: one of SCALES.
    """
    is_divided, smaller = SCALES[scale]
    model = Reader(len(vocabulary()), 64, seed=seed, attention_range=1 / 8)
    model.attention.query.weight.value /= smaller
    if not is_divided:
        model.attention.__class__ = Undivided
    return _run(model, language, (), seed, num_steps, every=num_steps, lr=0.003)


def _run(model, language, frozen, seed, num_steps, every, lr):
    training, held_out = split(language, seed)
    everything = np.arange(len(language.labels))

    def batch(rng):
        return language.rows(rng.choice(training, 32))

    log = [(0, judge(model, language, everything))]
    for step, _ in enumerate(train(model, batch, num_steps, lr=lr, frozen=frozen, seed=seed), start=1):
        if step % every == 0:
            log.append((step, judge(model, language, everything)))
    steps, scores = zip(*log)
    losses, _, shares = np.array(scores).T
    return Run(model, np.array(steps), losses, shares, judge(model, language, held_out))


def asking_row(model, text):
    """Return the words of a text, the place of bank or bill, and what it looks at (T,)."""
    words, known = text.split(), vocabulary()
    ids = np.array([[known.index(word) for word in words]])                     # (1, T)
    x, _ = model.embedding.forward(ids)                                         # (1, T, H)
    [place] = [place for place, word in enumerate(words) if word in HINTS]
    _, cache = model.attention.forward(x)
    return words, place, cache.probs[0, 0, place]


# --- the division by √D, before training ---


def spread(scores):
    """Return the mean entropy of the rows' softmax, and the mean of Σ p (1 − p): the gradient let through."""
    probs = softmax(scores)
    entropy = -(probs * np.log(np.maximum(probs, 1e-300))).sum(axis=-1)
    return entropy.mean(), (probs * (1 - probs)).sum(axis=-1).mean()


def spreads_by_size(sizes, num_keys=32, seeds=range(5)):
    """Return {"divided by √D", "not divided": (seeds, sizes, 2)}: the spread of random queries and keys."""
    divided, raw = np.zeros((2, len(seeds), len(sizes), 2))
    for row, seed in enumerate(seeds):
        for column, size in enumerate(sizes):
            rng = np.random.default_rng([seed, size])
            queries = rng.standard_normal((200, 1, size))
            keys = rng.standard_normal((200, num_keys, size))
            products = (queries * keys).sum(axis=-1)                            # (200, T)
            divided[row, column] = spread(products / np.sqrt(size))
            raw[row, column] = spread(products)
    return {"divided by √D": divided, "not divided": raw}


def entropies_at_the_start_of_bert(num_keys=32, seeds=range(5)):
    """Return (seeds, 2): divided by √64 or not, for the fresh weights of BERT-base and a normalised input."""
    entropies = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((20, num_keys, 768))                            # as behind a LayerNorm
        queries, keys = (x @ rng.normal(0, 0.02, (768, 64)) for _ in range(2))
        products = queries @ keys.swapaxes(1, 2)                                # (20, T, T)
        entropies.append((spread(products / 8)[0], spread(products)[0]))
    return np.array(entropies)


# --- the transposed key, step by step ---

STEPS = [
    "d_weighted_value", "d_value_heads", "d_probs", "d_scores", "d_query_heads", "d_key_heads",
    "query.d_x", "key.d_x", "value.d_x",
]


def errors_of_steps():
    """Return {"ours" and "that line": {step: error}}: what the gradient check measures of attention."""
    x = np.random.default_rng(0).standard_normal((2, 5, 6))                     # (B, T, H)
    ours = MultiHeadAttention(6, 2, initializer_range=0.5, dtype=np.float64)
    errors = {}
    for name, layer in (("ours", ours), ("that line", transposed_key(ours))):
        report = minibert.check_gradients(layer, x, intermediates=True)
        by_step = {row.name: row.error for row in report.steps}
        errors[name] = {step: by_step[step] for step in STEPS}
    return errors


# --- two neighbours ---


def neighbour_batch(rng, batch_size=64, held_out=False):
    """Return sentences of random words; each inner token is asked for the word before and the word after.

    The numbers of the words of a held-out sentence sum to a multiple of four, of a training sentence never:
    no held-out sentence has the words of a training sentence.
    """
    ids = rng.integers(NUM_WORDS, size=(8 * batch_size, NUM_TOKENS))
    ids = ids[(ids.sum(axis=1) % 4 == 0) == held_out][:batch_size]
    sentence, token = np.indices((len(ids), NUM_TOKENS - 2)).reshape(2, -1)
    labels = np.stack([ids[sentence, token], ids[sentence, token + 2]], axis=-1)    # (N, 2)
    return ids, (sentence, token + 1), labels


def neighbours(num_heads, hidden_size, seed, num_steps=250):
    """Return how often the word before and the word after are known, on held-out sentences."""
    model = Reader(NUM_WORDS, hidden_size, num_heads, num_questions=2, num_classes=NUM_WORDS,
                   num_positions=NUM_TOKENS, seed=seed)
    for _ in train(model, neighbour_batch, num_steps, seed=seed):
        pass
    ids, rows, labels = neighbour_batch(np.random.default_rng(1000), 500, held_out=True)
    (_, logits), _ = model.forward(ids, rows, labels)
    return (logits.argmax(axis=-1).reshape(labels.shape) == labels).mean(axis=0)


# --- all of it, five seeds each ---


def experiments(seeds=range(5)):
    """Return the results that the lesson shows and that take too long for it, as lists.

    Returns:
        {"readers": {variant: {"losses" (seeds, S), "shares" (seeds, S), "held_out" (seeds, 3)}},
        "scales": the same with the names of SCALES, "heads": {"A, H": (seeds, 2)}}.
    """
    language = sentences()
    readers = {name: _as_lists([read(language, name, seed) for seed in seeds]) for name in VARIANTS}
    scales = {name: _as_lists([read_with_scale(language, name, seed) for seed in seeds]) for name in SCALES}
    heads = {
        f"{num_heads}, {hidden_size}": [_rounded(neighbours(num_heads, hidden_size, seed)) for seed in seeds]
        for num_heads, hidden_size in ((1, 16), (2, 16), (1, 32))
    }
    return {"readers": readers, "scales": scales, "heads": heads}


def _as_lists(runs):
    return {
        "losses": [_rounded(run.losses) for run in runs],
        "shares": [_rounded(run.shares) for run in runs],
        "held_out": [_rounded(run.held_out) for run in runs],
    }


def _rounded(values):
    return [round(float(value), 4) for value in values]
