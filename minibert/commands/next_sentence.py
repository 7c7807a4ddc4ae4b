"""`minibert next-sentence`: does one sentence follow another?"""

import numpy as np

from minibert.arguments import path
from minibert.commands.common import encoded, load_model, say


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "next-sentence",
        help="tell whether one sentence follows another",
        description="Show the probability that the second text follows the first, and that it comes from "
        "elsewhere.",
        epilog='example: minibert next-sentence bert-run "Lists can grow." "Tuples cannot."',
    )
    command.set_defaults(run=run)
    command.add_argument("model", type=path, metavar="DIR", help="directory of a model or of a run")
    command.add_argument("first", metavar="FIRST", help="the first text")
    command.add_argument("second", metavar="SECOND", help="the text that may follow it")


def run(options):
    """Run `minibert next-sentence`."""
    from minibert.layers.softmax import softmax

    model, tokenizer, folder = load_model(options.model, needed=("cls.seq_relationship.", "bert.pooler."))
    if model.config.type_vocab_size < 2:
        raise ValueError(f"{folder} reads one text, no pair: its config.json says type_vocab_size 1")
    encoding = encoded(model, tokenizer, options.first, options.second)
    output, _ = model.forward(encoding.input_ids[np.newaxis], encoding.token_type_ids[np.newaxis])
    follows, elsewhere = softmax(output.seq_relationship_logits)[0]
    say(f"follows the first     {follows:6.1%}")
    say(f"comes from elsewhere  {elsewhere:6.1%}")
