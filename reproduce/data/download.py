"""One file from the net, by https only, that is whole and known or not there; a download that broke off goes on.

download("https://.../cifar-10-python.tar.gz", path, "md5", "c58f3010...")
"""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any

from reproduce.errors import UserError

ATTEMPTS = 5
_SECONDS = 60.0
_PIECE = 1 << 20


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows no one to an address without encryption."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(url: str, path: Path, kind: str, digest: str) -> None:
    """Put the file at ``url`` at ``path``; what an earlier call got of it (``.part``) is not asked for again.

    Args:
        url: its address, https.
        path: where to put it; call it under a lock.
        kind: of the digest: ``sha256`` or ``md5``.
        digest: of the whole file, hexadecimal.

    Raises:
        UserError: an address without encryption, other content than expected, or the net or the disk fails for good.
    """
    _check_address(url)
    part = path.with_name(path.name + ".part")
    failure: Exception | None = None
    for _ in range(ATTEMPTS):
        try:
            _go_on(url, part)
            failure = None
            break
        except urllib.error.HTTPError as error:
            failure = error
            if error.code < 500:
                break
        except (OSError, http.client.HTTPException) as error:
            failure = error
    if failure is not None:
        reason = getattr(failure, "reason", None) or failure
        hint = "check the network and the disk; the same command goes on where this one stopped"
        raise UserError(f"{url} could not be downloaded ({reason})", hint)
    found = hashlib.new(kind, usedforsecurity=False)
    with part.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    if found.hexdigest() != digest:
        part.unlink()
        raise UserError(f"{url} is not the file that was expected: its {kind} differs", "it was removed; try again")
    part.replace(path)


def _go_on(url: str, part: Path) -> None:
    """Add what is missing; a server that sends from the beginning is believed."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = _open(request)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # everything is here; the digest decides
        raise
    with answer:
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        goes_on = goes_on and str(answer.headers.get("Content-Range", "")).startswith(f"bytes {have}-")
        with part.open("ab" if goes_on else "wb") as target:
            got = _copy(answer, target)
        expected = answer.headers.get("Content-Length")
        if expected is not None and got < int(expected):
            raise http.client.IncompleteRead(b"", int(expected) - got)


def _copy(source: IO[bytes], target: IO[bytes]) -> int:
    got = 0
    while piece := source.read(_PIECE):
        target.write(piece)
        got += len(piece)
    target.flush()
    os.fsync(target.fileno())
    return got


def _open(request: urllib.request.Request) -> Any:
    return urllib.request.build_opener(_HttpsOnly).open(request, timeout=_SECONDS)


def _check_address(url: str) -> None:
    if not url.startswith("https://"):
        raise UserError(f"{url} is not encrypted", "only https addresses are downloaded from")
