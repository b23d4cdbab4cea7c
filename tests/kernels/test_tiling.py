"""How products are cut into tiles: everything covered, nothing twice, no more than needed."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reproduce.kernels import Window
from reproduce.kernels.cuda import compile as load
from reproduce.kernels.cuda import launcher, tiling
from reproduce.kernels.cuda import pair as launch_pair


def macros(rows, across=None):
    return tiling.fused_macros(torch.empty(0), Window(3), rows, across, FORM=0)


@pytest.mark.parametrize(("rows", "height"), [(1, 16), (16, 16), (17, 32), (36, 64), (64, 64), (70, 32), (784, 64)])
def test_tiles_are_no_higher_than_needed(rows, height):
    assert tiling.fit(rows) == height == tiling.tile_height(macros(rows))


def test_one_tile_holds_what_infer_needs_in_one():
    assert all(tiling.fit(rows) >= rows for rows in range(1, 65))


@given(rows=st.integers(1, 900), total=st.integers(1, 10**8))
def test_grids_cover_every_value_once(rows, total):
    chosen = macros(rows)
    strips = tiling.count_strips(chosen, rows, total)
    across, high, one = tiling.make_grid(chosen, rows, total, strips)
    wide, tall = strips * tiling.tile_width(chosen), tiling.tile_height(chosen)
    assert (across - 1) * wide < total <= across * wide
    assert (high - 1) * tall < rows <= high * tall
    assert one == 1
    assert 1 <= strips <= tiling.STRIPS


@given(rows=st.integers(1, 300), across=st.integers(1, 900), total=st.integers(1, 10**9))
def test_gradients_cover_every_column_once(rows, across, total):
    chosen = macros(rows, across)
    chunk, (blocks, high, wide) = tiling.make_outer_grid(chosen, rows, across, total)
    sizes, (least, most) = dict(chosen), tiling.CHUNK
    assert (blocks - 1) * chunk < total <= blocks * chunk
    assert (high - 1) * sizes["ROWS"] < rows <= high * sizes["ROWS"]
    assert (wide - 1) * sizes["ACROSS"] < across <= wide * sizes["ACROSS"]
    assert least <= chunk <= most
    assert chunk % least == 0


def test_an_empty_batch_launches_nothing():
    assert tiling.make_grid(macros(5), 5, 0)[0] == 0
    assert tiling.make_outer_grid(macros(5, 5), 5, 5, 0)[1][0] == 0


@pytest.mark.parametrize(
    ("source", "name", "value"),
    [
        ("pair", "STRETCH", launch_pair.STRETCH),
        ("pair", "THREADS", launcher.THREADS),
        ("pair", "SHARE", launch_pair.SHARE),
        ("pair", "PARTS", "(TAPS <= 7 ? 1 : TAPS <= 14 ? 2 : TAPS <= 28 ? 4 : TAPS <= 56 ? 8 : TAPS <= 112 ? 16 : 32)"),
        ("infer", "WEIGHTS", launch_pair.WEIGHTS),
        ("pair", "COLUMNS", f"({tiling.TILE} / ROWS)"),
        ("infer", "SUMS", "(SCALAR == 3 ? SHARE / 2 : SHARE)"),
    ],
)
def test_host_and_device_agree_on_constants(source, name, value):
    found = re.search(rf"^#define {name} +([^/\n]+(?:/ [^/\n]+)?)", load.read_source(source), re.MULTILINE)
    assert found
    assert found[1].split("//")[0].strip() == str(value)


@pytest.mark.parametrize(("kernel", "parts"), [(1, 1), (3, 2), (5, 4), (7, 8), (9, 16), (11, 32)])
def test_threads_of_an_output_are_as_the_text_has_them(kernel, parts):
    assert tiling.count_parts(kernel**2) == parts
    assert tiling.split_columns(Window(kernel)) == 256 // parts
