"""The .cu text run on the CPU through shim.h, with the very host code that launches it on a GPU, against the twins."""

import pytest
import torch

from reproduce.kernels import Window
from reproduce.kernels.cpu import local, pair, patch
from reproduce.kernels.cpu.relation import FORMS
from reproduce.kernels.cuda import launcher, tiling
from reproduce.kernels.cuda import local as launch_local
from reproduce.kernels.cuda import pair as launch_pair
from reproduce.kernels.cuda import patch as launch_patch
from reproduce.kernels.operands import Pair, Patch
from tests.kernels import host

pytestmark = pytest.mark.skipif(host.COMPILER is None, reason="no g++ to compile the kernels with")

# (window, H, W): partial tiles, a single pixel, a kernel wider than half the map, every option at once.
AWKWARD = [
    (Window(3), 5, 9),
    (Window(7), 4, 6),
    (Window(5, 2, 1, False), 3, 8),
    (Window(3, 2, 2), 7, 5),
    (Window(1), 1, 1),
    (Window(3, 3, 3, False), 2, 10),
    (Window(11, 1, 1, False), 3, 2),
]
LARGER = pytest.mark.slow
FEW = [AWKWARD[0], *(pytest.param(*case, marks=LARGER) for case in AWKWARD[1:4])]


@pytest.fixture(autouse=True)
def on_host(monkeypatch):
    monkeypatch.setattr(launcher, "run", host.run)


def draw(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64).to(dtype)


def same(ours, theirs, rtol=1e-9, atol=1e-10):
    for index, (mine, twin) in enumerate(zip(ours, theirs, strict=True)):
        assert (mine is None) == (twin is None)
        if mine is not None:
            torch.testing.assert_close(mine, twin, rtol=rtol, atol=atol, msg=lambda m, i=index: f"output {i}: {m}")


def local_outputs(module, window, height, width, dtype, shared=2, share=3):
    torch.manual_seed(3)
    rows, columns = window.out_size(height, width)
    a, b = draw(2, 3, height, width, dtype=dtype), draw(2, 3, height, width, dtype=dtype)
    g = draw(2, 3, window.taps, rows * columns, dtype=dtype)
    x, y = draw(2, shared * share, height, width, dtype=dtype), draw(2, shared * share, rows, columns, dtype=dtype)
    weight = draw(2, shared, window.taps, rows * columns, dtype=dtype)
    return [
        module.subtract(a, b, window=window),
        module.sum_centres(g, window=window, height=height, width=width),
        module.scatter(g, window=window, height=height, width=width),
        module.aggregate(x, weight, window=window),
        module.aggregate_to_map(y, weight, window=window, height=height, width=width),
        module.aggregate_to_weight(x, y, window=window, shared=shared),
    ]


@pytest.mark.parametrize(
    ("window", "height", "width"), [*AWKWARD[:3], *(pytest.param(*case, marks=LARGER) for case in AWKWARD[3:])]
)
def test_local_kernels(window, height, width):
    same(*(local_outputs(m, window, height, width, torch.float64) for m in (launch_local, local)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_local_kernels_in_lower_precision(dtype):
    ours = local_outputs(launch_local, Window(5), 5, 6, dtype)
    wide = local_outputs(local, Window(5), 5, 6, dtype=dtype) if dtype == torch.float32 else None
    if wide is None:
        with pytest.MonkeyPatch.context() as patcher:
            patcher.setattr(torch, "randn", torch.randn)
            wide = local_outputs(_Widened(local), Window(5), 5, 6, dtype)
    eps = torch.finfo(dtype).eps
    same([o.double() for o in ours], [w.double() for w in wide], rtol=eps, atol=1e-5)


class _Widened:
    """The twins on the same rounded inputs, in float64."""

    def __init__(self, module):
        self.module = module

    def __getattr__(self, name):
        return lambda *tensors, **options: getattr(self.module, name)(*(t.double() for t in tensors), **options)


@pytest.mark.parametrize(("shared", "share"), [(1, 17), (9, 1), (1, 8)])
def test_weight_sharing(shared, share):
    window = Window(3)
    same(*(local_outputs(m, window, 4, 5, torch.float64, shared, share) for m in (launch_local, local)))


def make_pair(window, height, width, depth, outs, shared, share, form, dtype=torch.float64, located=True, batch=2):
    rows, columns = window.out_size(height, width)
    depth = outs if form == "hidden" else depth
    maps = [draw(batch, channels, height, width) for channels in (depth, depth, shared * share)]
    place = draw(outs, window.taps, rows * columns) if located else None
    rest = (draw(depth), draw(outs, depth), place, 1 + 0.3 * draw(outs), draw(outs), draw(shared, outs))
    return Pair(*(None if t is None else t.to(dtype) for t in (*maps, *rest)))


def make_patch(window, height, width, depth, outs, centred, batch=3):
    psi, phi = draw(batch, depth, height, width), draw(batch, depth, height, width) if centred else None
    return Patch(psi, phi, draw(depth, window.taps), draw(depth, window.taps), draw(outs, depth, window.taps))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("window", "height", "width"), FEW)
@pytest.mark.parametrize(("depth", "outs", "shared"), [(3, 5, 2), pytest.param(17, 33, 3, marks=LARGER)])
def test_pairwise_kernels(window, height, width, depth, outs, shared, form):
    inputs = make_pair(window, height, width, depth, outs, shared, 2, form)
    ours = launch_pair.attend(inputs, None, None, 1e-5, window, form)
    twin = pair.attend(inputs, None, None, 1e-5, window, form)
    same(ours, twin)
    grad = torch.randn_like(ours[0])
    for batch_stats, more in ((True, None), (False, torch.randn_like(ours[1]))):
        mine = launch_pair.attend_backward(grad, more, inputs, *ours[1:], batch_stats, 1e-5, window, form)
        theirs = pair.attend_backward(grad, more, inputs, *twin[1:], batch_stats, 1e-5, window, form)
        same(mine, theirs, rtol=1e-8, atol=1e-8)


def test_pairwise_kernels_beyond_one_turn():
    """More rows of h than pair_attend holds at once, more weight channels and channels of each than one thread has."""
    window, form = Window(3), "difference"
    inputs = make_pair(window, 5, 9, 3, 70, 9, 9, form)
    ours, twin = (module.attend(inputs, None, None, 1e-5, window, form) for module in (launch_pair, pair))
    same(ours, twin)
    grad = torch.randn_like(ours[0])
    mine = launch_pair.attend_backward(grad, None, inputs, *ours[1:], True, 1e-5, window, form)
    same(mine, pair.attend_backward(grad, None, inputs, *twin[1:], True, 1e-5, window, form), rtol=1e-8, atol=1e-8)


# (window, H, W): columns in whole vectors and not, many samples a tile, and several tiles.
SHARED_OUT = [(Window(3), 8, 8), (Window(3), 3, 5), (Window(3, 2), 5, 9)]


@pytest.mark.parametrize("blocks", [1, 10**6])
@pytest.mark.parametrize(("window", "height", "width"), SHARED_OUT)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pairwise_kernels_however_blocks_share_the_columns(window, height, width, dtype, blocks, monkeypatch):
    """One block for all tiles, or as many as there can be, over all samples: the same sums."""
    monkeypatch.setattr(tiling, "BLOCKS", blocks)
    torch.manual_seed(blocks)
    inputs, form = make_pair(window, height, width, 6, 20, 3, 2, "difference", batch=7, dtype=dtype), "difference"
    ours, twin = (module.attend(inputs, None, None, 1e-5, window, form) for module in (launch_pair, pair))
    bounds = {"rtol": 1e-8, "atol": 1e-8} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 2e-4}
    same(ours, twin, **bounds)
    grad = torch.randn_like(ours[0])
    mine = launch_pair.attend_backward(grad, None, inputs, *ours[1:], True, 1e-5, window, form)
    same(mine, pair.attend_backward(grad, None, inputs, *ours[1:], True, 1e-5, window, form), **bounds)


@pytest.mark.parametrize("blocks", [1, 10**6])
@pytest.mark.parametrize(("window", "height", "width"), SHARED_OUT)
def test_patchwise_kernels_however_blocks_share_the_columns(window, height, width, blocks, monkeypatch):
    monkeypatch.setattr(tiling, "BLOCKS", blocks)
    inputs = make_patch(window, height, width, 4, 6, centred=True, batch=9)
    ours = launch_patch.project(inputs, window)
    same([ours], [patch.project(inputs, window)])
    grad = torch.randn_like(ours)
    same(launch_patch.project_backward(grad, inputs, window), patch.project_backward(grad, inputs, window))


def test_statistics_of_a_row_far_from_zero():
    """Squares are summed about a value of the row: a mean a million times the deviation loses no variance."""
    window = Window(3)
    inputs = make_pair(window, 8, 8, 3, 5, 2, 2, "difference", dtype=torch.float64)._replace(place=None)
    moved = inputs._replace(place=torch.full((5, 9, 64), 1e6, dtype=torch.float64))
    plain, far = (launch_pair.attend(each, None, None, 1e-5, window, "difference") for each in (inputs, moved))
    torch.testing.assert_close(far[4], plain[4], rtol=1e-9, atol=0)


def test_pairwise_kernels_with_given_statistics_and_no_position():
    window = Window(3)
    inputs = make_pair(window, 5, 4, 3, 5, 2, 2, "difference", located=False)
    given = draw(5), draw(5).square() + 0.5
    ours = launch_pair.attend(inputs, *given, 1e-5, window, "difference")
    same(ours, pair.attend(inputs, *given, 1e-5, window, "difference"))


@pytest.mark.parametrize("form", ["difference", "product"])
@pytest.mark.parametrize(("window", "height", "width"), FEW)
@pytest.mark.parametrize(("depth", "outs", "shared", "share"), [(3, 5, 2, 2), (5, 19, 9, 3), (3, 4, 1, 11)])
def test_inference_in_one_kernel(window, height, width, depth, outs, shared, share, form):
    inputs = make_pair(window, height, width, depth, outs, shared, share, form, located=share != 3)
    given = draw(outs), draw(outs).square() + 0.5
    assert launch_pair.fits_one_kernel(inputs, form)
    ours = launch_pair.attend(inputs, *given, 1e-5, window, form, keep=False)
    same(ours, pair.attend(inputs, *given, 1e-5, window, form, keep=False))
    same(ours[:1], pair.attend(inputs, *given, 1e-5, window, form)[:1])


@pytest.mark.parametrize(
    ("word", "outs", "shared", "share", "one"),
    [
        ("auto", 16, 8, 8, True), ("auto", 16, 16, 8, True), ("auto", 16, 32, 8, False), ("auto", 65, 2, 2, False),
        ("one", 16, 32, 8, True), ("one", 65, 2, 2, False), ("three", 16, 8, 8, False),
    ],
)  # fmt: skip
def test_one_kernel_or_three(word, outs, shared, share, one, monkeypatch):
    """By the rule, or as asked; the same results either way."""
    monkeypatch.setenv("ATTNREPRO_INFERENCE", word)
    inputs = make_pair(Window(3), 4, 3, 3, outs, shared, share, "difference", batch=1)
    assert launch_pair.fits_one_kernel(inputs, "difference") == one
    assert not launch_pair.fits_one_kernel(inputs, "hidden")
    given, launched = (draw(outs), draw(outs).square() + 0.5), []
    monkeypatch.setattr(launcher, "run", lambda *a: launched.append(a[1]) or host.run(*a))
    ours = launch_pair.attend(inputs, *given, 1e-5, Window(3), "difference", keep=False)
    assert launched == (["pair_infer"] if one else ["pair_project", "pair_attend", "aggregate"])
    same(ours, pair.attend(inputs, *given, 1e-5, Window(3), "difference", keep=False))


def test_an_unknown_word_for_inference_is_refused(monkeypatch):
    monkeypatch.setenv("ATTNREPRO_INFERENCE", "two")
    inputs = make_pair(Window(3), 4, 3, 3, 5, 2, 2, "difference")
    with pytest.raises(ValueError, match="auto, one, three"):
        launch_pair.fits_one_kernel(inputs, "difference")


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize(("window", "height", "width"), FEW)
@pytest.mark.parametrize(("depth", "outs"), [(2, 3), pytest.param(5, 35, marks=LARGER)])
def test_patchwise_kernels(window, height, width, depth, outs, centred):
    inputs = make_patch(window, height, width, depth, outs, centred)
    ours = launch_patch.project(inputs, window)
    same([ours], [patch.project(inputs, window)])
    grad = torch.randn_like(ours)
    same(launch_patch.project_backward(grad, inputs, window), patch.project_backward(grad, inputs, window))


def test_kernels_are_deterministic():
    window = Window(3)
    inputs = make_pair(window, 5, 9, 3, 5, 2, 2, "difference", torch.float32)
    found = []
    for _ in range(2):
        out = launch_pair.attend(inputs, None, None, 1e-5, window, "difference")
        grads = launch_pair.attend_backward(
            torch.ones_like(out[0]), None, inputs, *out[1:], True, 1e-5, window, "difference"
        )
        found.append([*out, *grads])
    for one, two in zip(*found, strict=True):
        assert torch.equal(one, two)


def test_arguments_beyond_31_bits_are_refused():
    with pytest.raises(ValueError, match="2147483648"):
        launcher.pack(2**31)
