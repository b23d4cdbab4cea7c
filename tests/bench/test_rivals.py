"""Ours against its rivals: the chain of published operations, rivals without room, cases that fail, the head start."""

import csv
import weakref
from types import SimpleNamespace

import pytest
import torch

from figures.report.benches import list_benches
from reproduce.bench import kernels, operator_case, rivals, san, timing, train
from reproduce.bench.counted_cost import Layer
from reproduce.bench.roofline import Roof, measure_roof
from reproduce.bench.suites import measure_suite, shorten, write_result
from reproduce.errors import UserError

CPU = torch.device("cpu")
ROOF = Roof(1e10, 1e11)
TINY = Layer(batch=3, side=6, kernel=3, channels=64, relation=4, mid=16, shared=2)
MINI = san.San(attention="pairwise", stem=16, widths=(32, 64), layers=(1, 1), kernels=(3, 3))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(kernels, "list_layers", lambda kind: {"tiny": TINY})
    monkeypatch.setattr(san, "list_networks", lambda: {"mini-pair": (MINI, 4)})


@pytest.mark.parametrize("operator", kernels.OPERATORS)
@pytest.mark.parametrize("phase", ["eval", "train"])
def test_the_chain_computes_what_the_formulas_do(operator, phase):
    case = operator_case.Problem(operator, TINY, phase, CPU)._take(torch.float64)
    running = [buffer.clone() for buffer in case.gamma.buffers()]
    chain, after = case.run("chain"), [buffer.clone() for buffer in case.gamma.buffers()]
    for buffer, before in zip(case.gamma.buffers(), running, strict=True):
        buffer.copy_(before)
    formula = case.run("formula")
    assert len(chain) == len(formula) == (1 if phase == "eval" else len(case.inputs) + 1 + 7 * ("wise" in operator))
    for mine, theirs in zip([*chain, *after], [*formula, *case.gamma.buffers()], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("suite", "module"), [("kernels", kernels), ("san", san)])
def test_the_chain_is_measured_where_asked_for(suite, module, tmp_path):
    cases, notes = module.measure("cpu", None if suite == "kernels" else ["mini"], 2, ROOF, chain=True)
    assert any(note.startswith("chain: ") for note in notes)
    for case in cases:
        chained = case["case"].split("/")[0] in ("pairwise", "patchwise", "mini-pair")
        for name in ("chain_ms", "chain_peak_mb", "chain_speedup", "chain_speedup_q1", "chain_peak_ratio"):
            assert (case[name] is not None) == chained, name
        if chained:
            assert case["chain_speedup_q1"] <= case["chain_speedup"] <= case["chain_speedup_q3"]
    assert {"chain_ms", "chain_speedup"} <= set(shorten(cases, suite)[0])
    versions = dict.fromkeys(("torch", "cupy", "python"), "1")
    path = write_result({"suite": suite, "device": "cpu", "cases": cases, "versions": versions}, tmp_path)
    with path.open() as source:
        assert "chain_speedup" in next(csv.reader(source))
    (bench,) = list_benches(tmp_path)
    assert len(bench.block.rows) == len(cases)


@pytest.mark.parametrize(("module", "rows"), [(kernels, ["pairwise/tiny/train"]), (san, ["mini-pair/train"])])
@pytest.mark.parametrize("greedy", ["twin", "chain"])
@pytest.mark.parametrize("alone", [True, False])
def test_a_rival_without_room_is_left_empty_and_its_tensors_are_gone(monkeypatch, module, rows, greedy, alone):
    """It fails alone, or only beside what timing holds; the other rival is measured all the same."""
    alive, timed = [], []
    sizes = {"ours": 1, "twin": 2, "chain": 2, greedy: 3}
    asked = iter(sizes)  # in the order of the ways

    def fail():
        mark = torch.empty(3)
        alive.append(weakref.ref(mark))
        raise torch.OutOfMemoryError("out of memory")

    def peak(work, device):
        name = next(asked)
        return fail() if alone and name == greedy else sizes[name]

    def time(ways, repetitions, *rest):
        assert all(mark() is None for mark in alive)
        timed.append(list(ways))
        return fail() if len(ways) == 3 else {name: [1.0] * repetitions for name in ways}

    monkeypatch.setattr(rivals, "peak_bytes", peak)
    monkeypatch.setattr(rivals, "time_on_device", time)
    (case,), _ = module.measure("cpu", rows, 1, ROOF, chain=True)
    other = {"twin": "chain", "chain": "twin"}[greedy]
    assert timed[-1] == ["ours", other]
    assert len(timed) == (1 if alone else 2)
    assert case[f"{greedy}_ms"] is None
    assert case[f"{other}_ms"] == 1000
    assert (case["speedup"] is None) == (greedy == "twin")


@pytest.mark.parametrize("module", [kernels, san])
def test_one_failure_leaves_the_other_cases(monkeypatch, module):
    measure = module._measure_case

    def fail(case, *rest):
        if case["case"].endswith("eval"):
            raise RuntimeError("CUDA error: no such thing\nand much more")
        return measure(case, *rest)

    monkeypatch.setattr(module, "_measure_case", fail)
    cases, notes = module.measure("cpu", None if module is kernels else ["mini"], 1, ROOF)
    assert {case["case"].rsplit("/", 1)[1] for case in cases} == {"train"}
    failed = [note for note in notes if "RuntimeError" in note]
    assert len(failed) == len(cases) > 0
    assert all(note.endswith("/eval: RuntimeError: CUDA error: no such thing") for note in failed)


def test_no_room_for_ours_is_a_failure_and_nothing_measured_an_error(monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(rivals, "peak_bytes", fail)
    with pytest.raises(UserError, match=r"no case.*aggregation/tiny/eval: OutOfMemoryError: out of memory"):
        kernels.measure("cpu", ["aggregation/tiny/eval"], 1, ROOF)


class Device:
    """torch.cuda for `time_on_device`: says in which order what is enqueued."""

    def __init__(self, monkeypatch, **properties):
        self.queue = []
        event = SimpleNamespace(record=lambda: self.queue.append("event"), elapsed_time=lambda other: 5.0)
        rubbish = SimpleNamespace(zero_=lambda: self.queue.append("flush"))
        monkeypatch.setattr(torch.cuda, "Event", lambda enable_timing: event)
        monkeypatch.setattr(torch.cuda, "synchronize", lambda device: self.queue.append("wait"))
        monkeypatch.setattr(torch.cuda, "_sleep", lambda cycles: self.queue.append(cycles))
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(**properties))
        monkeypatch.setattr(timing.torch, "empty", lambda *_, **__: rubbish)

    def time(self, **options):
        return timing.time_on_device({"a": lambda: self.queue.append("work")}, 1, torch.device("cuda"), 0, **options)


@pytest.mark.parametrize(("properties", "cycles"), [({"clock_rate": 1_500_000}, 3_000_000), ({}, 4_000_000)])
def test_the_host_has_a_head_start_where_the_devices_time_is_meant(monkeypatch, properties, cycles):
    device = Device(monkeypatch, **properties)
    assert device.time(flush_bytes=8, head_start=timing.HEAD_START) == {"a": [5e-3]}
    assert device.queue == ["flush", cycles, "event", "work", "event", "wait"]


def test_a_latency_has_none(monkeypatch):
    device = Device(monkeypatch)
    device.time()
    assert device.queue == ["flush", "event", "work", "event", "wait"]


def test_who_has_a_head_start(monkeypatch):
    from reproduce.bench import latency, roofline

    given = {}

    def note(name):
        def time(ways, repetitions, device, warmups=1, flush_bytes=0, settle=0, head_start=0.0):
            given.setdefault(name, set()).add(head_start)
            return {way: [1.0] for way in ways}

        return time

    for name, module in (("contest", rivals), ("roofline", roofline), ("latency", latency)):
        monkeypatch.setattr(module, "time_on_device", note(name))
    monkeypatch.setattr(roofline, "_SIDE", {"cpu": 4})
    monkeypatch.setattr(roofline, "_COPY_BYTES", {"cpu": 64})
    kernels.measure("cpu", ["aggregation/tiny/eval"], 1, ROOF)
    measure_roof(CPU)
    latency.measure("cpu", ["san-pair/eager"], 1)
    assert given == {"contest": {timing.HEAD_START}, "roofline": {timing.HEAD_START}, "latency": {0.0}}


def test_many_cases_of_training_say_how_to_choose(monkeypatch, capsys):
    monkeypatch.setattr(train, "measure_peak", lambda *_: 1e12)
    monkeypatch.setattr(
        train, "_measure_row", lambda *_: {"case": "", "row": "", "precision": "", "execution": "", "hours": 1}
    )
    measure_suite("train", "cpu", ["vit/fp32"], 1)
    assert "--rows" not in capsys.readouterr().err
    train.measure("cpu", None, 1)
    assert "--rows vit/bf16,learned/graphed" in capsys.readouterr().err
