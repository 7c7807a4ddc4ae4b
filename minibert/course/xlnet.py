"""The experiments of lesson 14: two hidden words that must agree."""

import numpy as np

from minibert.objectives.causal_lm import losses_and_right
from minibert.text.examples.masking import word_start_table
from minibert.text.examples.permutations import order_mask, permutation_batch
from minibert.text.toy import TOY
from minibert.text.toy.grammar import CAPITALS, COUNTRIES, DISHES
from minibert.text.toy.pairs import ToyExamples, split

ORDERS = ((1, 2), (2, 1))  # of two hidden words: when the left one is predicted, and when the right one
NUM_DRAWN = 20_000  # pairs, of which about 4 % are taken
ROWS_AT_ONCE = 128


def capitals_and_countries(number=NUM_DRAWN):
    """Return the held-out pairs that say "Paris is the ... capital of France", and where both words are.

    Nothing else in these pairs tells the country. So of the two words each tells all of the other, and the
    rest of the pair nothing: the best model that guesses them one by one is often wrong about the two
    together, and `limits.together(pairs, hidden)` says by how much.

    Args:
        number: of pairs that are drawn.

    Returns:
        Pairs of N rows, [CLS] A [SEP] B [SEP]; and `hidden`, bool (N, T): the capital, then the country.
    """
    tokenizer = TOY.tokenizer()
    pairs = ToyExamples(TOY, tokenizer).held_out_pairs(number)
    capital, country, dish = (
        np.isin(pairs.clean_ids, tokenizer.ids(words)) for words in (CAPITALS, COUNTRIES, DISHES))
    hidden = capital | country                                                      # (number, T)
    says_both = (capital.sum(axis=1) == 1) & (country.sum(axis=1) == 1) & ~dish.any(axis=1)
    in_b = (pairs.batch.token_type_ids * hidden).sum(axis=1)
    rows = np.flatnonzero(says_both & (in_b != 1))                                  # both in A, or both in B
    batch = type(pairs.batch)(*(array[rows] for array in pairs.batch))
    return type(pairs)(pairs.plans[rows], pairs.topics[rows], batch, pairs.clean_ids[rows],
                       pairs.tags[rows]), hidden[rows]


def of_two_words(model, pairs, hidden, orders=ORDERS):
    """Return what two hidden words cost an XLNet together, (N, orders) in nats: one column for each order.

        -log P(first word | visible) - log P(second word | visible, first word)

    Args:
        model: an XLNetLMHeadModel that was trained on the toy language.
        pairs, hidden: as of capitals_and_countries, two True in each row of `hidden`.
        orders: pairs of numbers, when the left word is predicted and when the right one. Of two equal
            numbers neither word sees the other, as in BERT.
    """
    tokenizer, found, start = TOY.tokenizer(), [], 0
    starts = word_start_table(tokenizer)
    for batch in split(pairs.batch, ROWS_AT_ONCE):
        given = permutation_batch(batch, tokenizer, np.random.default_rng(0), word_starts=starts)
        rows, tokens = given.input_ids.shape
        places = np.nonzero(hidden[start : start + rows])[1].reshape(rows, 2) - 1   # (n, 2): [CLS] is last
        mapping = places[:, :, np.newaxis] == np.arange(tokens)                     # (n, 2, T)
        labels = np.take_along_axis(given.input_ids, places, axis=1)                # (n, 2)
        found.append([])
        for order in orders:
            mask = order_mask((mapping * np.array(order)[:, np.newaxis]).sum(axis=1))   # (n, T, T)
            asked = given._replace(perm_mask=mask, target_mapping=mapping, labels=labels)
            losses, _ = losses_and_right(model.forward(**asked._asdict())[0].logits, labels.ravel())
            found[-1].append(losses.reshape(rows, 2).sum(axis=1))
        start += rows
    return np.concatenate([np.stack(columns, axis=1) for columns in found])         # (N, orders)


def share_of_the_way(losses, together):
    """Return how far a model is on the way from independent guesses (0) to the exact joint (1), at best.

    Args:
        losses: (N,), nats of both words.
        together: Together of the same rows, see Limits.together.
    """
    independent, joint = together.independent.mean(), together.joint.mean()
    return float((independent - losses.mean()) / (independent - joint))
