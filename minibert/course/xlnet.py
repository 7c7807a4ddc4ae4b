"""The experiments of lesson 14: two hidden words that must agree, orders, one stream and two."""

import numpy as np

from minibert.layers.relative_attention import Sight, distance_waves
from minibert.models.xlnet import XLNetConfig, XLNetModel, visible
from minibert.objectives.causal_lm import losses_and_right
from minibert.text.examples import Permutations
from minibert.text.examples.masking import word_start_table
from minibert.text.examples.permutations import CLS_SEGMENT, order_mask, permutation_batch
from minibert.text.toy import TOY
from minibert.text.toy.grammar import CAPITALS, COUNTRIES, DISHES
from minibert.text.toy.limits import Limits
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


# --- the same two words in BERT ---


def of_two_words_in_bert(model, pairs, hidden, orders=ORDERS):
    """Return what two hidden words cost a BERT together, (N, orders) in nats; as of_two_words.

    [MASK] is at the place of a word that is asked for, and of all that do not come before it in the order.
    """
    mask_id, found, start = TOY.tokenizer().mask_token_id, [], 0
    for batch in split(pairs.batch._replace(input_ids=pairs.clean_ids), ROWS_AT_ONCE):
        rows, tokens = batch.input_ids.shape
        places = np.nonzero(hidden[start : start + rows])[1].reshape(rows, 2)       # (n, 2)
        is_word = places[:, :, np.newaxis] == np.arange(tokens)                     # (n, 2, T)
        columns = []
        for order in np.array(orders):
            losses = 0
            for word in range(2):
                masked = is_word[:, order >= order[word]].any(axis=1)               # (n, T)
                logits = model.forward(
                    np.where(masked, mask_id, batch.input_ids), batch.token_type_ids,
                    batch.attention_mask)[0].prediction_logits                      # (n, T, V)
                of_word = np.arange(rows), places[:, word]
                losses = losses + losses_and_right(logits[of_word], batch.input_ids[of_word])[0]
            columns.append(losses)
        found.append(np.stack(columns, axis=1))
        start += rows
    return np.concatenate(found)                                                    # (N, orders)


def joint_table(pairs, hidden, row=0):
    """Return P(capital, country | the rest of a pair), exactly: (6, 6), in the order of the word lists."""
    tokenizer = TOY.tokenizer()
    limits = Limits(TOY, tokenizer)
    words = [tokenizer.ids(words) for words in (CAPITALS, COUNTRIES)]
    every = np.stack(np.meshgrid(*words, indexing="ij"), axis=-1).reshape(-1, 2)    # (36, 2)
    evidence = []
    for ids, shown in ((every, np.ones_like(hidden[0])), (every[:1], ~hidden[row])):
        rows = np.full(len(ids), row)
        clean_ids = pairs.clean_ids[rows]
        clean_ids[:, hidden[row]] = ids
        of_ids = pairs._replace(
            batch=type(pairs.batch)(*(array[rows] for array in pairs.batch)), clean_ids=clean_ids,
            tags=pairs.tags[rows])
        with np.errstate(divide="ignore"):                                          # log 0 of what never is
            evidence.append(limits.given(of_ids, np.tile(shown, (len(ids), 1)))[1])
    return np.exp(evidence[0] - evidence[1]).reshape(len(words[0]), len(words[1]))


# --- orders of one sentence ---

SENTENCE, ANOTHER = "paris is the tiny capital of france", "the old queen wore her silver crown"


def in_order(*words, sentence=SENTENCE, another=ANOTHER):
    """Return the arguments of XLNetLMHeadModel.forward for a pair of sentences, with one row each, B = 1.

    Args:
        words: of the first sentence, in the order in which they are predicted; all others are shown.
        sentence, another: the two sentences.
    """
    first, second = sentence.split(), another.split()
    ids = [TOY.tokenizer().vocab[word] for word in (*first, "[SEP]", *second, "[SEP]", "[CLS]")]    # T
    types = [0] * (len(first) + 1) + [1] * (len(second) + 1) + [CLS_SEGMENT]
    places = [first.index(word) for word in words]
    order = np.zeros(len(ids), int)
    order[places] = np.arange(len(words)) + 1
    arguments = {
        "input_ids": ids, "token_type_ids": types, "perm_mask": order_mask(order[np.newaxis])[0],
        "target_mapping": np.eye(len(ids), dtype=bool)[places], "labels": np.array(ids)[places]}
    return {name: np.array(value)[np.newaxis] for name, value in arguments.items()}


def looks(*words):
    """Return who may look at whom while the words of SENTENCE are predicted in this order.

    Returns:
        [(marked words, bool (T, T)) of the content rows, (words, bool (M, T)) of the query rows]: a number
        behind a word is its place in the order.
    """
    given, sentence = in_order(*words), SENTENCE.split()
    tokens = len(sentence)
    may_look = visible(
        None, given["perm_mask"], given["target_mapping"].argmax(axis=-1), given["input_ids"].shape, 0)[0, 0]
    marked = [f"{word} {words.index(word) + 1}" if word in words else word for word in sentence]
    last = len(given["input_ids"][0])
    return [(marked, may_look[:tokens, :tokens]),
            ([f"{word} {number + 1}" for number, word in enumerate(words)], may_look[last:, :tokens])]


# --- is the input shuffled? ---


def held_out(number=512, predicted=0.5):
    """Return a PermutationBatch of held-out pairs."""
    tokenizer = TOY.tokenizer()
    examples = ToyExamples(TOY, tokenizer)
    [[batch]] = Permutations(examples, tokenizer, predicted=predicted).permuted(
        [split(examples.held_out_pairs(number).batch, number)])
    return batch


def shuffled(batch, seed=0):
    """Return a PermutationBatch whose tokens are at other places, with all that is known of them.

    Who may look at whom stays, so the order is the same; distances alone are others.
    """
    places = np.random.default_rng(seed).permuted(
        np.tile(np.arange(batch.input_ids.shape[1]), (len(batch.input_ids), 1)), axis=1)        # (B, T)
    by_row, by_column = places[:, :, np.newaxis], places[:, np.newaxis]
    moved = {name: np.take_along_axis(getattr(batch, name), places, axis=1)
             for name in ("input_ids", "token_type_ids", "attention_mask")}
    rows = np.take_along_axis(batch.perm_mask, by_row, axis=1)                      # (B, T, T)
    return batch._replace(
        perm_mask=np.take_along_axis(rows, by_column, axis=2),
        target_mapping=np.take_along_axis(batch.target_mapping, by_column, axis=2), **moved)


def loss_of(model, batch):
    """Return the loss of an XLNet, nats per predicted token."""
    return float(model.forward(**batch._asdict())[0].loss)


# --- one stream or two: what does a prediction depend on? ---

FIVE_WORDS = "many ducks near the tree".split()
FIVE_ORDER = np.array([[4, 2, 5, 1, 3]])  # the first word is the fourth in the order, ...
# name: what a row begins as (1 its token, 0 the learned vector of a query), whether a row sees itself
ONE_STREAM = {"sees itself": (1, True), "diagonal hidden": (1, False), "begins empty": (0, False)}


def depends(kind, seed=0):
    """Return on which tokens the last state of each row depends, by gradients: bool (5, 5).

    A model of two layers with random weights predicts five tokens in FIVE_ORDER. Each row has a backward pass
    of its own, with random numbers in that row; what it cannot see has a gradient of exactly 0.

    Args:
        kind: a key of ONE_STREAM, or "two streams".
    """
    model = XLNetModel(XLNetConfig(7, hidden_size=8, initializer_range=0.5), seed, np.float64)
    ids, rng = np.arange(5)[np.newaxis], np.random.default_rng(seed)
    if kind == "two streams":
        output, cache = model.forward(
            ids, perm_mask=order_mask(FIVE_ORDER), target_mapping=np.eye(5)[np.newaxis])
        states = output.last_hidden_state
    else:
        states, cache = one_stream(model, ids, *ONE_STREAM[kind])
    found = []
    for row in range(5):
        d_states = np.zeros(states.shape)
        d_states[0, row] = rng.standard_normal(states.shape[-1])
        if kind == "two streams":
            d_tokens = model.backward((d_states, None), cache)
        else:
            d_tokens = one_stream_back(model, d_states, cache, ONE_STREAM[kind][0])
        found.append(d_tokens[0].any(axis=-1))
    return np.array(found)


def one_stream(model, ids, of_token, sees_itself):
    """Run all rows of an XLNetModel as one stream: they ask and are read → states, caches."""
    token, _ = model.embeddings.token.forward(ids)                                  # (B, T, H)
    rows = of_token * token + (1 - of_token) * model.embeddings.mask.value          # (B, T, H)
    num_tokens = ids.shape[1]
    may_look = ~order_mask(FIVE_ORDER) | (sees_itself & np.eye(num_tokens, dtype=bool))
    sight = Sight(np.arange(num_tokens)[np.newaxis], may_look[:, np.newaxis])
    waves, caches = distance_waves(num_tokens, num_tokens, rows.shape[-1], rows.dtype), []
    for layer in model.layers:
        rows, cache = layer.forward(rows, rows, waves, sight)
        caches.append(cache)
    return rows, caches


def one_stream_back(model, d_rows, caches, of_token):
    """Go back from the gradient of the last states to that of the tokens' embeddings."""
    for layer, cache in zip(reversed(model.layers), reversed(caches)):
        d_asked, d_content, _, _ = layer.backward(d_rows, cache)
        d_rows = d_asked + d_content
    return of_token * d_rows


# --- five seeds ---


def measured(xlnet, bert, number=NUM_DRAWN):
    """Return what the lesson tells of a trained XLNet and a trained BERT, as numbers.

    Two words cost, in nats: [capital first, country first], and `apart`, if neither sees the other. `gap` is
    the mean difference between the two orders of a row, without its sign. `loss` is that in place and
    shuffled.
    """
    pairs, hidden = capitals_and_countries(number)
    found = {}
    for name, model, cost in (("xlnet", xlnet, of_two_words), ("bert", bert, of_two_words_in_bert)):
        costs = cost(model, pairs, hidden, (*ORDERS, (1, 1)))
        found[name] = {
            "ordered": costs[:, :2].mean(axis=0), "apart": costs[:, 2].mean(),
            "gap": abs(costs[:, 0] - costs[:, 1]).mean()}
    batch = held_out()
    return found | {"loss": [loss_of(xlnet, batch), loss_of(xlnet, shuffled(batch))]}
