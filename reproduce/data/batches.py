"""Batches for training and evaluation: bytes that live on the device, changed and normalised there.

    training = Batches(split, 100, choice.mean, choice.std, augmentation=recipe.augmentation, seed=0, device="cuda")
    for x_B3HW, y_B in training.epoch(3): ...
    evaluation = Batches(split, 100, choice.mean, choice.std)        # no seed: file order, images as they are

The order and every random change of an epoch are functions of (seed, epoch) alone: a resumed run, another batch size
and another device see the same images. Nothing inside an epoch makes the host wait for a CUDA device.
"""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from reproduce.data import augment, pixels
from reproduce.data.dataset import Split
from reproduce.data.rng import generator
from reproduce.errors import UserError
from reproduce.recipes.recipe import Augmentation

_PIXELS_AT_ONCE = 2**21  # on a GPU: 2,048 images of 32 pixels, 25 MB a float tensor


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one CPU thread, and back (0.2 microseconds).

    A batch is ten small operations, and two threads that meet after each of them wait for one another where the cores
    are busy: 1,200 images a second instead of 56,000 (two cores, load 4).
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _check(split: Split, batch_size: int, mean: Sequence[float], std: Sequence[float]) -> None:
    if batch_size < 1:
        raise UserError(f"a batch of {batch_size} images is none", hint="give batch_size=1 or more")
    channels = split.images.shape[1]
    if len(mean) != channels or len(std) != channels or min(std) <= 0:
        raise UserError(
            f"mean {tuple(mean)} and std {tuple(std)} do not fit {channels} channels",
            hint=f"give {channels} numbers each, every std above 0",
        )


def _check_share(last: int, shares: int) -> None:
    if last < shares:
        raise UserError(
            f"the last batch has {last} images, too few for {shares} processes",
            hint="set drop_last=true, or another batch_size",
        )


class Batches:
    """One split on one device, ready to be gone through any number of times."""

    def __init__(
        self,
        split: Split,
        batch_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        augmentation: Augmentation | None = None,
        seed: int | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        channels_last: bool = False,
        drop_last: bool = False,
        reshuffle: bool = True,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """Move the images to ``device``; with a ``seed`` they are shuffled and augmented, without one neither.

        Args:
            split: uint8 images and labels; not copied where they are on ``device`` already and are not cropped.
            batch_size: images a batch; the last one is smaller, or left out with ``drop_last``.
            mean: of each channel, on the scale 0..1.
            std: of each channel, on the scale 0..1.
            augmentation: only with a seed.
            seed: of the order and of all random changes.
            device: where the images are kept and the batches appear.
            dtype: of the batches; the arithmetic is float32 whatever it is.
            channels_last: memory format of the batches.
            drop_last: leave out the last batch where it is not full.
            reshuffle: draw an order for every epoch; else all go in that of epoch 1. Augmentation is drawn anew.
            share: (i, of): of each batch only every ``of``-th image from the ``i``-th on. Only with a seed.

        Raises:
            UserError: a setting outside its range, a share left empty, a mean or std that does not fit the channels.
        """
        if augmentation is not None and seed is None:
            raise ValueError("augmentation needs a seed")
        _check(split, batch_size, mean, std)
        self.augmentation = augmentation or Augmentation()
        augment.check(self.augmentation)
        self.device, self.seed, self.batch_size = torch.device(device), seed, batch_size
        self.dtype, self.channels_last, self.drop_last, self.reshuffle = dtype, channels_last, drop_last, reshuffle
        self.count, self.size, self.share = len(split), split.images.shape[-1], share
        _check_share(self.size_of(len(self)) if len(self) else batch_size, share[1])
        self._labels_N = split.labels.to(self.device)
        # images_N3HW, or where they are cropped the view of all their crops
        self._stored = split.images.to(self.device)
        if self.augmentation.crop_padding:
            self._stored = pixels.view_crops(self._stored, self.augmentation.crop_padding)
        self._fold(mean, std)

    def _fold(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Keep (x / 255 - mean) / std as one product and one sum."""
        std_C11 = torch.tensor(tuple(std), dtype=torch.float64).view(-1, 1, 1)
        mean_C11 = torch.tensor(tuple(mean), dtype=torch.float64).view(-1, 1, 1)
        self._byte_scale_C11 = (1 / (255 * std_C11)).float().to(self.device)
        self._unit_scale_C11 = (1 / std_C11).float().to(self.device)
        self._offset_C11 = (-mean_C11 / std_C11).float().to(self.device)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self.count // self.batch_size if self.drop_last else -(-self.count // self.batch_size)

    @property
    def images(self) -> int:
        """How many images an epoch goes through: all, or those of full batches with ``drop_last``."""
        return len(self) * self.batch_size if self.drop_last else self.count

    def epoch(self, epoch: int = 0, first_batch: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (x (B, 3, H, W) normalised, y int64 (B,)) of each batch.

        ``first_batch`` leaves out the batches before it; those after are what they would have been.
        """
        order_N, draws = self._plan(epoch)
        first, step = first_batch * self.batch_size, self._batches_at_once() * self.batch_size
        for start in range(first, self.images, step):
            stop = min(start + step, self.images)
            with _one_thread():
                if order_N is None:
                    x, y, sizes = self._stored[start:stop], self._labels_N[start:stop], [self.batch_size]
                else:
                    rows, chosen = order_N[start:stop], augment.select(draws, start, stop)
                    mine, sizes = self._find_share(start, stop)
                    if mine is not None:
                        rows, chosen = rows[mine], augment.pick(chosen, mine)
                    x, y = self._change(rows, chosen), self._labels_N[rows]
                x = self._normalise(x)
            parts = sizes[0] if len(sizes) == 1 else sizes
            yield from zip(x.split(parts), y.split(parts), strict=True)

    def size_of(self, number: int) -> int:
        """Return how many images batch ``number`` (from 1) has, all shares together."""
        return min(self.batch_size, self.images - (number - 1) * self.batch_size)

    def _find_share(self, start: int, stop: int) -> tuple[Tensor | None, list[int]]:
        """Return where the images of this share lie between ``start`` and ``stop``, and how many each batch has."""
        first, step = self.share
        if step == 1:
            return None, [self.batch_size]
        ranges = [
            range(begin + first, min(begin + self.batch_size, stop - start), step)
            for begin in range(0, stop - start, self.batch_size)
        ]
        places = torch.tensor([place for each in ranges for place in each])
        return augment.send_tensor(places, self.device), [len(each) for each in ranges]

    def _batches_at_once(self) -> int:
        """Return how many batches are changed together: a GPU has the time of one launch a change, not one a batch."""
        if self.device.type == "cpu":
            return 1  # one batch stays in the cache
        return max(1, _PIXELS_AT_ONCE // (self.batch_size * self.size**2))

    def _plan(self, epoch: int) -> tuple[Tensor | None, augment.Draws]:
        """Draw an epoch's order and parameters at once, on the CPU, and send them over."""
        if self.seed is None:
            return None, {}
        seed = self.seed
        order_draws = generator(seed, "data.order", epoch if self.reshuffle else 1)
        order_N = torch.randperm(self.count, generator=order_draws)
        draws = augment.draw(
            self.augmentation, self.count, self.size, lambda change: generator(seed, f"data.{change}", epoch)
        )
        return augment.send_tensor(order_N, self.device), augment.send(draws, self.device)

    def _change(self, rows_B: Tensor, draws: augment.Draws) -> Tensor:
        cropped = "crop" in draws
        images_B3HW = pixels.crop(self._stored, rows_B, *draws["crop"]) if cropped else self._stored[rows_B]
        return augment.apply(images_B3HW, draws)

    def _normalise(self, x_B3HW: Tensor) -> Tensor:
        scale_C11 = self._byte_scale_C11 if x_B3HW.dtype == torch.uint8 else self._unit_scale_C11
        x_B3HW = (x_B3HW * scale_C11).add_(self._offset_C11)
        memory_format = torch.channels_last if self.channels_last else torch.contiguous_format
        return x_B3HW.to(dtype=self.dtype, memory_format=memory_format)
