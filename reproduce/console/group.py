"""The group of all verbs: what a verb raises becomes words; ``--debug`` and ``--log-level`` stand anywhere."""

import contextlib
import errno
import os
import shlex
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from reproduce.console.output import say
from reproduce.console.plain import make_printable
from reproduce.console.signals import exit_code, hear_sigterm, notes_of
from reproduce.console.usage import refuse_usage
from reproduce.errors import UserError

_GIVEN: list[str] = []  # the words after the program's name, as the user gave them


def command_line() -> str:
    """Return the command as the user gave it."""
    return shlex.join(["attnrepro", *_GIVEN])


class Verbs(TyperGroup):
    """Runs a verb; what the user can mend is one sentence and one hint, exit code 2, without a traceback."""

    def main(self, args: Any = None, *positional: Any, **extra: Any) -> Any:
        """Take ``--debug`` and ``--log-level`` at any place; with the first, errors keep their traceback."""
        make_printable()
        words = sys.argv[1:] if args is None else list(args)
        _GIVEN[:] = words
        self.debug = "--debug" in words
        words = [word for word in words if word != "--debug"]
        self.level = None
        for place, word in enumerate(words):
            if word.partition("=")[0] == "--log-level":
                self.level = word.partition("=")[2] or (words[place + 1 : place + 2] or [""])[0]
                del words[place : place + (1 if "=" in word else 2)]
                break
        try:
            return super().main(words, *positional, **extra)
        except SystemExit as end:
            raise SystemExit(_flush() or end.code) from None

    def make_context(self, *given: Any, **extra: Any) -> Any:
        """Read the words before the verb; what cannot be read is refused in words."""
        try:
            return super().make_context(*given, **extra)
        except SystemExit:  # rich's own end where the reader of a pipe has closed it
            raise SystemExit(0) from None
        except OSError as error:  # of the help that was to be printed
            raise SystemExit(_explain(error)) from None
        except Exception as error:
            refuse_usage(error)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the verb and turn what it raises into words."""
        try:
            if self.level is not None:
                from reproduce.console.logs import choose_level

                choose_level(self.level)
            with hear_sigterm():
                return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except SystemExit:  # as above
            raise typer.Exit(0) from None
        except BaseException as error:
            if self.debug:
                raise
            raise typer.Exit(_explain(error)) from None


def _flush() -> int:
    """Bring what was printed out; return the exit code where that fails."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        return _explain(error)
    return 0


def _explain(error: BaseException) -> int:
    """Say what has ended a verb and what to do next; return the exit code."""
    if isinstance(error, BrokenPipeError):  # the reader of a pipe has enough
        _drop_output()
        return 0
    if isinstance(error, OSError) and error.filename is None and error.errno in (errno.ENOSPC, errno.EIO, errno.EBADF):
        _drop_output()
        say(f"error: the output cannot be written ({error.strerror})", "hint: free some space, or write to --out FILE")
        return 2
    if isinstance(error, UserError):
        say(f"error: {error.message}", f"hint: {error.hint}")
        return 2
    if isinstance(error, KeyboardInterrupt):
        saved = "; ".join(notes_of(error)) or "every finished epoch is saved"
        again = command_line().replace("--resume never", "--resume auto")
        say(f"stopped: {saved}", f"hint: this goes on from there: {again}")
        return exit_code(error)
    if not isinstance(error, Exception):
        raise error
    refuse_usage(error)
    first = (str(error).splitlines() or [""])[0]
    say(f"error: {type(error).__name__}: {first}", "hint: this should not happen; --debug shows where")
    return 1


def _drop_output() -> None:
    """Let what is still to be printed, at the end of the process too, go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
