"""Random numbers as functions of (seed, purpose, epoch): a resumed run draws what an unbroken one draws.

order = torch.randperm(n, generator=generator(seed, "order", epoch))
"""

import hashlib
import os

import torch


def derive(seed: int, purpose: str, epoch: int = 0) -> int:
    """Return a 63-bit seed; different purposes and epochs get independent ones."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, purpose: str, epoch: int = 0, device: str | torch.device = "cpu") -> torch.Generator:
    """Return a generator on ``device`` seeded by :func:`derive`."""
    return torch.Generator(device=device).manual_seed(derive(seed, purpose, epoch))


def seed_global(seed: int, purpose: str, epoch: int = 0) -> None:
    """Seed torch's global generators, which initialisation and dropout draw from."""
    torch.manual_seed(derive(seed, purpose, epoch))


def make_deterministic(device: torch.device) -> None:
    """Let this process use deterministic operators only, so that a seed gives the same numbers again on CUDA too.

    On a CPU they are deterministic already. An operator that has no deterministic form then raises RuntimeError.
    Slower on CUDA; takes effect for cuBLAS only before its first product.
    """
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
