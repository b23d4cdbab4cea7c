"""Which test images a run gets right, a bit per image: what pairs two runs of one seed. No torch.

    write_correct(folder / NAME, data=source.sha256, images=10_000, bits={"last": packed})
    read_correct(folder / NAME).bits["last"]

Three networks of a run are kept: of the ``last`` epoch, of the ``best`` on the test images, of the one ``selected`` on
held-out images. Bits stand in the order of the test split, eight per byte, the first image in the highest bit
(`numpy.packbits`). Ten thousand images are 1.25 KB each.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reproduce.errors import UserError
from reproduce.record.whole_files import UNSEALED, check_seal, seal, write_whole

NAME = "correct.json"
KINDS = ("last", "best", "selected")
_FORMAT = "attnrepro correct 1"
_AGAIN = "delete it; `attnrepro train` with --resume never makes it anew"


@dataclass(frozen=True)
class Correct:
    """Right answers on ``images`` test images of the data set with the content sum ``data``, as packed ``bits``."""

    data: str
    images: int
    bits: Mapping[str, bytes]

    def count(self, kind: str) -> int:
        """Return how many answers of the network called ``kind`` are right."""
        return int.from_bytes(self.bits[kind], "big").bit_count()


def write_correct(path: Path, *, data: str, images: int, bits: Mapping[str, bytes]) -> None:
    """Write which test images are right; raises UserError where the folder cannot be written."""
    document = {
        "format": _FORMAT,
        "data": data,
        "images": images,
        "bits": {kind: base64.b64encode(packed).decode() for kind, packed in bits.items()},
        "seal": UNSEALED.decode(),
    }
    write_whole(path, seal((json.dumps(document, indent=1) + "\n").encode()))


def read_correct(path: Path) -> Correct:
    """Return what :func:`write_correct` wrote.

    Raises:
        FileNotFoundError: there is none.
        UserError: the file is damaged.
    """
    try:
        content = path.read_bytes()
        check_seal(content, path, _AGAIN, needed=True)
        document = json.loads(content)
        bits = {kind: base64.b64decode(text, validate=True) for kind, text in document["bits"].items()}
        found = Correct(str(document["data"]), int(document["images"]), bits)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise UserError(f"{path} cannot be read ({error})", _AGAIN) from None
    if document.get("format") != _FORMAT or any(len(packed) != -(-found.images // 8) for packed in bits.values()):
        raise UserError(f"{path} does not hold the right answers of {found.images} images", _AGAIN)
    return found
