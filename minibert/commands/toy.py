"""`minibert toy`: documents of the toy language, the limits of its models, and text of theirs, judged."""

import json

from minibert.arguments import not_negative, path
from minibert.commands.common import say

NUM_PAIRS = 8192  # of sentences, from which the limits are computed
NUM_DOCUMENTS, NUM_JUDGED = 3, 4000


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "toy",
        help="print documents of the toy language, or the limits that no model of it can beat",
        usage="%(prog)s [-h] [--sample N] [--seed S]\n"  # argparse would not break the second line
        "       [--tags | --json | --limits | --task NAME | --tasks | --judge DIR]",
        description="Print documents of the toy language: sentences that are drawn from a distribution "
        "known exactly. With --limits, the loss and accuracy of the best possible model, beside models "
        "that look at less; with --tasks, the same for labelled tasks.",
        epilog="example: minibert toy --sample 5 --seed 1",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "--sample", type=not_negative(int), metavar="N",
        help=f"number of documents, or of examples of a task (default: {NUM_DOCUMENTS}); with --judge, of "
        f"sentences (default: {NUM_JUDGED:,})",
    )
    command.add_argument(
        "--seed", type=not_negative(int), default=0, metavar="S",
        help="another seed gives others (default: %(default)s)",
    )
    how = command.add_mutually_exclusive_group()
    how.add_argument(
        "--tags", action="store_true",
        help="below each sentence: the phenomenon that decides each word, and the sentence rewritten",
    )
    how.add_argument(
        "--json", action="store_true", help="a line of JSON for each sentence, with all its labels"
    )
    how.add_argument(
        "--limits", action="store_true", help="the best possible loss and accuracy, by phenomenon"
    )
    how.add_argument(
        "--task", metavar="NAME",
        help="labelled examples of a task, as a file that `minibert finetune` reads: acceptability, topic, "
        'sentiment, sense, entities, "same opinion" or span',
    )
    how.add_argument(
        "--tasks", action="store_true",
        help="the best possible accuracy on each labelled task: without looking, from one word, from a bag "
        "of words, and from all",
    )
    how.add_argument(
        "--judge", type=path, metavar="DIR",
        help="sentences that a model of toy writes at temperature 1, judged by the language: how many it can "
        "say, and how many differ",
    )


def run(options):
    """Run `minibert toy`."""
    from minibert.text.toy import TOY
    from minibert.text.toy.tasks import as_file, examples

    number = NUM_DOCUMENTS if options.sample is None else options.sample
    if options.limits:
        _print_limits(TOY)
    elif options.task:
        say(as_file(options.task, examples(TOY, options.task, number, options.seed)).rstrip("\n"))
    elif options.tasks:
        _print_tasks(TOY)
    elif options.judge:
        _print_judged(options.judge, options.sample, options.seed)
    else:
        _print_documents(TOY.documents(number, options.seed), options)


def _print_documents(documents, options):
    for number, document in enumerate(documents):
        if number and not options.json:
            say()
        for sentence in document:
            say(json.dumps({"document": number, **sentence._asdict()}) if options.json else sentence)
            if options.tags:
                tagged = [f"{word}/{tag}" for word, tag in zip(sentence.words, sentence.phenomena)]
                say(f"    {' '.join(tagged)}")
                say(f"    {' '.join(sentence.rewritten)}")


def _print_judged(directory, number, seed):
    """Print how good the first sentences of a model are, beside those of the language itself."""
    from minibert.commands.generate import load
    from minibert.course.gpt import TrueLanguage, judge, texts
    from minibert.text.toy import TOY

    if number == 0:
        raise ValueError("there is nothing to judge in 0 sentences: give --sample 1 or more")
    model, tokenizer = load(directory)
    if tokenizer.id_to_token != TOY.tokenizer().id_to_token or model.generates != "continuation":
        raise ValueError(
            f"{directory} was not trained to write the toy language: train a model with minibert pretrain "
            "--model gpt --corpus toy"
        )
    number, truth = number or NUM_JUDGED, TrueLanguage()
    judged = [
        judge(texts(each, number, do_sample=True, seed=seed), truth.sentences) for each in (model, truth)
    ]
    say(f"{f'{number:,} sentences at temperature 1':<40}{'model':>10}{'language':>10}")
    for name, field in (
        ("possible in the language", "grammatical"), ("different from each other", "distinct"),
    ):
        say(f"{name:<40}" + "".join(f"{getattr(each, field):>10.3f}" for each in judged))
    say(f"{'nats of a possible one':<40}" + "".join(f"{each.surprise:>10.2f}" for each in judged))


def _print_tasks(language):
    from minibert.text.toy.tasks import TASKS, accuracies

    say(f"{'best possible accuracy':<24}{'majority':>9}{'one word':>10}{'bag of words':>14}{'limit':>8}")
    for task in TASKS:
        found = accuracies(language, task)
        word = "" if found.word is None else f"{found.word:.3f}"
        say(f"{task:<24}{found.majority:>9.3f}{word:>10}{found.bag:>14.3f}{found.limit:>8.3f}")


def _print_limits(language):
    import numpy as np

    from minibert.text.toy.documents import Documents
    from minibert.text.toy.limits import Limits, losses_and_hits
    from minibert.text.toy.pairs import ToyExamples

    def row(name, losses, hits):
        say(f"{name:<40}{losses.mean():>11.3f}{hits.mean():>10.3f}")

    tokenizer = language.tokenizer()
    pairs = ToyExamples(language, tokenizer).held_out_pairs(NUM_PAIRS)
    limits = Limits(language, tokenizer)
    best = limits.scores(pairs.batch)
    is_predicted = pairs.batch.labels >= 0
    tags = pairs.tags[is_predicted]
    say(f"{NUM_PAIRS:,} pairs of sentences, {len(tags):,} masked words{'loss':>12}{'accuracy':>10}")
    row("best possible model", best.token_losses, best.token_right)
    for tag, name in enumerate(language.phenomena):
        row(f"  {name}", best.token_losses[tags == tag], best.token_right[tags == tag])
    for name, probs in limits.baselines(pairs).items():
        row(f"{name} model", *losses_and_hits(probs, pairs.batch.labels[is_predicted]))
    row("next sentence, best possible model", best.pair_losses, best.pair_right)
    few = ToyExamples(language, tokenizer).held_out_pairs(NUM_PAIRS // 8)
    losses, hits = limits.next_token(few)
    is_token = few.batch.attention_mask[:, 1:] == 1
    row("next token, best possible model", losses[:, 1:][is_token], hits[:, 1:][is_token])
    rng = np.random.default_rng(0)
    words = language.sample_words(language.sample_documents(NUM_PAIRS // 64, rng)[0], rng)
    losses, hits = Documents(limits).next_token(words)
    is_token = np.pad(words >= 0, ((0, 0), (0, 0), (1, 0)), constant_values=True)  # a [SEP] after the words
    row("next token, all of a document read", losses[is_token], hits[is_token])
