"""Which test images a run got right, one bit per image: what pairs two runs image by image. No torch.

write_correct(folder / "correct.json", Correct("9945f8d6...", 10_000, {"last": bits}))
read_correct(folder / "correct.json").bits["last"]
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
MOMENTS = ("last", "best", "selected")
_AGAIN = "train the run again, or leave the file out: it is needed for pairing by image alone"


@dataclass(frozen=True)
class Correct:
    """Right answers of one run.

    Attributes:
        data: content sum of the data that the test split is of.
        images: how many test images there are.
        bits: by moment (``last`` | ``best`` | ``selected``) one bit per image in the data's canonical order, packed as
            ``numpy.packbits`` does: eight to a byte, the first image in the highest bit.
    """

    data: str
    images: int
    bits: Mapping[str, bytes]


def write_correct(path: Path, correct: Correct) -> None:
    """Write ``correct`` in one step, sealed; raises UserError where the folder cannot be written."""
    bits = {moment: base64.b64encode(packed).decode() for moment, packed in sorted(correct.bits.items())}
    document = {"seal": UNSEALED.decode(), "data": correct.data, "images": correct.images, "bits": bits}
    write_whole(path, seal(json.dumps(document, indent=1).encode() + b"\n"))


def read_correct(path: Path) -> Correct:
    """Return what :func:`write_correct` wrote.

    Raises:
        FileNotFoundError: there is none.
        UserError: it cannot be read, or was changed since.
    """
    try:
        content = path.read_bytes()
        check_seal(content, path, _AGAIN, needed=True)
        document = json.loads(content)
        bits = {name: base64.b64decode(packed, validate=True) for name, packed in document["bits"].items()}
        found = Correct(str(document["data"]), int(document["images"]), bits)
    except FileNotFoundError:
        raise
    except (OSError, KeyError, TypeError, AttributeError, ValueError, binascii.Error) as error:
        raise UserError(f"{path} cannot be read ({error})", _AGAIN) from None
    if not set(bits) <= set(MOMENTS) or any(len(packed) != -(-found.images // 8) for packed in bits.values()):
        raise UserError(f"{path} does not hold one bit per image", _AGAIN)
    return found
