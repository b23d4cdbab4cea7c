"""Networks with our operators go out as plain ONNX, and another runtime computes the same from it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from reproduce.kernels import PAIRWISE, PATCHWISE, pairwise_attention, patchwise_attention
from reproduce.models.networks import build
from reproduce.recipes.registry import resolve
from tests.kernels.cases import PAIR_ROWS, PATCH_ROWS, make_mapping

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def run_elsewhere(network: torch.nn.Module, inputs: tuple[torch.Tensor, ...], path: Path, dynamo: bool) -> np.ndarray:
    torch.onnx.export(network, inputs, str(path), dynamo=dynamo, verbose=False)
    graph = onnx.load(str(path)).graph
    assert {node.domain for node in graph.node} <= {"", "ai.onnx"}  # no operator that a runtime would not know
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return session.run(None, {name: x.numpy() for name, x in zip(names, inputs, strict=True)})[0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.parametrize("row", ["san-pair", "san-patch-ha"])
def test_networks(row, dynamo, tmp_path):
    spec = resolve(row, budget="smoke").model
    network, images = build(spec).eval(), torch.randn(2, 3, spec.image_size, spec.image_size)
    with torch.no_grad():
        want = network(images)
    found = run_elsewhere(network, (images,), tmp_path / "network.onnx", dynamo)
    torch.testing.assert_close(torch.from_numpy(found), want, rtol=1e-4, atol=1e-5)


class Attention(torch.nn.Module):
    def __init__(self, kind, relation):
        super().__init__()
        rows = PAIR_ROWS.get(relation, lambda r: r)(4) if kind == "pair" else PATCH_ROWS[relation](4, 9)
        outputs = 2 if kind == "pair" else 2 * 9
        self.mapping = make_mapping(rows, 3, outputs, dtype=torch.float32, training=False)
        self.attend = pairwise_attention if kind == "pair" else patchwise_attention
        self.relation = relation

    def forward(self, phi, psi, beta):
        return self.attend(phi, psi, beta, self.mapping, 3, relation=self.relation)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "relation"), [("pair", r) for r in PAIRWISE] + [("patch", r) for r in PATCHWISE])
def test_every_relation(kind, relation, tmp_path):
    network, maps = Attention(kind, relation), tuple(torch.randn(2, width, 6, 5) for width in (4, 4, 8))
    found = run_elsewhere(network, maps, tmp_path / "attention.onnx", dynamo=True)
    torch.testing.assert_close(torch.from_numpy(found), network(*maps), rtol=1e-4, atol=1e-5)
