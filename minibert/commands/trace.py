"""`minibert trace`: one forward and one backward pass, printed or stopped in."""

import bdb


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "trace",
        help="print every value and gradient of one pass, or stop in the debugger on a line of it",
        description="Run one sentence pair through a BERT, forward and backward, and print what was computed: every value with its "
        "shape, formula, mean and spread, and every gradient under the value it belongs to. Without a model: a tiny one, "
        "whose numbers can be checked by hand. With --stop-at: open the debugger on a line of our code instead.",
        epilog="examples: minibert trace --only bert.encoder.1.attention; minibert trace --stop-at attention.backward; "
        'minibert trace bert-run "A function may [MASK] a value."',
    )
    command.set_defaults(run=run)
    command.add_argument("model", nargs="?", metavar="DIR", help="directory of a model or of a run (default: the tiny model)")
    command.add_argument("text", nargs="?", metavar="TEXT", help="text, with [MASK] or without: then some words are hidden")
    command.add_argument("second", nargs="?", metavar="SECOND", help="the text that follows it")
    command.add_argument("--only", metavar="PATH", help="print a part, as bert.encoder.1.attention or mlm_head.dense.x")
    command.add_argument("--values", action="store_true", help="print all numbers of every array")
    command.add_argument(
        "--stop-at", metavar="NAME",
        help="open the debugger there: a layer (attention.backward, encoder.1.attention.forward) or a line (attention.d_scores); "
        "PYTHONBREAKPOINT chooses the debugger",
    )  # fmt: skip
    command.add_argument("--exhibit", metavar="NAME", help="plant a mistake of the bug museum first (minibert gradcheck --list)")


def run(options):
    """Run `minibert trace`; return 1 if a tensor is not finite, else 0."""
    from minibert import trace
    from minibert.gradcheck import museum
    from minibert.trace import example

    if options.stop_at and (options.only or options.values):
        raise ValueError("--stop-at opens the debugger in place of the printed tree: leave out --only and --values")
    if options.model is None:
        subject = example.tiny()
    else:
        from minibert.cli import _load

        model, tokenizer, _ = _load(options.model)
        texts = (example.FIRST, example.SECOND) if options.text is None else (options.text, options.second)
        subject = example.from_text(model, tokenizer, *texts)
    if options.exhibit:
        subject = subject._replace(model=museum.plant(subject.model, options.exhibit))
    for line in _describe(subject, options.model or "a tiny BERT with random weights, float64"):
        print(line)
    if options.stop_at:
        return _stop(subject, options.stop_at)
    seen = trace.watch(subject.model, **subject.batch)
    print(f"loss     {_losses(seen.output)}\n")
    print(seen.view(options.only, options.values))
    problem = seen.first_non_finite()
    if problem is not None:
        print(f"The first tensor that is not finite: {problem}")
    return 0 if problem is None else 1


def _describe(subject, name):
    """Yield what is run: the model, the tokens, what is hidden, and how large every letter is."""
    config = subject.model.config
    head_size = config.hidden_size // config.num_attention_heads
    yield f"model    {name}"
    yield f"tokens   {' '.join(subject.tokens)}"
    yield f"hidden   {', '.join(f'{word} at {place}' for place, word in subject.answers.items())}"
    yield (
        f"letters  B {len(subject.batch['input_ids'])} batch, T {len(subject.tokens)} tokens, H {config.hidden_size} hidden size, "
        f"A {config.num_attention_heads} heads, D {head_size} = H/A, F {config.intermediate_size} feed-forward size, "
        f"V {config.vocab_size} vocabulary, M {len(subject.answers)} hidden tokens"
    )


def _losses(output):
    parts = [f"{name} {loss:.4f}" for name, loss in (("MLM", output.mlm_loss), ("NSP", output.nsp_loss)) if loss is not None]
    return f"{output.loss:.4f} = {' + '.join(parts)}"


def _stop(subject, name):
    """Run both passes with the debugger in wait."""
    from minibert import trace

    try:
        with trace.stop_at(subject.model, name) as stopped:
            output, cache = subject.model.forward(**subject.batch)
            subject.model.backward(cache)
    except bdb.BdbQuit:
        return 0
    if not stopped:
        raise ValueError(f"{name} was not reached: this model, with this text, does not run that line")
    print(f"Both passes are done: loss {_losses(output)}")
    return 0
