"""Bring a named data set to this machine: the only place that downloads.

fetch("cifar100")     # into ATTNREPRO_DATA/cifar100, checked against its published sum; a second process waits
"""

import contextlib
import sys

from reproduce.data.identity import KNOWN_NAMES, Source, data_root, identify
from reproduce.errors import UserError, did_you_mean

_PLACES = {
    "tiny-imagenet": "download tiny-imagenet-200.zip from cs231n.stanford.edu and unpack it into {root}",
    "intel-scenes": "download puneet6060/intel-image-classification from Kaggle and unpack it into {root}",
    "imagenet": "register at image-net.org; put train/<wnid>/ and val/<wnid>/ into {root}",
}


def fetch(name: str) -> Source:
    """Download ``name`` where that is allowed, else say where it is to be had.

    Raises:
        UserError: an unknown name, a data set that has to be got by hand, no network, or a download that is damaged.
    """
    if name not in KNOWN_NAMES:
        raise UserError(f"no data set is called '{name}'", hint=did_you_mean(name, KNOWN_NAMES))
    root = data_root() / name
    if name in _PLACES:
        if root.is_dir():
            return identify(name)
        raise UserError(f"{name} cannot be downloaded from here", hint=_PLACES[name].format(root=root))
    if name != "shapes":
        _download(name)
    return identify(name)


def _download(name: str) -> None:
    import filelock
    import torchvision.datasets

    root = data_root() / name
    kind = torchvision.datasets.CIFAR10 if name == "cifar10" else torchvision.datasets.CIFAR100
    try:
        root.mkdir(parents=True, exist_ok=True)
        # torchvision prints; standard output is for results
        with filelock.FileLock(root / ".lock"), contextlib.redirect_stdout(sys.stderr):
            kind(root, download=True)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{name} could not be downloaded ({str(error).splitlines()[0] if str(error) else type(error).__name__})",
            hint=f"check the network and the disk, or copy the unpacked files to {root}",
        ) from None
