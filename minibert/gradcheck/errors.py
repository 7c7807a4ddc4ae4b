"""The error of a layer that cannot be checked at all."""


class GradientCheckError(ValueError):
    """The layer cannot be checked at all: the message says why."""
