"""Tables of encoded images on disk: Parquet, or the Arrow files of `datasets`; which file is of which split.

    find_shards(root).train

By name (``train-00000-of-00002.parquet``) or by folder (``train/0000.parquet``, ``train/data-00000-of-00001.arrow``).
The whole word before the number counts: ``train-extra-00000-of-00001`` is another split, and left out.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from reproduce.data.layouts.encoded_tables import is_labelled
from reproduce.data.layouts.image_files import some
from reproduce.data.layouts.split_names import KNOWN, WORDS, split_of, split_word
from reproduce.errors import UserError

SUFFIXES = (".parquet", ".arrow")
_DEPTHS = ("*", "*/*", "*/*/*")
_NUMBERED = re.compile(r"(?P<word>.*?)-?(?P<shard>\d{3,})-of-(?P<count>\d{3,})(?:-\w+)?")
_COUNTED = re.compile(r"(?P<word>.*?)(?:[-_.]?(?:part|shard|data|file|batch))?[-_.]?\d*")


@dataclass(frozen=True)
class Shards:
    """The files of both splits, each in name order; ``pooled``: the one file holds both."""

    train: tuple[Path, ...]
    test: tuple[Path, ...]
    pooled: bool = False
    notes: tuple[str, ...] = ()  # what was left out or guessed


@dataclass(frozen=True)
class _Shard:
    path: Path
    word: str  # as the file or its folder is called, lower case
    base: Path  # the data set that it is of
    number: int | None = None
    count: int | None = None


def step_into_cache(root: Path) -> Path:
    """Return the newest known snapshot of a folder of the Hugging Face hub's cache; ``root`` where it is none.

    Raises:
        UserError: several snapshots, and no reference that says which is meant.
    """
    snapshots = root / "snapshots"
    if not snapshots.is_dir():
        return root
    inside = sorted(path for path in snapshots.iterdir() if path.is_dir())
    named = root / "refs/main"
    if named.is_file() and (snapshots / named.read_text().strip()).is_dir():
        return snapshots / named.read_text().strip()
    if len(inside) != 1:
        raise UserError(f"{root} holds {len(inside)} snapshots", f"give one: --data {inside[-1] if inside else root}")
    return inside[0]


def find_shards(root: Path) -> Shards | None:
    """Return the shards under ``root``, or None where it holds no table of images.

    A file whose name is no split's is both splits in one: see `encoded_tables.choose_pooled`. Of several test splits
    the first that has labels is taken.

    Raises:
        UserError: a split or a shard missing, several data sets, or files that belong to no split.
    """
    if root.is_file():
        if split_word(root.stem) or _describe(root, root.parent).count:
            raise UserError(f"{root} is one split alone", hint=f"give the folder that holds both splits: {root.parent}")
        return Shards((root,), (root,), True, ("every fifth image of each class is the test split, for there is none",))
    paths = [path for suffix in SUFFIXES for depth in _DEPTHS for path in root.glob(f"{depth}{suffix}")]
    paths = sorted(path for path in paths if not path.name.startswith((".", "cache-")))
    if not paths:
        return None
    shards = [_describe(path, root) for path in paths]
    known = [shard for shard in shards if split_of(shard.word)]
    notes = _note_others(root, shards)
    if len({path.path.suffix for path in known}) > 1 or len({shard.base for shard in known}) > 1:
        bases = sorted({str(shard.base.relative_to(root)) for shard in known})
        raise UserError(f"{root} holds several data sets ({some(bases)})", f"give one: --data {root / bases[-1]}")
    by_word: dict[str, list[_Shard]] = {}
    for shard in known:
        by_word.setdefault(shard.word, []).append(shard)
    for word, mine in by_word.items():
        _check_whole(root, word, mine)
    train = _choose(root, "train", by_word)
    test, more = _choose_test(root, by_word)
    return replace(Shards(train, test), notes=(*notes, *more))


def _describe(path: Path, root: Path) -> _Shard:
    """Read a file's split off its name, else off its nearest folder."""
    stem = path.stem.lower()
    numbered = _NUMBERED.fullmatch(stem)
    word = numbered["word"] if numbered else stem
    if path.suffix == ".arrow" and "-" in word:
        word = word.rpartition("-")[2]  # <data set>-<split>, as `datasets` writes its cache
    counted = _COUNTED.fullmatch(word)
    word = split_word(word) or (counted and split_word(counted["word"])) or word
    base = path.parent
    for folder in path.relative_to(root).parents:
        inner = split_word(folder.name)
        if inner:
            base = root / folder.parent
            if not split_of(word):
                word = inner
            break
    numbers = (int(numbered["shard"]), int(numbered["count"])) if numbered else (None, None)
    return _Shard(path, word, base, *numbers)


def _note_others(root: Path, shards: list[_Shard]) -> tuple[str, ...]:
    others = [str(shard.path.relative_to(root)) for shard in shards if not split_of(shard.word)]
    return (f"left out {len(others)} files of no split known here: {some(others)}",) if others else ()


def _check_whole(root: Path, word: str, shards: list[_Shard]) -> None:
    """Refuse shards that are missing of those that the names count, or there twice."""
    counts = {shard.count for shard in shards}
    numbers = sorted(shard.number for shard in shards if shard.number is not None)
    count = max((count for count in counts if count is not None), default=None)
    if count is None:
        return
    missing = sorted(set(range(count)) - set(numbers))
    if missing:
        raise UserError(f"{root} lacks shard {missing[0]} of {count} of its {word} split", "copy all of its files")
    if len(counts) > 1 or numbers != list(range(count)):
        raise UserError(f"{root} has shards of several versions of its {word} split", "keep the files of one version")


def _choose(root: Path, split: str, by_word: dict[str, list[_Shard]]) -> tuple[Path, ...]:
    words = WORDS["train"] if split == "train" else WORDS["test"]
    word = next((word for word in words if word in by_word), None)
    if word is None:
        name = "training" if split == "train" else split
        raise UserError(
            f"{root} has tables of images but no {name} split",
            hint=f"name its shards {words[0]}-00000-of-00001.parquet (understood: {', '.join(KNOWN)})",
        )
    return tuple(shard.path for shard in by_word[word])


def _choose_test(root: Path, by_word: dict[str, list[_Shard]]) -> tuple[tuple[Path, ...], list[str]]:
    there = [word for word in WORDS["test"] if word in by_word]
    if len(there) < 2:
        return _choose(root, "test", by_word), []
    paths = {word: tuple(shard.path for shard in by_word[word]) for word in there}
    labelled = [word for word in there if is_labelled(paths[word])]
    taken = (labelled or there)[0]
    notes = [
        f"left out {word}: {'it has no labels, ' if word not in labelled else ''}{taken} is measured"
        for word in there
        if word != taken
    ]
    return paths[taken], notes
