"""The numbers that every training run needs, whatever it trains."""

import dataclasses

from minibert.training.schedules import linear_schedule

# The option of a field, where the two differ.
FLAGS = {"num_steps": "steps", "start": "from", "student_layers": "layers"}


def options(names):
    """Return the options of some fields of a recipe, as a command line has them."""
    return ", ".join("--" + FLAGS.get(name, name).replace("_", "-") for name in names)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained: the same recipe gives the same weights, to the last bit.

    An objective adds its own fields: text, sizes, what is masked. run.json records all of them.

    Attributes:
        seed: of weights, data order, masks and dropout.
        num_steps: optimizer steps; 0 lets the run choose, from the minutes that it is given.
        threads: shares that a batch is cut into.
        batch_size: sequences.
        optimizer: "adamw", or "muon": Muon for the hidden matrices and AdamW for the rest.
        learning_rate: its peak.  muon_learning_rate: Muon's, which rises and falls alike.
        warmup: share of the steps in which it rises.
        beta2: of AdamW.  weight_decay: of matrices.  max_gradient_norm: for clipping.
    """

    seed: int = 0
    num_steps: int = 0
    threads: int = 1
    batch_size: int = 32
    optimizer: str = "adamw"
    learning_rate: float = 3e-3
    muon_learning_rate: float = 0.02
    warmup: float = 0.1
    beta2: float = 0.98
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0

    default_minutes = 5.0  # of a run that is told neither minutes nor steps
    may_change = {}  # {further field that may change when a run is resumed: what that does}
    micro_batches, recompute = 1, False  # fields of the recipes whose objective can do it

    @classmethod
    def of(cls, **changes):
        """Return the recipe with `changes`; an objective may choose other defaults by what is changed.

        Raises:
            ValueError: the recipe has no field of that name.
        """
        unknown = sorted(changes.keys() - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            them = "it" if len(unknown) == 1 else "them"
            raise ValueError(f"this model does not use {options(unknown)}: leave {them} out")
        return cls(**changes)

    def learning_rate_at(self, step):
        """The learning rate of a step: a linear rise, then a linear fall (see schedules.py)."""
        num_warmup_steps = max(1, round(self.warmup * self.num_steps))
        return linear_schedule(step, max(self.num_steps, step + 1), num_warmup_steps, self.learning_rate)
