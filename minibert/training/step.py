"""One training step, and what is kept from one step to the next."""

import numpy as np

from minibert.layers.recomputed import recompute_layers
from minibert.training.optimizers import AdamW, Muon, Together, clip_gradients
from minibert.training.parallel import DataParallel


class Training:
    """An objective's model and its optimizer, trained a step at a time.

    Args:
        objective: what is learned from what (minibert/objectives/__init__.py says what it offers).

    Attributes:
        objective, recipe, model, optimizer: as they are now.
        workers: the model, or the part of it that is trained, on several threads.
        state: passed on by the last step (a recurrent state, a memory); None at the start of a stream.
    """

    def __init__(self, objective):
        self.objective, self.recipe = objective, objective.recipe
        self.model = objective.make_model()
        if self.recipe.recompute:
            recompute_layers(self.model)
        self.optimizer = make_optimizer(objective, self.model)
        part = objective.part(self.model) if hasattr(objective, "part") else self.model
        self.workers = DataParallel(part, self.recipe.threads)
        self.state = None

    def step(self, number):
        """Do the training step of that number; return its line of the log.

        Raises:
            FloatingPointError: the loss or a gradient is not finite; no parameter was changed.
        """
        seed = [self.recipe.seed, number]
        state = None if self.objective.starts_stream(number) else self.state
        batch = self.objective.batch(number)                    # a question that the text itself answers
        if self.recipe.micro_batches > 1:
            counts = self.objective.counts(batch)
            self.workers.zero_grad()
            output = self.workers.accumulate(batch, self.recipe.micro_batches, counts, seed)
        else:
            output, cache = self.workers.forward(batch, state, seed)  # answers, and their losses
            self.workers.zero_grad()
            self.workers.backward(cache)                        # d loss / d parameter, for all of them
        norm = clip_gradients(self.optimizer.parameters, self.recipe.max_gradient_norm)
        self.check_finite(norm)
        self.optimizer.lr = self.recipe.learning_rate_at(number)
        self.optimizer.step(self.workers.spread)
        self.state = None if self.objective.starts_stream(number + 1) else output.state
        return {
            "step": number + 1, "tokens": self.objective.num_tokens(batch), "loss": output.loss,
            **output.losses, "learning_rate": self.optimizer.lr, "gradient_norm": norm,
        }

    def evaluate(self):
        """Return the objective's evaluation of the model on all held-out streams, without dropout."""
        scores = [
            batch for stream in self.workers.map(self._score, self.objective.held_out) for batch in stream
        ]
        return self.objective.evaluation(type(scores[0])(*map(np.concatenate, zip(*scores))))

    def _score(self, model, stream):
        """Return the scores of a stream's batches in order; its state is passed on from batch to batch."""
        all_scores, state = [], None
        for batch in stream:
            scores, state = self.objective.score(model, batch, state)
            all_scores.append(scores)
        return all_scores

    def check_finite(self, norm):
        """Raise FloatingPointError if the norm of all gradients is not finite; name the first bad one."""
        if not np.isfinite(norm):
            self.check_parameters()
            bad = [name for name, p in self.optimizer.parameters.items() if not np.isfinite(p.grad).all()]
            # Backward goes from the last parameter to the first, and so does what is not finite.
            raise FloatingPointError(
                f"the gradient of {(bad or ['all parameters together'])[-1]} is not finite"
            )

    def check_parameters(self):
        """Raise FloatingPointError if a parameter is infinite or not a number."""
        for name, parameter in self.optimizer.parameters.items():
            if not np.isfinite(parameter.value).all():
                raise FloatingPointError(f"the values of {name} are not finite")


def make_optimizer(objective, model):
    """Return the objective's own optimizer, or else the one that its recipe names, for all parameters: AdamW,
    or Muon for the hidden matrices and AdamW for the others.

    Raises:
        ValueError: there is none of that name.
    """
    recipe = objective.recipe
    if hasattr(objective, "make_optimizer"):
        return objective.make_optimizer(model)
    if recipe.optimizer not in ("adamw", "muon"):
        raise ValueError(f"there is no optimizer {recipe.optimizer!r}: choose adamw or muon")
    matrices = objective.hidden_matrices(model) if recipe.optimizer == "muon" else {}
    others = {name: parameter for name, parameter in model.parameters().items() if name not in matrices}
    decay = recipe.weight_decay
    adamw = AdamW(others, recipe.learning_rate, betas=(0.9, recipe.beta2), weight_decay=decay)
    if recipe.optimizer == "adamw":
        return adamw
    return Together(adamw, Muon(matrices, recipe.muon_learning_rate, weight_decay=decay))
