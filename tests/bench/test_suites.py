"""`attnrepro bench`: the counted bytes and FLOPs, plans without a device, and a tiny run of each suite."""

import csv
import json
import struct
import zlib

import pytest
import torch
from typer.testing import CliRunner

from reproduce.bench import kernels, latency, operator_case, san, unfold
from reproduce.bench.counted_cost import Layer
from reproduce.bench.memory import peak_bytes
from reproduce.bench.suites import PLANNED, ROOFED, check_plot, draw_result, measure_suite, plan_suite, write_result
from reproduce.bench.timing import quartiles, time_on_device
from reproduce.errors import UserError
from reproduce.kernels import backend as choice
from reproduce.kernels import local
from reproduce.models.networks import build
from reproduce.recipes.registry import TABLES

CPU = torch.device("cpu")


@pytest.mark.parametrize("suite", PLANNED)
@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_a_plan_needs_no_device(suite, kind):
    result = plan_suite(suite, kind, None, (4e12, 6e13))
    assert len({case["case"] for case in result["cases"]}) == len(result["cases"]) > 5
    assert result["dry_run"] is True
    if suite in ROOFED:
        case = result["cases"][0]
        assert case["roof_ms"] == pytest.approx(max(case["gbyte"] / 4e3, case["gflop"] / 6e4) * 1e3, rel=1e-3)
        assert case["bound"] in ("memory", "compute")
        assert {case["case"].rsplit("/", 1)[1] for case in result["cases"]} == {"eval", "train"}
    json.dumps(result)


def test_a_gpu_plan_without_gpu_and_roof(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = plan_suite("kernels", "cuda", ["san10-stage1"])
    for case in result["cases"]:  # 4.8 TB/s and 67 TFLOP/s, an H200's data sheet
        assert case["roof_ms"] == pytest.approx(max(case["gbyte"] / 4.8e3, case["gflop"] / 67e3) * 1e3, rel=1e-3)
    assert "assumed" in result["notes"][-1]
    assert "--bandwidth" in result["notes"][-1]


@pytest.mark.parametrize(("suite", "offered"), [("kernels", True), ("models", False)])
def test_a_dry_run_is_offered_where_there_is_one(monkeypatch, suite, offered):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError) as caught:
        measure_suite(suite, "cuda", None)
    assert ("--dry-run" in caught.value.hint) == offered


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plan_suite("kernels", "cuda", ["agregation"]), "did you mean 'aggregation'"),
        (lambda: plan_suite("models", "cpu", None), "kernels, san, latency"),
        (lambda: plan_suite("kernel", "cpu", None), "did you mean 'kernels'"),
        (lambda: plan_suite("san", "cpu", None, (0.0, 1.0)), "GB/s"),
        (lambda: measure_suite("kernels", "cpu", ["nothing/such"], 1), "choose one of|did you mean"),
        (lambda: measure_suite("kernels", "cpu", None, 0), "1 or more"),
        (lambda: check_plot("latency", None), "kernels, san"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(UserError) as caught:
        call()
    assert any(word in caught.value.hint for word in words.split("|"))


@pytest.fixture
def small(monkeypatch):
    """Layers of a few pixels, and a roof that takes no time."""
    from reproduce.bench import roofline

    layer = Layer(batch=3, side=6, kernel=3, channels=64, relation=4, mid=16, shared=2)
    monkeypatch.setattr(kernels, "list_layers", lambda kind: {"tiny": layer})
    monkeypatch.setattr(roofline, "measure_roof", lambda device: roofline.Roof(2e10, 5e10))


def decode_png(data):
    """The distinct bytes of a PNG's pixels."""
    place, body = 8, b""
    while place < len(data):
        size, kind = struct.unpack(">I4s", data[place : place + 8])
        body += data[place + 8 : place + 8 + size] if kind == b"IDAT" else b""
        place += size + 12
    return set(zlib.decompress(body))


def test_kernels_suite(small, tmp_path):
    result = measure_suite("kernels", "cpu", None, 2)
    assert [case["case"] for case in result["cases"]] == [
        f"{operator}/tiny/{phase}" for operator in kernels.OPERATORS for phase in ("eval", "train")
    ]
    for case in result["cases"]:
        assert case["n"] == 2
        assert 0 < case["ms_q1"] <= case["ms"] <= case["ms_q3"]
        assert case["gbyte_per_s"] == pytest.approx(case["gbyte"] / case["ms"] * 1e3, rel=1e-3)
        assert case["roof_share"] == pytest.approx(case["roof_ms"] / case["ms"], rel=1e-3)
        assert case["error"] < 1e-4
        assert case["peak_mb"] > 0
        assert case["peak_ratio"] == pytest.approx(case["peak_mb"] / case["twin_peak_mb"], rel=1e-3)
        assert case["chain_ms"] is case["chain_speedup"] is None
    json.dumps(result)
    path = write_result(result, tmp_path)
    assert path.name.startswith("kernels-")
    assert path.name.endswith(f"-torch-{torch.__version__.partition('+')[0]}.csv")
    with path.open() as source:
        lines = list(csv.DictReader(source))
    assert len(lines) == 8
    assert {"case", "ms", "ms_q1", "ms_q3", "n", "gbyte", "gflop", "gbyte_per_s", "roof_share", "peak_mb", "error",
            "speedup", "device", "driver", "torch", "cuda", "cupy"} <= set(lines[0])  # fmt: skip
    assert lines[0]["torch"] == torch.__version__.partition("+")[0]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_roofline_is_drawn(small, tmp_path, kind):
    result = measure_suite("kernels", "cpu", ["aggregation", "pairwise"], 1)
    path = tmp_path / f"roof.{kind}"
    draw_result(result, path)
    data = path.read_bytes()
    if kind == "png":
        assert data.startswith(b"\x89PNG")
        assert len(decode_png(data)) > 30
    else:
        text = data.decode()
        assert text.count("#0072b2") + text.count("#d55e00") >= 4
        assert "FLOPs a byte" in text
        draw_result(result, path)
        assert path.read_bytes() == data, "the same result gives the same bytes"
    with pytest.raises(UserError):
        draw_result(result, tmp_path / "roof.gif")


def test_san_suite(monkeypatch):
    from reproduce.bench import roofline

    monkeypatch.setattr(roofline, "measure_roof", lambda device: roofline.Roof(2e10, 5e10))
    specs = {
        "mini-pair": (san.San(attention="pairwise", stem=16, widths=(32, 64), layers=(1, 1), kernels=(3, 3)), 4),
        "mini-patch": (
            san.San(attention="patchwise", relation="concatenation", stem=16, widths=(32, 64), layers=(1, 1),
                    kernels=(3, 3)), 4,
        ),
    }  # fmt: skip
    monkeypatch.setattr(san, "list_networks", lambda: specs)
    result = measure_suite("san", "cpu", ["mini"], 1)
    assert [case["case"] for case in result["cases"]] == [
        "mini-pair/eval", "mini-pair/train", "mini-patch/eval", "mini-patch/train",
    ]  # fmt: skip
    for case in result["cases"]:
        assert case["error"] < 1e-4
        assert case["speedup"] > 0
        assert case["peak_mb"] > 0


def test_latency_suite(monkeypatch):
    monkeypatch.setattr(latency, "list_rows", lambda: ["san-pair"])
    (case,) = measure_suite("latency", "cpu", None, 3)["cases"]
    assert (case["case"], case["n"], case["batch"], case["speedup"]) == ("san-pair/eager", 3, 1, None)
    assert 0 < case["ms_q1"] <= case["ms"] <= case["ms_q3"]
    assert latency.REPETITIONS == 300
    assert latency.PROTOCOL_WARMUPS == 10


def test_latency_covers_table_3():
    assert latency.list_rows()[:8] == list(TABLES["hierarchical"].rows)


@pytest.mark.parametrize("formulation", [unfold.UNFOLD, unfold.CHAIN], ids=["unfold", "chain"])
@pytest.mark.parametrize("row", ["san-pair", "san-patch"])
def test_networks_by_another_formulation_compute_the_same(row, formulation):
    model = build(san.list_networks()[row][0]).double().eval()
    image = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        ours = model(image)
        with unfold.attending_by(formulation):
            theirs = model(image)
        again = model(image)
    torch.testing.assert_close(theirs, ours, rtol=1e-9, atol=1e-9)
    assert not torch.equal(theirs, ours), "the twin did not run"
    assert torch.equal(again, ours)


@pytest.mark.parametrize("operator", kernels.OPERATORS)
@pytest.mark.parametrize("phase", ["eval", "train"])
def test_every_way_is_as_exact_as_the_formulas(operator, phase):
    case = operator_case.Problem(operator, Layer(3, 7, 3, 64, 4, 16, 2), phase, CPU)
    case.run("fused")
    for way in operator_case.WAYS:
        assert case.error(way) < 1e-4, way


def test_peak_memory_is_what_is_held_at_once():
    def work():
        one = torch.empty(1 << 20, dtype=torch.uint8)
        del one
        two = torch.empty(3 << 20, dtype=torch.uint8)
        three = torch.empty(1 << 20, dtype=torch.uint8)
        return two, three

    assert peak_bytes(work, CPU) == pytest.approx(4 << 20, rel=0.01)


def test_contestants_take_turns():
    order = []
    found = time_on_device({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3, CPU)
    assert order == ["a", "b"] * 4
    assert [len(found[name]) for name in "ab"] == [3, 3]
    order.clear()
    found = time_on_device({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2, CPU, settle=2)
    assert order == ["a"] * 3 + ["b"] * 3 + ["a"] * 3 + ["b"] * 3 + ["a"] * 3 + ["b"] * 3
    assert len(found["b"]) == 2
    assert quartiles([4.0, 1.0, 2.0, 3.0]) == (1.75, 2.5, 3.25)
    assert quartiles([2.0]) == (2.0, 2.0, 2.0)


def run(*arguments):
    from cli import app

    return CliRunner().invoke(app, ["bench", *arguments])


def test_command_line_plans_without_a_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    options = ["--gpu", "--suite", "kernels", "--rows", "san10-stage1", "--dry-run"]
    done = run(*options, "--bandwidth", "4300", "--flops", "67000", "--json")
    assert done.exit_code == 0
    cases = {case["case"]: case for case in json.loads(done.stdout)["cases"]}
    assert cases["pairwise/san10-stage1/eval"]["roof_ms"] == pytest.approx(0.141, abs=0.001)
    assert cases["pairwise/san10-stage1/eval"]["bound"] == "compute"
    assert run(*options, "--out", str(tmp_path)).exit_code == 0
    assert (tmp_path / "kernels-plan.csv").read_text().startswith("case,batch,gbyte")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--gpu", "--suite", "kernels"],
        ["--cpu", "--gpu"],
        ["--cpu", "--suite", "kernels", "--dry-run", "--bandwidth", "10"],
        ["--cpu", "--suite", "kernels", "--bandwidth", "10", "--flops", "10"],
        ["--cpu", "--suite", "kernels", "--dry-run", "--plot", "roof.png"],
        ["--cpu", "--suite", "kernels", "--plot", "roof.bmp"],
    ],
)
def test_command_line_refuses(arguments, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    done = run(*arguments)
    assert isinstance(done.exception, UserError) or done.exit_code == 2


def test_input_suite_gives_cases(monkeypatch):
    from reproduce.bench import input as pipelines

    rates = {"median": 2.0, "quartile_low": 1.0, "quartile_high": 3.0, "low": 1.0, "high": 3.0}
    found = {"ours": rates, "torchvision": rates | {"num_workers": 2}, "ratio": rates, "n": 4, "threads": 1}
    found |= {"images": 10, "image_size": 32, "batch_size": 5}
    monkeypatch.setattr(pipelines, "measure", lambda rounds: found | {"n": rounds})
    result = measure_suite("input", "cpu", None, 4)
    assert [case["case"] for case in result["cases"]] == ["ours", "torchvision", "ratio"]
    assert "4 rounds" in result["notes"][0]


def test_the_error_is_that_of_the_way_which_was_timed(monkeypatch):
    """Two samples are compared with float64; alone they might be small enough for the plain twin."""
    layer = Layer(batch=8, side=8, kernel=3, channels=64, relation=4, mid=16, shared=2)
    values = 8 * 16 * 9 * 64
    went = []
    plain = operator_case.reference.aggregation
    for limit in (values, values - 1):
        monkeypatch.setattr(choice, "SMALL", limit)
        made = operator_case.Problem("aggregation", layer, "eval", CPU)
        assert made.is_small() == (limit == values)
        monkeypatch.setattr(local.reference, "aggregation", lambda *given: went.append(given[0].dtype) or plain(*given))
        made.error()
        assert went.count(torch.float32) == int(limit == values)
        assert limit == choice.SMALL
        went.clear()
