"""The key layout of SAN's official checkpoints, and the same weights under our names: both ways, nothing computed.

    tensors = from_official(theirs)          # of SanNetwork; keys with or without the prefix ``module.``
    again = to_official(tensors)

Order within tensors is the same on both sides: gamma reads [relation, x, y] pairwise and [phi, psi channel by channel,
tap fast] patchwise, and writes weight channel slow, tap fast (hszhao/SAN, lib/sa). Only the names differ, and that our
BatchNorm layers inside blocks keep their running statistics as a table with one row (they may serve several passes).
"""

import re
from collections.abc import Mapping

from torch import Tensor

PREFIX = "module."
# (theirs, ours) as patterns over one name; <s> is a stage, <b> a block, <n> what follows
_NAMES = (
    ("conv_in.<n>", "stem.<n>"),
    ("bn_in.<n>", "stem_norm.<n>"),
    ("conv<s>.<n>", "transitions.<s>.<n>"),
    ("bn<s>.<n>", "norms.<s>.<n>"),
    ("fc.<n>", "classify.<n>"),
    ("layer<s>.<b>.bn1.<n>", "stages.<s>.<b>.norm.<n>"),
    ("layer<s>.<b>.sam.conv1.<n>", "stages.<s>.<b>.attention.phi.<n>"),
    ("layer<s>.<b>.sam.conv2.<n>", "stages.<s>.<b>.attention.psi.<n>"),
    ("layer<s>.<b>.sam.conv3.<n>", "stages.<s>.<b>.attention.beta.<n>"),
    ("layer<s>.<b>.sam.conv_p.<n>", "stages.<s>.<b>.attention.place.<n>"),
    ("layer<s>.<b>.sam.conv_w.0.<n>", "stages.<s>.<b>.attention.gamma.0.<n>"),
    ("layer<s>.<b>.sam.conv_w.2.<n>", "stages.<s>.<b>.attention.gamma.1.<n>"),
    ("layer<s>.<b>.sam.conv_w.3.<n>", "stages.<s>.<b>.attention.gamma.2.<n>"),
    ("layer<s>.<b>.sam.conv_w.5.<n>", "stages.<s>.<b>.attention.gamma.3.<n>"),
    ("layer<s>.<b>.bn2.<n>", "stages.<s>.<b>.mid_norm.<n>"),
    ("layer<s>.<b>.conv.<n>", "stages.<s>.<b>.expand.<n>"),
)
_PARTS = {"s": r"\d+", "b": r"\d+", "n": r"\w+"}
_STATISTICS = {"running_mean": "pass_mean", "running_var": "pass_var"}


def strip_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``state`` without the prefix that data-parallel training puts before every name."""
    return {name.removeprefix(PREFIX): value for name, value in state.items()}


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return official weights under our names; a name that no SAN has keeps its own."""
    tensors = {}
    for name, value in strip_prefix(state).items():
        ours = _rename(name, 0, 1)
        stem, _, last = ours.rpartition(".")
        if stem.startswith("stages.") and last in _STATISTICS:
            ours, value = f"{stem}.{_STATISTICS[last]}", value.unsqueeze(0)
        tensors[ours] = value
    return tensors


def to_official(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of a SanNetwork under the official names, without prefix; the inverse of :func:`from_official`."""
    theirs = {ours: name for name, ours in _STATISTICS.items()}
    state = {}
    for name, value in tensors.items():
        stem, _, last = name.rpartition(".")
        if last in theirs:
            name, value = f"{stem}.{theirs[last]}", value.squeeze(0)
        state[_rename(name, 1, 0)] = value
    return state


def count_blocks(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Return how many blocks each stage of an official state has; empty where it has none."""
    found = re.findall(r"^layer(\d+)\.(\d+)\.", "\n".join(strip_prefix(state)), re.MULTILINE)
    blocks: dict[int, int] = {}
    for stage, block in found:
        blocks[int(stage)] = max(blocks.get(int(stage), 0), int(block) + 1)
    return tuple(blocks[stage] for stage in sorted(blocks))


def is_pairwise(state: Mapping[str, Tensor]) -> bool:
    """Return whether the attention has position layers, which patchwise attention has not."""
    return any(".sam.conv_p." in name for name in state)


def _rename(name: str, source: int, target: int) -> str:
    for names in _NAMES:
        found = re.fullmatch(_pattern(names[source]), name)
        if found:
            return re.sub(r"<(\w)>", lambda part, found=found: found[part[1]], names[target])  # type: ignore[misc]
    return name


def _pattern(template: str) -> str:
    escaped = re.escape(template)
    for part, form in _PARTS.items():
        escaped = escaped.replace(f"<{part}>", f"(?P<{part}>{form})")
    return escaped
