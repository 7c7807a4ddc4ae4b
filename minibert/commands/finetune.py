"""`minibert finetune`: a pretrained model learns a task from labelled examples."""

import os
import pathlib

import numpy as np

from minibert.arguments import add_seed, not_negative, path, positive
from minibert.commands.common import available_cores, interrupted, quoted, say
from minibert.files import read_json
from minibert.objectives import LANGUAGE_MODEL, TASKS, UNFREEZE

SETTINGS = (  # the options that are fields of the recipe, under the same name
    "task", "train", "dev", "text_column", "pair_column", "label_column", "epochs", "batch_size",
    "learning_rate", "max_length", "freeze", "layer_decay", "reinit", "seed", "threads",
    "language_model_epochs", "unlabelled", "unfreeze", "dropout",
)
PATHS = ("train", "dev", "start", "unlabelled")


def add(commands):
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "finetune",
        help="train a pretrained BERT on labelled examples: classes, pairs, tags, answers; or another model",
        description="Fine-tune a BERT, of minibert or Hugging Face, on a file of labelled examples: TSV and "
        "CSV with a header, JSON lines, CoNLL columns, SQuAD's JSON. An XLNet of `minibert pretrain` learns "
        "classes of texts and pairs (--task classify, pairs). An AWD-LSTM of `minibert pretrain` goes "
        "through ULMFiT's stages 2 and 3: as a language model on the texts, then as a classifier. Leaves the "
        "model of the best evaluation, its log and its learning curves in the output directory. Ctrl-C "
        "writes a checkpoint first.",
        epilog="example: minibert finetune bert-run --task classify --train reviews.tsv --output classifier",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "model", nargs="?", type=path, metavar="DIR",
        help="directory of the pretrained model; --resume needs none",
    )
    command.add_argument(
        "--task", choices=TASKS,
        help="classify: a text has a label; pairs: two texts have one; tag: each word has one; span: a "
        "question has its answer in a text",
    )
    command.add_argument("--train", type=path, metavar="FILE", help="labelled examples to learn from")
    command.add_argument(
        "--dev", type=path, metavar="FILE",
        help="labelled examples that judge the model (default: a tenth of --train is held out)",
    )
    command.add_argument(
        "--output", type=path, default="fine-tuned", metavar="DIR",
        help="directory to write to (default: %(default)s)",
    )
    command.add_argument(
        "--epochs", type=positive(int), metavar="N",
        help="passes over the examples (default: 3; AWD-LSTM: 15)",
    )
    command.add_argument(
        "--lr", "--learning-rate", dest="learning_rate", type=positive(float), metavar="R",
        help="peak of the learning rate (default: 5e-5 for a model of 768 columns, more for narrower ones; "
        "AWD-LSTM: 0.01)",
    )
    command.add_argument(
        "--batch-size", type=positive(int), metavar="B", help="sequences in a batch (default: 16)")
    command.add_argument(
        "--max-length", type=positive(int), metavar="T",
        help="tokens in a sequence (default: 128, of questions 384, or fewer if the model reads fewer)",
    )
    command.add_argument(
        "--freeze", type=positive(int), nargs="?", const=-1, metavar="N",
        help="leave the embeddings and the N lowest layers as they are; without N, all layers",
    )
    command.add_argument(
        "--layer-decay", type=not_negative(float), metavar="F",
        help="factor of the learning rate from each layer to the one below (default: 1)",
    )
    command.add_argument(
        "--reinit", type=positive(int), metavar="N", help="let the N top layers start from random weights")
    ulmfit = command.add_argument_group("only for an AWD-LSTM (ULMFiT)")
    ulmfit.add_argument(
        "--language-model-epochs", type=not_negative(int), metavar="N",
        help="passes over the texts as a language model, before the labels; 0 is none (default: 5)",
    )
    ulmfit.add_argument(
        "--unlabelled", type=path, metavar="FILE", help="more texts for the language model, without labels")
    ulmfit.add_argument(
        "--unfreeze", choices=UNFREEZE,
        help="train the head alone at first and one group of layers more in each epoch (gradual, the "
        "default), or all from the start",
    )
    ulmfit.add_argument(
        "--dropout", type=not_negative(float), metavar="F",
        help="factor of the paper's rates of dropout (default: 0.1)",
    )
    command.add_argument("--text-column", metavar="NAME", help="column of the text (default: a usual name)")
    command.add_argument("--pair-column", metavar="NAME", help="column of the second text")
    command.add_argument("--label-column", metavar="NAME", help="column of the label")
    add_seed(command, default=None)
    command.add_argument(
        "--seeds", type=positive(int), metavar="N",
        help="train N models, with the seeds 0 to N - 1, and print the mean and the range",
    )
    command.add_argument(
        "--threads", type=positive(int), metavar="N", help="cores to use (default: all, at most 4)")
    command.add_argument(
        "--resume", action="store_true",
        help="go on with the run in --output; --epochs, --threads, --train and --dev may change",
    )


def run(options):
    """Run `minibert finetune`."""
    given = {name: getattr(options, name) for name in SETTINGS if getattr(options, name) is not None}
    if options.model:
        given["start"] = options.model
    given |= {name: os.path.abspath(given[name]) for name in PATHS if name in given}
    if options.seeds and options.seed is not None:
        raise ValueError("--seed and --seeds exclude each other: leave one out")
    if not options.resume:
        _check_needed(options)
    if not options.seeds:
        evaluation, training = _one(options.output, given, options.resume, say, options)
        _tell_end(options.output, evaluation, training)
        return
    evaluations = []
    for seed in range(options.seeds):
        say(f"\nseed {seed}")
        output = os.path.join(options.output, f"seed-{seed}")
        is_there = options.resume and any(
            os.path.isfile(os.path.join(output, *folder, "run.json")) for folder in ((), (LANGUAGE_MODEL,))
        )
        if options.resume and not is_there:
            given = _recipe_of(os.path.join(options.output, "seed-0")) | given
        tell = say if seed == 0 else _short
        settings = given if is_there else {**given, "seed": seed}
        evaluation, training = _one(output, settings, is_there, tell, options)
        evaluations.append(evaluation)
    _tell_seeds(options.output, evaluations, training)


def _recipe_of(output):
    """Return the recipe of the run in a directory, for a run with another seed."""
    record = read_json(pathlib.Path(output, "run.json"))
    return {**record["recipe"], "num_steps": 0}


def _check_needed(options):
    """Raise ValueError if a new run lacks what it needs."""
    for value, name in ((options.model, "DIR, a pretrained model"), (options.task, "--task"),
                        (options.train, "--train FILE")):
        if value is None:
            raise ValueError(f"a new run needs {name}; --resume goes on with the run in --output")


def _short(line):
    """Print what a further seed does, not once more what the examples are."""
    if line.startswith(("step", "stage", "best", "resuming")):
        say(line)


def _one(output, given, is_resumed, tell, options):
    """Begin or resume a run; return the evaluation that is kept, and its Training."""
    from minibert import objectives
    from minibert.objectives import ulmfit
    from minibert.training import run as runs

    try:
        if is_resumed:
            return ulmfit.resume(output, objectives.find, tell, _changes(output, given))
        objective = objectives.fine_tuning_of(given["start"])
        recipe = objective.Recipe.of(**{"threads": min(4, available_cores()), **given})
        if objective is ulmfit.ULMFiT:
            return ulmfit.begin(output, recipe, say=tell)
        return runs.begin(output, objective, recipe, say=tell)
    except KeyboardInterrupt as interrupt:
        command = f"finetune --seeds {options.seeds}" if options.seeds else "finetune"
        directory = ulmfit.directory_under_way(output)
        raise interrupted(command, options.output, interrupt, run=directory) from None


def _changes(output, given):
    """Return the changes of a resumed run's recipe; more epochs are as many more steps."""
    file = pathlib.Path(output, "run.json")
    if "epochs" not in given or not file.is_file():
        return given
    recipe = read_json(file).get("recipe", {})
    steps = recipe.get("num_steps", 0) // max(1, recipe.get("epochs", 1))
    return {**given, "num_steps": steps * given["epochs"]}


def _tell_end(output, evaluation, training):
    """Print the table, where the files are, and a command to try."""
    objective = training.objective
    for line in ("", *objective.table(evaluation), ""):
        say(line)
    pictures = [name for name in objective.pictures if os.path.isfile(os.path.join(output, name))]
    files = ["model", "log.jsonl", *pictures]
    say(f"{', '.join(files[:-1])} and {files[-1]} are in {output}. Try:")
    for command, *arguments in objective.suggestions(output):
        say(f"  minibert {command} {' '.join(map(quoted, arguments))}")


def _tell_seeds(output, evaluations, training):
    """Print the mean and the range of the evaluations of several seeds, beside the baselines."""
    objective = training.objective
    say(f"\n{f'{len(evaluations)} seeds':<28}{'mean':>9}{'lowest':>9}{'highest':>9}" + "".join(
        f"{name:>15}" for name in objective.baselines))
    for field, unit in objective.task.units.items():
        values = [getattr(evaluation, field) for evaluation in evaluations]
        if values[0] is None:
            continue
        others = [getattr(baseline, field) for baseline in objective.baselines.values()]
        shown = "".join(f"{'' if value is None else f'{value:.3f}':>15}" for value in others)
        say(f"{unit:<28}{np.mean(values):>9.3f}{min(values):>9.3f}{max(values):>9.3f}{shown}".rstrip())
    say(f"\nThe models are in {os.path.join(output, 'seed-0')} and the folders beside it.")
