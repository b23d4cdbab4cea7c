"""The page: weights within half a step, sizes within their limits, one file that asks nobody for anything."""

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from figures.images import Picture
from figures.plot_attention import draw
from figures.request import Request
from figures.viewer.compose import Opening, Side, fill_page, fit
from figures.viewer.packing import Layer, quantise, size_limit
from reproduce.errors import UserError
from tests.browser.runs import make_run


@pytest.fixture(autouse=True)
def _results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path))


def read_facts(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.mark.parametrize("levels", [255, 63, 15])
def test_no_weight_is_off_by_more_than_half_a_step(levels: int) -> None:
    random = np.random.default_rng(0)
    for weight_RN in (random.random((7, 50)) ** 6, random.normal(size=(7, 50)), np.zeros((2, 3)), np.ones((2, 3))):
        packed = quantise(weight_RN, levels)
        back = packed.low_R[:, None] + packed.bytes_RN / levels * packed.span_R[:, None]
        assert (np.abs(back - weight_RN) <= packed.span_R[:, None] / (2 * levels) * (1 + 1e-4) + 1e-6).all()


@pytest.mark.slow
@pytest.mark.parametrize(("heads", "limit"), [(9, 3_000_000), (16, 6_000_000)])
def test_the_worst_page_of_the_published_sizes_fits(heads: int, limit: int) -> None:
    """Weights that no compressor can shorten: uniform noise in every map of 6 layers at 16x16 tokens."""
    random = np.random.default_rng(1)
    layers = [
        Layer(f"Layer {i}", 16, heads, random.random((heads * 256, 256)), random.random((heads, 256))) for i in range(6)
    ]
    assert size_limit(6 * heads * 256**2) == limit
    picture = Picture("noise", random.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    page, levels = fit([Side("noise", False, [layers])], [picture], Opening(image_size=32), limit)
    assert len(page) <= limit
    assert levels >= 15


def test_a_page_that_cannot_fit_is_refused() -> None:
    layer = Layer("Layer 1", 2, 1, np.random.default_rng(1).random((4, 4)), None)
    picture = Picture("noise", np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(UserError, match="the page would take"):
        fit([Side("noise", False, [[layer]])], [picture], Opening(image_size=32), 1000)


def test_the_page_is_one_file_with_the_network_s_weights() -> None:
    make_run("learned-content")
    record = draw(Request(target="learned-content", form="html", query="3,29"), say=print)
    page = Path(record["figures"][0]).read_text()
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "http" not in page.replace("http-equiv", "")
    facts = read_facts(page)
    assert facts["pixel"] == [3, 29]
    assert record["levels"] == facts["levels"] == 255
    assert len(facts["pictures"]) == 4
    text = re.search(r'id="w-0-0-0">([^<]+)</script>', page)
    assert text
    bytes_RN = np.frombuffer(zlib.decompress(base64.b64decode(text[1])), np.uint8).reshape(9 * 64, 64)
    span_R = np.frombuffer(base64.b64decode(facts["sides"][0]["sets"][0][0]["span"]), np.float32)
    rows = (bytes_RN / 255 * span_R[:, None]).sum(1)
    assert rows == pytest.approx(np.ones(9 * 64), abs=float(64 * span_R.max() / 510))


def test_nothing_in_a_name_can_end_the_script() -> None:
    layer = Layer("</script><b>{{ title }}", 2, 1, np.eye(4), None)
    picture = Picture("<!-- </script> {{ script }}", np.zeros((32, 32, 3), np.uint8))
    page = fill_page([Side("</script>", False, [[layer]])], [picture], Opening(image_size=32), 255).decode()
    assert read_facts(page)["pictures"][0]["name"] == "<!-- </script> {{ script }}"
    assert page.count("<script") == page.count("</script>")


def test_networks_of_other_image_sizes_are_not_compared() -> None:
    make_run("learned-content")
    make_run("learned", model__image_size=32)
    record = draw(Request(target="learned-content", compare="learned", form="html"), say=print)
    assert "learned-content" in record["title"]
    assert " | learned, " in record["title"]


def test_a_page_of_many_images_has_one_of_them_and_their_mean() -> None:
    from reproduce.data.dataset import load
    from reproduce.data.source import identify
    from reproduce.recipes.recipe import DataChoice

    make_run("learned")
    record = draw(Request(target="learned", form="html", average=True, images=5), say=print)
    facts = read_facts(Path(record["figures"][0]).read_text())
    assert facts["view"] == "average"
    assert [picture["name"] for picture in facts["pictures"]] == [
        "shapes:test:16",
        "mean over the first 5 test images of shapes",
    ]
    images = load(identify("shapes"), DataChoice(train_limit=0)).test.images[:5].float().mean(0).round().byte()
    assert base64.b64decode(facts["pictures"][1]["rgb"]) == images.permute(1, 2, 0).contiguous().numpy().tobytes()
