"""Memory that a training step frees is there for the next one."""

import subprocess
import sys

import pytest

COUNT = """
import resource, sys, torch
sys.path.insert(0, {root!r})
from reproduce.training.malloc import keep_freed_memory
torch.set_num_threads(1)
if {keep}:
    assert keep_freed_memory()
def step():
    return sum(float(torch.ones(16 << 20)[0]) for _ in range(3))  # 64 MB, three times
def count():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
for _ in range(10):  # the heap grows until nothing small lies in the way of anything large
    step()
print(min(count() for _ in range(5)))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_later_steps_ask_the_system_for_nothing() -> None:
    from reproduce.record.manifest import ROOT

    faults = []
    for keep in (False, True):
        script = COUNT.format(root=str(ROOT), keep=keep)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        faults.append(int(done.stdout))
    assert faults[0] > 10_000  # pages of 4 KB
    assert faults[1] < 500


def test_a_users_own_settings_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from reproduce.training.malloc import keep_freed_memory

    monkeypatch.setenv("MALLOC_MMAP_MAX_", "65536")
    assert not keep_freed_memory()


def test_how_freed_memory_is_treated_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from reproduce.training import malloc

    monkeypatch.setattr(malloc, "_kept", False)
    assert malloc.describe_heap() == "default"
    monkeypatch.setattr(malloc, "_kept", True)
    assert malloc.describe_heap() == "kept"
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "0")
    assert malloc.describe_heap() == "MALLOC_MMAP_MAX_=0"
