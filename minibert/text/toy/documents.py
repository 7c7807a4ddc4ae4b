"""The next word of a whole document, for a model that remembers everything: a filter over documents.

The hidden state is a pair: the state of the sentence (its kind, and how it mentions the hero) and the values
c of all document variables. A model that carries its state knows, before sentence t, no more than

    belief(s, c)  = P(state_t = s, c | all sentences before)
    P(p | before) = Σ_{s, c} belief(s, c) P(p | s, c)                   p: a plan of the sentence
    P(w | before and the words read so far) = Σ_p P(p, words read | before) e(w | p) / P(words read | before)

and after the sentence the belief is multiplied by what was read, and moved on:

    belief'(s', c) ∝ Σ_s belief(s, c) P(sentence | s, c) next(s' | s)

Nothing is approximated. P(p | s, c) is P(p | key) if the key's codes allow c, and else 0. (A *key* is a state
and a code for each document variable, see limits.py.)

Source: Rabiner 1989, "A Tutorial on Hidden Markov Models", section III.A (the forward pass).
"""

import numpy as np


class Documents:
    """The best possible left-to-right model of whole documents.

    Args:
        limits: Limits of the language.

    Attributes:
        prior: (C,), the probability of each combination of values of the document variables.
        allowed: (K, C), 1 where a key's codes allow the values.
        keys_of_state: for each state, its keys.
    """

    def __init__(self, limits):
        self.limits, self.language = limits, limits.language
        grammar = self.language.grammar
        shape = [len(grammar.variables[name]) for name in grammar.document]
        values = dict(zip(grammar.document, np.indices(shape).reshape(len(shape), -1)))  # {name: (C,)}
        _, first = np.unique(limits.key, return_index=True)  # a plan of each key
        self.by_key = np.argsort(limits.key, kind="stable")  # plans by key: their sums are sums of neighbours
        self.starts = np.searchsorted(limits.key[self.by_key], np.arange(len(first)))
        self.prior = np.ones(int(np.prod(shape)))
        self.allowed = np.ones((len(first), len(self.prior)))
        for name, value in values.items():
            self.prior *= grammar.variables[name][value]
            self.allowed *= self.language.members[name][np.ix_(self.language.codes[name][first], value)]
        states = self.language.state[first]
        self.keys_of_state = [np.flatnonzero(states == state) for state in range(len(self.language.states))]

    def next_token(self, words, documents_at_once=32):
        """Return the losses and hits of the best model on documents that begin at their first sentence.

        It predicts every word and the [SEP] that ends each sentence, and remembers all that it has read.

        Args:
            words: int (N, sentences, L), ids of `language.words`, -1 after the end: as `sample_words` gives.

        Returns:
            losses (N, sentences, L + 1) in nats, and whether the most probable token is the right one, bool.
            After the [SEP] they are 0 and False.
        """
        parts = [self._next_token(words[start:start + documents_at_once])
                 for start in range(0, len(words), documents_at_once)]
        losses, right = zip(*parts)
        return np.concatenate(losses), np.concatenate(right)

    def _next_token(self, words):
        limits, language = self.limits, self.language
        lengths = (words >= 0).sum(axis=2)                                      # (n, sentences)
        tokens = np.pad(limits.word_ids(words), ((0, 0), (0, 0), (0, 1)), constant_values=limits.sep)
        losses, right = np.zeros(tokens.shape), np.zeros(tokens.shape, bool)
        belief = np.zeros((len(words), len(language.states), len(self.prior)))  # (n, S, C)
        belief[:, 0] = self.prior
        starts = np.zeros(len(words), int)
        for number in range(words.shape[1]):
            of_keys = np.zeros((len(words), len(self.allowed)))                 # (n, K), P(key | before)
            for state, keys in enumerate(self.keys_of_state):
                of_keys[:, keys] = belief[:, state] @ self.allowed[keys].T
            of_plans = of_keys[:, limits.key] * language.weight                 # (n, P)
            sentence = starts, lengths[:, number], tokens[:, number]
            limits.read(of_plans, sentence, losses[:, number], right[:, number])
            read = np.add.reduceat(of_plans[:, self.by_key], self.starts, axis=1)  # P(key, sentence | before)
            likelihood = np.divide(read, of_keys, out=np.zeros_like(read), where=of_keys > 0)
            for state, keys in enumerate(self.keys_of_state):
                belief[:, state] *= likelihood[:, keys] @ self.allowed[keys]
            belief = np.matmul(language.transitions.T, belief)
            belief /= belief.sum(axis=(1, 2), keepdims=True)
        return losses, right
