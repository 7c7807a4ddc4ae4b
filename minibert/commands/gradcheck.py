"""TEMPORARY: stands in for the command that is made from everything.py."""


def add(commands):
    command = commands.add_parser("gradcheck", help="check every gradient of every layer and model", epilog="example")
    command.set_defaults(run=run)
    command.add_argument("names", nargs="*", metavar="NAME")
    command.add_argument("--method", choices=("complex", "central"))
    command.add_argument("--intermediates", action="store_true")
    command.add_argument("--preset", choices=("tiny", "base"))
    command.add_argument("--per-tensor", action="store_true")
    museum = command.add_mutually_exclusive_group()
    museum.add_argument("--exhibit", metavar="NAME")
    museum.add_argument("--list", action="store_true")


def run(options):
    from minibert.commands import everything
    from minibert.commands.common import say

    if options.per_tensor and not options.preset:
        raise ValueError("--per-tensor goes with --preset: all other checks are made tensor by tensor")
    if options.preset and (options.names or options.method or options.intermediates):
        raise ValueError("--preset is a whole model and the complex step: leave out NAME, --method and --intermediates")
    if options.names and (options.exhibit or options.list):
        raise ValueError("NAME does not go with --exhibit or --list: an exhibit brings its own layer")
    if options.list:
        is_right = everything.list_names(say)
    elif options.preset:
        is_right = everything.check_preset(options.preset, options.per_tensor, options.exhibit, say)
    elif options.exhibit:
        is_right = everything.show_exhibit(options.exhibit, options.method or "complex", options.intermediates, say)
    else:
        is_right = everything.check_everything(options.names, options.method or "complex", options.intermediates, say)
    return 0 if is_right else 1
