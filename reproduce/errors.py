"""The one exception that users see: a sentence, a hint, exit code 2.

raise UserError("no row is called 'learnt'", hint="did you mean 'learned'?")
"""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend: ``message`` is one sentence, ``hint`` says what to do next."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type["UserError"], tuple[str, str]]:
        return UserError, (self.message, self.hint)  # both parts survive the way out of a worker process


def check_word(what: str, word: str, words: Iterable[str]) -> str:
    """Return ``word``; raises UserError with the nearest of ``words`` where it is none of them.

    Args:
        what: as in "no budget is called 'large'".
        word: what was asked for.
        words: what there is.
    """
    known = tuple(words)
    if word not in known:
        raise UserError(f"no {what} is called '{word}'", did_you_mean(word, known))
    return word


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the one of ``known`` that ``name`` was meant for, whatever its case; '' where none is near."""
    lower = {choice.lower(): choice for choice in known}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    return lower[near[0]] if near else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest of ``known``, or lists them where none is near."""
    choices = list(known)
    near = nearest(name, choices)
    return f"did you mean '{near}'?" if near else f"choose one of: {', '.join(choices)}"
