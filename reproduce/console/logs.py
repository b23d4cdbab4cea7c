"""What is told on the way: ``debug`` (what is read and written), ``info`` (epochs; the usual), ``warning``, ``error``.

LOG.debug("saved %s", path)

Lines go to standard error. Worker processes take the level from the environment, as their parent has left it there.
"""

import logging
import os
import sys

from reproduce.errors import UserError, did_you_mean

LEVELS = ("debug", "info", "warning", "error")
_VARIABLE = "ATTNREPRO_LOG_LEVEL"


class _ToStderr(logging.Handler):
    """Writes to what standard error is now, not to what it was when the program began."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def choose_level(name: str) -> None:
    """Tell what is of this level and above; raises UserError where there is no such level."""
    if name not in LEVELS:
        raise UserError(f"no log level is called '{name}'", did_you_mean(name, LEVELS))
    os.environ[_VARIABLE] = name
    LOG.setLevel(name.upper())


LOG = logging.getLogger("attnrepro")
LOG.propagate = False
if not LOG.handlers:
    LOG.addHandler(_ToStderr())
LOG.setLevel(level.upper() if (level := os.environ.get(_VARIABLE, "info")) in LEVELS else "INFO")
