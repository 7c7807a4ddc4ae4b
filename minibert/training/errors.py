"""The error of a run."""


class RunError(ValueError):
    """A run that cannot be started, resumed or ended; the message says why and what to do."""
