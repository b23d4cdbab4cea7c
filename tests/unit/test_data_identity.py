"""A data set is its decoded pixels and labels: whatever holds them, they have one sum, one name and one run."""

import hashlib
import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from reproduce.data import cards, content_cache, fingerprint
from reproduce.data import source as identity
from reproduce.data.cards import CARDS
from reproduce.data.catalogue import act
from reproduce.data.dataset import load
from reproduce.data.source import Source, identify
from reproduce.errors import UserError
from reproduce.recipes.recipe import DataChoice
from reproduce.record import ledger
from reproduce.runs.plan import adopt, find_done
from reproduce.training.run import Run, fit_to_data
from tests.golden.cases import recipes

SHARED = Path(os.environ.get("ATTNREPRO_SHARED", Path(__file__).parents[3] / "shared")) / "data/cifar10"
NAMES = ("ant", "bee", "cat")
SIZES = {"train": 24, "test": 9}


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    content_cache.forget()
    return tmp_path / "results"


def draw(split: str) -> list[tuple[np.ndarray, int]]:
    """Images of 8 pixels with labels, two of them equal."""
    drawn = np.random.default_rng(len(split)).integers(0, 256, (SIZES[split], 8, 8, 3), np.uint8)
    drawn[3] = drawn[0]
    return [(pixels, number % 3) for number, pixels in enumerate(drawn)]


def encode(pixels: np.ndarray, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def put_folders(root: Path, seed: int, form: str = "PNG", change=lambda split, images: images, names=NAMES) -> Path:
    """Write class folders; file names, and so the order of files, are drawn."""
    for split in SIZES:
        images = change(split, draw(split))
        numbers = np.random.default_rng(seed).permutation(len(images))
        for number, (pixels, label) in zip(numbers, images, strict=True):
            path = root / split / names[label] / f"{number}.{form.lower()}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(pixels, form))
    return root


def put_parquet(root: Path, seed: int, **options) -> Path:
    """Write shards without class names, rows in an order that is drawn."""
    root.mkdir(parents=True)
    for split in SIZES:
        images = draw(split)
        order = np.random.default_rng(seed).permutation(len(images))
        for shard, part in enumerate(np.array_split(order, 2)):
            column = [{"bytes": encode(images[row][0], **options), "path": None} for row in part]
            kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            labels = pa.array([images[row][1] for row in part], pa.int64())
            table = pa.table({"img": pa.array(column, kind), "label": labels})
            pq.write_table(table, root / f"{split}-{shard}.parquet", row_group_size=3)
    return root


@pytest.fixture
def known(tmp_path, monkeypatch):
    """Make the drawn images a known data set, and leave them in every container."""
    places = [
        put_folders(tmp_path / "pictures", 1),
        put_folders(tmp_path / "renamed", 2, "BMP", names=("0a", "1b", "2c")),
        put_parquet(tmp_path / "shards", 3),
        put_parquet(tmp_path / "other-shards", 4, compress_level=0),
    ]
    found = identify(str(places[0]))
    card = replace(
        CARDS["cifar10"],
        name="three",
        classes=3,
        class_names=NAMES,
        train_images=24,
        test_images=9,
        content=found.sha256,
        splits=content_of(found).splits,
    )
    monkeypatch.setattr(cards, "CARDS", {**CARDS, "three": card})
    monkeypatch.setattr(cards, "_ALL", (*cards._ALL, card))
    monkeypatch.setattr(identity, "CARDS", cards.CARDS)
    monkeypatch.setattr("reproduce.data.naming.CARDS", cards.CARDS)
    return places


def content_of(source: Source) -> fingerprint.Content:
    return fingerprint.read_content(source.kind, source.root, "")


def run_on(source: Source) -> Run:
    recipe = recipes("hierarchical")["vit"]
    small = replace(recipe, model=replace(recipe.model, image_size=8))
    return Run(recipe=fit_to_data(small, source), source=source)


def test_one_content_has_one_sum_one_name_one_run_and_one_order(known):
    sources = [identify(str(place)) for place in known]
    assert {source.name for source in sources} == {"three"}
    assert len({source.sha256 for source in sources}) == 1
    assert len({source.classes for source in sources}) == 1
    assert len({run_on(source).run_id for source in sources}) == 1
    for choice in (DataChoice(), DataChoice(train_limit=7, test_limit=4)):
        first, *others = [load(source, choice) for source in sources]
        for other in others:
            for split in ("train", "test"):
                assert torch.equal(getattr(first, split).images, getattr(other, split).images)
                assert torch.equal(getattr(first, split).labels, getattr(other, split).labels)


def one_pixel(split, images):
    if split == "test":
        images[2][0][5, 5, 1] ^= 1
    return images


def one_label(split, images):
    return [(pixels, (label + (split == "train" and row == 4)) % 3) for row, (pixels, label) in enumerate(images)]


def one_less(split, images):
    return images[split == "train" :]


def one_twice(split, images):
    return images + images[: split == "test"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (one_pixel, "its 9 test images or their labels are not those of three"),
        (one_label, "its 24 training images or their labels are not those of three"),
        (one_less, "it has 23 training images, three has 24"),
        (one_twice, "it has 10 test images, three has 9"),
    ],
)
def test_other_content_has_another_sum_and_another_name_and_says_what_differs(known, tmp_path, change, words):
    source = identify(str(put_folders(tmp_path / "three", 1, change=change)))
    assert source.sha256 != identify(str(known[0])).sha256
    assert (source.name, source.differs) == ("local-three", words)


def test_a_lossy_encoding_is_other_content(known, tmp_path):
    source = identify(str(put_folders(tmp_path / "three", 1, "JPEG")))
    assert source.name == "local-three"
    assert "24 training images or their labels" in source.differs


def test_a_split_is_summed_with_multiplicity_and_splits_are_not_interchangeable():
    one, two = (fingerprint.digest_image(pixels, label) for pixels, label in draw("train")[:2])
    assert fingerprint.sum_digests([one, two]) == fingerprint.sum_digests([two, one])
    assert fingerprint.sum_digests([one, two]) != fingerprint.sum_digests([one, one, two])
    assert fingerprint.combine({"train": "a", "test": "b"}) != fingerprint.combine({"train": "b", "test": "a"})
    wide, tall = np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2, 3), np.uint8)
    assert fingerprint.digest_image(wide, 0) != fingerprint.digest_image(tall, 0)


def test_every_sum_on_a_card_is_that_of_its_splits():
    for card in CARDS.values():
        if card.splits:
            assert card.content == fingerprint.combine(card.splits)


# --- runs recorded under another name or fingerprint ---


def recorded(run: Run, tmp_path: Path, **changes) -> pd.DataFrame:
    """Return the ledger that has ``run`` alone."""
    path = tmp_path / "ledger.csv"
    line = {"run_id": run.run_id, "row": run.recipe.row, "seed": run.seed, "precision": run.precision}
    line |= {"dataset": run.source.name, "data_sha256": run.source.sha256, "recipe_sha256": run.recipe.sha256()}
    ledger.append(line | {"status": "done", "top1_last": 0.5} | changes, path)
    return ledger.read(path)


def test_nothing_is_trained_twice_when_a_folder_gets_another_name(tmp_path):
    root = put_folders(tmp_path / "pictures", 1)
    before = run_on(identify(str(root)))
    table = recorded(before, tmp_path)
    after = run_on(identify(str(root.rename(tmp_path / "photos"))))
    assert (before.source.name, after.source.name) == ("pictures", "photos")
    assert find_done(table, after)["run_id"] == before.run_id
    assert adopt(table, [after]).iloc[0]["recipe_sha256"] == after.recipe.sha256()
    assert find_done(table, replace(after, seed=1)) is None
    assert find_done(table, replace(after, precision="bf16")) is None
    assert find_done(table, replace(after, recipe=replace(after.recipe, batch_size=7))) is None


def test_rows_recorded_under_the_fingerprint_of_the_files_still_count(tmp_path):
    source = identify(str(put_parquet(tmp_path / "shards", 1)))
    digest = hashlib.sha256()
    for path in (*sorted(source.root.glob("train-*")), *sorted(source.root.glob("test-*"))):
        split = path.name.partition("-")[0]
        digest.update(f"{split} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    assert source.older == (digest.hexdigest(),)  # as identify made it before contents had sums
    former = run_on(replace(source, sha256=digest.hexdigest(), name="former"))
    run = run_on(source)
    table = recorded(former, tmp_path)
    assert find_done(table, run)["run_id"] == former.run_id != run.run_id
    adopted = adopt(table, [run]).iloc[0]
    assert (adopted["dataset"], adopted["data_sha256"]) == ("shards", source.sha256)
    assert adopted["run_id"] == former.run_id
    assert table.iloc[0]["dataset"] == "former"
    other = run_on(identify(str(put_folders(tmp_path / "other", 1, change=one_pixel))))
    assert find_done(table, other) is None
    assert adopt(table, [other]) is table


def test_data_say_what_they_are(known):
    shown = act("show", str(known[0]))
    assert (shown["name"], shown["train"], shown["test"], shown["differs"]) == ("three", 24, 9, None)
    shown = act("show", str(known[0].rename(known[0].with_name("cifar10"))))
    assert shown["name"] == "three"


# --- the cache ---


@pytest.fixture
def counted(monkeypatch):
    """Count how often images are decoded for a sum."""
    calls = []
    read = content_cache.read_content
    monkeypatch.setattr(content_cache, "read_content", lambda *given: calls.append(1) or read(*given))
    return calls


def test_a_sum_is_taken_once_and_anew_when_a_file_changes(tmp_path, counted, results):
    root = put_folders(tmp_path / "pictures", 1)
    first = identify(str(root))
    content_cache.forget()  # as in another process
    again = identify(str(root))
    assert len(counted) == 1
    assert (again, again.counts, again.older) == (first, first.counts, first.older)
    assert all(np.array_equal(again.orders[split], first.orders[split]) for split in SIZES)
    path = next(root.rglob("*.png"))
    content = path.read_bytes()
    path.write_bytes(encode(np.zeros((8, 8, 3), np.uint8)))
    assert identify(str(root)).sha256 != first.sha256
    path.write_bytes(content)
    assert identify(str(root)).sha256 == first.sha256


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b"\xff\x00", None])
def test_a_damaged_or_foreign_cache_is_made_anew(tmp_path, counted, results, damage):
    root = put_folders(tmp_path / "pictures", 1)
    first = identify(str(root))
    (path,) = (results / "data").iterdir()
    good = path.read_bytes()
    path.write_bytes(good.replace(first.older[0][:8].encode(), b"00000000") if damage is None else damage)
    content_cache.forget()
    assert identify(str(root)) == first
    assert len(counted) == 2
    assert path.read_bytes() == good


def test_it_is_said_once_how_long_the_first_reading_will_take(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(content_cache, "_TOLD_FROM", 0.0)
    monkeypatch.setattr(content_cache.LOG, "info", lambda text, *values: told.append(text % values))
    monkeypatch.setattr(fingerprint, "_FIRST", 2)
    root = put_folders(tmp_path / "pictures", 1)
    identify(str(root))
    assert len(told) == 1
    assert str(root) in told[0]
    content_cache.forget()
    identify(str(root))
    assert len(told) == 1


def test_the_cache_of_other_data_is_not_taken(tmp_path, counted, results):
    one, two = put_folders(tmp_path / "one", 1), put_folders(tmp_path / "two", 1, change=one_pixel)
    first = identify(str(one))
    (path,) = (results / "data").iterdir()
    second = identify(str(two))
    (other,) = set((results / "data").iterdir()) - {path}
    other.write_bytes(path.read_bytes())
    content_cache.forget()
    assert identify(str(two)).sha256 == second.sha256 != first.sha256


def test_a_folder_of_results_that_cannot_be_written_is_no_error(tmp_path, monkeypatch, counted):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "file"))
    root = put_folders(tmp_path / "pictures", 1)
    assert identify(str(root)) == identify(str(root))
    assert len(counted) == 1  # this process remembers


def test_files_that_change_under_a_process_are_noticed(tmp_path):
    root = put_folders(tmp_path / "pictures", 1)
    source = identify(str(root))
    next((root / "train").rglob("*.png")).unlink()
    with pytest.raises(UserError, match="have changed since they were read"):
        load(source, DataChoice(test_limit=3))


# --- the real thing ---


@pytest.mark.skipif(not SHARED.is_dir(), reason="CIFAR-10 itself is not on this machine")
def test_cifar10_is_known_whatever_it_is_called(tmp_path):
    (tmp_path / "whatever").symlink_to(SHARED, target_is_directory=True)
    source = identify(str(tmp_path / "whatever"))
    assert (source.name, source.sha256, source.differs) == ("cifar10", CARDS["cifar10"].content, "")
    assert source.counts == {"train": 50_000, "test": 10_000}
    part = load(source, DataChoice(train_limit=0)).test
    assert part.labels.bincount().tolist() == [1_000] * 10
    pixels = part.images.permute(0, 2, 3, 1).numpy()
    digests = [fingerprint.digest_image(image, int(label)) for image, label in zip(pixels, part.labels, strict=True)]
    assert digests == sorted(digests)
    assert fingerprint.sum_digests(digests) == CARDS["cifar10"].splits["test"]
