"""The experiments of lesson 07: recall by distance, time by length, translation, and what its maps mean."""

import time
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import minibert
from minibert.generation import generate
from minibert.layers import CrossEntropy, Embedding, Linear, MultiHeadAttention, SinusoidalPositions
from minibert.layers.attention import MultiHeadAttentionCache
from minibert.layers.base import Layer, describe_cache
from minibert.layers.cross_entropy import CrossEntropyCache
from minibert.layers.embedding import EmbeddingCache
from minibert.layers.linear import LinearCache
from minibert.layers.lstm import LSTM, LSTMCache
from minibert.models.transformer import Decoder, Encoder
from minibert.objectives.translation import TranslationObjective, TranslationRecipe
from minibert.text.toy import TOY
from minibert.text.toy.rewriting import ToyRewriting
from minibert.training.optimizers import clip_gradients
from minibert.training.schedules import linear_schedule
from minibert.training.step import Training

SEEDS = range(5)

# --- recall: a list of words is read, and then each place is asked for ---

NUM_WORDS, NUM_PLACES = 8, 16
RECALL_STEPS, RECALL_BATCH, RECALL_RATE = 600, 32, 0.01
# name: H, whether an LSTM reads the list, whether attention answers
READERS = {
    "LSTM": (32, True, False),
    "LSTM and attention": (32, True, True),
    "attention": (32, False, True),
}


class RecallCache(NamedTuple):
    word: EmbeddingCache
    place: EmbeddingCache
    question: EmbeddingCache
    lstm: list | LSTMCache | None  # of the list and of the questions; of the list alone; did not run
    attention: MultiHeadAttentionCache | None
    classifier: LinearCache
    logits: np.ndarray  # (B, T, V) of the word at each place
    loss: CrossEntropyCache
    __repr__ = describe_cache


class Recall(Layer):
    """Reads a list of words, and is asked which word was at each place; one of READERS.

    All read the sums of a vector of the word and one of its place. An LSTM alone reads a question as one step
    more, from the state after the whole list. With attention the question is a query; keys and values are the
    LSTM's states, or the sums themselves where no LSTM runs.
    """

    def __init__(self, name, seed):
        size, has_lstm, has_attention = READERS[name]
        rng = np.random.default_rng(seed)
        self.word = Embedding(NUM_WORDS, size, rng=rng, initializer_range=0.5)
        self.place = Embedding(NUM_PLACES, size, rng=rng, initializer_range=0.5)
        self.question = Embedding(NUM_PLACES, size, rng=rng, initializer_range=0.5)
        if has_lstm:
            self.lstm = LSTM(size, size, rng=rng)
            self.lstm.bias_ih.value[size:2 * size] = 2              # the forget gates begin open (lesson 03)
        if has_attention:
            self.attention = MultiHeadAttention(size, 1, rng=rng, initializer_range=size**-0.5)
        self.classifier = Linear(size, NUM_WORDS, rng=rng, initializer_range=size**-0.5)
        self.loss = CrossEntropy()

    def forward(self, ids):
        """ids (B, T), the list → the mean loss over all places, cache."""
        places = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)                # (B, T)
        word, word_cache = self.word.forward(ids)                                   # (B, T, H)
        place, place_cache = self.place.forward(places)                             # (B, T, H)
        question, question_cache = self.question.forward(places)                    # (B, T, H)
        read, lstm_cache, attention_cache = word + place, None, None
        if hasattr(self, "lstm"):
            (read, state), lstm_cache = self.lstm.forward(word + place)             # (B, T, H)
        if hasattr(self, "attention"):
            found, attention_cache = self.attention.forward(question, read)         # (B, T, H)
        else:
            each = tuple(part.repeat(ids.shape[1], axis=0) for part in state)       # (B·T, H) each
            steps = question.reshape(-1, 1, question.shape[-1])                     # (B·T, 1, H)
            (answers, _), answers_cache = self.lstm.forward(steps, each)
            found, lstm_cache = answers.reshape(question.shape), [lstm_cache, answers_cache]
        logits, classifier_cache = self.classifier.forward(found)                   # (B, T, V)
        loss, loss_cache = self.loss.forward(logits, ids)
        cache = RecallCache(
            word=word_cache, place=place_cache, question=question_cache, lstm=lstm_cache,
            attention=attention_cache, classifier=classifier_cache, logits=logits, loss=loss_cache)
        return loss, cache

    def backward(self, d_loss, cache):
        """Add the gradient of d_loss, a number, to every gradient."""
        d_logits, _ = self.loss.backward(d_loss, cache.loss)                         # (B, T, V)
        d_found = self.classifier.backward(d_logits, cache.classifier)              # (B, T, H)
        if cache.attention is not None:
            d_question, d_read = self.attention.backward(d_found, cache.attention)  # (B, T, H) each
            d_state = None
        else:
            list_cache, answers_cache = cache.lstm
            d_answers = d_found.reshape(-1, 1, d_found.shape[-1])                   # (B·T, 1, H)
            d_steps, d_each = self.lstm.backward((d_answers, None), answers_cache)
            d_question, d_read = d_steps.reshape(d_found.shape), np.zeros_like(d_found)
            d_state = tuple(part.reshape(d_found.shape).sum(axis=1) for part in d_each)  # (B, H): T uses
        if cache.lstm is not None:
            list_cache = cache.lstm if cache.attention is not None else cache.lstm[0]
            d_read, _ = self.lstm.backward((d_read, d_state), list_cache)           # (B, T, H)
        self.question.backward(d_question, cache.question)
        self.place.backward(d_read, cache.place)
        self.word.backward(d_read, cache.word)


def recall_run(name, seed, num_steps=RECALL_STEPS):
    """Train one of READERS; return its accuracy at each place on new lists, (T,), the first place first."""
    model, rng = Recall(name, seed), np.random.default_rng([seed, 1])
    optimizer = minibert.AdamW(model.parameters(), weight_decay=0)
    for step in range(num_steps):
        _, cache = model.forward(lists(RECALL_BATCH, rng))
        model.zero_grad()
        model.backward(1.0, cache)
        clip_gradients(model.parameters(), 1.0)
        optimizer.lr = linear_schedule(step, num_steps, num_steps // 20, RECALL_RATE)
        optimizer.step()
    held_out = lists(512, np.random.default_rng([seed, 2]))
    _, cache = model.forward(held_out)
    return (cache.logits.argmax(axis=-1) == held_out).mean(axis=0)


def lists(number, rng):
    """Return `number` lists of words, each drawn alone: (number, T)."""
    return rng.integers(0, NUM_WORDS, (number, NUM_PLACES))


# --- time by length ---

LENGTHS = [16, 32, 64, 128, 256, 512]
BATCHES = [1, 16]
TIME_SIZE = 64


def seconds(layer, x, d_y):
    """Return the processor time of one forward and backward pass of an LSTM or of self-attention."""
    start = time.process_time()
    _, cache = layer.forward(x)
    layer.backward((d_y, None) if isinstance(layer, LSTM) else d_y, cache)
    return time.process_time() - start


def time_ratios(batch_size, lengths=LENGTHS, num_rounds=9):
    """Return seconds of attention / seconds of an LSTM, (rounds, lengths): the two take turns in each round.

    Both have H = 64, attention four heads; one thread.
    """
    rng, found = np.random.default_rng(0), []
    lstm, attention = LSTM(TIME_SIZE, TIME_SIZE), MultiHeadAttention(TIME_SIZE, 4)
    with threadpool_limits(1, "blas"):
        for length in lengths:
            x, d_y = rng.standard_normal((2, batch_size, length, TIME_SIZE), np.float32)
            rounds = [(seconds(attention, x, d_y), seconds(lstm, x, d_y)) for _ in range(num_rounds + 2)]
            found.append([ours / max(theirs, 1e-9) for ours, theirs in rounds[2:]])
    return np.array(found).T


# --- translation: the toy language's sentences, rewritten ---

NUM_STEPS = 300
EVALUATED = range(25, NUM_STEPS + 1, 25)  # steps
KINDS = ("full", "no mixing", "every second place")
SHIFTS = (0, 1, 2, 4, 8, 16)
DRAWN = 5  # row of the pair whose map is drawn


class UnmixedEncoder(Encoder):
    """The same encoder, in which each token sees itself alone: no word learns of another."""

    def __init__(self, encoder):
        self.config, self.layers = encoder.config, encoder.layers

    def forward(self, embedded, source_mask=None, rng=None):
        """As of Encoder; the mask is the diagonal."""
        return super().forward(embedded, np.eye(embedded.shape[1], dtype=bool), rng)


class HalfSeeingDecoder(Decoder):
    """The same decoder, which may look at every second place of the source alone: 0, 2, 4 ..."""

    def __init__(self, decoder):
        self.config, self.layers = decoder.config, decoder.layers

    def forward(self, embedded, encoded, mask=None, source_mask=None, rng=None, state=None):
        """As of Decoder; the odd places of the source are hidden."""
        num_places = encoded.shape[1] if state is None else state[0][1][0].shape[2]
        even = np.arange(num_places) % 2 == 0                                       # (S,)
        may_look = even if source_mask is None else source_mask & even
        return super().forward(embedded, encoded, mask, may_look, rng, state)


def limited(model, kind):
    """Return a Transformer in which what KINDS names is forbidden; its weights stay as they are."""
    if kind == "no mixing":
        model.encoder = UnmixedEncoder(model.encoder)
    elif kind == "every second place":
        model.decoder = HalfSeeingDecoder(model.decoder)
    return model


class Translating(TranslationObjective):
    """`minibert pretrain --model transformer --corpus toy --steps 300`, or with less to see.

    Args:
        kind: one of KINDS.  seed: of the run.
    """

    def __init__(self, kind, seed):
        recipe = TranslationRecipe.of(["toy"], num_steps=NUM_STEPS, seed=seed)
        super().__init__(recipe, say=lambda line: None)
        self.kind = kind

    def make_model(self):
        """Return a new model."""
        return limited(super().make_model(), self.kind)


def train(kind, seed, stop=NUM_STEPS, evaluated=()):
    """Train as far as step `stop`; return the model and [(step, token accuracy, exact match), ...]."""
    run, curve = Training(Translating(kind, seed)), []
    batches = held_out(4)
    for step in range(stop):
        run.step(step)
        if step + 1 in evaluated:
            curve.append((step + 1, *scores(run.model, batches)))
    return run.model, curve


class Sentences(NamedTuple):
    """Held-out pairs: a TranslationBatch, and where each word of a target is in its source, -1 if unknown."""

    batch: NamedTuple
    places: np.ndarray  # (B, T)


def held_out(number=None):
    """Return `number` of the 16 batches of 128 held-out pairs, spread over their lengths; None: all."""
    examples = ToyRewriting(TOY, TOY.tokenizer())
    plans, *_ = examples.held_out_pairs()
    streams, start, found = examples.held_out(128), 0, []
    for [batch] in streams:
        places = examples.alignments[TOY.template[plans[start:start + len(batch.labels)]]]  # (B, L')
        wide = np.full(batch.labels.shape, -1)
        wide[:, :places.shape[1]] = places[:, :wide.shape[1]]
        found.append(Sentences(batch, np.where(batch.labels >= 0, wide, -1)))
        start += len(batch.labels)
    return found if number is None else found[len(found) // number // 2::len(found) // number]


def scores(model, sentences, **choice):
    """Return (accuracy of the next token, exact match) of a model on a list of Sentences.

    Args:
        choice: as in minibert.generate; none is greedy.
    """
    right, exact = [], []
    for batch, _ in sentences:
        is_asked = batch.labels >= 0
        output, _ = model.forward(batch.source_ids, batch.target_ids, batch.source_mask)
        right.append((output.logits.argmax(axis=-1) == batch.labels)[is_asked])
        exact.append(is_whole(translated(model, batch, **choice), batch))
    return float(np.concatenate(right).mean()), float(np.concatenate(exact).mean())


def is_whole(ids, batch):
    """Return which translations have no mistake and end where they should: bool (B,)."""
    return ((ids == batch.labels) | (batch.labels < 0)).all(axis=1)


def translated(model, batch, **choice):
    """Return the ids that a model writes, of the shape of the labels; -1 where it wrote fewer."""
    ids = generate(
        model, batch.source_ids, batch.source_mask, max_new_tokens=batch.labels.shape[1],
        eos_token_id=TOY.tokenizer().sep_token_id, **choice)[:, 1:]
    return np.pad(ids, [(0, 0), (0, batch.labels.shape[1] - ids.shape[1])], constant_values=-1)


def text_of(ids):
    """Return the words of ids up to [SEP], without [PAD] and [CLS]."""
    tokenizer = TOY.tokenizer()
    words = [tokenizer.id_to_token[number] for number in ids if number >= 0]
    end = words.index("[SEP]") if "[SEP]" in words else len(words)
    return " ".join(word for word in words[:end] if word not in ("[PAD]", "[CLS]"))


def ids_of(sentence):
    """Return the ids of a sentence, (1, S)."""
    return np.array([[TOY.tokenizer().vocab[word] for word in sentence.split()]])


# --- positions ---


class ShiftedPositions(SinusoidalPositions):
    """The waves of later places: all positions + shift."""

    def __init__(self, hidden_size, shift):
        self.hidden_size, self.shift = hidden_size, shift

    def forward(self, x, positions):
        """As of SinusoidalPositions."""
        return super().forward(x, positions + self.shift)


def shifted(model, shift):
    """Return a model that believes its texts begin at position `shift`; the weights are shared."""
    other = model.replica()
    other.embeddings.position = ShiftedPositions(model.config.hidden_size, shift)
    return other


# --- is attention alignment? ---


def cross_maps(model, batch):
    """Return the probabilities of cross-attention, (layers, B, A, T, S)."""
    _, cache = model.forward(batch.source_ids, batch.target_ids, batch.source_mask)
    return np.stack([layer.cross_attention.probs for layer in cache.decoder.layers])


def drawn_sentence():
    """Return the Sentences of one pair, which the lesson draws."""
    [sentences] = held_out(1)
    batch = type(sentences.batch)(*(part[DRAWN:DRAWN + 1] for part in sentences.batch))
    return Sentences(batch, sentences.places[DRAWN:DRAWN + 1])


def drawn_map(model):
    """Return the cross-attention of the last layer for the drawn sentence, a mean over the heads, (T, S)."""
    return cross_maps(model, drawn_sentence().batch)[-1, 0].mean(axis=0)


def looks_at(model, sentences):
    """Return how often a head looks most at the word that is copied next: (layers, A), over aligned words."""
    found = []
    for batch, places in sentences:
        looked = cross_maps(model, batch).argmax(axis=-1)                       # (layers, B, A, T)
        right = looked == places[:, np.newaxis]
        found.append(np.moveaxis(right, 2, -1)[:, places >= 0])                 # (layers, M, A)
    return np.concatenate(found, axis=1).mean(axis=1)


def copied_from(model, sentences, remainder):
    """Return the accuracy on words copied from the even (remainder 0) or the odd places (1) of the source."""
    right = []
    for batch, places in sentences:
        output, _ = model.forward(batch.source_ids, batch.target_ids, batch.source_mask)
        asked = (places >= 0) & (places % 2 == remainder)
        right.append((output.logits.argmax(axis=-1) == batch.labels)[asked])
    return float(np.concatenate(right).mean())


def hidden_from_decoder(model, sentences, which="aligned", seed=0):
    """Return the accuracy on copied words if the decoder cannot look at one place of the source.

    The encoder has read it. The place is that of the word that is to be copied, or another word's.

    Args:
        which: "aligned", "another", or "none".
    """
    right, rng = [], np.random.default_rng(seed)
    for batch, places in sentences:
        source_mask = batch.source_mask.astype(bool)                            # (B, S)
        read, _ = model.embeddings.forward(batch.source_ids, np.arange(source_mask.shape[1]))
        encoded, _ = model.encoder.forward(read, source_mask[:, np.newaxis, np.newaxis])
        written, _ = model.embeddings.forward(batch.target_ids, np.arange(places.shape[1]))
        for column in range(places.shape[1]):
            rows = np.flatnonzero(places[:, column] >= 0)
            if not len(rows):
                continue
            hidden, lengths = places[rows, column], source_mask[rows].sum(axis=1)
            if which == "another":
                hidden = (hidden + rng.integers(1, lengths)) % lengths
            may_look = source_mask[rows]
            if which != "none":
                may_look[np.arange(len(rows)), hidden] = False
            decoded, _ = model.decoder.forward(
                written[rows], encoded[rows], np.tri(places.shape[1], dtype=bool),
                may_look[:, np.newaxis, np.newaxis])
            logits, _ = model.output.forward(decoded[:, column])                # (M, V)
            right.append(logits.argmax(axis=-1) == batch.labels[rows, column])
    return float(np.concatenate(right).mean())


# --- all of it, five seeds each ---


def recalls(seeds=SEEDS, say=print):
    """Return {name of READERS: (seeds, T), accuracy by place}."""
    results = {}
    for name in READERS:
        results[name] = [_rounded(recall_run(name, seed)) for seed in seeds]
        say(f"{name}: {np.mean(results[name]):.3f}")
    return results


def times():
    """Return {batch size: (rounds, lengths)} of time_ratios."""
    return {str(batch_size): [_rounded(row) for row in time_ratios(batch_size)] for batch_size in BATCHES}


def translation_run(kind, seed):
    """Return a trained model, and what is measured of it, as numbers and lists."""
    model, curve = train(kind, seed, evaluated=EVALUATED if kind == "full" else ())
    some = held_out(4)
    accuracy, exact = scores(model, held_out())
    found = {
        "curve": [_rounded(line) for line in curve], "accuracy": round(accuracy, 4), "exact": round(exact, 4),
        "looks": [_rounded(layer) for layer in looks_at(model, some)],
        "map": [_rounded(row) for row in drawn_map(model)],
        "copied": [round(copied_from(model, some, remainder), 4) for remainder in (0, 1)],
    }
    if kind != "every second place":
        found["hidden"] = {
            which: round(hidden_from_decoder(model, some, which), 4) for which in ("another", "aligned")
        }
    if kind == "full":
        found["shifted"] = _rounded(scores(shifted(model, shift), some)[1] for shift in SHIFTS)
    return model, found


def _rounded(values):
    return [round(float(value), 4) for value in values]
