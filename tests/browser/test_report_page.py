"""The report in a real headless Chromium: silent, themed, printable, and no wider than a phone."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from figures.report.write import write_report
from tests.browser.chromium import Browser, find_chromium

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason="no Chromium here: apt-get install chromium, or set CHROMIUM to its path"
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert write_report(path)["written"] == [str(path)]
    return path.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as started:
        yield started


BACKGROUND = "getComputedStyle(document.body).backgroundColor"
LIGHT, DARK = "rgb(251, 250, 247)", "rgb(21, 19, 26)"
# What sticks out of the page; boxes that scroll on their own, and pictures, may hold more than they show.
STICKING_OUT = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, pre, svg, .skip')
    && e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("dark", [False, True])
def test_it_loads_in_silence_in_the_colours_of_the_system(address: str, browser: Browser, dark: bool) -> None:
    page = browser.open(address, width=1360, height=900, dark=dark)
    assert page.complaints() == []
    assert page.evaluate(BACKGROUND) == (DARK if dark else LIGHT)
    assert page.evaluate("document.getElementById('theme-name').textContent") == ("dark" if dark else "light")
    assert page.evaluate("document.getElementById('contents').open")
    # the axis of a picture is drawn in the page's ink
    ink = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()")
    assert page.evaluate("document.querySelector('figure svg').outerHTML.includes('var(--ink)')")
    assert ink == ("#ece8f0" if dark else "#1f1c26")


def test_the_button_switches_and_is_remembered(address: str, browser: Browser) -> None:
    page = browser.open(address, width=1360, height=900)
    page.evaluate("document.getElementById('theme').click()")
    assert page.evaluate(BACKGROUND) == DARK
    assert page.evaluate("document.getElementById('theme').getAttribute('aria-pressed')") == "true"
    again = browser.open(address, width=1360, height=900)
    assert again.evaluate(BACKGROUND) == DARK
    again.evaluate("document.getElementById('theme').click()")
    assert again.evaluate(BACKGROUND) == LIGHT
    assert page.complaints() == again.complaints() == []


@pytest.mark.parametrize("width", [320, 375, 768])
def test_a_phone_shows_all_of_it_without_scrolling_sideways(address: str, browser: Browser, width: int) -> None:
    page = browser.open(address, width=width, height=800, touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(STICKING_OUT) == []
    assert page.evaluate("document.getElementById('theme').getBoundingClientRect().height") >= 40
    # a wide table scrolls in its own box
    assert page.evaluate("[...document.querySelectorAll('.scroll')].some(b => b.scrollWidth > b.clientWidth)")
    assert page.complaints() == []


def test_a_phone_starts_at_the_verdicts(address: str, browser: Browser) -> None:
    page = browser.open(address, width=375, height=800, touch=True)
    assert not page.evaluate("document.getElementById('contents').open")
    assert page.evaluate("document.getElementById('glance').getBoundingClientRect().top") < 800


def test_a_phone_reads_the_answer_first_and_the_words_of_every_forest(address: str, browser: Browser) -> None:
    page = browser.open(address, width=375, height=800, touch=True)
    assert page.evaluate("document.querySelector('.answer').getBoundingClientRect().bottom") < 400
    assert page.evaluate("document.querySelectorAll('.standing').length") == 5
    # drawn at 302 points: words of 8.5 and 7 points are as many CSS pixels or more
    widths = page.evaluate("[...document.querySelectorAll('.forests svg')].map(s => s.getBoundingClientRect().width)")
    assert len(widths) >= 8
    assert min(widths) >= 320


def test_a_link_opens_what_it_leads_to(address: str, browser: Browser) -> None:
    page = browser.open(f"{address}#D5", width=1360, height=900)
    assert page.evaluate("document.getElementById('D5').open")
    assert not page.evaluate("document.getElementById('D4').open")


def test_verdicts_are_words_and_everything_has_a_name(address: str, browser: Browser) -> None:
    page = browser.open(address, width=1360, height=900)
    words = set(page.evaluate("[...document.querySelectorAll('.chip')].map(c => c.textContent)"))
    sides = {f"as printed: {side}" for side in ("holds", "fails")}
    assert words <= {"holds", "fails", "undecided", "not run", "as printed", *sides}
    assert "holds" in words
    shown = "[...document.querySelectorAll('figure svg, figure img, .bar')]"
    assert page.evaluate(f"{shown}.every(e => e.getAttribute('aria-label') || e.alt)")
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
    levels = page.evaluate(
        "[...document.querySelectorAll('main h1, main h2, main h3, main h4')].map(h => +h.tagName[1])"
    )
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_it_prints(address: str, browser: Browser, tmp_path: Path) -> None:
    page = browser.open(address, width=1360, height=900, dark=True)
    page.driven.emulate_media(media="print")
    assert page.evaluate(BACKGROUND) == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.getElementById('theme')).display") == "none"
    paper = page.driven.pdf(print_background=False)
    assert paper.startswith(b"%PDF")
    assert len(paper) > 50_000
    assert page.complaints() == []
