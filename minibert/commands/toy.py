"""`minibert toy`: documents of the toy language, and what no model of it can beat."""

import argparse
import json

NUM_PAIRS = 8192  # that the limits are computed on


def add(commands):
    command = commands.add_parser(
        "toy",
        help="print documents of the toy language, or the limits that no model of it can beat",
        description="Print documents of the toy language: sentences that are drawn from a distribution known exactly. With "
        "--limits, the loss and accuracy of the best possible model, beside models that look at less.",
        epilog="example: minibert toy --sample 5 --seed 1",
    )
    command.set_defaults(run=_toy)
    command.add_argument("--sample", type=_count, default=3, metavar="N", help="number of documents (default: %(default)s)")
    command.add_argument("--seed", type=_count, default=0, metavar="S", help="another seed, other documents (default: %(default)s)")
    how = command.add_mutually_exclusive_group()
    how.add_argument("--tags", action="store_true", help="below each sentence: what decides each word, and the sentence rewritten")
    how.add_argument("--json", action="store_true", help="a line of JSON for each sentence, with all its labels")
    how.add_argument("--limits", action="store_true", help="the best possible loss and accuracy, by phenomenon")


def _count(text):
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is below zero")
    return number


def _toy(options):
    from minibert.text.toy import TOY

    if options.limits:
        return _print_limits(TOY)
    for number, document in enumerate(TOY.documents(options.sample, options.seed)):
        if number and not options.json:
            print()
        for sentence in document:
            print(json.dumps({"document": number, **sentence._asdict()}) if options.json else sentence)
            if options.tags:
                print("   ", " ".join(f"{word}/{tag}" for word, tag in zip(sentence.words, sentence.phenomena)))
                print("   ", " ".join(sentence.rewritten))
    return 0


def _print_limits(language):
    from minibert.text.toy.limits import Limits, losses_and_hits
    from minibert.text.toy.pairs import ToyExamples

    tokenizer = language.tokenizer()
    pairs = ToyExamples(language, tokenizer).held_out(NUM_PAIRS)
    limits = Limits(language, tokenizer)
    best = limits.scores(pairs.batch)
    tags = pairs.tags[pairs.batch.labels >= 0]
    print(f"{NUM_PAIRS:,} pairs of sentences, {len(tags):,} masked words{'loss':>12}{'accuracy':>10}")
    print(f"{'best possible model':<40}{best.token_losses.mean():>11.3f}{best.token_right.mean():>10.3f}")
    for tag, name in enumerate(language.phenomena):
        here = tags == tag
        print(f"  {name:<38}{best.token_losses[here].mean():>11.3f}{best.token_right[here].mean():>10.3f}")
    for name, probs in limits.baselines(pairs).items():
        losses, right = losses_and_hits(probs, pairs.batch.labels[pairs.batch.labels >= 0])
        print(f"{name + ' model':<40}{losses.mean():>11.3f}{right.mean():>10.3f}")
    print(f"{'next sentence, best possible model':<40}{best.pair_losses.mean():>11.3f}{best.pair_right.mean():>10.3f}")
    few = ToyExamples(language, tokenizer).held_out(NUM_PAIRS // 8)
    losses, right = limits.next_token(few)
    asked = few.batch.attention_mask[:, 1:] == 1
    print(f"{'next token, best possible model':<40}{losses[:, 1:][asked].mean():>11.3f}{right[:, 1:][asked].mean():>10.3f}")
    return 0
