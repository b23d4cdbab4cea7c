"""Bring a named data set to this machine: the only place that downloads.

fetch("cifar100")     # into ATTNREPRO_DATA/cifar100, checked against its published sum; a second process waits
"""

import contextlib
import shutil
from pathlib import Path
from typing import Any

from reproduce.data.cards import CARDS, KNOWN_NAMES
from reproduce.data.download import download
from reproduce.data.source import CIFAR_FOLDERS, Source, data_root, identify
from reproduce.data.unpack import list_folders, unpack
from reproduce.errors import UserError, did_you_mean


def fetch(name: str) -> Source:
    """Download ``name`` where that is allowed, else say where it is to be had.

    Raises:
        UserError: an unknown name, a data set that has to be got by hand, no network, or a download that is damaged.
    """
    if name not in KNOWN_NAMES:
        raise UserError(f"no data set is called '{name}'", hint=did_you_mean(name, KNOWN_NAMES))
    root = data_root() / name
    place = CARDS[name].place
    if place is not None:
        if root.is_dir():
            return identify(name)
        raise UserError(f"{name} cannot be downloaded from here", hint=place.format(root=root))
    if name != "shapes":
        _download(name)
    return identify(name)


def unpack_named(archive: Path) -> Source:
    """Unpack an archive that was downloaded by hand to where its data set is looked for.

    Raises:
        UserError: no such file, no archive of images in class folders, or one that would write elsewhere.
    """
    if not archive.is_file():
        raise UserError(f"there is no archive at {archive}", "give the .zip or .tar file that was downloaded")
    folders = list_folders(archive)
    marks = {"tiny-imagenet-200": "tiny-imagenet", "seg_train": "intel-scenes"}
    marks |= {folder: name for name, folder in CIFAR_FOLDERS.items()}
    stem = archive.name.partition(".")[0]
    name = next((name for mark, name in marks.items() if mark in folders), f"unpacked-{stem}")
    unpack(archive, data_root() / name)
    return identify(name if name in KNOWN_NAMES else str(data_root() / name))


def _download(name: str) -> None:
    import filelock
    import torchvision.datasets

    root, work = data_root() / name, data_root() / f".{name}.fetch"
    kind = torchvision.datasets.CIFAR10 if name == "cifar10" else torchvision.datasets.CIFAR100
    there = root.parent.is_dir()
    try:
        work.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(work / ".lock"):
            if _holds(kind, root):
                return
            archive = work / kind.filename
            download(kind.url, archive, "md5", kind.tgz_md5)
            fresh = work / "unpacked"
            shutil.rmtree(fresh, ignore_errors=True)  # of a process that was killed
            unpack(archive, fresh)
            root.mkdir(exist_ok=True)
            shutil.rmtree(root / kind.base_folder, ignore_errors=True)  # not whole: see above
            (fresh / kind.base_folder).replace(root / kind.base_folder)
            archive.unlink()
    except OSError as error:
        raise UserError(
            f"{name} could not be downloaded ({error.strerror or error})",
            hint=f"check the disk, or copy the unpacked files to {root}",
        ) from None
    finally:
        _leave_no_trace(work, there)


def _leave_no_trace(work: Path, there: bool) -> None:
    """Remove the folder of a download, unless the next one goes on with it; and a root that was not there."""
    if any(work.glob("*.part")):
        return
    shutil.rmtree(work, ignore_errors=True)
    if not there:
        with contextlib.suppress(OSError):
            work.parent.rmdir()  # only where it is empty


def _holds(kind: Any, root: Path) -> bool:
    """Say whether the official files are there, by their published sums; they are read by no one before that."""
    from torchvision.datasets.utils import check_integrity

    known = [*kind.train_list, *kind.test_list, [kind.meta["filename"], kind.meta["md5"]]]
    return all(check_integrity(str(root / kind.base_folder / name), md5) for name, md5 in known)
