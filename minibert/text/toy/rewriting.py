"""Sentences of the toy language and their rewritten forms, as examples of translation.

    source   did anna quietly hide the magic lamp        a sentence of a document
    target   the magic lamp did anna quietly hide it     its words in another order, and fixed ones

The template of a sentence decides the order, and its words tell the template. So the target is certain: the
best possible model writes it without an error, and its loss is 0. Which word of the source each word of the
target comes from is known, too: see `alignments`.

A tenth of all sentences is held out: a hash of its words tells whether. No training batch has one of these.
"""

import numpy as np

from minibert.text.examples.ends import ends_of
from minibert.text.examples.translation import translation_batch
from minibert.text.toy.pairs import NUM_SPECIAL, STEPS_AT_ONCE

HELD_OUT_SHARE = 0.1
NUM_HELD_OUT = 2000  # sentences that every run is evaluated on


class ToyRewriting:
    """Pairs of a toy language; `batch` and `held_out` as of Translations.

    Args:
        language: a Language.  tokenizer: language.tokenizer().  seed: an int, 0 or more.

    Attributes:
        ends: Ends.
        places: int (templates, L'), the place in the source of each word of the target, -1 for a word that
            the source does not have.  alignments: the same, and -1 also for fixed words that occur twice.
    """

    def __init__(self, language, tokenizer, seed=0):
        self.language, self.seed = language, seed
        self.ends = ends_of(tokenizer)
        number_of = {word: number for number, word in enumerate(language.words)}
        longest = max(len(rewritten) for _, rewritten in language.templates)
        shape = len(language.templates), longest
        self.places, self.alignments, self._fixed = (np.full(shape, -1) for _ in range(3))
        for row, (slots, rewritten) in enumerate(language.templates):
            for column, slot in enumerate(rewritten):
                if slot in slots:
                    self.places[row, column] = slots.index(slot)
                else:
                    self._fixed[row, column] = number_of[slot]
                if slots.count(slot) == rewritten.count(slot) == 1:
                    self.alignments[row, column] = slots.index(slot)
        self._drawn = None  # (number of the draw, batch_size) of the pairs below
        self._pairs = None  # sources and targets of STEPS_AT_ONCE batches

    def batch(self, step, batch_size):
        """Return the TranslationBatch of a training step (0, 1, 2, ...), the same at every call."""
        number, index = divmod(step, STEPS_AT_ONCE)
        if self._drawn != (number, batch_size):
            rng = np.random.default_rng([self.seed, 3, number])
            self._pairs = self.pairs(STEPS_AT_ONCE * batch_size, rng)[1:]
            self._drawn = number, batch_size
        some = slice(index * batch_size, (index + 1) * batch_size)
        return self._batch(*(words[some] for words in self._pairs))

    def held_out(self, batch_size):
        """Return streams of one TranslationBatch each: NUM_HELD_OUT pairs, by length, the same always."""
        _, sources, targets = self.held_out_pairs()
        starts = range(0, len(sources), batch_size)
        return [
            [self._batch(sources[start : start + batch_size], targets[start : start + batch_size])]
            for start in starts
        ]

    def held_out_pairs(self):
        """Return the plans, sources and targets that are held out, the shortest first; as of `pairs`."""
        pairs = self.pairs(NUM_HELD_OUT, np.random.default_rng([NUM_HELD_OUT]), is_held_out=True)
        order = np.argsort((pairs[1] >= 0).sum(axis=1), kind="stable")
        return tuple(array[order] for array in pairs)

    def pairs(self, number, rng, is_held_out=False):
        """Return plans (N,), and their words: sources (N, L) and targets (N, L'), -1 after the end."""
        language, found, missing = self.language, [], number
        while missing > 0:
            size = int(missing / (HELD_OUT_SHARE if is_held_out else 1 - HELD_OUT_SHARE) * 1.1) + 20
            states = rng.choice(len(language.state_probs), size, p=language.state_probs)
            plans = language.sample_plans(states, language.sample_constants(size, rng), rng)
            words = language.sample_words(plans, rng)                           # (N, L)
            kept = are_held_out(words) == is_held_out
            found.append((plans[kept], words[kept]))
            missing -= int(kept.sum())
        plans, sources = (np.concatenate(parts)[:number] for parts in zip(*found))
        template = language.template[plans]
        places = self.places[template]                                          # (N, L')
        copied = np.take_along_axis(sources, np.maximum(places, 0), axis=1)     # (N, L')
        return plans, sources, np.where(places >= 0, copied, self._fixed[template])

    def _batch(self, sources, targets):
        """Return the TranslationBatch of words, -1 after the end."""
        sources, targets = ([row[row >= 0] + NUM_SPECIAL for row in words] for words in (sources, targets))
        return translation_batch(list(zip(sources, targets)), self.ends)


def are_held_out(words):
    """Return for each row of words (N, L) whether it is held out: bool (N,)."""
    code = np.zeros(len(words), np.uint64)
    for column in (words + 2).astype(np.uint64).T:
        code = (code * np.uint64(1_000_003)) ^ column  # modulo 2**64
    mixed = (code * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)  # 24 bits
    return mixed < HELD_OUT_SHARE * 2**24
