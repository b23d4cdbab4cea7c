"""The optional value of --query-pixel, pixels, tokens and layers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from figures.maps.query import complete_option, find_token, read_layers, read_query
from reproduce.errors import UserError


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--query-pixel"], ["--query-pixel="]),
        (["--query-pixel", "14,16"], ["--query-pixel=14,16"]),
        (["--query-pixel", "14, 16"], ["--query-pixel=14, 16"]),
        (["--query-pixel", "-3,4"], ["--query-pixel=-3,4"]),
        (["--query-pixel", "7"], ["--query-pixel=7"]),
        (["--query-pixel", "a,b"], ["--query-pixel=a,b"]),
        (["--query-pixel=3,4", "vit"], ["--query-pixel=3,4", "vit"]),
        (["--query-pixel", "vit-ha"], ["--query-pixel=", "vit-ha"]),
        (["vit", "--query-pixel", "--json"], ["vit", "--query-pixel=", "--json"]),
        (["--query-pixel", "--layers", "1,3"], ["--query-pixel=", "--layers", "1,3"]),
        (["--query-pixel", "results/a,b/best.safetensors"], ["--query-pixel=", "results/a,b/best.safetensors"]),
        (["--query-pixel", "--out=a,b.png"], ["--query-pixel=", "--out=a,b.png"]),
        (["--layers", "1,3"], ["--layers", "1,3"]),
        (["--", "--query-pixel"], ["--", "--query-pixel"]),
        ([], []),
    ],
)
def test_a_bare_option_gets_its_empty_value(words: list[str], expected: list[str]) -> None:
    assert complete_option(words) == expected


def test_the_published_pixel_is_token_7_8_at_every_size() -> None:
    assert read_query("", 32) == (14, 16)
    assert find_token(read_query("", 32), 32, 16) == (7, 8)
    assert find_token(read_query("", 64), 64, 16) == (7, 8)
    assert find_token(read_query("", 32), 32, 8) == (3, 4)


@given(st.integers(1, 64), st.integers(1, 16), st.data())
def test_a_pixel_lies_in_its_token(side: int, patch: int, data: st.DataObject) -> None:
    size = side * patch
    pixel = data.draw(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)))
    assert read_query(f"{pixel[0]}, {pixel[1]}", size) == pixel
    token = find_token(pixel, size, side)
    assert all(t * patch <= p < (t + 1) * patch for t, p in zip(token, pixel, strict=True))


@pytest.mark.parametrize("text", ["32,0", "0,32", "-1,0", "3", "a,b", "1,2,3", "1.5,2", ","])
def test_a_bad_pixel_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        read_query(text, 32)


def test_layers_are_numbers_lists_and_ranges() -> None:
    assert read_layers(None, 3) == [1, 2, 3]
    assert read_layers("2", 6) == [2]
    assert read_layers("6,1-3,2", 6) == [6, 1, 2, 3]
    for text in ("7", "0", "a", "3-1", ""):
        with pytest.raises(UserError):
            read_layers(text, 6)
