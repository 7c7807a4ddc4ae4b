"""`minibert trace`: one forward and one backward pass, printed or stopped in."""

from minibert.commands.common import load_model, say


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "trace",
        help="print every value and gradient of one pass, or stop in the debugger on a line of it",
        description="Run one sentence pair through a BERT, forward and backward, and print all that was "
        "computed: every value with its shape, formula, mean and spread, and every gradient under the "
        "value it belongs to. Without a model: a tiny one, whose numbers can be checked by hand. With "
        "--stop-at: open the debugger on a line of our code instead.",
        epilog="examples: minibert trace --only bert.encoder.1.attention; "
        "minibert trace --stop-at attention.backward; "
        'minibert trace bert-run "A function may [MASK] a value."',
    )
    command.set_defaults(run=run)
    command.add_argument(
        "model", nargs="?", metavar="DIR", help="directory of a model or of a run (default: the tiny model)"
    )
    command.add_argument(
        "text", nargs="?", metavar="TEXT", help="text; without a [MASK] in it, some words are masked"
    )
    command.add_argument("second", nargs="?", metavar="SECOND", help="the text that follows it")
    command.add_argument(
        "--only", metavar="PATH", help="print a part, as bert.encoder.1.attention or mlm_head.dense.x"
    )
    command.add_argument("--values", action="store_true", help="print all numbers of every array")
    command.add_argument(
        "--stop-at", metavar="NAME",
        help="open the debugger there: a layer (attention.backward, encoder.1.attention.forward) or a line "
        "(attention.d_scores); PYTHONBREAKPOINT chooses the debugger",
    )
    command.add_argument(
        "--exhibit", metavar="NAME",
        help="plant a mistake of the bug museum first (minibert gradcheck --list)",
    )


def run(options):
    """Run `minibert trace`; return 1 if a tensor is not finite, else 0."""
    from minibert import trace
    from minibert.gradcheck import museum
    from minibert.trace import example

    if options.stop_at and (options.only or options.values):
        raise ValueError("--stop-at opens the debugger instead of printing: leave out --only and --values")
    if options.model is None:
        subject = example.by_hand()
    else:
        model, tokenizer, _ = load_model(options.model)
        texts = (example.FIRST, example.SECOND) if options.text is None else (options.text, options.second)
        subject = example.from_text(model, tokenizer, *texts)
    if options.exhibit:
        subject = subject._replace(model=museum.plant(subject.model, options.exhibit))
    for line in _describe(subject, options.model or "a tiny BERT with random weights, float64"):
        say(line)
    if options.stop_at:
        return _stop(subject, options.stop_at)
    seen = trace.watch(subject.model, **subject.batch)
    say(f"loss     {_losses(seen.output)}\n")
    say(seen.view(options.only, options.values))
    problem = seen.first_non_finite()
    if problem is not None:
        say(f"The first tensor that is not finite: {problem}")
    return 0 if problem is None else 1


def _describe(subject, name):
    """Yield the heading: the model, the tokens, the masked words, and how large every letter is."""
    config = subject.model.config
    head_size = config.hidden_size // config.num_attention_heads
    yield f"model    {name}"
    yield f"tokens   {' '.join(subject.tokens)}"
    yield f"hidden   {', '.join(f'{word} at {place}' for place, word in subject.answers.items())}"
    yield (
        f"letters  B {len(subject.batch['input_ids'])} batch, T {len(subject.tokens)} tokens, "
        f"H {config.hidden_size} hidden size, A {config.num_attention_heads} heads, D {head_size} = H/A, "
        f"F {config.intermediate_size} feed-forward size, V {config.vocab_size} vocabulary, "
        f"M {len(subject.answers)} hidden tokens"
    )


def _losses(output):
    parts = {"MLM": output.mlm_loss, "NSP": output.nsp_loss}
    known = [f"{name} {loss:.4f}" for name, loss in parts.items() if loss is not None]
    return f"{output.loss:.4f} = {' + '.join(known)}"


def _stop(subject, name):
    """Run both passes with the debugger in wait."""
    import bdb

    from minibert import trace

    try:
        with trace.stop_at(subject.model, name) as stopped:
            output, cache = subject.model.forward(**subject.batch)
            subject.model.backward(cache)
    except bdb.BdbQuit:
        return 0
    if not stopped:
        raise ValueError(f"{name} was not reached: this model, with this text, does not run that line")
    say(f"Both passes are done: loss {_losses(output)}")
    return 0
