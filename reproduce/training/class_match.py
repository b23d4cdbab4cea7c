"""Whether data have the classes that a network was trained on, by their names. No torch.

order = match_classes(weights_classes, source.classes, ...)      # which output stands for each class of the data
"""

from collections.abc import Sequence

from reproduce.errors import UserError


def match_classes(trained: Sequence[str] | None, found: Sequence[str], data: str) -> tuple[list[int] | None, str]:
    """Return the output of the network for each class of ``data``, None where they are the same, and what to tell.

    Args:
        trained: the names of the network's classes, in the order of its outputs; None where nothing says them.
        found: the names of the data's classes, in the order of their labels.
        data: what to call the data.

    Raises:
        UserError: other names; numbers that are no names are taken for the outputs, and told.
    """
    if trained is None:
        return None, "the checkpoint carries no names of its classes: they are taken to be in the order of the data"
    if tuple(trained) == tuple(found):
        return None, ""
    if set(trained) == set(found) and len(set(trained)) == len(trained):
        return [list(trained).index(name) for name in found], "classes were matched by name: their order differs"
    if _are_numbers(found) or _are_numbers(trained):
        return None, "classes without names are taken to be in the order of the other's"
    theirs = next((name for name in found if name not in trained), found[0])
    ours = next((name for name in trained if name not in found), trained[0])
    raise UserError(
        f"{data} has other classes than the network was trained on: '{theirs}' where that had '{ours}'",
        "give the class folders the names of the training data, or name other data",
    )


def _are_numbers(names: Sequence[str]) -> bool:
    """Say whether these are no names but labels that count from 0, in order."""
    return tuple(names) == tuple(map(str, range(len(names))))
