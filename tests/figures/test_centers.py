"""Gaussian heads: exact ellipses, what training keeps of them, and which epochs a figure shows."""

from pathlib import Path

import numpy as np
import pytest
import torch

from figures.centers import choose_epochs, draw_epochs, list_ellipse, mass_radius
from reproduce.data.dataset import load
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.models.positions import GaussianPositions
from reproduce.recipes.registry import resolve
from reproduce.training.deadline import Deadline
from reproduce.training.head_positions import list_positions, read_positions, record_positions
from reproduce.training.run import Run, fit_to_data
from reproduce.training.train import train

TINY = {"data.train_limit": 40, "data.test_limit": 20, "batch_size": 20, "model.width": 8, "model.hidden": 8}


@pytest.fixture(autouse=True)
def _results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))


@pytest.mark.parametrize("mass", [0.5, 0.9])
@pytest.mark.parametrize("precision", [[[1.0, 0.0], [0.0, 1.0]], [[1.2, 0.5], [0.5, 0.4]]])
def test_an_ellipse_holds_its_mass(mass: float, precision: list[list[float]]) -> None:
    centre, matrix = np.array([1.5, -2.0]), np.array(precision)
    outline = list_ellipse(centre, matrix, mass)
    assert outline is not None
    distance = np.einsum("pi,ij,pj->p", outline - centre, matrix, outline - centre)
    assert distance == pytest.approx(np.full(len(outline), mass_radius(mass)))
    axis = np.linspace(-25, 25, 1501)
    d = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1) - centre
    score = np.einsum("...i,ij,...j->...", d, matrix, d)
    density = np.exp(-0.5 * score)
    assert density[score <= distance.mean()].sum() / density.sum() == pytest.approx(mass, abs=2e-3)


def test_the_radii_are_those_worked_out_by_hand() -> None:
    assert mass_radius(0.5) == pytest.approx(1.3863, abs=1e-4)
    assert mass_radius(0.9) == pytest.approx(4.6052, abs=1e-4)


def test_a_flat_head_has_no_ellipse() -> None:
    assert list_ellipse(np.zeros(2), np.array([[1.0, 1.0], [1.0, 1.0]]), 0.5) is None
    assert list_ellipse(np.array([np.inf, 0.0]), np.eye(2), 0.5) is None


@pytest.mark.parametrize("add_centre", [False, True])
@pytest.mark.parametrize("isotropic", [False, True])
def test_the_kept_centre_is_where_the_score_peaks(isotropic: bool, add_centre: bool) -> None:
    torch.manual_seed(1)
    layer = GaussianPositions(3, isotropic, add_centre).double()
    with torch.no_grad():
        layer.centres.mul_(0.5)
        layer.spreads.add_(0.1 * torch.randn_like(layer.spreads))
    lines = list_positions(layer, epoch=4)
    a, b, c = (part.detach() for part in layer.precision())
    row, column = (part.detach() for part in layer._linear())
    for head, line in enumerate(lines):
        d = torch.tensor([line["centre_row"], line["centre_column"]], dtype=torch.float64)
        slope = torch.stack(
            [row[head] - a[head] * d[0] - b[head] * d[1], column[head] - b[head] * d[0] - c[head] * d[1]]
        )
        assert slope.abs().max() < 1e-12
        assert (line["precision_row"], line["precision_column"]) == (a[head].item(), c[head].item())


def test_training_keeps_positions_and_a_resumed_run_replaces_later_ones() -> None:
    source = identify("shapes")
    recipe = fit_to_data(resolve("quadratic-aniso", budget="smoke", changes={**TINY, "epochs": 4}), source)
    run = Run(recipe=recipe, source=source)
    dataset = load(source, recipe.data)
    model, _ = train(run, dataset, device=torch.device("cpu"))
    whole = read_positions(run.folder)
    assert sorted({line["epoch"] for line in whole}) == [1, 2, 3, 4]
    assert [line for line in whole if line["epoch"] == 4] == list_positions(model, 4)
    (run.folder / "last.pt").unlink()
    train(run, dataset, device=torch.device("cpu"), deadline=Deadline.after(0))  # begins anew, stops after one epoch
    assert sorted({line["epoch"] for line in read_positions(run.folder)}) == [1]
    train(run, dataset, device=torch.device("cpu"))
    assert read_positions(run.folder) == whole


def test_rows_past_the_epoch_that_is_recorded_are_replaced(tmp_path: Path) -> None:
    layer = GaussianPositions(2, True)
    for epoch in (1, 2, 3):
        record_positions(tmp_path, layer, epoch)
    record_positions(tmp_path, layer, 2)
    assert sorted(line["epoch"] for line in read_positions(tmp_path)) == [1, 1, 2, 2]


def test_rows_without_gaussians_keep_nothing_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    record_positions(tmp_path, torch.nn.Linear(2, 2), 1)
    assert read_positions(tmp_path) == []
    (tmp_path / "positions.csv").write_text("epoch,layer\n1,a\n")
    with pytest.raises(UserError, match="not a whole list"):
        read_positions(tmp_path)


def test_a_still_shows_first_and_last_epoch() -> None:
    assert choose_epochs([1, 2, 3]) == [1, 2, 3]
    chosen = choose_epochs(list(range(1, 302, 10)))
    assert (len(chosen), chosen[0], chosen[-1]) == (7, 1, 301)


def test_the_query_square_is_at_the_origin_and_every_head_has_two_ellipses() -> None:
    torch.manual_seed(0)
    lines = list_positions(GaussianPositions(9, False), 1)
    figure = draw_epochs({1: lines, 2: lines}, [1], "title", "subtitle")
    assert len(figure.axes) == 2
    for axes in figure.axes:
        square = axes.patches[0]
        assert (square.get_x(), square.get_y(), square.get_width()) == (-0.5, -0.5, 1)
        assert len(axes.lines) == 18
        assert axes.get_ylim()[0] > axes.get_ylim()[1]  # rows point down, as in the image
