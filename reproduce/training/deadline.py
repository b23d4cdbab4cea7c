"""When a command has to end: what ``--max-minutes`` asks for, kept over all the runs that the command does."""

import math
import time
from dataclasses import dataclass

from reproduce.errors import UserError


@dataclass
class Deadline:
    """A point in time, and how long an epoch takes that would have to end before it.

    ``at``: seconds since 1970, so that it means the same in every process; None: there is none.
    ``longest``: seconds of the longest epoch so far, measured with what comes around it; 0 before the first.
    """

    at: float | None = None
    longest: float = 0.0

    @classmethod
    def after(cls, minutes: float | None, begun: float | None = None) -> "Deadline":
        """Return the deadline so many ``minutes`` from ``begun`` (seconds since 1970), or from now.

        Raises:
            UserError: a number below 0, or none.
        """
        if minutes is None:
            return cls()
        if not (math.isfinite(minutes) and minutes >= 0):
            raise UserError(f"--max-minutes cannot be {minutes:g}", "give a number of minutes from 0, such as 9")
        return cls((time.time() if begun is None else begun) + 60 * minutes)

    def note(self, seconds: float) -> None:
        """Take down how long an epoch took."""
        self.longest = max(self.longest, seconds)

    def forbids_epoch(self) -> bool:
        """Return whether another epoch would end too late; never before the first, or nothing would ever be done."""
        return self.at is not None and self.longest > 0 and time.time() + self.longest > self.at
