"""`minibert trace`: one forward and one backward pass, printed or stopped in."""

import sys
import textwrap

from minibert.arguments import path
from minibert.commands.common import columns, load_model, say


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "trace",
        help="print every value and gradient of one pass, or stop in the debugger on a line of it",
        description="Run one sentence pair through a BERT, or a text through a GPT or a recurrent language "
        "model, forward and backward, and print all that was computed: every value with its shape, formula, "
        "mean and spread, and every gradient under the value it belongs to. Without a model: a tiny BERT, "
        "whose numbers can be checked by hand. With --stop-at or --stop-when: open the debugger on a line of "
        "our code instead.",
        epilog="examples: minibert trace --only bert.encoder.1.attention; "
        "minibert trace --stop-at attention.backward; minibert trace --stop-when not-finite; "
        'minibert trace bert-run "A function may [MASK] a value."',
    )
    command.set_defaults(run=run)
    command.add_argument(
        "model", nargs="?", type=path, metavar="DIR",
        help="directory of a model or of a run (default: the tiny model)",
    )
    command.add_argument(
        "text", nargs="?", metavar="TEXT",
        help="text; for a BERT, some words are masked if there is no [MASK] in it",
    )
    command.add_argument("second", nargs="?", metavar="SECOND", help="the text that follows it, for a BERT")
    command.add_argument(
        "--only", metavar="PATH",
        help="print a part, as bert.encoder.1.attention, attention.d_scores or mlm_head.dense.weight.grad; "
        "with --stop-when, look at these values only",
    )
    command.add_argument("--values", action="store_true", help="print all numbers of every array")
    command.add_argument(
        "--stop-at", metavar="PATH",
        help="open the debugger there: a layer (attention.backward, encoder.1.attention.forward), a line "
        "(attention.d_scores) or a gradient (attention.query.weight.grad); PYTHONBREAKPOINT chooses the "
        "debugger",
    )
    command.add_argument(
        "--if", metavar="EXPR", dest="condition",
        help='with --stop-at or --stop-when: stop only where this holds, as "probs.max() > 0.9"; model is '
        "the model, and after a value that is not finite, negative or positive, value is that value",
    )
    command.add_argument(
        "--stop-when", choices=["not-finite", "negative", "positive", "largest"],
        help="open the debugger after the first line whose value has such an entry, or on the line of the "
        "largest entry of the pass",
    )
    command.add_argument(
        "--exhibit", metavar="NAME",
        help="plant a mistake of the bug museum first (minibert gradcheck --list)",
    )


def run(options):
    """Run `minibert trace`; return 1 if a tensor is not finite, else 0."""
    from minibert import trace
    from minibert.trace import example

    _check(options)
    subject = example.by_hand() if options.model is None else _subject(options)
    if options.exhibit:
        from minibert.gradcheck import museum

        subject = subject._replace(model=museum.plant(subject.model, options.exhibit))
    for line in _describe(subject, options.model or "a tiny BERT with random weights, float64"):
        width = columns(sys.stdout, 120)
        say("\n".join(textwrap.wrap(line, width, subsequent_indent=" " * 9, break_on_hyphens=False)))
    if options.stop_at or options.stop_when:
        return _stop(subject, options)
    seen = trace.watch(subject.model, **subject.batch)
    say(f"loss     {_losses(seen.output)}\n")
    say(seen.view(options.only, options.values, width=columns(sys.stdout, 120)))
    problem = seen.first_non_finite()
    if problem is not None:
        say(f"The first tensor that is not finite: {problem}")
    return 0 if problem is None else 1


def _subject(options):
    """Return the Example of the reader's model and text."""
    import minibert
    from minibert.commands import generate
    from minibert.files import read_json
    from minibert.trace import example
    from minibert.training.checkpoint import find_model

    name = (read_json(find_model(options.model) / "config.json").get("architectures") or [""])[0]
    model_class = getattr(minibert, name, None) if name in minibert.__all__ else None
    if getattr(model_class, "generates", None) != "continuation":
        model, tokenizer, _ = load_model(options.model)
        texts = (example.FIRST, example.SECOND) if options.text is None else (options.text, options.second)
        return example.from_text(model, tokenizer, *texts)
    if options.second is not None:
        raise ValueError(f"{name} reads one text, and a second is for a BERT: leave out {options.second!r}")
    model, tokenizer = generate.load(options.model)
    _, start = generate.ends_of(model, tokenizer)
    text = example.FIRST if options.text is None else options.text
    return example.left_to_right(model, tokenizer, text, start)


def _check(options):
    """Raise ValueError for options that do not go together."""
    stops = options.stop_at or options.stop_when
    if options.stop_at and options.stop_when:
        raise ValueError("--stop-at and --stop-when are two ways to choose a line: give one of them")
    if stops and options.values or options.stop_at and options.only:
        raise ValueError(
            "--stop-at and --stop-when open the debugger instead of printing: leave out --values, and --only "
            "with --stop-at"
        )
    if options.condition and not stops:
        raise ValueError("--if needs a place to stop at: add --stop-at PATH or --stop-when not-finite")
    if options.stop_when == "largest" and options.only:
        raise ValueError("--stop-when largest looks at the whole pass: leave out --only")


def _describe(subject, name):
    """Yield the heading: the model, the tokens, the masked words, and how large every letter is."""
    config, is_bert = subject.model.config, "token_type_ids" in subject.batch
    yield f"model    {name}"
    yield f"tokens   {' '.join(subject.tokens)}"
    if is_bert:
        yield f"hidden   {', '.join(f'{word} at {place}' for place, word in subject.answers.items())}"
    letters = [
        f"B {len(subject.batch['input_ids'])} batch", f"T {len(subject.tokens)} tokens",
        f"H {config.hidden_size} hidden size",
    ]
    if hasattr(config, "num_attention_heads"):
        letters += [
            f"A {config.num_attention_heads} heads",
            f"D {config.hidden_size // config.num_attention_heads} = H/A",
            f"F {config.intermediate_size} feed-forward size",
        ]
    asked = "hidden" if is_bert else "predicted"
    letters += [f"V {config.vocab_size} vocabulary", f"M {len(subject.answers)} {asked} tokens"]
    yield f"letters  {', '.join(letters)}"


def _losses(output):
    parts = {"MLM": "mlm_loss", "NSP": "nsp_loss", "next token": "next_loss"}
    known = {name: getattr(output, field, None) for name, field in parts.items()}
    named = [f"{name} {loss:.4f}" for name, loss in known.items() if loss is not None]
    return f"{output.loss:.4f} = {' + '.join(named)}"


def _stop(subject, options):
    """Run both passes with the debugger in wait."""
    import bdb

    from minibert import trace

    place = options.stop_at
    if options.stop_when == "largest":
        place, size = trace.watch(subject.model.replica(), **subject.batch).largest()
        say(f"The largest entry of the pass is {size:.4g}, in {place}")
    if place:
        stopping = trace.stop_at(subject.model, place, when=options.condition, say=say)
    else:
        stopping = trace.stop_when(
            subject.model, options.stop_when, only=options.only, when=options.condition, say=say)
    try:
        with stopping as stopped:
            output, cache = subject.model.forward(**subject.batch)
            subject.model.backward(cache)
    except bdb.BdbQuit:
        return 0
    if not stopped:
        why_not = _why_not(place, options, stopped)
        if place or stopped.tried and stopped.tried == sum(stopped.errors.values()):
            raise ValueError(why_not)
        say(why_not)
    say(f"Both passes are done: loss {_losses(output)}")
    return 0


def _why_not(place, options, stopped):
    """Return why the debugger was not opened."""
    if not stopped.tried:
        if place is None:
            return f"No value is {options.stop_when}: {stopped.arrivals:,} were looked at"
        return f"{place} was not reached: this model, with this text, does not run that line"
    found = f"{place} was reached {_times(stopped.tried)}"
    if place is None:
        found = f"{stopped.tried:,} values are {options.stop_when}"
    if stopped.errors:
        text, count = max(stopped.errors.items(), key=lambda error: error[1])
        return f"{found}, but {options.condition!r} raised {text} ({_times(count)}) and was never true"
    return f"{found}, but {options.condition!r} was never true"


def _times(count):
    return "once" if count == 1 else f"{count:,} times"
