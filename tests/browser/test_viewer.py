"""The page in a real headless Chromium: it loads in silence, a click shows that pixel's weights, phones can use it.

Skipped only where no Chromium is found (Debian: apt-get install chromium; another place: CHROMIUM=/path).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from figures.images import find_picture, prepare
from figures.maps.average import average_attention
from figures.maps.maps import run_layers
from figures.plot_attention import draw
from figures.request import Request
from figures.subject import Subject, open_subject
from tests.browser.chromium import Browser, Page, find_chromium
from tests.browser.runs import make_run

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason="no Chromium here: apt-get install chromium, or set CHROMIUM to its path"
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATTNREPRO_RESULTS", str(folder / "results"))
        for row in ("learned-content", "learned-content-ha", "san-patch", "vit"):
            make_run(row)
        asked = {
            "one": Request(target="learned-content", form="html"),
            "pair": Request(target="learned-content", compare="learned-content-ha", form="html", image=("test:3",)),
            "san": Request(target="san-patch", form="html", image=("test:3",)),
            "vit": Request(target="vit", form="html", image=("test:3",)),
        }
        yield {name: Path(draw(request, print)["figures"][0]) for name, request in asked.items()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as started:
        yield started


def load(path: Path, image: str) -> tuple[Subject, list[Any]]:
    subject = open_subject(str(path.parent.parent / "best.safetensors"))
    layers = run_layers(subject.model, subject.recipe, prepare(find_picture(image, subject).pixels_HW3, subject.recipe))
    return subject, [layer.double().numpy() for layer in layers]


def shown(page: Page, side: int = 0) -> Any:
    return np.array(page.evaluate("window.attnrepro.values()")[side])


def click_pixel(page: Page, row: int, column: int, size: int = 32) -> None:
    box = page.box("#image")
    page.after(
        lambda: page.click(
            box["x"] + (column + 0.5) * box["width"] / size, box["y"] + (row + 0.5) * box["height"] / size
        )
    )


def query_map(layer: Any, row: int, column: int) -> Any:
    side = round(layer.shape[1] ** 0.5)
    return layer[:, (row * side // 32) * side + column * side // 32]


def test_it_loads_in_silence_and_shows_the_published_query(pages: dict[str, Path], browser: Browser) -> None:
    page = browser.open(pages["one"].as_uri(), width=1280, height=860)
    assert page.complaints() == []
    _, layers = load(pages["one"], "test:16")
    expected = query_map(layers[0], 14, 16)
    assert np.abs(shown(page) - expected).max() <= expected.max() / 500
    assert "learned-content, smoke" in page.evaluate("document.title")
    assert page.evaluate("document.querySelectorAll('.head').length") == 9


def test_a_click_changes_the_maps_to_the_weights_of_that_pixel(pages: dict[str, Path], browser: Browser) -> None:
    page = browser.open(pages["one"].as_uri(), width=1280, height=860)
    _, layers = load(pages["one"], "test:16")
    for row, column in [(0, 0), (31, 31), (3, 29), (20, 8)]:
        click_pixel(page, row, column)
        expected = query_map(layers[0], row, column)
        assert page.evaluate("window.attnrepro.state.pixel") == [row, column]
        assert np.abs(shown(page) - expected).max() <= expected.max() / 500
    assert page.complaints() == []


def test_hover_previews_and_a_click_pins(pages: dict[str, Path], browser: Browser) -> None:
    page = browser.open(pages["one"].as_uri(), width=1280, height=860)
    box = page.box("#image")
    page.after(lambda: page.hover(box["x"] + 2, box["y"] + 2))
    assert page.evaluate("window.attnrepro.state.pixel") == [0, 0]
    click_pixel(page, 9, 9)
    page.hover(box["x"] + 2, box["y"] + 2)
    assert page.evaluate("window.attnrepro.state.pixel") == [9, 9]
    assert "pinned" in page.evaluate("document.getElementById('status').textContent")


def test_layers_views_images_and_keys(pages: dict[str, Path], browser: Browser) -> None:
    page = browser.open(pages["one"].as_uri(), width=1280, height=860)
    _, layers = load(pages["one"], "test:16")
    page.after(lambda: page.evaluate("document.querySelectorAll('#layers button')[1].click()"))
    assert np.abs(shown(page) - query_map(layers[1], 14, 16)).max() <= layers[1].max() / 500
    page.after(lambda: page.press("v"))
    import torch

    expected = average_attention(torch.from_numpy(layers[1]), "R1").numpy()
    assert shown(page) == pytest.approx(expected, rel=1e-5, abs=1e-8)
    assert "R1" in page.evaluate("document.getElementById('meaning').textContent")
    page.after(lambda: page.press("["))
    assert page.evaluate("window.attnrepro.state.layer") == 0
    page.evaluate("document.getElementById('image').focus()")
    page.after(lambda: page.press("ArrowDown"))
    assert page.evaluate("window.attnrepro.state.pixel") == [16, 16]
    assert page.evaluate("window.attnrepro.state.view") == "query"
    page.after(lambda: page.press("i"))
    _, other = load(pages["one"], "test:17")
    assert np.abs(shown(page) - query_map(other[0], 16, 16)).max() <= other[0].max() / 500
    page.after(lambda: page.press("s"))
    assert page.evaluate("document.getElementById('high').textContent") == "largest of each"
    assert page.complaints() == []


def test_two_networks_side_by_side(pages: dict[str, Path], browser: Browser) -> None:
    page = browser.open(pages["pair"].as_uri(), width=1440, height=900)
    click_pixel(page, 6, 25)
    _, ours = load(pages["pair"], "test:3")
    assert np.abs(shown(page, 0) - query_map(ours[0], 6, 25)).max() <= ours[0].max() / 500
    checkpoint = next(pages["pair"].parents[3].glob("learned-content-ha/*/best.safetensors"))
    _, theirs = load(checkpoint.parent / "figures" / "page", "test:3")
    assert np.abs(shown(page, 1) - query_map(theirs[0], 6, 25)).max() <= theirs[0].max() / 500
    left, right = page.box("#sides > section:nth-child(1)"), page.box("#sides > section:nth-child(2)")
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    assert page.complaints() == []


@pytest.mark.parametrize("name", ["san", "vit"])
def test_footprints_and_class_tokens(pages: dict[str, Path], browser: Browser, name: str) -> None:
    page = browser.open(pages[name].as_uri(), width=1280, height=860)
    _, layers = load(pages[name], "test:3")
    click_pixel(page, 10, 10)
    expected = layers[0] if name == "san" else query_map(layers[0], 10, 10)
    assert np.abs(shown(page) - expected).max() <= (expected.max() - expected.min()) / 500
    assert page.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_all_of_it_and_a_tap_moves_the_query(
    pages: dict[str, Path], browser: Browser, dark: bool, tmp_path: Path
) -> None:
    page = browser.open(pages["pair"].as_uri(), width=390, height=844, touch=True, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.evaluate(
        "[...document.querySelectorAll('button')].filter(b => b.getBoundingClientRect().height < 40).length"
    )
    assert small == 0
    box = page.box("#image")
    page.after(lambda: page.tap(box["x"] + box["width"] * 5.5 / 32, box["y"] + box["height"] * 28.5 / 32))
    assert page.evaluate("window.attnrepro.state.pixel") == [28, 5]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(23, 21, 28)" if dark else "rgb(253, 252, 250)")
    assert len(page.screenshot(tmp_path / "phone.png", whole=True)) > 20_000
    assert page.complaints() == []


def test_every_button_has_a_name_and_the_status_is_live(pages: dict[str, Path], browser: Browser) -> None:
    page = browser.open(pages["one"].as_uri(), width=1280, height=860)
    nameless = (
        "[...document.querySelectorAll('button')]"
        ".filter(b => !(b.textContent.trim() || b.getAttribute('aria-label'))).length"
    )
    assert page.evaluate(nameless) == 0
    assert page.evaluate("document.getElementById('status').getAttribute('aria-live')") == "polite"
    assert page.evaluate("document.querySelectorAll('#layers [aria-pressed=true]').length") == 1
