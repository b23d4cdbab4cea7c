"""Suite ``structure``: exact parameters and multiply-accumulates of every paper-scale row and variant.

    attnrepro bench --cpu --suite structure --out paper_tables/measured/structure.csv

Nothing is timed. The tables read the committed file; a test compares it with the models.
"""

from collections.abc import Sequence
from typing import Any

from reproduce.models.networks import build, count_macs, count_parameters, use_path
from reproduce.models.san_cost import count_flops
from reproduce.recipes.architectures import San
from reproduce.recipes.registry import ENTRIES, find_entry, resolve


def measure(kind: str, rows: Sequence[str] | None, repetitions: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a case a row and variant; ``kind`` and ``repetitions`` change nothing: counts are exact."""
    del kind, repetitions
    cases = []
    for row in rows or ENTRIES:
        for variant in find_entry(row).variant_names():
            architecture = resolve(row, variant=variant).model
            model = build(architecture)
            size = architecture.image_size
            case = {"row": row, "variant": variant, "params": count_parameters(model)}
            case["macs_fast"] = count_macs(model, size)
            case["macs_naive"] = count_macs(use_path(model, "naive"), size)
            case["flops"] = count_flops(architecture, size) if isinstance(architecture, San) else None
            cases.append(case)
    return cases, [
        "MACs: multiply-accumulates of one image's inference, as executed",
        "FLOPs: as the SAN paper counts them, with element-wise work (reproduce/models/san_cost.py)",
    ]
