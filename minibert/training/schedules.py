"""The learning rate from step to step."""


def linear_schedule(step, num_steps, num_warmup_steps, peak):
    """The learning rate of step 0 ≤ step < num_steps: from 0 up to `peak` in a line, then down to 0 in
    another.

    (Devlin et al. 2018, section A.2.) The first step already moves: its rate is peak / num_warmup_steps.
    """
    if step < num_warmup_steps:
        return peak * (step + 1) / num_warmup_steps
    return peak * (num_steps - step) / max(1, num_steps - num_warmup_steps)


def slanted_triangular(step, num_steps, peak, cut_fraction=0.1, ratio=32):
    """The learning rate of step 0 ≤ step < num_steps: up to `peak` within a tenth of the steps, then down.

    (Howard & Ruder 2018, section 3.2.) It is peak · (1 + p · (ratio − 1)) / ratio, so it begins and ends near
    peak / ratio, and

        p = t / cut                         while t < cut = ⌊cut_fraction · T⌋
        p = 1 − (t − cut) / (T − cut)       after that

    The paper divides by cut · (1/cut_fraction − 1) in the second line. This is T − cut where cut_fraction · T
    is whole. Elsewhere it is less, and the rate becomes negative before the end: with T = 19 and a peak of
    0.01 the last one is −0.0083. With T < 10 the paper's cut is 0, so that it divides by 0.
    """
    cut = int(num_steps * cut_fraction)
    height = step / cut if step < cut else 1 - (step - cut) / (num_steps - cut)
    return peak * (1 + height * (ratio - 1)) / ratio


def noam_schedule(step, num_warmup_steps, peak):
    """The learning rate of step 0, 1, 2, ...: from 0 up to `peak` in a line, then down as 1/√step.

        peak · min(k/w, √(w/k))     k = step + 1, w = num_warmup_steps

    (Vaswani et al. 2017, section 5.3, where the peak is 1/√(hidden size · w), and w is 4000.) It does not
    know how many steps there will be.
    """
    return peak * min((step + 1) / num_warmup_steps, (num_warmup_steps / (step + 1)) ** 0.5)
