"""The fingerprints of files, under which results on large data sets, and older results, are recorded. No torch."""

import hashlib
from pathlib import Path

from reproduce.data.content_cache import Marked
from reproduce.data.layouts.class_folders import Listing
from reproduce.errors import UserError

HASH_CONTENT_UP_TO = 2 * 2**30  # bytes of image files; above it a fingerprint is of the files


def _hash_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror})", hint="check the disk and the permissions"
        ) from None


def hash_marked(files: Marked) -> str:
    """Return the sum of files with what each is to the data set."""
    digest = hashlib.sha256()
    for mark, path in files:
        digest.update(f"{mark} {_hash_file(path)}\n".encode())
    return digest.hexdigest()


def hash_listing(listing: Listing) -> str:
    """Return the sum of class folders: of split, class, name and content of every image, or of its size."""
    files = [("train", file) for file in listing.train] + [("test", file) for file in listing.test]
    sizes = [file.path.stat().st_size for _, file in files]
    by_content = sum(sizes) <= HASH_CONTENT_UP_TO
    digest = hashlib.sha256()
    for (split, file), size in zip(files, sizes, strict=True):
        mark = _hash_file(file.path) if by_content else str(size)
        digest.update(f"{split} {file.key} {mark}\n".encode())
    return digest.hexdigest()
