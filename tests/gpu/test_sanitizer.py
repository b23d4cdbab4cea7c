"""compute-sanitizer over every kernel: `pytest -m sanitizer`, apart from the GPU tests for it takes up to an hour."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

READY = torch.cuda.is_available() and importlib.util.find_spec("cupy") is not None
SANITIZER = shutil.which("compute-sanitizer")
SANITIZED_SECONDS = 1200  # each kernel is tens of times as slow as without, and all are compiled first
ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.sanitizer, pytest.mark.skipif(not READY, reason="needs a CUDA device and CuPy")]


@pytest.mark.timeout(SANITIZED_SECONDS + 60)
@pytest.mark.skipif(SANITIZER is None, reason="needs compute-sanitizer on the path")
@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "synccheck"])
def test_compute_sanitizer_is_clean(tool):
    program = (
        "import torch\n"
        "from reproduce.bench.operator_case import Problem\n"
        "from reproduce.bench.counted_cost import Layer\n"
        "for operator in ('subtraction2', 'aggregation', 'pairwise', 'patchwise'):\n"
        "    for phase in ('eval', 'train'):\n"
        "        Problem(operator, Layer(2, 9, 3, 96, 6, 24, 3), phase, torch.device('cuda')).run('fused')\n"
        "torch.cuda.synchronize()\n"
    )
    # torch and CuPy ask the driver at start for what it may not have: an answer, which memcheck would count as an error
    quiet = ["--report-api-errors=no"] if tool == "memcheck" else []
    command = [SANITIZER, f"--tool={tool}", *quiet, "--error-exitcode=9", sys.executable, "-c", program]
    # without the caching allocator every tensor is an allocation of its own, so that a read beyond it is seen
    alone = {**os.environ, "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=alone, capture_output=True, text=True, timeout=SANITIZED_SECONDS, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
