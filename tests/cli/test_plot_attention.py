"""`plot-attention`, `plot-curves`, `figure` and `ls figures` as a user calls them."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import figures.subject
from cli import app
from reproduce.recipes.registry import resolve
from tests.browser.runs import make_run

TINY = {"model.width": 8, "model.hidden": 8, "data.train_limit": 40, "data.test_limit": 20, "epochs": 1}


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


def call(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def drawn(*words: str) -> Any:
    result = call(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["drawn"]


def look(path: str) -> tuple[tuple[int, int], int]:
    """Return an image's size and how many colours it has."""
    with Image.open(path) as image:
        return image.size, len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0))


def test_the_bare_command_trains_the_smoke_run_first_and_says_so(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures.subject, "resolve", lambda row, **asked: resolve(row, changes=TINY, **asked))
    result = call("plot-attention", "--query-pixel")
    assert result.exit_code == 0, result.output
    assert "training the smoke run of learned-content first" in result.stderr
    assert "learned-content, smoke" in result.stderr
    figure, data, quantities = result.stdout.split()
    assert Path(figure).parent.parent.parent == results / "learned-content"
    (width, height), colours = look(figure)
    assert width > 1000
    assert height > 400
    assert colours > 50
    assert "query-14-16" in figure
    with Path(data).open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * 9 * 64
    assert sum(float(line["weight"]) for line in lines) == pytest.approx(18, abs=1e-4)
    assert Path(quantities).exists()
    again = call("plot-attention", "--query-pixel")
    assert "training" not in again.stderr
    assert again.stdout == result.stdout


def test_a_bad_pixel_is_refused_before_anything_is_trained(results: Path) -> None:
    result = call("plot-attention", "--query-pixel", "40,2")
    assert result.exit_code == 2
    assert "outside the image" in result.stderr
    assert not results.exists()


@pytest.mark.parametrize("row", ["learned", "learned-content-ha", "quadratic-16h", "vit", "san-pair", "san-patch-ha"])
def test_every_family_draws_a_query_and_an_average(row: str) -> None:
    make_run(row)
    for words in (["--query-pixel", "5,9"], ["--average"]):
        record = drawn("plot-attention", row, *words)[0]
        assert record["title"].startswith(f"{row}, smoke")
        assert record["title"].endswith("shapes, epoch 3")
        _, colours = look(record["figures"][0])
        assert colours > 30


def test_the_square_is_on_the_token_and_the_csv_is_that_row() -> None:
    from figures.images import find_picture, prepare
    from figures.maps.maps import run_layers
    from figures.subject import open_subject

    make_run("learned-content")
    record = drawn("plot-attention", "learned-content", "--query-pixel", "5,30", "--image", "test:3")[0]
    subject = open_subject("learned-content")
    image = prepare(find_picture("test:3", subject).pixels_HW3, subject.recipe)
    expected = run_layers(subject.model, subject.recipe, image)[1][4, (5 // 4) * 8 + 30 // 4]
    with Path(record["data"][0]).open() as file:
        found = [float(line["weight"]) for line in csv.DictReader(file) if (line["layer"], line["head"]) == ("2", "5")]
    assert found == pytest.approx(expected.tolist(), rel=1e-6)


@pytest.mark.parametrize("form", ["png", "svg", "pdf", "gif"])
def test_centres_in_every_format(form: str, tmp_path: Path) -> None:
    make_run("quadratic")
    out = tmp_path / f"centres.{form}"
    record = drawn("plot-attention", "quadratic", "--centers", "--out", str(out))[0]
    assert record["figures"] == [str(out)]
    assert out.stat().st_size > 5000
    assert record["title"] == "quadratic, smoke, changed sizes, shapes, epochs 1 to 3"
    if form == "gif":
        with Image.open(out) as image:
            assert image.n_frames == 3 or image.is_animated is False  # equal frames may be merged
    assert len(Path(record["data"][0]).read_text().splitlines()) == 1 + 3 * 2 * 9


@pytest.mark.parametrize("form", ["svg", "pdf"])
def test_the_same_figure_is_the_same_bytes(form: str, tmp_path: Path) -> None:
    make_run("learned")
    for name in ("a", "b"):
        drawn("plot-attention", "learned", "--average", "--out", str(tmp_path / f"{name}.{form}"))
    assert (tmp_path / f"a.{form}").read_bytes() == (tmp_path / f"b.{form}").read_bytes()


def test_an_image_from_a_file_is_cut_and_scaled(tmp_path: Path) -> None:
    make_run("learned-content")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 4), dtype=np.uint8)).save(tmp_path / "photo.png")
    record = drawn("plot-attention", "learned-content", "--query-pixel", "--image", "photo.png", "--format", "svg")[0]
    assert "photo.png" in record["shows"]


def test_a_run_and_a_checkpoint_are_found_by_name_and_path() -> None:
    path = make_run("learned")
    by_run = drawn("plot-attention", path.parent.name[:20], "--average")[0]
    by_path = drawn("plot-attention", str(path), "--average")[0]
    assert by_run == by_path


def test_untrained_weights_are_called_so() -> None:
    make_run("learned", epoch=0)
    assert drawn("plot-attention", "learned", "--average")[0]["title"].endswith("untrained")


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        ("resnet18 --query-pixel", "no attention", "learned"),
        ("vit --query-pixel", "no finished run", "attnrepro train vit --budget smoke"),
        ("--average --budget paper", "no finished run at budget paper", "attnrepro train learned-content"),
        ("learned --query-pixel 32,0", "outside the image", "0 to 31"),
        ("learned --query-pixel 4", "is no pixel", "ROW,COL"),
        ("learned --average --layers 3", "no layer 3", "layers 1 to 2"),
        ("learned --average --reading R9", "no reading is called", "R3"),
        ("learned --average --image nothing.png", "no image at", "--image test:16"),
        ("learned --average --image text.png", "cannot be read as an image", "PNG"),
        ("learned --average --image test:9999", "no test image 9999", "counted from 0"),
        ("learned --average --image test:cat:1", "no class 'cat'", "disc-above"),
        ("learned --average --image other:1", "names no split", "test:INDEX"),
        ("learned --average --images 100000", "cannot be averaged", "1 to 1000"),
        ("learned --average --format bmp", "no format", "png"),
        ("learned --average --format gif", "only --centers", "png"),
        ("learned --average --format png --out a.svg", "--out ends in .svg", "agree"),
        ("learned --centers", "no Gaussian centres", "quadratic"),
        ("learned --average --query-pixel", "one thing only", "--average"),
        ("learned", "one thing only", "--centers"),
        ("learned --average --slice column", "--slice is of a query pixel", "--query-pixel"),
        ("learned --query-pixel --slice diagonal", "no slice is called", "row"),
        ("learned --query-pixel --reading R0", "--reading is of average", "--average"),
        ("learned --average --compare vit", "side by side on a page", "html"),
        ("learned --average --scale big", "no colour scale", "shared"),
        ("learnt --average", "no row and no run called 'learnt'", "learned"),
        ("learned --average --variant wild", "no variant", "as-run"),
    ],
)
def test_what_the_user_can_mend_is_a_sentence_and_a_hint(words: str, sentence: str, hint: str) -> None:
    make_run("learned")
    Path("text.png").write_text("no image")
    result = call("plot-attention", *words.split())
    assert result.exit_code == 2, result.output
    error, told = result.stderr.strip().splitlines()[-2:]
    assert error.startswith("error: ")
    assert sentence in error
    assert told.startswith("hint: ")
    assert hint in told


def test_published_figures_say_what_is_missing_and_draw_what_is_there() -> None:
    make_run("learned-content")
    listed = {record["figure"]: record for record in json.loads(call("ls", "figures", "--json").stdout)}
    numbers = {name.rstrip("ab") for name in listed}
    assert numbers == {str(n) for n in [*range(1, 6), *range(8, 24)]} | {"ece4", "scenes6"}
    assert listed["3b"]["can be drawn"] == "yes"
    assert listed["3a"]["needs"] == "attnrepro train learned --budget smoke"
    assert listed["1a"]["can be drawn"] == "in part"
    records = drawn("figure", "9")
    assert [record["figure"] for record in records] == ["9a", "9b"]
    assert all(record["title"].startswith(f"Fig. {record['figure']}: learned-content") for record in records)
    assert "test:16" in records[0]["shows"]
    result = call("figure", "3a")
    assert result.exit_code == 2
    assert "attnrepro train learned --budget smoke" in result.stderr
    assert call("figure", "6").exit_code == call("figure", "99").exit_code == 2


def test_offsets_of_a_hierarchical_san_are_those_that_end_a_pass() -> None:
    make_run("san-patch-ha")
    record = drawn("figure", "19a")[0]
    with Path(record["data"][0]).open() as file:
        lines = list(csv.DictReader(file))
    assert {line["layer"] for line in lines} == {"1", "2"}
    assert {line["tap"] for line in lines} == {str(tap) for tap in range(1, 10)}


def test_curves_from_the_command_line(tmp_path: Path) -> None:
    make_run("learned")
    record = drawn("plot-curves", "accuracy", "--out", str(tmp_path / "curves.pdf"))[0]
    assert (tmp_path / "curves.pdf").stat().st_size > 5000
    assert record["title"] == "accuracy: test accuracy, smoke, shapes"


def test_a_small_data_set_has_an_image_to_choose(tmp_path: Path) -> None:
    """Three test images: the usual choice, number 16, is not there."""
    from dataclasses import replace

    from figures.images import choose_pictures
    from figures.subject import open_subject

    for split in ("train", "test"):
        for label in ("a", "b", "c"):
            folder = tmp_path / "photos" / split / label
            folder.mkdir(parents=True)
            Image.fromarray(np.full((32, 32, 3), 40, np.uint8)).save(folder / "0.png")
    make_run("learned")
    subject = replace(open_subject("learned"), data=str(tmp_path / "photos"), data_sha256=None)
    assert [picture.name for picture in choose_pictures(subject, 4)] == ["photos:test:0"]


@pytest.mark.slow
def test_the_bare_command_as_it_stands_in_the_readme(tmp_path: Path) -> None:
    """A fresh machine: nothing but the clone; trains for about half a minute."""
    root = Path(figures.subject.__file__).parents[1]
    environment = os.environ | {"ATTNREPRO_RESULTS": str(tmp_path / "fresh"), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(root / "cli.py"), "plot-attention", "--query-pixel"]
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.split()[0]).stat().st_size > 20_000
    assert "Traceback" not in done.stderr
