"""Batches: every image once, the same for the same seed and epoch, whatever the batch size, the device or a resume."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import transforms
from torchvision.transforms import functional

from reproduce.data import batches as batches_module
from reproduce.data.batches import Batches
from reproduce.data.dataset import Split
from reproduce.errors import UserError
from reproduce.recipes.recipe import CIFAR_MEAN, CIFAR_STD, Augmentation

PLAIN = Augmentation()
FULL = Augmentation(
    crop_padding=2,
    flip=True,
    rotation=5,
    jitter=(0.4, 0.4, 0.4, 0.1),
    jitter_probability=0.8,
    affine_degrees=10,
    affine_translate=0.1,
    affine_scale=(0.9, 1.1),
)
NO_CHANGE = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def make_split(count: int, size: int = 8) -> Split:
    """Images of noise, each with its number in the label."""
    drawn = torch.Generator().manual_seed(count)
    return Split(torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=drawn), torch.arange(count))


def train_on(split: Split, batch_size: int, augmentation: Augmentation = FULL, seed: int = 0, **more) -> Batches:
    return Batches(split, batch_size, CIFAR_MEAN, CIFAR_STD, augmentation=augmentation, seed=seed, **more)


def join(pairs) -> tuple[torch.Tensor, torch.Tensor]:
    xs, ys = zip(*pairs, strict=True)
    return torch.cat(xs), torch.cat(ys)


@settings(deadline=None, max_examples=30)
@given(count=st.integers(1, 50), batch_size=st.integers(1, 60), epoch=st.integers(0, 500))
def test_an_epoch_has_every_image_once_with_its_label(count, batch_size, epoch):
    split = make_split(count)
    training = Batches(split, batch_size, *NO_CHANGE, augmentation=PLAIN, seed=3)
    pairs = list(training.epoch(epoch))
    assert len(pairs) == len(training)
    assert all(len(x) == len(y) <= batch_size for x, y in pairs)
    x, y = join(pairs)
    assert sorted(y.tolist()) == list(range(count))
    assert torch.equal((x * 255).round().to(torch.uint8), split.images[y])


@settings(deadline=None, max_examples=30)
@given(count=st.integers(1, 40), sizes=st.tuples(st.integers(1, 45), st.integers(1, 45)), epoch=st.integers(0, 9))
def test_the_batch_size_changes_no_image_and_no_order(count, sizes, epoch):
    split = make_split(count)
    first, second = (join(train_on(split, size).epoch(epoch)) for size in sizes)
    assert torch.equal(first[1], second[1])
    torch.testing.assert_close(first[0], second[0], atol=1e-6, rtol=0)  # a mean of grey may add up in another order


@settings(deadline=None, max_examples=30)
@given(count=st.integers(1, 40), size=st.integers(1, 12), skip=st.integers(0, 12), seed=st.integers(0, 2**62))
def test_an_epoch_taken_up_in_the_middle_goes_on_as_it_would_have(count, size, skip, seed):
    split = make_split(count)
    whole = list(train_on(split, size, seed=seed).epoch(4))
    rest = list(train_on(split, size, seed=seed).epoch(4, first_batch=skip))
    assert len(rest) == max(0, len(whole) - skip)
    for (x, y), (other_x, other_y) in zip(whole[skip:], rest, strict=True):
        assert torch.equal(x, other_x)
        assert torch.equal(y, other_y)


@settings(deadline=None, max_examples=20)
@given(count=st.integers(1, 40), size=st.integers(1, 12), pixels=st.integers(1, 4000), drop_last=st.booleans())
def test_changing_several_batches_at_once_as_on_a_gpu_gives_the_same(count, size, pixels, drop_last):
    split = make_split(count)
    one = train_on(split, size, drop_last=drop_last)
    many = train_on(split, size, drop_last=drop_last)
    many._batches_at_once = lambda: max(1, pixels // (size * 64))  # type: ignore[method-assign]
    pairs, others = list(one.epoch(1)), list(many.epoch(1))
    assert len(pairs) == len(others) == len(one)
    for (x, y), (other_x, other_y) in zip(pairs, others, strict=True):
        torch.testing.assert_close(x, other_x, atol=1e-6, rtol=0)
        assert torch.equal(y, other_y)


def test_seed_and_epoch_fix_everything_and_each_changes_it():
    split = make_split(64)
    first = join(train_on(split, 10).epoch(2))
    torch.manual_seed(99)
    again = join(train_on(split, 10).epoch(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], join(train_on(split, 10).epoch(3))[1])
    assert not torch.equal(first[1], join(train_on(split, 10, seed=1).epoch(2))[1])


def test_epochs_may_be_taken_in_any_order_and_at_once():
    training = train_on(make_split(30), 7)
    expected = join(training.epoch(5))
    woven = list(zip(training.epoch(5), training.epoch(6), strict=True))
    assert torch.equal(join(pair for pair, _ in woven)[0], expected[0])


def test_nothing_else_is_touched():
    split = make_split(30)
    before, state, threads = split.images.clone(), torch.get_rng_state(), torch.get_num_threads()
    for size in (4, 30):
        for _ in train_on(split, size).epoch(0):
            assert torch.get_num_threads() == threads  # one thread inside, the caller's own again at each batch
    next(train_on(split, 4).epoch(0))
    assert torch.get_num_threads() == threads
    assert torch.equal(split.images, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_batches_may_be_written_to():
    split = make_split(10)
    evaluation = Batches(split, 4, CIFAR_MEAN, CIFAR_STD)
    first = join(evaluation.epoch())
    for x, y in evaluation.epoch():
        x.zero_()
        del y
    assert torch.equal(join(evaluation.epoch())[0], first[0])


def test_evaluation_keeps_file_order_and_is_torchvisions_to_tensor_and_normalize():
    split = make_split(25)
    x, y = join(Batches(split, 10, CIFAR_MEAN, CIFAR_STD).epoch())
    change = transforms.Compose([transforms.ToTensor(), transforms.Normalize(CIFAR_MEAN, CIFAR_STD)])
    expected = torch.stack([change(functional.to_pil_image(image)) for image in split.images])
    assert torch.equal(y, split.labels)
    torch.testing.assert_close(x, expected, atol=1e-6, rtol=1e-6)


def test_a_whole_training_batch_is_torchvisions_for_the_same_draws():
    """Crop and flip, image by image through Pillow: the pipeline that the studies ran."""
    split = make_split(40, size=32)
    augmentation = Augmentation(crop_padding=4, flip=True)
    training = train_on(split, 16, augmentation)
    order, draws = training._plan(7)
    x, y = join(training.epoch(7))
    assert torch.equal(y, split.labels[order])
    for place in range(40):
        top, left = (value[place].item() for value in draws["crop"])
        picture = functional.to_pil_image(split.images[order[place]])
        picture = functional.crop(functional.pad(picture, [4]), top, left, 32, 32)
        picture = functional.hflip(picture) if draws["flip"][0][place] else picture
        expected = functional.normalize(functional.to_tensor(picture), CIFAR_MEAN, CIFAR_STD)
        torch.testing.assert_close(x[place], expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("augmentation", [PLAIN, FULL])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("channels_last", [False, True])
def test_type_and_memory_format(augmentation, dtype, channels_last):
    split = make_split(9)
    expected = join(train_on(split, 9, augmentation).epoch(0))[0]
    training = train_on(split, 9, augmentation, dtype=dtype, channels_last=channels_last)
    x, y = next(training.epoch(0))
    assert x.dtype == dtype
    assert y.dtype == torch.int64
    assert x.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    assert torch.equal(x, expected.to(dtype))


def test_a_short_last_batch_is_kept_or_dropped():
    split = make_split(25)
    assert [len(y) for _, y in train_on(split, 10).epoch(0)] == [10, 10, 5]
    dropped = train_on(split, 10, drop_last=True)
    assert [len(y) for _, y in dropped.epoch(0)] == [10, 10]
    assert len(dropped) == 2
    assert len(train_on(make_split(5), 10, drop_last=True)) == 0


@pytest.mark.parametrize("seed", [None, 0])
def test_no_images_give_no_batches(seed):
    empty = Split(torch.empty(0, 3, 8, 8, dtype=torch.uint8), torch.empty(0, dtype=torch.int64))
    assert list(Batches(empty, 4, CIFAR_MEAN, CIFAR_STD, seed=seed).epoch(0)) == []


def test_settings_that_do_not_fit():
    split = make_split(4)
    with pytest.raises(UserError, match="a batch of 0 images"):
        Batches(split, 0, CIFAR_MEAN, CIFAR_STD)
    with pytest.raises(UserError, match="do not fit 3 channels"):
        Batches(split, 2, (0.5,), (0.5,))
    with pytest.raises(UserError, match="do not fit 3 channels"):
        Batches(split, 2, CIFAR_MEAN, (0.2, 0.0, 0.2))
    with pytest.raises(UserError, match="crop_padding"):
        train_on(split, 2, Augmentation(crop_padding=-1))
    with pytest.raises(ValueError, match="needs a seed"):
        Batches(split, 2, CIFAR_MEAN, CIFAR_STD, augmentation=FULL)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("augmentation", [PLAIN, FULL])
def test_on_a_gpu_the_same_images_without_waiting(augmentation):
    split = make_split(300, size=32)
    expected = join(train_on(split, 32, augmentation).epoch(1))
    training = train_on(split, 32, augmentation, device="cuda")
    list(training.epoch(0))
    torch.cuda.set_sync_debug_mode("error")
    try:
        pairs = list(training.epoch(1))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    x, y = join(pairs)
    assert torch.equal(y.cpu(), expected[1])
    differs = ((x.cpu() - expected[0]).abs() > 1e-4).float().mean()
    assert differs < 0.002  # a nearest pixel on an exact half may fall either way
    assert batches_module._PIXELS_AT_ONCE // (32 * 32**2) > 1
