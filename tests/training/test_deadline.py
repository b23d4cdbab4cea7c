"""One deadline for all that a command does, and no epoch begun that would pass it."""

import math
import time

import pytest

from reproduce.errors import UserError
from reproduce.training.deadline import Deadline


def test_the_first_epoch_is_always_allowed_and_a_late_one_never() -> None:
    deadline = Deadline.after(1)
    assert not deadline.forbids_epoch()
    deadline.note(50)
    assert not deadline.forbids_epoch()
    deadline.note(70)
    deadline.note(10)  # one quick epoch does not make the next one quick
    assert deadline.forbids_epoch()
    assert not Deadline.after(0).forbids_epoch()  # or nothing would ever be done


def test_time_that_passed_outside_epochs_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    deadline, now = Deadline.after(9), time.time()
    deadline.note(60)
    assert not deadline.forbids_epoch()
    monkeypatch.setattr(time, "time", lambda: now + 8.5 * 60)
    assert deadline.forbids_epoch()


def test_without_a_wish_there_is_none() -> None:
    deadline = Deadline.after(None)
    deadline.note(10**9)
    assert not deadline.forbids_epoch()


@pytest.mark.parametrize("minutes", [-3, math.nan, math.inf])
def test_minutes_that_mean_nothing_are_refused(minutes: float) -> None:
    with pytest.raises(UserError, match="--max-minutes cannot be"):
        Deadline.after(minutes)
