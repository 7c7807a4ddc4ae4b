"""Do the experiments of lesson 15 on the toy language: what makes pretraining cheaper, and what does not.

    python notebooks/data/15_cheaper_pretraining.py FOLDER              # all that is not stored yet
    python notebooks/data/15_cheaper_pretraining.py FOLDER electra 0 1  # one part, of seeds 0 and 1

It writes 15_cheaper_pretraining.json beside it, after each run of some seconds to a minute; so it can be
stopped, and goes on with what is missing. FOLDER keeps the teachers. All runs together need an hour of one
core. On another machine the last bits differ.
"""

import functools
import json
import os
import pathlib
import sys

from threadpoolctl import threadpool_limits

from minibert.course import cheaper as lesson
from minibert.course.experiments import rounded
from minibert.training.memory import keep_freed_memory

FILE = pathlib.Path(__file__).with_suffix(".json")
CHOOSING = 9  # the seed that learning rates are chosen on
EPOCHS = 4, 16, 64, 8, 32, 2  # of a text; 1 is "hard 1" of the part "answers"


def rates(seed, folder):
    """Return {name: function} of the runs that ELECTRA's and the student's rates are chosen by."""
    call = functools.partial
    return {
        **{f"ELECTRA {rate}": call(lesson.of_electra, seed, rate=rate) for rate in lesson.ELECTRA_RATES},
        **{
            f"student {rate}": call(lesson.student, folder, seed, rate=rate)
            for rate in lesson.STUDENT_RATES
        },
    }


def electra(seed, folder):
    """Return {name: function} of ELECTRA at 0.6 of the tokens against BERT."""
    return {
        "new BERT": lambda: lesson.of_bert(seed, 0),
        "ELECTRA 0.6": lambda: lesson.of_electra(seed),
        "BERT 1": lambda: lesson.of_bert(seed),
        "BERT 0.6": lambda: lesson.of_bert(seed, lesson.SHARE),
        "wide ELECTRA 0.6": lambda: lesson.of_electra(seed, **lesson.WIDE),
    }


def distillation(seed, folder):
    """Return {name: function} of a teacher of four layers, its student of two, and the controls."""
    return {
        "teacher": lambda: lesson.points(lesson.teacher_of(folder, seed)),
        "student": lambda: lesson.student(folder, seed),
        "labels only": lambda: lesson.student(folder, seed, lesson.LabelsOnly),
        "from scratch": lambda: lesson.from_scratch(seed),
    }


def answers(seed, folder):
    """Return {name: function} of hard labels, soft targets and the exact posterior, by epochs of the text."""
    def run(kind, epochs, temperature=1.0):
        answers_of = {
            "hard": lambda: lesson.hard, "exact": lambda: lesson.exact,
            "soft": lambda: lesson.soft(lesson.teacher_of(folder, seed)),
            "redrawn": lambda: lesson.redrawn(seed),
        }[kind]()
        return lesson.taught(answers_of, seed, epochs, temperature)

    names = {f"{kind} {epochs}": (kind, epochs) for epochs in (1, 64) for kind in ("hard", "exact", "soft")}
    names |= {"redrawn 64": ("redrawn", 64), "exact 1, T 2": ("exact", 1, 2.0)}
    return {
        "noise": lambda: lesson.gradient_noise(seed),
        **{name: functools.partial(run, *given) for name, given in names.items()},
    }


def epochs(seed, folder):
    """Return {number of epochs: function} of the same steps over less text."""
    def run(number):
        return lesson.short_run(lesson.new_bert(seed), lesson.Text(seed, number))

    return {str(number): functools.partial(run, number) for number in EPOCHS}


def batches(seed, folder):
    """Return {size of a batch: function} of the steps and tokens to a loss."""
    return {
        str(size): functools.partial(lesson.to_targets, seed, size, rate)
        for size, rate in lesson.RATE_OF_SIZE.items()
    }


def batch_rates(seed, folder):
    """Return {"size rate": function} of the runs that compare rates at each size of a batch."""
    return {
        f"{size} {rate}": functools.partial(lesson.to_targets, seed, size, rate)
        for size, some in lesson.RATES_OF_SIZE.items() for rate in some
    }


def albert(seed, folder):
    """Return {name: function} of a short run of ALBERT; that of BERT is "hard 1" of the part "answers"."""
    return {
        "ALBERT": lambda: lesson.short_run(lesson.new_albert(seed), lesson.Text(seed)),
        "shared layers alone": lambda: lesson.short_run(
            lesson.new_albert(seed, embedding_size=lesson.HIDDEN), lesson.Text(seed)),
    }


def masks(seed, folder):
    """Return {share of masked words: function}; 0.15 is "hard 1" of the part "answers"."""
    def run(share):
        return lesson.short_run(lesson.new_bert(seed), lesson.Text(seed, mlm_probability=share))

    return {str(share): functools.partial(run, share) for share in (0.1, 0.3, 0.4, 0.6, 0.8)}


def times(seed, folder):
    """Return {name: function} of times side by side."""
    mini = {"hidden_size": 256, "intermediate_size": 1024}
    return {
        "forward, four layers to two": lesson.forward_times,
        "forward, four layers to two, H 256": lambda: lesson.forward_times(mini),
        "step, BERT to ALBERT": lesson.step_times,
        "step, BERT to ALBERT, four layers": lambda: lesson.step_times(num_layers=4),
    }


def references(seed, folder):
    """Return {name: function} of what needs no training."""
    return {"unigram": lesson.unigram_points, "limit": lambda: lesson.toy().limits._asdict()}


PARTS = {  # and their seeds
    references: (0,),
    rates: (CHOOSING,),
    electra: range(5),
    distillation: range(5),
    answers: range(5),
    epochs: range(5),
    batch_rates: (CHOOSING,),
    batches: range(3),
    albert: range(5),
    masks: range(3),
    times: (0,),
}


def main(folder, part=None, *chosen):
    for make, seeds in PARTS.items():
        if part in (None, make.__name__.replace("_", " ")):
            for seed in map(int, chosen or seeds):
                for name, run in make(seed, folder).items():
                    if name not in stored().get(make.__name__.replace("_", " "), {}).get(str(seed), {}):
                        add(make.__name__.replace("_", " "), str(seed), name, rounded(run()))


def stored():
    """Return what is in the file: {part: {seed: {name: found}}}."""
    return json.loads(FILE.read_text("ascii")) if FILE.is_file() else {}


def add(part, seed, name, found):
    """Add a result to the file; it is whole at every time."""
    results = stored()
    results.setdefault(part, {}).setdefault(seed, {})[name] = found
    order = [make.__name__.replace("_", " ") for make in PARTS]
    parts = ",\n".join(
        f'"{each}": {{\n{_of_seeds(results[each])}\n}}' for each in order if each in results)
    unfinished = FILE.with_suffix(f".{os.getpid()}")
    unfinished.write_text(f"{{\n{parts}\n}}\n", encoding="ascii")
    os.replace(unfinished, FILE)
    print(part, seed, name, flush=True)


def _of_seeds(results):
    found = []
    for seed in sorted(results, key=int):
        runs = ",\n".join(f'"{name}": {json.dumps(run)}' for name, run in results[seed].items())
        found.append(f'"{seed}": {{\n{runs}}}')
    return ",\n".join(found)


if __name__ == "__main__":
    keep_freed_memory()
    with threadpool_limits(1, "blas"):
        main(*sys.argv[1:])
