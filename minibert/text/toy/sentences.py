"""All sentences of a language with their probabilities: of any sentence, and the likeliest of all.

    P(words) = Σ_p P(p) Π_j e(w_j | p, j)         p: a plan, at a random place of a document

So a generator's samples can be judged by the true language: a sentence of probability 0 is none of it.

The list of all sentences is short, since many words do the same: "tiny" and "strange" are in one class only,
and no plan tells them apart. Words whose columns of `word_probs` are proportional form a *group*:

    e(w | row) = e(group of w | row) share(w)     share: P(word | its group), whatever the row

So all sentences that have the same groups are one entry, and what is asked of sentences (the best accuracy of
a label, the likeliest sentence) is a sum over entries. The toy language has some thousands.
"""

import itertools

import numpy as np


class Sentences:
    """The sentences of a language, at a random place of a document.

    Args:
        language: a Language.

    Attributes:
        group: int (V,), the group of each word.  share: (V,), the probability of a word in its group.
        of_plans: (P,), the probability of a plan.
    """

    def __init__(self, language):
        self.language = language
        totals = language.word_probs.sum(axis=0)                                # (V,)
        columns = np.round(language.word_probs / totals, 12)                    # (R, V), each adds up to 1
        self.group = np.unique(columns, axis=1, return_inverse=True)[1].ravel()
        self.share = totals / np.bincount(self.group, totals)[self.group]
        members = self.group[:, np.newaxis] == np.arange(self.group.max() + 1)  # (V, G)
        self.row_groups = language.word_probs @ members                         # (R, G)
        self.of_plans = language.weight * language.state_probs[language.state]
        for name in language.grammar.document:
            fits = language.members[name] @ language.grammar.variables[name]    # (codes,)
            self.of_plans = self.of_plans * fits[language.codes[name]]
        self._word_ids = {word: number for number, word in enumerate(language.words)}

    def of_plan(self, plan):
        """Return [(groups of the words, a tuple, P(groups | plan))] of a plan."""
        choices = []
        for row in self.language.rows[plan, :self.language.lengths[plan]]:
            groups = np.flatnonzero(self.row_groups[row])
            choices.append(list(zip(groups.tolist(), self.row_groups[row, groups].tolist())))
        found = []
        for combination in itertools.product(*choices):
            groups, probs = zip(*combination)
            found.append((groups, float(np.prod(probs))))
        return found

    def log_prob(self, sentences):
        """Return log P(words) of sentences, lists of words: (N,) in nats, -inf for what is no sentence."""
        return np.array([self._log_prob(words) for words in sentences])

    def _log_prob(self, words):
        plans = np.flatnonzero(self.language.lengths == len(words))
        if not len(plans) or not all(word in self._word_ids for word in words):
            return -np.inf
        probs = self.of_plans[plans]
        for place, word in enumerate(words):
            probs = probs * self.language.word_probs[self.language.rows[plans, place], self._word_ids[word]]
        total = probs.sum()
        return np.log(total) if total > 0 else -np.inf

    def mode(self, kind=None):
        """Return the likeliest sentence, a tuple of words, and its log-probability in nats.

        Args:
            kind: of sentence; None takes all kinds. The probability is that among the sentences of all kinds.
        """
        entries = {}  # groups -> probability
        for plan in range(len(self.of_plans)):
            if kind in (None, self.language.states[self.language.state[plan]][0]):
                for groups, p in self.of_plan(plan):
                    entries[groups] = entries.get(groups, 0) + p * self.of_plans[plan]
        if not entries:
            kinds = ", ".join(self.language.grammar.sentences)
            raise ValueError(f"there is no kind of sentence {kind!r}: choose one of {kinds}")
        # (G,), the likeliest word of each group
        best = np.array([np.where(self.group == group, self.share, 0).argmax()
                         for group in range(self.group.max() + 1)])
        likeliest = max(entries, key=lambda groups: entries[groups] * self.share[best[list(groups)]].prod())
        words = tuple(self.language.words[word] for word in best[list(likeliest)])
        return words, float(self._log_prob(words))
