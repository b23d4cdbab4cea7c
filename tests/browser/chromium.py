"""The system's headless Chromium, driven by Playwright.

with Browser() as browser:
    page = browser.open("file:///tmp/viewer.html", width=390, height=844, touch=True)
    page.evaluate("document.title")
"""

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

from playwright.sync_api import ConsoleMessage, Error, sync_playwright
from playwright.sync_api import Page as Driven

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MILLISECONDS = 60_000


def find_chromium() -> str | None:
    """Return the browser's path: ``$CHROMIUM``, or the first of the usual names."""
    return os.environ.get("CHROMIUM") or next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One browser with one memory: what a page stores, the next one finds."""

    def __enter__(self) -> "Browser":
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        self._desk = self._browser.new_context()
        self._phone = self._browser.new_context(has_touch=True, is_mobile=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._browser.close()
        self._playwright.stop()

    def open(self, url: str, *, width: int, height: int, touch: bool = False, dark: bool = False) -> "Page":
        """Return a new page of so many pixels showing ``url``, when it has drawn itself."""
        driven = (self._phone if touch else self._desk).new_page()
        driven.set_default_timeout(MILLISECONDS)
        driven.set_viewport_size({"width": width, "height": height})
        driven.emulate_media(color_scheme="dark" if dark else "light")
        page = Page(driven)
        driven.goto(url)
        page.wait("document.documentElement && document.documentElement.dataset.drawn")
        return page


class Page:
    """One page of the browser, and what it has complained of."""

    def __init__(self, driven: Driven) -> None:
        self.driven = driven
        self._found: list[str] = []
        driven.on("console", self._hear)
        driven.on("pageerror", lambda error: self._found.append(str(error)[:400]))
        driven.on("request", lambda request: self._watch(request.url))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self._found.append(message.text[:400])

    def _watch(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "about:")):
            self._found.append(f"asked the network for {url[:100]}")

    def evaluate(self, code: str) -> Any:
        """Return the value of JavaScript, promises awaited."""
        try:
            return self.driven.evaluate(code)
        except Error as error:
            raise RuntimeError(str(error)[:500]) from None

    def wait(self, code: str) -> None:
        """Wait until ``code`` is true."""
        self.driven.wait_for_function(f"() => {code}")

    def after(self, action: Any) -> None:
        """Do ``action`` and wait until the page has drawn again."""
        before = self.evaluate("document.documentElement.dataset.drawn")
        action()
        self.wait(f"document.documentElement.dataset.drawn !== {before!r}")

    def box(self, selector: str) -> dict[str, float]:
        """Return where an element is: x, y, width, height in pixels of the window."""
        element = self.driven.locator(selector).first
        element.scroll_into_view_if_needed()
        box = element.bounding_box()
        assert box is not None, selector
        return dict(box)

    def click(self, x: float, y: float) -> None:
        self.driven.mouse.click(x, y)

    def hover(self, x: float, y: float) -> None:
        self.driven.mouse.move(x, y)

    def tap(self, x: float, y: float) -> None:
        self.driven.touchscreen.tap(x, y)

    def press(self, key: str) -> None:
        self.driven.keyboard.press(key)

    def screenshot(self, path: Path, whole: bool = False) -> bytes:
        """Write and return a PNG of the window, or of the whole page."""
        return self.driven.screenshot(path=path, full_page=whole)

    def complaints(self) -> list[str]:
        """Return errors and warnings of the console, exceptions and requests to a network."""
        return list(self._found)
