"""Images of 16 bits keep their picture; values of unknown range are refused by mode; git-lfs pointers are named."""

import io

import numpy as np
import pytest
from PIL import Image

from reproduce.data.decode import decode
from reproduce.data.measure import measure
from reproduce.data.source import identify
from reproduce.errors import UserError
from tests.data.folders import fill, refuse

WIDE = (np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12345\n"


def encode(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM", "JPEG2000"])
def test_sixteen_bits_give_their_high_byte(form):
    pixels = decode(encode(Image.fromarray(WIDE), form), lambda: "it")
    assert np.array_equal(pixels, np.repeat((WIDE >> 8)[:, :, None], 3, 2))


def test_a_pgm_of_twelve_bits_uses_the_whole_range():
    raw = b"P5\n8 8\n4095\n" + (WIDE // 16).astype(">u2").tobytes()
    assert np.abs(decode(raw, lambda: "it")[:, :, 0].astype(int) - (WIDE >> 8)).max() <= 1


@pytest.mark.parametrize(("mode", "form"), [("F", "TIFF"), ("I", "TIFF"), ("LAB", "TIFF")])
def test_a_mode_of_unknown_range_is_refused(mode, form):
    with pytest.raises(UserError, match=f"of mode {mode}"):
        decode(encode(Image.new(mode, (8, 8)), form), lambda: "it")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_eight_bit_modes_are_as_pillow_converts_them(mode):
    image = Image.fromarray((WIDE >> 8).astype(np.uint8)).convert("RGB").convert(mode)
    form = "PNG" if mode in ("1", "L", "LA", "P", "RGBA") else "TIFF"
    assert np.array_equal(decode(encode(image, form), lambda: "it"), np.asarray(image.convert("RGB")))


def test_sixteen_bits_are_told(tmp_path):
    fill(fill(tmp_path / "train").parent / "test")
    Image.fromarray(WIDE).save(tmp_path / "train/ant/0.png")
    assert "scaled to 8 bits" in identify(str(tmp_path)).notes[0]


def test_only_the_first_frame_is_told():
    buffer = io.BytesIO()
    frames = [Image.new("L", (8, 8), value) for value in (1, 90, 200)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert measure(buffer.getvalue(), "it") == (8, ("only the first of 3 frames of an image is read",))


@pytest.mark.parametrize("name", ["train/ant/0.png", "test/bee/2.png"])
def test_a_git_lfs_pointer_is_named(tmp_path, name):
    fill(fill(tmp_path / "train").parent / "test")
    (tmp_path / name).write_bytes(POINTER)
    refuse(tmp_path, f"{name} is a git-lfs pointer")


def test_a_git_lfs_pointer_for_a_table_is_named(tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"{split}.parquet").write_bytes(POINTER)
    refuse(tmp_path, "train.parquet is a git-lfs pointer")
