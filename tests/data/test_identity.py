"""A data set is its decoded pixels and labels: whatever holds them, they have one sum, one name and one run."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from reproduce.data import cards, fingerprint
from reproduce.data import source as identity
from reproduce.data.cards import CARDS
from reproduce.data.catalogue import act
from reproduce.data.dataset import load
from reproduce.data.source import identify
from reproduce.recipes.recipe import DataChoice
from reproduce.record import ledger
from reproduce.runs.plan import adopt, find_done
from reproduce.training.run import Run
from tests.data.contents import NAMES, SHARED, content_of, draw, one_pixel, put_folders, put_parquet, run_on


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
