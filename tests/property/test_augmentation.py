"""Every random change against torchvision: the same pixels for the same parameters, the same spread of parameters."""

import itertools

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as V
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torchvision import transforms

from reproduce.data import augment, pixels
from reproduce.data.rng import generator
from reproduce.errors import UserError
from reproduce.recipes.recipe import Augmentation

COUNT = 4000
ECE = Augmentation(
    crop_padding=4,
    flip=True,
    jitter=(0.2, 0.3, 0.4, 0.0),
    affine_degrees=10,
    affine_translate=0.1,
    affine_scale=(0.9, 1.1),
)
RE = Augmentation(crop_padding=4, flip=True, rotation=5, jitter=(0.4, 0.4, 0.4, 0.1), jitter_probability=0.8)
sizes = st.integers(1, 17)
seeds = st.integers(0, 2**31)
# off the round values, at which whole rows of pixels lie on an exact half between two others
degrees_drawn = st.integers(-1800, 1800).map(lambda step: step / 10.07 + 0.013)


def pictures(seed: int, size: int, count: int = 6) -> torch.Tensor:
    """Noise, with some grey, black and white in it, where a hue has no meaning."""
    images = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator(seed, "test"))
    images[0, :, : size // 2] = 255
    images[-1, 1:] = images[-1, :1]
    return images


def draws(augmentation: Augmentation, count: int = COUNT, seed: int = 0, size: int = 32) -> augment.Draws:
    return augment.draw(augmentation, count, size, lambda change: generator(seed, change))


# --- pixels ---


@settings(deadline=None, max_examples=40)
@given(seed=seeds, size=sizes, padding=st.integers(1, 6), data=st.data())
def test_a_crop_is_torchvisions_to_the_bit(seed, size, padding, data):
    images = pictures(seed, size)
    places = st.lists(st.integers(0, 2 * padding), min_size=6, max_size=6)
    top, left = torch.tensor(data.draw(places)), torch.tensor(data.draw(places))
    rows = torch.tensor(data.draw(st.permutations(range(6))))
    cropped = pixels.crop(pixels.view_crops(images, padding), rows, top, left)
    for number, row in enumerate(rows.tolist()):
        expected = V.crop(V.pad(images[row], [padding]), int(top[number]), int(left[number]), size, size)
        assert torch.equal(cropped[number], expected)


@settings(deadline=None, max_examples=30)
@given(seed=seeds, size=sizes)
def test_a_flip_is_torchvisions_to_the_bit(seed, size):
    images = pictures(seed, size)
    chosen = torch.tensor([True, False, True, False, False, True])
    before = images.clone()
    flipped = pixels.flip(images, chosen)
    for image, result, mirrored in zip(images, flipped, chosen.tolist(), strict=True):
        assert torch.equal(result, V.hflip(image) if mirrored else image)
    assert torch.equal(images, before)


def share_that_differs(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return (ours != theirs).any(0).float().mean().item()


@settings(deadline=None, max_examples=40)
@given(seed=seeds, size=st.integers(8, 40), degrees=degrees_drawn)
def test_a_rotation_is_torchvisions(seed, size, degrees):
    """Rounding of nearly a half may fall either way: at most one pixel in a hundred differs."""
    images = pictures(seed, size)
    rotated = pixels.rotate(images, torch.full((6,), degrees))
    for image, result in zip(images, rotated, strict=True):
        assert share_that_differs(result, V.rotate(image, degrees)) <= 0.01


@pytest.mark.parametrize("degrees", [-180, -90, 0, 90, 180])
@pytest.mark.parametrize("size", [8, 9, 32])
def test_a_quarter_turn_is_exact(degrees, size):
    images = pictures(0, size)
    rotated = pixels.rotate(images, torch.full((6,), float(degrees)))
    assert torch.equal(rotated, images.rot90(degrees // 90, (2, 3)))


@settings(deadline=None, max_examples=40)
@given(
    seed=seeds,
    size=st.integers(8, 40),
    degrees=degrees_drawn,
    shift=st.tuples(st.integers(-5, 5), st.integers(-5, 5)),
    scale=st.integers(0, 150).map(lambda step: 0.5031 + step / 100.7),
)
def test_an_affine_change_is_torchvisions(seed, size, degrees, shift, scale):
    images = pictures(seed, size)
    ones = torch.ones(6)
    moved = pixels.affine(images, degrees * ones, torch.tensor([shift] * 6).float(), scale * ones)
    for image, result in zip(images, moved, strict=True):
        expected = V.affine(image, degrees, list(shift), scale, [0.0, 0.0])
        assert share_that_differs(result, expected) <= 0.01


def test_rotation_and_affine_agree_with_pillow_on_nearly_all_pixels():
    """The authors' pipelines went through Pillow, whose nearest pixel is rounded in another place."""
    images = pictures(3, 32, 64)
    drawn = draws(Augmentation(rotation=15, affine_degrees=10, affine_translate=0.1, affine_scale=(0.9, 1.1)), 64)
    rotated = pixels.rotate(images, *drawn["rotation"])
    moved = pixels.affine(images, *drawn["affine"])
    differing = []
    for number, image in enumerate(images):
        picture = V.to_pil_image(image)
        degrees, shift, scale = (value[number].tolist() for value in drawn["affine"])
        angle = drawn["rotation"][0][number].item()
        by_pillow = V.affine(picture, degrees, [int(value) for value in shift], scale, [0.0, 0.0])
        differing.append(share_that_differs(moved[number], V.pil_to_tensor(by_pillow)))
        differing.append(share_that_differs(rotated[number], V.pil_to_tensor(V.rotate(picture, angle))))
    assert np.mean(differing) < 0.002


def test_no_rotation_and_no_shift_change_nothing():
    images = pictures(0, 9)
    zeros = torch.zeros(6)
    assert torch.equal(pixels.rotate(images, zeros), images)
    assert torch.equal(pixels.affine(images, zeros, torch.zeros(6, 2), torch.ones(6)), images)


ADJUST = (V.adjust_brightness, V.adjust_contrast, V.adjust_saturation, V.adjust_hue)


@pytest.mark.parametrize(
    "active", [steps for count in (1, 2, 3, 4) for steps in itertools.combinations(range(4), count)]
)
def test_jitter_is_torchvisions_in_every_order(active):
    """Tolerance 2e-5 on the scale 0..1: torchvision's turn of the hue rounds differently."""
    orders = list(itertools.permutations(active))
    images = pictures(1, 8, len(orders) + 2)[: len(orders)].float() / 255
    factors = torch.empty(len(orders), 4).uniform_(0.4, 1.6, generator=generator(0, "test"))
    factors[:, pixels.HUE] = (factors[:, pixels.HUE] - 1) / 1.3
    jittered = pixels.jitter(images, torch.ones(len(orders)).bool(), factors, torch.tensor(orders))
    for number, order in enumerate(orders):
        expected = images[number]
        for step in order:
            expected = ADJUST[step](expected, factors[number, step].item())
        torch.testing.assert_close(jittered[number], expected, atol=2e-5, rtol=0)


@settings(deadline=None, max_examples=40)
@given(seed=seeds, turn=st.floats(-0.5, 0.5))
def test_a_turn_of_the_hue_is_torchvisions(seed, turn):
    images = pictures(seed, 7).float() / 255
    ours = pixels.turn_hue(images, torch.full((6,), turn))
    torch.testing.assert_close(ours, V.adjust_hue(images, turn), atol=2e-5, rtol=0)


def test_the_forms_for_both_kinds_of_device_agree(monkeypatch):
    """On a GPU every image is turned and the right ones are kept; on a CPU only the right ones are turned."""
    images = pictures(1, 8, 48).float() / 255
    drawn = draws(Augmentation(jitter=(0.4, 0.4, 0.4, 0.1)), 48)["jitter"]
    on_cpu = pixels.jitter(images, *drawn)
    monkeypatch.setattr(pixels, "_turn_hue_where", pixels.turn_hue_of_all)
    torch.testing.assert_close(pixels.jitter(images, *drawn), on_cpu, atol=1e-6, rtol=0)


def test_jitter_leaves_alone_what_it_was_not_drawn_for():
    images = pictures(1, 8, 200).float() / 255
    jittered, factors, steps = draws(Augmentation(jitter=(0.4, 0.4, 0.4, 0.1), jitter_probability=0.5), 200)["jitter"]
    result = pixels.jitter(images, jittered, factors, steps)
    same = (result == images).flatten(1).all(1)
    assert same[~jittered].all()
    assert not same[jittered].any()


def test_changes_come_in_the_order_of_the_fields():
    resized = draws(Augmentation(resized_crop=(0.3, 1.0)), 6)["resized"]
    drawn = {**draws(RE, 6), "affine": draws(ECE, 6)["affine"], "resized": resized}
    images = pixels.resized_crop(pictures(0, 32), *resized)
    expected = pixels.rotate(pixels.flip(images, *drawn["flip"]), *drawn["rotation"])
    expected = pixels.affine(pixels.jitter(expected.float() * (1 / 255), *drawn["jitter"]), *drawn["affine"])
    torch.testing.assert_close(augment.apply(pictures(0, 32), drawn), expected, atol=1e-6, rtol=0)
    fields = list(Augmentation.__dataclass_fields__)
    places = [
        fields.index(name) for name in ("crop_padding", "resized_crop", "flip", "rotation", "jitter", "affine_degrees")
    ]
    assert places == sorted(places)


# --- parameters ---


def torchvisions(change, pick) -> np.ndarray:
    torch.manual_seed(0)
    return np.array([pick(change()) for _ in range(COUNT)], dtype=float)


def same_distribution(ours, theirs) -> bool:
    return stats.ks_2samp(np.asarray(ours, dtype=float), theirs).pvalue > 0.01


def test_crops_and_flips_are_as_likely_as_torchvisions():
    top, left = draws(ECE)["crop"]
    padded = torch.zeros(3, 40, 40)
    for ours, place in ((top, 0), (left, 1)):
        theirs = torchvisions(
            lambda: transforms.RandomCrop.get_params(padded, (32, 32)), lambda params, at=place: params[at]
        )
        counts = [np.bincount(np.asarray(values, dtype=int), minlength=9) for values in (ours, theirs)]
        assert counts[0].min() > 0
        assert stats.chi2_contingency(counts).pvalue > 0.01
    assert abs(np.corrcoef(top, left)[0, 1]) < 0.05
    assert abs(draws(ECE)["flip"][0].float().mean() - 0.5) < 0.025


def test_rotations_are_distributed_as_torchvisions():
    (angle,) = draws(RE)["rotation"]
    theirs = torchvisions(lambda: transforms.RandomRotation.get_params([-5.0, 5.0]), lambda value: value)
    assert same_distribution(angle, theirs)
    assert angle.abs().max() <= 5


@pytest.mark.parametrize("amounts", [(0.4, 0.3, 0.2, 0.1), (1.5, 0.4, 0.4, 0.5)])
def test_jitter_is_distributed_as_torchvisions(amounts):
    jittered, factors, steps = draws(Augmentation(jitter=amounts, jitter_probability=0.8))["jitter"]
    change = transforms.ColorJitter(*amounts)
    for factor in range(4):
        theirs = torchvisions(
            lambda: change.get_params(change.brightness, change.contrast, change.saturation, change.hue),
            lambda params, at=factor: params[1 + at],
        )
        assert same_distribution(factors[:, factor], theirs)
    assert abs(jittered.float().mean() - 0.8) < 0.02
    orders = np.unique(steps.numpy(), axis=0, return_counts=True)[1]
    assert len(orders) == 24
    assert stats.chisquare(orders).pvalue > 0.01


def test_affine_changes_are_distributed_as_torchvisions():
    angle, shift, scale = draws(ECE)["affine"]

    def draw_theirs():
        return transforms.RandomAffine.get_params([-10.0, 10.0], [0.1, 0.1], [0.9, 1.1], None, [32, 32])

    assert same_distribution(angle, torchvisions(draw_theirs, lambda params: params[0]))
    assert same_distribution(scale, torchvisions(draw_theirs, lambda params: params[2]))
    for axis in (0, 1):
        theirs = torchvisions(draw_theirs, lambda params, at=axis: params[1][at])
        counts = [np.bincount(np.asarray(values, dtype=int) + 3) for values in (shift[:, axis], theirs)]
        assert stats.chi2_contingency(counts).pvalue > 0.01


def test_turning_one_change_on_leaves_the_draws_of_the_others():
    alone, together = draws(Augmentation(flip=True)), draws(RE)
    assert list(alone) == ["flip"]
    assert torch.equal(alone["flip"][0], together["flip"][0])
    assert torch.equal(draws(ECE)["crop"][1], together["crop"][1])


def test_what_is_off_is_not_drawn():
    assert draws(Augmentation()) == {}
    assert "jitter" not in draws(Augmentation(jitter=(0.1, 0.1, 0.1, 0.1), jitter_probability=0))
    assert set(draws(Augmentation(jitter=(0.2, 0.0, 0.2, 0.0)))["jitter"][2].unique().tolist()) == {0, 2}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("crop_padding", -1),
        ("rotation", -5.0),
        ("rotation", 200.0),
        ("jitter", (0.1, 0.1)),
        ("jitter", (-0.1, 0.0, 0.0, 0.0)),
        ("jitter", (0.0, 0.0, 0.0, 0.6)),
        ("jitter_probability", 1.1),
        ("affine_degrees", -1.0),
        ("affine_translate", 2.0),
        ("affine_scale", (1.1, 0.9)),
        ("affine_scale", (0.0, 1.0)),
        ("affine_scale", (1.0,)),
    ],
)
def test_a_setting_outside_its_range_is_named(field, value):
    with pytest.raises(UserError, match=f"augmentation.{field} cannot be"):
        augment.check(Augmentation(**{field: value}))
