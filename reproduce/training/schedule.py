"""Learning rate as a closed form of the epoch, 1-based. No torch.

learning_rate(recipe.schedule, lr=0.1, epochs=300, epoch=17)
learning_rate(schedule, lr=0.01, epochs=100, epoch=1, done=0.5)      # in the middle of an epoch, where per == "step"
"""

import math

from reproduce.recipes.recipe import Schedule

# The original steps its schedule once an epoch with the global step: 501 steps an epoch, 5 % of warm-up.
_EPFL_STEPS = 501
_EPFL_WARMUP = 0.05


def learning_rate(schedule: Schedule, *, lr: float, epochs: int, epoch: int, done: float = 0.0) -> float:
    """Return the learning rate of ``epoch`` (1-based) of a schedule over ``epochs`` epochs.

    ``done`` is the share of the epoch's steps that have been taken; only ``per="step"`` heeds it: a cosine from
    ``lr`` at the first step to 0 after the last, as torch's CosineAnnealingLR stepped once a batch.
    ``cosine`` forms: ``clean`` warms up to ``lr`` at epoch W and falls to just above 0 at the last;
    ``re`` is the report's code, peak lr (W-1)/W and 0 at the last but one (B6 in deviations.md);
    ``epfl`` is the original's, constant within an epoch and 0 in the first; ``annealed`` is torch's CosineAnnealingLR
    stepped once an epoch, ``lr`` in the first (SAN's code).
    """
    if schedule.kind == "constant":
        return lr
    if schedule.per == "step" and schedule.kind == "cosine":
        return _by_step(lr, schedule.warmup, epochs, epoch - 1 + done)
    if schedule.kind == "multistep":
        return lr * schedule.gamma ** sum(step < epoch for step in schedule.milestones)
    forms = {"clean": _clean, "re": _report, "epfl": _original, "annealed": _annealed}
    return forms[schedule.form](lr, schedule.warmup, epochs, epoch)


def _by_step(lr: float, warmup: int, epochs: int, passed: float) -> float:
    if passed < warmup:
        return lr * passed / warmup
    progress = min(1.0, (passed - warmup) / max(1, epochs - warmup))
    return lr * 0.5 * (1.0 + math.cos(math.pi * progress))


def _clean(lr: float, warmup: int, epochs: int, epoch: int) -> float:
    if epoch <= warmup:
        return lr * epoch / warmup
    progress = min(1.0, (epoch - warmup) / (epochs - warmup + 1))
    return lr * 0.5 * (1.0 + math.cos(math.pi * progress))


def _annealed(lr: float, warmup: int, epochs: int, epoch: int) -> float:
    return _by_step(lr, warmup, epochs, epoch - 1)


def _report(lr: float, warmup: int, epochs: int, epoch: int) -> float:
    if epoch < warmup:
        return 1e-12 + epoch * lr / warmup
    period = max(1, epochs - warmup)
    step = epoch - warmup + 1
    # torch's recursion carries the warm-up's last value on until it has been 0, then restarts from lr
    peak = 1e-12 + lr * (warmup - 1) / warmup if warmup > 1 and step <= period else lr
    return peak * 0.5 * (1.0 + math.cos(math.pi * step / period))


def _original(lr: float, warmup: int, epochs: int, epoch: int) -> float:
    del warmup  # 5 % of the steps, whatever the table says
    total = epochs * _EPFL_STEPS
    rise = max(1, int(_EPFL_WARMUP * total))
    step = (epoch - 1) * _EPFL_STEPS
    if step < rise:
        return lr * step / rise
    return lr * 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - rise) / (total - rise))))
