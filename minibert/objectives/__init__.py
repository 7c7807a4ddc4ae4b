"""Objectives: the only place that joins a model, examples and a recipe.

An objective is a class that offers

    name, Recipe                        its name in OBJECTIVES, and a subclass of training.recipe.Recipe
    Objective(recipe, checkpoint, say)  reads the text; takes the tokenizer of a checkpoint's folder, if given
    recipe, fingerprint                 as given; a changed text has another one
    description()                       "600 steps of 32 sequences of up to 64 tokens"

    make_model()                        a new model, its weights drawn from recipe.seed
    hidden_matrices(model)              {name: Parameter} of those that Muon steps, if the recipe asks for it
    batch(step)                         the arguments of model.forward, a NamedTuple of arrays, batch first
    starts_stream(step)                 whether the state that the model passes on is dropped before this step
    num_tokens(batch)                   for the log

    held_out                            streams, each a list of batches in order
    score(model, batch, state)          -> (scores, state): a NamedTuple of arrays, an entry for each answer
    evaluation(scores)                  -> a NamedTuple of numbers
    references()                        {name: dict}, for the log: the numbers an evaluation is compared with
    line(evaluation), table(evaluation) as text: a line, and the lines at the end of a run

    save(directory)                     writes the files that a user needs beside the weights
    files                               their names
    pictures, draw(directory, log, is_finished)     their names; writes those that are due
    picture_seconds                     that pictures take at each evaluation
    suggestions(directory)              commands to try on the finished model

and may offer

    make_optimizer(model)               in place of the recipe's: rates by layer, frozen layers
    part(model)                         the layers that are trained, as a model, where all below is frozen
    counts(batch)                       {part of the loss: number predicted}, for a batch that goes in parts
    quality(evaluation)                 larger is better; the model of the best evaluation is kept
    evaluation_steps                    from one evaluation to the next; otherwise there are ten in a run
"""

import importlib

OBJECTIVES = {  # name: module and class, imported when it is asked for
    "bert": "minibert.objectives.masked_lm.MaskedLM",
    "rnn": "minibert.objectives.causal_lm.RNNObjective",
    "lstm": "minibert.objectives.causal_lm.LSTMObjective",
    "awd-lstm": "minibert.objectives.causal_lm.AWDLSTMObjective",
    "elmo": "minibert.objectives.elmo.ELMoObjective",
    "transformer": "minibert.objectives.translation.TranslationObjective",
    "gpt": "minibert.objectives.gpt.GPTObjective",
    "xlnet": "minibert.objectives.permutation_lm.PermutationLM",
    "albert": "minibert.objectives.albert.AlbertObjective",
    "electra": "minibert.objectives.electra.ElectraObjective",
}


TASKS = ("classify", "pairs", "tag", "span")  # of fine-tuning
UNFREEZE = ("gradual", "all")  # how ULMFiT unfreezes the layers
LANGUAGE_MODEL = "language-model"  # folder of ULMFiT's stage 2
FINE_TUNING = {  # the same, of those that start from a pretrained model: with labels, or as its student
    "fine-tuning": "minibert.objectives.fine_tuning.FineTuning",
    "distillation": "minibert.objectives.distillation.DistillationObjective",
    "ulmfit-language-model": "minibert.objectives.ulmfit.TargetLanguageModel",
    "ulmfit": "minibert.objectives.ulmfit.ULMFiT",
    "xlnet-fine-tuning": "minibert.objectives.xlnet_fine_tuning.XLNetFineTuning",
}
BY_MODEL_TYPE = {"awd-lstm": "ulmfit", "xlnet": "xlnet-fine-tuning"}  # of config.json; others are BERTs


def find(name):
    """Return the class of an objective; ValueError if there is none of that name."""
    known = OBJECTIVES | FINE_TUNING
    if name not in known:
        raise ValueError(f"there is no objective {name!r}: choose one of {', '.join(known)}")
    module, _, class_name = known[name].rpartition(".")
    return getattr(importlib.import_module(module), class_name)


def fine_tuning_of(folder):
    """Return the objective that fine-tunes the model in a folder, which is a run's or a checkpoint's."""
    from minibert.files import read_json
    from minibert.training.checkpoint import find_model

    model_type = read_json(find_model(folder) / "config.json").get("model_type")
    return find(BY_MODEL_TYPE.get(model_type, "fine-tuning"))
