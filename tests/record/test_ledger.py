"""The ledger: rows go in whole, come out typed, and damage is named and never mended by reading."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reproduce.errors import UserError
from reproduce.record import ledger

ROOT = Path(__file__).resolve().parents[2]
HEADER = ",".join(ledger.COLUMNS) + "\n"


def in_file(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def damage(path: Path) -> UserError:
    """Read a damaged ledger: the error must name the file and leave it alone."""
    before = path.read_bytes()
    with pytest.raises(UserError) as caught:
        ledger.read(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert path.read_bytes() == before
    return caught.value


def test_columns_are_those_of_the_design():
    assert ",".join(ledger.COLUMNS) == (
        "run_id,row,table,budget,variant,scale,dataset,data_sha256,recipe_sha256,seed,precision,device,epochs,"
        "top1_last,top1_best,top1_val_selected,top5_last,loss_last,params,macs,latency_ms,train_seconds,"
        "images_per_second,peak_memory_mb,torch,cuda,cupy,git,started,status,checkpoint,test_images"
    )


def test_path_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("ATTNREPRO_RESULTS", raising=False)
    assert ledger.ledger_path() == Path("results/runs.csv")
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path))
    assert ledger.ledger_path() == tmp_path / "runs.csv"


def test_append_creates_and_read_types(path):
    ledger.append({"run_id": "a", "row": "vit", "seed": 3, "top1_last": 0.1 + 0.2, "params": 37_394_506}, path)
    ledger.append({"run_id": "b", "loss_last": float("inf"), "top1_last": float("nan"), "epochs": None}, path)
    frame = ledger.read(path)
    assert tuple(frame.columns) == ledger.COLUMNS
    assert frame["seed"].dtype == "Int64"
    assert frame["top1_last"].dtype == float
    assert frame["top1_last"][0] == 0.1 + 0.2  # to the last bit
    assert frame["params"][0] == 37_394_506
    assert frame["loss_last"][1] == float("inf")
    assert frame["epochs"].isna().all()
    assert list(frame["row"]) == ["vit", ""]


def test_numpy_scalars_are_plain_numbers(path):
    ledger.append({"run_id": "a", "seed": np.int64(7), "top1_last": np.float32(0.5), "epochs": np.float64(3)}, path)
    frame = ledger.read(path)
    assert (frame["seed"][0], frame["top1_last"][0], frame["epochs"][0]) == (7, 0.5, 3)


def test_text_of_any_kind_is_one_line(path):
    ledger.append({"run_id": "a", "status": 'failed: "x",\ny\r\nz\0'}, path)
    assert path.read_bytes().count(b"\n") == 2
    assert ledger.read(path)["status"][0].startswith('failed: "x", y')


@pytest.mark.parametrize(
    "row",
    [
        {"row": "vit"},
        {"run_id": ""},
        {"run_id": "a", "top1_last": "0.9"},
        {"run_id": "a", "seed": 0.5},
        {"run_id": "a", "seed": True},
        {"run_id": "a", "epochs": float("inf")},
        {"run_id": "a", "colour": "red"},
    ],
)
def test_append_refuses_what_it_could_not_read(path, row):
    with pytest.raises(ValueError, match=r"run_id|number|column"):
        ledger.append(row, path)
    assert not path.exists()


def test_missing_and_empty_files_are_empty_frames(path):
    assert tuple(ledger.read(path).columns) == ledger.COLUMNS
    assert len(ledger.read(in_file(path, b""))) == 0
    assert ledger.read(in_file(path, HEADER.encode()))["seed"].dtype == "Int64"
    ledger.append({"run_id": "a"}, in_file(path, b""))
    assert len(ledger.read(path)) == 1


def test_last_row_of_a_run_wins(path):
    for run, top1 in (("a", 0.1), ("b", 0.2), ("a", 0.3)):
        ledger.append({"run_id": run, "top1_last": top1}, path)
    frame = ledger.read(path)
    assert dict(zip(frame["run_id"], frame["top1_last"], strict=True)) == {"b": 0.2, "a": 0.3}
    assert path.read_text().count("\n") == 4


def test_older_schema_is_widened_and_foreign_columns_are_kept(path):
    old = 'seed,run_id,note,top1_last\n1,"a, 1","x ""y"" z",0.5\n\n2,b,"two\nlines",0.25\n'
    in_file(path, old.encode())
    frame = ledger.read(path)
    assert list(frame["note"]) == ['x "y" z', "two\nlines"]
    assert list(frame["status"]) == ["", ""]
    ledger.append({"run_id": "c", "status": "done", "note": "mine"}, path)
    frame = ledger.read(path)
    assert list(frame["run_id"]) == ["a, 1", "b", "c"]
    assert list(frame["note"]) == ['x "y" z', "two\nlines", "mine"]
    assert list(frame["top1_last"][:2]) == [0.5, 0.25]
    assert list(frame["status"]) == ["", "", "done"]
    assert frame.columns[-1] == "note"


def test_reordered_columns_are_understood(path):
    in_file(path, (",".join(reversed(ledger.COLUMNS)) + "\n").encode())
    ledger.append({"run_id": "a", "seed": 5}, path)
    assert ledger.read(path)["seed"][0] == 5
    assert path.read_text().startswith("test_images,checkpoint,status")


def test_old_text_is_copied_byte_for_byte(path):
    old = HEADER.encode().replace(b"\n", b",check\r\n") + b'"a"' + b"," * len(ledger.COLUMNS) + b"\r\n"
    ledger.append({"run_id": "b"}, in_file(path, b"\xef\xbb\xbf" + old))
    assert path.read_bytes().startswith(b"\xef\xbb\xbf" + old)
    assert list(ledger.read(path)["run_id"]) == ["a", "b"]


def test_whole_numbers_that_went_through_a_spreadsheet(path):
    assert ledger.read(in_file(path, b"run_id,seed\na,3.0\n"))["seed"][0] == 3


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"run_id,seed\na,1\nb", 3, "cut off"),
        (b"run_id,seed\na,1\nb,2", 3, "cut off"),
        (b"run_id,seed\na\nb,2\n", 2, "1 cells"),
        (b"run_id,seed\na,1\n\nb,2,3\n", 4, "3 cells"),
        (b"run_id,seed\na,1\nb,many\n", 3, "not a number"),
        (b"run_id,seed\na,1.5\n", 2, "not a number"),
        (b"run_id,seed\na,99999999999999999999\n", 2, "not a number"),
        (b"run_id,top1_last\na,0.5\nb,0,5\n", 3, "3 cells"),
        (b"run_id,top1_last\na,half\n", 2, "not a number"),
        (b"run_id,seed\na,1\n\xff\xfe,2\n", 3, "UTF-8"),
        (b'run_id,seed\na,1\n"b,2\nc,3\n', 3, ""),
        (b"run_id,seed\n,1\n", 2, "run_id"),
        (b"seed,row\n1,vit\n", 1, "header"),
        (b"a,1,vit\n", 1, "header"),
        (b"run_id,run_id\na,b\n", 1, "header"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 1, "header"),
        (b"\xff\xd8\xff\xe0" * 100, 1, "header"),
        (b"\0" * 5000, 1, "header"),
    ],
)
def test_damage_is_named_by_line(path, text, line, words):
    error = damage(in_file(path, text))
    assert f"line {line}" in error.message
    assert words in error.message


def test_append_to_a_foreign_file_is_refused_and_changes_nothing(path):
    in_file(path, b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UserError, match="not the header"):
        ledger.append({"run_id": "a"}, path)
    assert path.read_bytes() == b"\x89PNG\r\n\x1a\n"
    assert sorted(item.name for item in path.parent.iterdir()) in (["runs.csv"], ["runs.csv", "runs.csv.lock"])


def test_a_header_without_line_end(path):
    ledger.append({"run_id": "a"}, in_file(path, HEADER.rstrip("\n").encode()))
    assert list(ledger.read(path)["run_id"]) == ["a"]
    ledger.append({"run_id": "a"}, in_file(path, b"run_id,seed"))
    assert list(ledger.read(path)["run_id"]) == ["a"]


def test_a_hundred_thousand_rows_read_quickly(path):
    cells = {name: "0.5" if name in ledger.NUMBERS else "12" for name in ledger.COLUMNS} | {"data_sha256": "f" * 64}
    rest = ",".join(cells[name] for name in ledger.COLUMNS[1:])
    in_file(path, (HEADER + "".join(f"run-{number},{rest}\n" for number in range(100_000))).encode())
    start = time.process_time()  # of this process alone: other work on the machine is not the reader's fault
    frame = ledger.read(path)
    assert time.process_time() - start < 8  # about one on an idle core
    assert len(frame) == 100_000
    assert isinstance(frame, pd.DataFrame)


def test_import_is_light():
    code = (
        "import sys, reproduce.record.ledger, reproduce.record.manifest, reproduce.stats.intervals; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not {"torch", "pandas", "scipy", "numpy"} & set(done.stdout.split())
