"""How the products of the fused kernels are cut into tiles, and these shared out among blocks.

Every choice follows from shapes alone, so that sums are formed in the same order in every run.
"""

from torch import Tensor

from reproduce.kernels.cuda import local
from reproduce.kernels.cuda.compile import Macros
from reproduce.kernels.cuda.launcher import THREADS
from reproduce.kernels.window import Window

TILE = 4096  # values of a tile, ROWS x COLUMNS, as in tile.cuh
HEIGHTS = (16, 32, 64)  # ROWS of a tile, and ACROSS of a weight gradient's
BLOCKS = 1024  # wanted at least before a block gets more than its least share: several for every multiprocessor
STRIPS = 8  # tiles of a block at the most
CHUNK = 64, 4096  # columns that one block sums for a weight gradient, least and most


def cdiv(a: int, b: int) -> int:
    """Return a / b rounded up."""
    return -(-a // b)


def fit(rows: int) -> int:
    """Return the height of the tiles for so many rows: what lies beyond them costs like others, and so does a tile."""
    return min(HEIGHTS, key=lambda height: cdiv(rows, height) * (height + HEIGHTS[0]))


def count_parts(taps: int) -> int:
    """Return the threads that share one output: the least power of two that leaves each at most seven taps, and 32."""
    return min(32, 1 << (cdiv(taps, 7) - 1).bit_length())


def split_columns(window: Window) -> int:
    """Return the outputs of a block whose threads share them by taps, SPLIT in common.cuh."""
    return THREADS // count_parts(window.taps)


def fused_macros(like: Tensor, window: Window, rows: int, across: int | None = None, **more: int) -> Macros:
    """Return the macro set of a fused kernel: FORM or CENTRE in ``more``, ROWS and ACROSS for its matrices."""
    sizes = {"ROWS": fit(rows)} if across is None else {"ROWS": fit(rows), "ACROSS": fit(across)}
    return (*local.local_macros(like, window), *more.items(), *sizes.items())


def tile_height(macros: Macros) -> int:
    """Return the rows of a tile."""
    return dict(macros)["ROWS"]


def tile_width(macros: Macros) -> int:
    """Return the columns of a tile."""
    return TILE // tile_height(macros)


def make_grid(macros: Macros, rows: int, total: int, strips: int = 1, times: int = 1) -> tuple[int, int, int]:
    """Return the grid for ``rows`` x ``total`` values (columns of all samples), ``strips`` tiles per block.

    ``times``: so many of these matrices, one per tap, beside one another in grid y.
    """
    return cdiv(total, strips * tile_width(macros)), times * cdiv(rows, tile_height(macros)), 1


def count_strips(macros: Macros, rows: int, total: int, times: int = 1) -> int:
    """Return the tiles of a block where it keeps something from one to the next."""
    width, height, _ = make_grid(macros, rows, total, 1, times)
    return max(1, min(STRIPS, width * height // BLOCKS))


def make_outer_grid(
    macros: Macros, rows: int, across: int, total: int, times: int = 1
) -> tuple[int, tuple[int, int, int]]:
    """Return (columns per block, grid) for ``times`` gradients, sums over ``total`` columns."""
    sizes = dict(macros)
    high, wide = cdiv(rows, sizes["ROWS"]), times * cdiv(across, sizes["ACROSS"])
    least, most = CHUNK
    chunk = min(most, max(least, least * cdiv(total * high * wide, least * BLOCKS)))
    return chunk, (cdiv(total, chunk), high, wide)
