"""What a data set is called: a known one by its content alone, all others so that nobody takes them for it.

    cifar10                    the content is that of the card
    local-cifar10              it lies where, or is called as, cifar10 would be, and holds something else
    tiny-imagenet-unverified   it could be the known one, whose content nobody here has a sum of
    my-photos                  anything else: its folder's name

Only the first is compared with published numbers.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from reproduce.data.cards import CARDS, UNVERIFIED, explain_difference, find_by_content


def name_content(
    sha256: str, counts: Mapping[str, int], splits: Mapping[str, str], root: Path, suggested: str
) -> tuple[str, str]:
    """Return a data set's name and, where it is not the one it seems to be, what differs.

    Args:
        sha256: content sum, or the fingerprint of its files where it is too large to be decoded for a sum.
        counts: images of each split.
        splits: content sum of each split; {} where it has none.
        root: where it lies.
        suggested: the known data set that it was looked for as, or that its layout is of; '' where nothing says so.
    """
    card = find_by_content(sha256)
    if card is not None:
        return card.name, ""
    label = label_folder(root)
    if not suggested:
        suggested = label.removeprefix("local-").removesuffix(UNVERIFIED) if label.startswith("local-") else ""
    expected = CARDS.get(suggested)
    if expected is None:
        return label, ""
    difference = explain_difference(expected, counts, splits)
    if expected.content is None and not difference:
        return f"{suggested}{UNVERIFIED}", f"nobody here has a sum of {suggested}, so it is of unknown content"
    return f"local-{suggested}", difference or f"it is stored in another way than {suggested} is recorded"


def label_folder(root: Path) -> str:
    """Return the name of a folder or file as a label; one that is called like a known data set is not taken for it."""
    name = root.name.removesuffix(".parquet")
    if root.parent.name == "snapshots":  # of the Hugging Face hub's cache: the folder's own name is a commit
        name = root.parent.parent.name.removeprefix("datasets--")
    label = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "folder"
    return f"local-{label}" if label.removesuffix(UNVERIFIED) in CARDS else label
