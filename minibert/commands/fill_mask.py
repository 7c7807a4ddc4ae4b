"""`minibert fill-mask`: the likeliest tokens for [MASK]."""

import numpy as np

from minibert.arguments import path, positive
from minibert.commands.common import encoded, load_model, say


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "fill-mask",
        help="guess the word hidden by [MASK]",
        description="Show the likeliest tokens for each [MASK] of a text, beside those of the unigram "
        "model (the most frequent tokens of the training text), or of an untrained model if the checkpoint "
        "stores no frequencies.",
        epilog='example: minibert fill-mask bert-run "A function may [MASK] a value."',
    )
    command.set_defaults(run=run)
    command.add_argument("model", type=path, metavar="DIR", help="directory of a model or of a run")
    command.add_argument("text", metavar="TEXT", help="text with [MASK] where a token is to be guessed")
    command.add_argument(
        "--top", type=positive(int), default=5, metavar="N", help="tokens to show (default: %(default)s)"
    )


def run(options):
    """Run `minibert fill-mask`."""
    model, tokenizer, directory = load_model(options.model, needed=("cls.predictions.",))
    encoding = encoded(model, tokenizer, options.text)
    masks = np.flatnonzero(encoding.input_ids == tokenizer.mask_token_id)
    if len(masks) == 0 and tokenizer.mask_token_id in tokenizer.ids(options.text):
        raise ValueError(
            f"the [MASK] is behind the {model.config.max_position_embeddings} tokens that the model reads: "
            "give a shorter text"
        )
    if len(masks) == 0:
        raise ValueError(
            'the text has no [MASK]: write [MASK] where a word is to be guessed, as in "a [MASK] of rice"'
        )
    probs = _mask_probs(model, encoding, masks)                 # (masks, V)
    baseline, baseline_probs = _baseline(directory, model, encoding, masks, tokenizer.vocab_size)
    for row in range(len(masks)):
        if len(masks) > 1:
            say(f"[MASK] {row + 1} of {len(masks)}")
        say(f"      {'model':<28}{baseline}")
        columns = [_likeliest(tokenizer, each[row], options.top) for each in (probs, baseline_probs)]
        for rank, (ours, other) in enumerate(zip(*columns), start=1):
            say(f"{rank:>4}  {ours:<28}{other}")


def _mask_probs(model, encoding, masks):
    """Return the model's distribution at each mask: (masks, V)."""
    from minibert.layers.softmax import softmax

    output, _ = model.forward(encoding.input_ids[np.newaxis], encoding.token_type_ids[np.newaxis])
    return softmax(output.prediction_logits[0, masks])


def _baseline(directory, model, encoding, masks, vocab_size):
    """Return the name of the model to compare with, and its distribution at each mask: (masks, V)."""
    from minibert.models.bert import BertForPreTraining
    from minibert.objectives.masked_lm import load_unigram

    log_probs = load_unigram(directory)
    if log_probs is None:
        return "untrained", _mask_probs(BertForPreTraining(model.config), encoding, masks)
    if log_probs.shape != (vocab_size,):
        raise ValueError(
            f"{directory}: the stored unigram model has {log_probs.size} tokens, the model "
            f"{model.config.vocab_size} and the tokenizer {vocab_size}"
        )
    return "unigram", np.broadcast_to(np.exp(log_probs), (len(masks), len(log_probs)))


def _likeliest(tokenizer, probs, count):
    """Return the likeliest tokens of a distribution (V,), each with its probability, as text.

    Rows of a padded vocabulary have a probability, but no token.
    """
    best = np.argsort(-probs[: tokenizer.vocab_size], kind="stable")[:count]
    return [f"{tokenizer.id_to_token[token]:<18}{probs[token]:6.1%}" for token in best]
