"""The committed parameter and MAC counts are those of the models."""

import csv
from pathlib import Path

import pytest
import torch

from reproduce.models.networks import build, count_macs, count_parameters, use_path
from reproduce.recipes.registry import ENTRIES, resolve

PATH = Path(__file__).resolve().parents[2] / "paper_tables" / "measured" / "structure.csv"
LINES = list(csv.DictReader(PATH.open()))


def test_every_row_and_variant_is_there() -> None:
    expected = {(row, variant) for row, entry in ENTRIES.items() for variant in entry.variant_names()}
    assert {(line["row"], line["variant"]) for line in LINES} == expected


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line['row']} {line['variant']}")
def test_parameters_are_those_of_the_model(line: dict[str, str]) -> None:
    with torch.device("meta"):
        model = build(resolve(line["row"], variant=line["variant"]).model)
    assert count_parameters(model) == int(line["params"])


@pytest.mark.slow
@pytest.mark.parametrize("row", ["quadratic", "learned-content-ha", "san-pair", "vit-ha", "resnet18"])
def test_macs_are_those_of_the_model(row: str) -> None:
    line = next(line for line in LINES if (line["row"], line["variant"]) == (row, "described"))
    model = build(resolve(row).model)
    assert count_macs(model, 32) == int(line["macs_fast"])
    assert count_macs(use_path(model, "naive"), 32) == int(line["macs_naive"])
