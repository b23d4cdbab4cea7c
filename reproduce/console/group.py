"""The group of all verbs: what a verb raises becomes words; ``--debug`` and ``--log-level`` stand anywhere."""

import shlex
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from reproduce.console.output import refuse_usage, say
from reproduce.console.signals import exit_code, hear_sigterm, notes_of
from reproduce.errors import UserError

_GIVEN: list[str] = []  # the words after the program's name, as the user gave them


def command_line() -> str:
    """Return the command as the user gave it."""
    return shlex.join(["attnrepro", *_GIVEN])


class Verbs(TyperGroup):
    """Runs a verb; what the user can mend is one sentence and one hint, exit code 2, without a traceback."""

    def main(self, args: Any = None, *positional: Any, **extra: Any) -> Any:
        """Take ``--debug`` and ``--log-level`` at any place; with the first, errors keep their traceback."""
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
        return super().main(words, *positional, **extra)

    def make_context(self, *given: Any, **extra: Any) -> Any:
        """Read the words before the verb; what cannot be read is refused in words."""
        try:
            return super().make_context(*given, **extra)
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
        except BrokenPipeError:  # the reader of a pipe has closed it
            raise typer.Exit(0) from None
        except BaseException as error:
            if self.debug:
                raise
            raise typer.Exit(_explain(error)) from None


def _explain(error: BaseException) -> int:
    """Say what has ended a verb and what to do next; return the exit code."""
    if isinstance(error, UserError):
        say(f"error: {error.message}", f"hint: {error.hint}")
        return 2
    if isinstance(error, KeyboardInterrupt):
        saved = "; ".join(notes_of(error)) or "nothing was under way"
        again = command_line().replace("--resume never", "--resume auto")
        say(f"stopped: {saved}", f"hint: this goes on from there: {again}")
        return exit_code(error)
    if not isinstance(error, Exception):
        raise error
    refuse_usage(error)
    first = (str(error).splitlines() or [""])[0]
    say(f"error: {type(error).__name__}: {first}", "hint: this should not happen; --debug shows where")
    return 1
