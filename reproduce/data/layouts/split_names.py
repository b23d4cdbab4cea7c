"""The words by which splits are called, whatever their case: ``Training``, ``VAL``, ``test_set``, ``seg_train``."""

import re
from typing import Literal

Split = Literal["train", "test"]

# of several test splits the earlier is measured
WORDS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "test": ("test", "testing", "valid", "validation", "val", "dev", "eval", "evaluation"),
}
KNOWN = tuple(word for words in WORDS.values() for word in words)
_FORM = re.compile(rf"(?:seg[_-])?({'|'.join(KNOWN)})(?:[_ -]?(?:set|data|images|split))?")


def split_word(name: str) -> str:
    """Return the word of :data:`WORDS` that a folder's or file's name is; '' where it is none."""
    found = _FORM.fullmatch(name.lower())
    return found[1] if found else ""


def split_of(word: str) -> Split | None:
    """Return the split that ``word`` is of, or None."""
    return next((split for split, words in WORDS.items() if word in words), None)
