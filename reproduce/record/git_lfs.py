"""Files that git-lfs has not fetched: in their place lies a note of 130 bytes. No torch.

is_pointer(path.read_bytes()[:HEAD])
"""

HEAD = 64  # bytes that tell
HINT = "it stands for a file that was not fetched: run `git lfs pull` in its repository"
_MARK = b"version https://git-lfs.github.com/spec/"


def is_pointer(head: bytes) -> bool:
    """Say whether a file that begins with ``head`` is a git-lfs pointer (git-lfs, docs/spec.md)."""
    return head.startswith(_MARK)
