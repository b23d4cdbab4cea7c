"""What ``attnrepro eval`` finds, beside what is printed for the same weights. Torch only where a network is run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paper_tables.published import read_table


def evaluate_and_record(
    path: Path,
    data: str | None,
    changes: Mapping[str, Any],
    device: Any,
    precision: str,
    row: str | None = None,
    variant: str | None = None,
) -> dict[str, Any]:
    """Measure the weights at ``path`` on ``device`` (of torch).

    What published weights reach is kept for the claims and set beside the published value.

    Raises:
        UserError: as `evaluate_checkpoint`.
    """
    from reproduce.record.evaluations import record
    from reproduce.training.evaluate import evaluate_checkpoint

    result = evaluate_checkpoint(path, data, device, precision, changes=changes, row=row, variant=variant)
    if result["official"]:
        printed = read_table("imagenet")
        result["published"] = {metric: printed[result["row"], metric].value for metric in ("top1", "top5")}
        record(result)
    return result


def describe(result: Mapping[str, Any]) -> list[str]:
    """Return an evaluation as lines of text."""
    low, high = result["interval"]
    lines = [
        f"{result['row']} on {result['dataset']}: top-1 {result['top1']:.4f} (95 % {low:.4f}..{high:.4f}, Wilson),"
        f" top-5 {result['top5']:.4f}, loss {result['loss']:.4f}, {result['images']} images, mode {result['eval_mode']}"
    ]
    if "published" in result:
        lines.append("published with these weights: top-1 {top1:.4f}, top-5 {top5:.4f}".format(**result["published"]))
    return lines
