"""Text from a model that predicts the next token: the likeliest token, a random one, or beams.

A model says what it writes by its attribute `generates`.

"continuation": the LSTM language model, GPT, GPT-2. It is called as forward(input_ids, state=None) and
returns output.logits (B, T, V) and output.state. The logits at t foresee the token after it from those up to
it. The prompt is read once; then each step reads one token and the state of those before it.

"translation": the Transformer. Its prompt is the source, which is encoded once, and it writes a text of its
own.
"""

import inspect
import math

import numpy as np

from minibert.layers.softmax import softmax


def generate(
    model, input_ids, attention_mask=None, max_new_tokens=50, temperature=1.0, top_k=None, top_p=None,
    num_beams=1, do_sample=False, eos_token_id=None, seed=0, length_penalty=0.0,
):
    """Go on with each sequence of a batch; return (B, T + n) ids, the prompts included.

    Of a Transformer, translate each sequence; return (B, 1 + n) ids: model.config.bos_token_id, which begins
    a text, and the translation. (So it is in transformers.)

    Args:
        model: any that predicts the next token, hands on its state, and says what it `generates`.
        input_ids: (B, T) integers.
        attention_mask: (B, T), 1 for tokens and 0 for padding, which is on the left (of a Transformer's
            source on the right); None: no padding.
        max_new_tokens: n is at most that, and less if every sequence has ended before.
        temperature, top_k, top_p: of random tokens; see next_probs.
        num_beams: see below; 1 for none.
        do_sample: draw each token at random; otherwise take the likeliest, of equal ones the first.
        eos_token_id: the token that ends a sequence. What follows it is the model's pad_token_id, or this
            token where the model has none. None: a sequence never ends.
        seed: of the random draws: the same seed, the same text.
        length_penalty: α of the beams' score; 0 for none.

    Beams: of all continuations of the `num_beams` best sequences so far, the `num_beams` best are kept, and
    at last the best is returned. A sequence that has ended keeps its place. "Best" is the highest

        log p(new tokens) / ((5 + number of new tokens) / 6)^α                     (Wu et al. 2016, section 7)

    With α = 0 this is the likeliest sequence, which the search finds for sure only if num_beams is as large
    as the number of all sequences. (transformers divides by the number of tokens to the power α, with α = 1.)

    Raises:
        ValueError: an argument is out of its range, padding is on the right, or prompt and new tokens are
            more than the model can read.
    """
    if num_beams < 1:
        raise ValueError(f"num_beams must be 1 or more, got {num_beams}")
    if num_beams == 1:
        chosen = stream(
            model, input_ids, attention_mask, max_new_tokens, temperature, top_k, top_p, do_sample,
            eos_token_id, seed,
        )
        prompt = _reader(model, input_ids).prompt
        return np.concatenate([prompt, *(tokens[:, np.newaxis] for tokens in chosen)], axis=1)
    if do_sample or (temperature, top_k, top_p) != (1.0, None, None):
        raise ValueError(
            "num_beams looks for the likeliest text, and do_sample, temperature, top_k and top_p are for "
            "random text: give one or the other"
        )
    reader, attention_mask = _checked(model, input_ids, attention_mask, max_new_tokens)
    return _beams(reader, attention_mask, max_new_tokens, num_beams, eos_token_id, length_penalty)


def stream(
    model, input_ids, attention_mask=None, max_new_tokens=50, temperature=1.0, top_k=None, top_p=None,
    do_sample=False, eos_token_id=None, seed=0,
):
    """Return an iterator over the next token of each sequence, (B,), which gives it as soon as it is chosen.

    The arguments are generate's. ValueError at once where they do not fit.
    """
    if not do_sample and (temperature, top_k, top_p) != (1.0, None, None):
        raise ValueError(
            "temperature, top_k and top_p are for random tokens: give do_sample=True, or leave them out"
        )
    check_choice(temperature, top_k, top_p)
    reader, mask = _checked(model, input_ids, attention_mask, max_new_tokens)
    rng = np.random.default_rng(seed)

    def choose(logits):
        if not do_sample:
            return logits.argmax(axis=1)                                            # (B,)
        return sample(next_probs(logits, temperature, top_k, top_p), rng)           # (B,)

    return _tokens(reader, mask, max_new_tokens, choose, eos_token_id)


def _tokens(reader, mask, max_new_tokens, choose, eos_token_id):
    """Yield the next token of each sequence, (B,), that `choose` takes for logits (B, V)."""
    pad = _pad_of(reader.model, eos_token_id)
    new, state = reader.prompt, None
    has_ended = np.zeros(len(new), bool)
    for _ in range(max_new_tokens):
        logits, state = reader(new, mask, state)                                    # (B, V)
        tokens = choose(logits)                                                     # (B,)
        if eos_token_id is not None:
            tokens = np.where(has_ended, pad, tokens)
            has_ended |= tokens == eos_token_id
        yield tokens
        if has_ended.all():
            return
        new = tokens[:, np.newaxis]                                                 # (B, 1)
        mask = reader.longer(mask)


# --- the distribution that a token is drawn from ---


def next_probs(logits, temperature=1.0, top_k=None, top_p=None):
    """Return the probabilities that a random token is drawn with: (B, V), float64.

    Args:
        logits: (B, V).
        temperature: logits are divided by it: below 1 the likely tokens become likelier.
        top_k: keep the k likeliest tokens, and those as likely as the last of them.
        top_p: of these, keep the fewest likeliest tokens whose probabilities add up to p at least: the token
            that crosses p is kept, and so there is always one (Holtzman et al. 2020).

    The order is that of transformers. What is kept is scaled to a sum of 1.
    """
    check_choice(temperature, top_k, top_p)
    scores = np.asarray(logits, np.float64) / temperature                   # (B, V)
    if top_k is not None and top_k < scores.shape[1]:
        least = np.partition(scores, -top_k, axis=1)[:, -top_k, np.newaxis]  # (B, 1): the k-th largest
        scores = np.where(scores < least, -np.inf, scores)
    probs = softmax(scores)                                                 # (B, V)
    if top_p is not None and top_p < 1:
        order = np.argsort(-probs, axis=1, kind="stable")                   # (B, V): the likeliest first
        in_order = np.take_along_axis(probs, order, axis=1)
        before = in_order.cumsum(axis=1) - in_order                         # of those that are likelier
        kept = np.where(before < top_p, in_order, 0)
        np.put_along_axis(probs, order, kept, axis=1)
        probs = probs / probs.sum(axis=1, keepdims=True)
    return probs


def sample(probs, rng):
    """Draw a column of each row of probs (B, V) by its probability: (B,)."""
    cumulative = probs.cumsum(axis=1)                                       # (B, V)
    draws = rng.random(len(probs)) * cumulative[:, -1]                      # (B,)
    return (cumulative <= draws[:, np.newaxis]).sum(axis=1)


def check_choice(temperature, top_k, top_p):
    """Raise ValueError where one of the three is out of its range."""
    if not 0 < temperature < math.inf:
        raise ValueError(
            f"temperature must be above 0, got {temperature}; for the likeliest tokens give do_sample=False"
        )
    if top_k is not None and (isinstance(top_k, bool) or top_k != int(top_k) or top_k < 1):
        raise ValueError(f"top_k must be a whole number of 1 or more, or None for all tokens, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, or None for all tokens, got {top_p}")


# --- beams ---


def _beams(reader, mask, max_new_tokens, num_beams, eos_token_id, length_penalty):
    """Return (B, T + n) ids. Beams are rows: those of sequence b are b·K to (b + 1)·K."""
    batch_size, pad = len(reader.prompt), _pad_of(reader.model, eos_token_id)
    tokens, state, new = reader.prompt, None, reader.prompt
    scores = np.zeros((batch_size, 1))                                      # (B, K): log p of the new tokens
    lengths, has_ended = np.zeros((batch_size, 1), int), np.zeros((batch_size, 1), bool)
    for _ in range(max_new_tokens):
        logits, state = reader(new, mask, state)                            # (B·K, V)
        log_probs = _log_softmax(logits).reshape(*scores.shape, -1)         # (B, K, V)
        vocab_size, at_the_end = log_probs.shape[2], has_ended[:, :, np.newaxis]
        only_pad = np.where(np.arange(vocab_size) == pad, 0, -np.inf)   # after the end: one way on
        continued = scores[:, :, np.newaxis] + np.where(at_the_end, only_pad, log_probs)    # (B, K, V)
        new_lengths = lengths + ~has_ended                                  # (B, K)
        ranks = continued / (((5 + new_lengths) / 6) ** length_penalty)[:, :, np.newaxis]
        kept = min(num_beams, continued[0].size)
        best = np.argsort(-ranks.reshape(batch_size, -1), axis=1, kind="stable")[:, :kept]  # (B, K)
        parents, chosen = best // vocab_size, best % vocab_size             # (B, K)
        rows = (np.arange(batch_size)[:, np.newaxis] * scores.shape[1] + parents).reshape(-1)   # (B·K,)
        scores = np.take_along_axis(continued.reshape(batch_size, -1), best, axis=1)
        lengths = np.take_along_axis(new_lengths, parents, axis=1)
        has_ended = np.take_along_axis(has_ended, parents, axis=1) | (chosen == eos_token_id)
        new = chosen.reshape(-1, 1)                                         # (B·K, 1)
        tokens = np.concatenate([tokens[rows], new], axis=1)                # (B·K, T + n)
        state = _rows_of(state, rows)
        mask = reader.longer(None if mask is None else mask[rows])
        if has_ended.all() or (length_penalty == 0 and has_ended[:, 0].all()):
            break  # log p only falls: no other sequence overtakes a best one that has ended
    return tokens[:: scores.shape[1]]


def _log_softmax(logits):
    shifted = np.asarray(logits, np.float64)
    shifted = shifted - shifted.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _rows_of(state, rows):
    """Return a state with those rows of the batch; arrays in tuples and lists, batch first."""
    if isinstance(state, np.ndarray):
        return state[rows]
    return type(state)(_rows_of(part, rows) for part in state)


# --- the model, and what is asked of it ---


class _Reader:
    """A language model as a function: new tokens, mask and state → logits of the token after the last, state.

    Attributes:
        prompt: (B, T), the tokens that are read first.  arguments: the names of what forward takes.
    """

    pads_left = True

    def __init__(self, model, input_ids):
        self.model, self.prompt = model, input_ids
        self.arguments = set(inspect.signature(model.forward).parameters)

    def __call__(self, new, mask, state):
        masked = {} if mask is None else {"attention_mask": mask}
        output, _ = self.model.forward(input_ids=new, state=state, **masked)
        return output.logits[:, -1], output.state

    def longer(self, mask):
        """Return the mask with a column for the next token."""
        return mask if mask is None else np.pad(mask, [(0, 0), (0, 1)], constant_values=1)


class _Translator(_Reader):
    """An encoder and decoder as a function; the mask is the source's, and stays as it is."""

    pads_left = False

    def __init__(self, model, source_ids):
        start = model.config.bos_token_id
        if start is None:
            raise ValueError("config.bos_token_id is None: say there which token begins a translation")
        super().__init__(model, np.full((*source_ids.shape[:1], 1), start))                 # (B, 1)
        self.source_ids = source_ids

    def __call__(self, new, mask, state):
        source_ids = self.source_ids if state is None else None  # once: the state holds it from then on
        output, _ = self.model.forward(source_ids, new, mask, state=state)
        return output.logits[:, -1], output.state

    def longer(self, mask):
        """Return the mask: a source grows no longer."""
        return mask


READERS = {"continuation": _Reader, "translation": _Translator}  # by what a model `generates`


def _reader(model, input_ids):
    """Return a _Reader or _Translator; ValueError if the model writes no text."""
    kind = getattr(model, "generates", None)
    if kind not in READERS:
        raise ValueError(
            f"{type(model).__name__} does not say that it predicts the next token: generate needs a model "
            'that does, such as GPT2LMHeadModel, or a class of your own with generates = "continuation"'
        )
    return READERS[kind](model, np.asarray(input_ids))


def _checked(model, input_ids, attention_mask, max_new_tokens):
    """Return a _Reader and the mask (None where nothing is padding); or raise."""
    reader, input_ids = _reader(model, input_ids), np.asarray(input_ids)
    if max_new_tokens != int(max_new_tokens) or max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be a whole number of 1 or more, got {max_new_tokens}")
    if input_ids.ndim != 2 or input_ids.size == 0 or input_ids.dtype.kind not in "iu":
        raise ValueError(
            f"input_ids must be integers of shape (batch, tokens), at least one token each, got "
            f"{input_ids.dtype} of shape {input_ids.shape}"
        )
    num_tokens = input_ids.shape[1]
    if attention_mask is not None:
        attention_mask = np.asarray(attention_mask)
        if attention_mask.shape != input_ids.shape:
            raise ValueError(
                f"attention_mask has shape {attention_mask.shape}, expected that of input_ids, "
                f"{input_ids.shape}"
            )
        if reader.pads_left and not attention_mask[:, -1].all():
            raise ValueError(
                "a sequence ends with padding, and new tokens would follow it: put the padding on the left"
            )
        num_tokens = int((attention_mask != 0).sum(axis=1).max())
        attention_mask = None if attention_mask.all() else attention_mask
    if attention_mask is not None and not {"attention_mask", "source_mask"} & reader.arguments:
        raise ValueError(
            f"{type(model).__name__} knows no padding: give it prompts of one length, or one at a time"
        )
    most = getattr(model.config, "max_position_embeddings", math.inf)
    if num_tokens + max_new_tokens - 1 > most:  # the last new token is not read
        raise ValueError(
            f"a prompt of {num_tokens} tokens and max_new_tokens {max_new_tokens} are more than the model "
            f"reads, max_position_embeddings {most}: ask for {most + 1 - num_tokens} or fewer"
            if num_tokens <= most else
            f"a prompt of {num_tokens} tokens is more than the model reads, max_position_embeddings {most}: "
            "give a shorter one"
        )
    return reader, attention_mask


def _pad_of(model, eos_token_id):
    """Return what follows the end of a sequence; 0, which is not used, where none ends."""
    ids = (getattr(model.config, "pad_token_id", None), eos_token_id, 0)
    return next(token for token in ids if token is not None)
