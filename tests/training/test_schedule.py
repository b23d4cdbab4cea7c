"""Learning rates against the reference recursion and the closed forms, to 1e-12."""

import math

import pytest
import torch

from reproduce.recipes.entry import scale_schedule
from reproduce.recipes.recipe import Schedule
from reproduce.recipes.registry import resolve
from reproduce.training.schedule import learning_rate


def report_recursion(lr0: float, warmup: int, epochs: int, last: int) -> list[float]:
    """The report's loop: a linear warm-up by hand, then one step an epoch of torch's recursive cosine."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([weight], lr=lr0)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=epochs - warmup)
    rates = []
    for epoch in range(1, last + 1):
        if epoch < warmup:
            optimiser.param_groups[0]["lr"] = 1e-12 + epoch * lr0 / warmup
        else:
            optimiser.step()
            cosine.step()
        rates.append(optimiser.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize(("lr0", "warmup", "epochs"), [(0.1, 15, 300), (0.1, 10, 300), (0.01, 5, 100)])
def test_report_form_is_the_reference_recursion(lr0: float, warmup: int, epochs: int) -> None:
    schedule = Schedule(form="re", warmup=warmup)
    expected = report_recursion(lr0, warmup, epochs, epochs + 1)
    found = [learning_rate(schedule, lr=lr0, epochs=epochs, epoch=e) for e in range(1, epochs + 2)]
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < 1e-12


@pytest.mark.parametrize(
    ("lr0", "warmup", "epochs", "peak"), [(0.1, 15, 300, 0.0933), (0.1, 10, 300, 0.09), (0.01, 5, 100, 0.008)]
)
def test_report_form_peaks_below_its_setting(lr0: float, warmup: int, epochs: int, peak: float) -> None:
    schedule = Schedule(form="re", warmup=warmup)
    rates = [learning_rate(schedule, lr=lr0, epochs=epochs, epoch=e) for e in range(1, epochs + 2)]
    assert max(rates) == pytest.approx(peak, abs=5e-5)
    assert rates[epochs - 2] == pytest.approx(0.0, abs=1e-15)  # e = E - 1
    assert rates[epochs - 1] == pytest.approx(lr0 * (1 - math.cos(math.pi / (epochs - warmup))) / 2, rel=1e-9)


def test_closed_form_of_the_report() -> None:
    schedule, lr0, warmup, epochs = Schedule(form="re", warmup=15), 0.1, 15, 300
    for e in range(warmup, epochs):
        closed = lr0 * (warmup - 1) / warmup * (1 + math.cos(math.pi * (e - warmup + 1) / (epochs - warmup))) / 2
        assert abs(learning_rate(schedule, lr=lr0, epochs=epochs, epoch=e) - closed) < 1e-12


def test_clean_form_reaches_its_setting_and_never_rests_at_zero() -> None:
    schedule = Schedule(warmup=15)
    rates = [learning_rate(schedule, lr=0.1, epochs=300, epoch=e) for e in range(1, 301)]
    assert rates[14] == max(rates) == 0.1
    assert all(rate > 0 for rate in rates)
    assert rates[:15] == sorted(rates[:15])
    assert rates[15:] == sorted(rates[15:], reverse=True)


def test_original_form_rests_in_its_first_epoch() -> None:
    schedule = Schedule(form="epfl", warmup=15)
    rates = [learning_rate(schedule, lr=0.1, epochs=300, epoch=e) for e in range(1, 301)]
    assert rates[0] == 0.0
    assert rates[1] == pytest.approx(0.1 * 501 / 7515)
    assert max(rates) == pytest.approx(0.1, rel=1e-4)


def test_multistep_equals_torch() -> None:
    schedule = Schedule(kind="multistep", milestones=(2, 5, 7), gamma=0.1)
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    steps = torch.optim.lr_scheduler.MultiStepLR(optimiser, milestones=[2, 5, 7], gamma=0.1)
    for epoch in range(1, 11):
        assert learning_rate(schedule, lr=0.1, epochs=10, epoch=epoch) == pytest.approx(
            optimiser.param_groups[0]["lr"], rel=1e-12
        )
        optimiser.step()
        steps.step()


def test_short_budget_scales_the_schedule() -> None:
    short = resolve("learned-content", budget="short")
    assert (short.epochs, short.schedule.warmup) == (30, 2)
    steps = scale_schedule(resolve("san-pair"), 30).schedule.milestones
    assert steps == (10, 20, 25)


@pytest.mark.parametrize("warmup", [0, 2])
def test_by_step_is_torchs_cosine_stepped_once_a_batch(warmup: int) -> None:
    schedule, epochs, steps = Schedule(per="step", warmup=warmup), 5, 7
    weight = torch.nn.Parameter(torch.zeros(()))
    optimiser = torch.optim.SGD([weight], lr=0.01)
    torchs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=(epochs - warmup) * steps)
    for number in range((epochs - warmup) * steps):
        epoch, step = divmod(number + warmup * steps, steps)
        ours = learning_rate(schedule, lr=0.01, epochs=epochs, epoch=epoch + 1, done=step / steps)
        assert ours == pytest.approx(torchs.get_last_lr()[0], abs=1e-12)
        optimiser.step()
        torchs.step()
    assert learning_rate(schedule, lr=0.01, epochs=epochs, epoch=epochs, done=1.0) == pytest.approx(0, abs=1e-12)
