"""Fine-tuning layer by layer: rates that fall towards the input, frozen layers, and new top layers."""

import re

import numpy as np

from minibert.training.optimizers import AdamW, Together


def layer_groups(model, layers=None):
    """Return the parameters in groups from the input up: below the layers, each layer, above the layers.

    Of a BertForSequenceClassification with L layers these are L + 2 groups: the embeddings, the layers
    0 to L - 1, and the pooler with the head. Frozen groups are those that an optimizer is not given:

        trained = {name: parameter for group in layer_groups(model)[-3:] for name, parameter in group.items()}

    Args:
        model: its parameters are in the order in which they are used.
        layers: path of the list that holds the layers, such as "bert.encoder"; None is the first list.

    Returns:
        list of {name: Parameter}, disjoint; together they are model.parameters().

    Raises:
        ValueError: the model has no list of layers there.
    """
    parameters = model.parameters()
    path = re.escape(layers) if layers is not None else ".*?"
    places = {name: re.match(rf"({path})\.(\d+)\.", f"{name}.") for name in parameters}
    found = [place for place in places.values() if place]
    if not found:
        where = "list of layers" if layers is None else f"layers in {layers!r}"
        raise ValueError(f"{type(model).__name__} has no {where}: its parameters are {', '.join(parameters)}")
    path = found[0][1]
    numbers = {name: int(place[2]) for name, place in places.items() if place and place[1] == path}
    groups = [{} for _ in range(max(numbers.values()) + 3)]
    is_above = False
    for name, parameter in parameters.items():
        is_above = is_above or name in numbers
        outside = len(groups) - 1 if is_above else 0
        groups[numbers[name] + 1 if name in numbers else outside][name] = parameter
    return groups


def layerwise_adamw(groups, lr, layer_decay=1.0, **options):
    """Return AdamW with a rate for each group: lr for the last, and a factor less for each one below it.

        rate of group k of n = lr · layer_decay^(n − 1 − k)

    So the head learns at lr, the top layer at lr · layer_decay, the embeddings of L layers at
    lr · layer_decay^(L + 1) (Clark et al. 2020, "ELECTRA": 0.8 and 0.9). With 1 it is plain AdamW, with 0
    all but the last group is frozen.

    Args:
        groups: of layer_groups, or the last ones of these.
        lr: of the last group; may be set anew before every step, and the others follow.
        layer_decay: from 0 to 1.  options: of AdamW.

    Returns:
        one optimizer; groups with a rate of 0 are none of its parameters.

    Raises:
        ValueError: layer_decay is outside of 0 to 1.
    """
    if not 0 <= layer_decay <= 1:
        raise ValueError(f"layer_decay must be between 0 and 1, got {layer_decay}")
    optimizers = []
    for steps_below_the_top, group in enumerate(reversed(groups)):
        factor = layer_decay**steps_below_the_top
        if factor > 0:
            optimizers.append(AdamW(group, lr * factor, **options))
    return Together(*optimizers)


class Unfreezing:
    """The optimizers of a layerwise_adamw, which begin one after another from the top down.

    Gradual unfreezing (Howard & Ruder 2018, section 3.3): a group that has not begun keeps its bits, and its
    gradient is no part of the norm that is clipped. Its moments begin with it.

    Args:
        together: of layerwise_adamw.
        first_steps: the step in which each of its groups begins, from the top down; 0 for the first.

    Attributes:
        lr: of the top group; may be set anew before every step, and the others follow.
        num_steps: done so far.
    """

    def __init__(self, together, first_steps):
        self.together, self.first_steps = together, first_steps
        self.lr, self.num_steps = together.lr, 0

    @property
    def parameters(self):
        """{name: Parameter} of the groups that the coming step trains."""
        begun = sum(first <= self.num_steps for first in self.first_steps)
        return {
            name: parameter
            for optimizer in self.together.optimizers[:begun]
            for name, parameter in optimizer.parameters.items()
        }

    def step(self, map=map):
        """Update the parameters of the groups that have begun; `map` as in AdamW.step."""
        groups = zip(self.together.optimizers, self.together.ratios, self.first_steps)
        for optimizer, ratio, first_step in groups:
            if first_step <= self.num_steps:
                optimizer.lr = ratio * self.lr
                optimizer.step(map)
        self.num_steps += 1

    def state_dict(self):
        """Return {name: array} of everything that step() remembers."""
        return {**self.together.state_dict(), "num_steps": np.array(self.num_steps)}

    def load_state_dict(self, state):
        """Take over what state_dict() of optimizers of the same parameters returned."""
        self.together.load_state_dict(state)
        self.num_steps = int(state["num_steps"])
        for optimizer, first_step in zip(self.together.optimizers, self.first_steps):
            optimizer.num_steps = max(0, self.num_steps - first_step)


def reinitialize(model, num_layers, seed=0, layers=None):
    """Give the top layers, and all that is above them, the weights of a new model.

    The top layers know best what pretraining asked for, and may have to unlearn it (Zhang et al. 2021,
    "Revisiting Few-sample BERT Fine-tuning", section 5).

    Args:
        model: written in place.
        num_layers: how many; 0 leaves the model as it is.
        seed: of the new weights.  layers: as in layer_groups.

    Raises:
        ValueError: the model has not so many layers.
    """
    groups = layer_groups(model, layers)
    if not 0 <= num_layers <= len(groups) - 2:
        raise ValueError(f"the model has {len(groups) - 2} layers, so {num_layers} cannot be new")
    if num_layers == 0:
        return
    dtype = next(iter(groups[-1].values())).value.dtype
    fresh = layer_groups(type(model)(model.config, seed=seed, dtype=dtype), layers)
    for group, new in list(zip(groups, fresh))[-num_layers - 1 :]:
        for name, parameter in group.items():
            parameter.value[...] = new[name].value
