"""The learning rate from step to step."""


def linear_schedule(step, num_steps, num_warmup_steps, peak):
    """The learning rate of step 0 ≤ step < num_steps: from 0 up to `peak` in a line, then down to 0 in
    another.

    (Devlin et al. 2018, section A.2.) The first step already moves: its rate is peak / num_warmup_steps.
    """
    if step < num_warmup_steps:
        return peak * (step + 1) / num_warmup_steps
    return peak * (num_steps - step) / max(1, num_steps - num_warmup_steps)
