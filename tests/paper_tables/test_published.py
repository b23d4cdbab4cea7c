"""Published values: all of Tables 1-4, digit for digit, each with its source; damage is named by file and line."""

import shutil

import pytest

from paper_tables import published
from reproduce.errors import UserError
from reproduce.models.gates import identity_loss
from reproduce.recipes.registry import ENTRIES, TABLES, resolve

# As printed in the report, once more by hand: row: (paper, ours, params)
TABLE_1 = {
    "resnet18": ("0.938", "0.946", "11.2M"),
    "quadratic": ("0.938", "0.943", "12.1M"),
    "quadratic-aniso": ("0.934", "0.939", "12.1M"),
    "learned": ("0.918", "0.904", "12.3M"),
    "learned-content": ("0.871", "0.864", "29.5M"),
}
TABLE_2 = {"quadratic-16h": "0.931", "learned-16h": "0.912", "learned-content-16h": "0.856"}
TABLE_3 = {
    "learned-content": ("0.871", "29.5M", "5.374"),
    "learned-content-ha": ("0.910", "4.75M", "4.703"),
    "san-pair": ("0.818", "3.74M", "16.586"),
    "san-pair-ha": ("0.853", "0.35M", "12.913"),
    "san-patch": ("0.857", "3.74M", "9.773"),
    "san-patch-ha": ("0.912", "0.36M", "7.419"),
    "vit": ("0.843", "37.4M", "7.094"),
    "vit-ha": ("0.877", "6.53M", "6.302"),
}


def printed(name):
    return {key: value.printed() for key, value in published.read_table(name).items()}


def test_tables_1_to_3_are_complete_and_exact():
    assert printed("accuracy") == {
        (row, metric): text
        for row, cells in TABLE_1.items()
        for metric, text in zip(("top1_original", "top1", "params"), cells, strict=True)
    }
    assert printed("heads") == {(row, "top1"): text for row, text in TABLE_2.items()}
    assert printed("hierarchical") == {
        (row, metric): text
        for row, cells in TABLE_3.items()
        for metric, text in zip(("top1", "params", "wall_ms"), cells, strict=True)
    }


def test_printed_text_and_value_agree():
    for name in published.TABLES:
        for value in published.read_table(name).values():
            factor = {"M": 1e6, "G": 1e9}.get(value.printed()[-1], 1)
            assert float(value.printed().rstrip("MG")) * factor == pytest.approx(value.value, rel=1e-12)


def test_table_4_is_complete():
    settings = published.read_hyperparameters()
    cells = {}
    for setting in settings:
        cells.setdefault(setting.group, {})[setting.field] = setting.value
    assert len(cells) == 10
    wanted = {
        "ResNet18": "300 100 SGD 0.1 Cosine 10",
        "Quadratic emb.": "300 100 SGD 0.1 Cosine 15",
        "Learned emb. w/o content": "300 100 SGD 0.1 Cosine 15",
        "Learned emb. w/ content (SA/HA)": "300 100 SGD 0.1 Cosine 15",
        "SAN Pairwise (SA)": "300 256 SGD 0.1 Multistep 100, 200, 250",
        "SAN Patchwise (SA)": "300 256 SGD 0.1 Multistep 100, 200, 250",
        "Vision Transformer (SA)": "100 32 SGD 0.01 Cosine 5",
        "SAN Pairwise (HA)": "300 40 SGD 0.1 Cosine 10",
        "SAN Patchwise (HA)": "300 100 SGD 0.1 Cosine 10",
        "Vision Transformer (HA)": "100 32 SGD 0.01 Cosine 5",
    }
    found = {group: " ".join([*fields.values()][:6]) for group, fields in cells.items()}
    assert found == wanted
    assert all((fields["momentum"], fields["weight_decay"]) == ("0.9", "0.0001") for fields in cells.values())


def test_every_published_row_is_a_row_of_its_table():
    for name in ("accuracy", "heads", "hierarchical"):
        rows = {row for row, _ in published.read_table(name)}
        assert rows <= set(TABLES[name].rows)
    covered = {row for setting in published.read_hyperparameters() for row in setting.rows}
    assert set(TABLES["hyperparameters"].rows) <= covered
    assert covered <= set(ENTRIES)
    assert {row for row, _ in published.read_table("logged")} - set(ENTRIES) == {"quadratic-ha"}


def test_logged_values_round_to_the_printed_ones():
    tables = {**published.read_table("accuracy"), **published.read_table("heads")}
    tables |= {("learned-content-ha", "top1"): published.read_table("hierarchical")["learned-content-ha", "top1"]}
    logged = published.read_table("logged")
    assert logged["learned-content-16h-ha", "top1"].value == 0.8768  # D13
    assert logged["quadratic-ha", "top1"].value == 0.9282
    for row in ("resnet18", "learned", "learned-content", "learned-content-ha", "learned-16h", "learned-content-16h"):
        assert abs(logged[row, "top1"].value - tables[row, "top1"].value) <= 0.00051


def test_curves():
    every = published.read_curves()
    assert {point.row for point in every} <= set(ENTRIES)
    points = [point for point in every if TABLES[ENTRIES[point.row].recipe.table].study == "re"]
    rows = {point.row for point in points}
    assert len(rows) == 9
    assert rows <= set(ENTRIES)
    for row in rows:
        epochs = [point.epoch for point in points if point.row == row]
        missing = {1 + 10 * step for step in range(31)} - set(epochs)
        assert missing == ({171, 181} if row == "learned-16h" else set())
        assert epochs == sorted(epochs)
    best = {row: max(point.top1 for point in points if point.row == row) for row in rows}
    logged = published.read_table("logged")
    for row in rows - {"quadratic", "quadratic-16h"}:  # the two whose log has another row name (D14)
        assert best[row] == pytest.approx(logged[row, "top1"].value, abs=0.003 + 1e-9)
    assert best["quadratic"] == pytest.approx(logged["quadratic-aniso", "top1"].value, abs=0.003)


def test_augmented_values_are_those_of_the_histories():
    values, points = published.read_table("augmented"), published.read_curves()
    assert {row for row, _ in values} == set(TABLES["augmented"].rows)
    top1 = {row: values[row, "top1"].printed() for row in TABLES["augmented"].rows}
    assert list(top1.values()) == [
        "0.5711",
        "0.5291",
        "0.5532",
        "0.4239",
        "0.4218",
        "0.4351",
        "0.3774",
        "0.4119",
        "0.3688",
    ]
    for row in TABLES["augmented"].rows:
        last = max((point for point in points if point.row == row), key=lambda point: point.epoch)
        assert (last.epoch, last.top1) == (resolve(row).epochs, values[row, "top1"].value)
        assert values[row, "top1_best"].value >= max(point.top1 for point in points if point.row == row)


def test_accuracies_over_fewer_images_than_stated_are_corrected():
    values = published.read_table("augmented")
    for row in ("wrn-tiny", "wrn-aa-tiny", "wrn-laa-tiny"):
        for metric in ("top1", "top5"):
            right = round(10_000 * values[row, metric].value)
            assert values[row, f"{metric}_corrected"].value == round(right / 9_832, 4)  # A3


def test_gates_table_1_is_complete_with_the_deviation_of_a_sample():
    values = published.read_table("gates")
    assert [row for row, metric in values if metric == "top1"] == list(TABLES["gates"].rows)
    means = [values[row, "top1"].printed() for row in TABLES["gates"].rows]
    assert means == ["0.667", "0.667", "0.642", "0.665", "0.675", "0.665", "0.602", "0.607", "0.669"]
    spreads = [values[row, "top1"].spread for row in TABLES["gates"].rows]
    assert spreads == [0.018, 0.023, 0.026, 0.026, 0.020, 0.018, 0.026, 0.032, 0.014]
    one = values["cnn-spatial-eca", "top1"]
    assert (one.n, one.spread_of) == (16, "population")
    assert one.deviation == pytest.approx(0.014 * (16 / 15) ** 0.5)
    logged = published.read_table("logged")
    misprint = values["cnn-linae", "top1"]  # G17: it is that of another row's second batch
    assert misprint.deviation == pytest.approx(0.039 * (16 / 15) ** 0.5)
    assert misprint.corrected_spread == pytest.approx(logged["cnn-linae", "top1"].spread, abs=0.0005)
    assert misprint.spread == pytest.approx(logged["cnn-linae-eca", "top1_rerun"].spread, abs=0.0005)
    for row in TABLES["gates"].rows:
        assert logged[row, "top1"].value == pytest.approx(values[row, "top1"].value, abs=0.00051)
        # saturated softmax outputs taken for logits: the loss is a line in the accuracy (G12)
        assert logged[row, "loss"].value == pytest.approx(identity_loss(logged[row, "top1"].value, 10), abs=0.0045)


def test_the_last_printed_digit_is_read_off_the_text():
    values = published.read_table("hierarchical")
    assert values["vit", "top1"].half_unit == pytest.approx(0.0005)
    assert values["vit", "params"].half_unit == pytest.approx(0.05e6)
    assert published.read_table("scenes")["san15-patch-scenes", "top1"].half_unit == pytest.approx(0.005)
    assert published.read_table("augmented")["cnn2", "params"].half_unit == 0.5
    assert values["learned-content-ha", "top1"].half_unit == pytest.approx(0.0005)  # 0.910: the nought counts


def test_a_number_of_another_papers_architecture_says_so():
    found = {row: value for (row, metric), value in published.read_table("hierarchical").items() if metric == "top1"}
    assert [row for row, value in found.items() if value.not_comparable] == ["learned-content"]  # D2
    assert {value.epoch for row, value in found.items() if row != "learned-content"} == {"best"}


def test_every_value_names_its_source():
    for name in published.TABLES:
        assert all(len(value.source) > 10 for value in published.read_table(name).values())


@pytest.fixture
def folder(tmp_path):
    # without the list of checksums, which would name the file before its line could be
    shutil.copytree(published.FOLDER, tmp_path / "published", ignore=shutil.ignore_patterns("SHA256SUMS"))
    return tmp_path / "published"


@pytest.mark.parametrize(
    ("line", "words", "number"),
    [
        ("heads,quadratic-16h,top1,0.9,,,,source,,,,", "repeats", 5),
        ("heads,x,top1,1.9,,,,source,,,,", "shares", 5),
        ("heads,x,top1,high,,,,source,,,,", "not a number", 5),
        ("heads,x,top1,nan,,,,source,,,,", "not a number", 5),
        ("heads,x,speed,0.9,,,,source,,,,", "unknown metric", 5),
        ("heads,x,top1,0.9,,,,,,,,", "no source", 5),
        ("heads,x,top1,0.9,,,1.5,source,,,,", "number of runs", 5),
        ("heads,x,top1,0.9,-1,sample,5,source,,,,", "not a number", 5),
        ("heads,x,top1,0.9,0.1,,5,source,,,,", "spread_of", 5),
        ("heads,x,top1,0.9,,sample,5,source,,,,", "spread_of", 5),
        ("accuracy,x,top1,0.9,,,,source,,,,", "belongs to table", 5),
        ("heads,x,top1,0.9,,,,source,,0.1,,", "corrects a spread", 5),
        ("heads,x,top1,0.9,,,,source,,,first,", "epoch is 'first'", 5),
        ("heads,x,top1,0.9", "cells", 5),
        ('heads,"x,top1', "split into cells", 5),
    ],
)
def test_a_damaged_line_is_named(folder, line, words, number):
    path = folder / "heads.csv"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(UserError, match=words) as caught:
        published.read_table("heads", folder)
    assert f"{path}, line {number}" in caught.value.message


def test_other_damage(folder):
    with pytest.raises(UserError, match="no published table") as caught:
        published.read_table("acuracy")
    assert "accuracy" in caught.value.hint
    (folder / "heads.csv").write_text("a,b\n")
    with pytest.raises(UserError, match="line 1"):
        published.read_table("heads", folder)
    (folder / "heads.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="cannot be read"):
        published.read_table("heads", folder)
    (folder / "heads.csv").unlink()
    with pytest.raises(UserError, match="there is no"):
        published.read_table("heads", folder)
    for name, read in (("curves", published.read_curves), ("hyperparameters", published.read_hyperparameters)):
        path = folder / f"{name}.csv"
        path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
        with pytest.raises(UserError, match="repeats"):
            read(folder)
