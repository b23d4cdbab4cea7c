"""Every slip of the reference code is one switch: off in `described`, on in `as-run`, each with what it changes."""

import pytest
import torch
from torch import nn

from reproduce.data.dataset import Split
from reproduce.models.networks import attentive, build
from reproduce.models.positions import GaussianPositions
from reproduce.models.san import PassNorm
from reproduce.recipes.registry import resolve
from reproduce.recipes.settings import override
from reproduce.training.evaluate import evaluate, evaluation_mode

SMALL = {"model.width": 12, "model.hidden": 10}


def make(row: str, **changes: object) -> nn.Module:
    torch.manual_seed(0)
    recipe = resolve(row, budget="smoke")
    dotted = {f"model.{key}": value for key, value in changes.items()}
    small = {} if row.startswith(("san", "resnet")) else SMALL
    return build(override(recipe, {**small, **dotted}).model).double()


def images(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


SLIPS = {  # (row, setting): (described, as-run)
    ("quadratic", "eval_mode"): ("eval", "train"),  # B1
    ("learned-content", "model.transpose_content"): (False, True),  # B2
    ("learned-content-ha", "model.transpose_content"): (False, True),  # B2
    ("quadratic", "model.add_centre"): (False, True),  # B3
    ("learned", "model.skip_attention_norm"): (False, True),  # B4
    ("learned-content", "model.skip_attention_norm"): (False, True),  # B4
    ("learned-content-ha", "model.skip_attention_norm"): (False, False),  # B4: the HA run had its norm
    ("vit", "extra_epochs"): (0, 1),  # B5
    ("vit", "schedule.form"): ("clean", "re"),  # B6
    ("learned-16h", "model.value_projection"): (False, True),  # B10
    ("san-pair-ha", "model.discard_preactivation"): (False, True),  # B11
    ("san-pair-ha", "model.reuse_first_key"): (False, True),  # B11
    ("san-patch-ha", "model.pass_statistics"): ("per-pass", "shared"),
    ("vit", "model.residual"): ("raw", "normed"),  # B13
    ("vit", "model.cls_token"): ("learned", "noise"),  # B13
    ("vit", "model.pool"): ("cls", "mean"),  # B13
    ("quadratic", "optimiser.decay_positions"): (False, True),  # B15
    ("quadratic", "batch_mean_accuracy"): (False, True),  # B17
    ("learned", "model.dropout_mask"): ("batch", "sample"),  # B18
    ("vit", "data.holdout"): (0.05, 0.0),  # B20
}


@pytest.mark.parametrize(("row", "key"), SLIPS)
def test_slip_is_off_in_described_and_on_in_as_run(row: str, key: str) -> None:
    found = []
    for variant in ("described", "as-run"):
        value: object = resolve(row, variant=variant)
        for part in key.split("."):
            value = getattr(value, part)
        found.append(value)
    assert tuple(found) == SLIPS[row, key]


def test_b1_train_mode_measures_with_dropout() -> None:
    model = make("learned-content", attention_dropout=0.5)
    batches = [(images(4), torch.zeros(4, dtype=torch.int64))]
    steady = {evaluate(model, batches, mode="eval").loss for _ in range(3)}
    noisy = {evaluate(model, batches, mode="train").loss for _ in range(3)}
    assert len(steady) == 1
    assert len(noisy) == 3


def test_b1_batch_statistics_leave_the_running_ones_alone() -> None:
    model = make("resnet18")
    batches = [(images(8), torch.zeros(8, dtype=torch.int64))]
    before = {name: value.clone() for name, value in model.state_dict().items() if "running" in name}
    with_batch = evaluate(model, batches, mode="train-bn")
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert with_batch.loss != evaluate(model, batches, mode="eval").loss
    evaluate(model, batches, mode="train")
    assert not all(torch.equal(model.state_dict()[name], value) for name, value in before.items())


def test_evaluation_modes_are_put_back() -> None:
    model = make("resnet18").train()
    momenta = [layer.momentum for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    with evaluation_mode(model, "train-bn"):
        assert not model.training
    assert model.training
    assert momenta == [layer.momentum for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]


@pytest.mark.parametrize("row", ["learned-content", "learned-content-ha"])
def test_b2_scores_the_transposed_image(row: str) -> None:
    right, slipped = make(row, depth=1).eval(), make(row, depth=1, transpose_content=True).eval()
    _, (map_right,) = attentive(right, row).forward_with_attention(images())
    _, (map_slipped,) = attentive(slipped, row).forward_with_attention(images())
    n = 8
    transposed = map_right.view(2, -1, n, n, n, n).permute(0, 1, 3, 2, 5, 4).reshape(map_right.shape)
    assert torch.allclose(map_slipped, transposed, rtol=1e-12)
    assert not torch.allclose(map_slipped, map_right)


def test_b3_shifts_the_column_centre_by_about_one() -> None:
    torch.manual_seed(0)
    right, slipped = GaussianPositions(9, True), GaussianPositions(9, True, add_centre=True)
    slipped.load_state_dict(right.state_dict())
    _, _, c_H = right.precision()
    for positions, centre_H in ((right, right.centres[:, 1]), (slipped, 1 + right.centres[:, 1] / c_H)):
        _, column_Hnn = positions.axis_scores(64)
        shift_T = torch.arange(64.0) - 32
        expected_HT = -0.5 * c_H[:, None] * (shift_T - centre_H[:, None]) ** 2
        found_HT = column_Hnn[:, 32]
        assert torch.allclose(found_HT - found_HT[:, 32:33], expected_HT - expected_HT[:, 32:33], rtol=1e-4, atol=1e-2)
    assert torch.equal(right.axis_scores(16)[0], slipped.axis_scores(16)[0])  # rows are untouched


def test_b4_the_first_norm_has_no_effect() -> None:
    for slip in (False, True):
        model = make("learned", skip_attention_norm=slip).eval()
        before = model(images())
        model(images()).sum().backward()
        grads = [w.grad for name, w in model.named_parameters() if "attention_norm" in name]
        assert all(grad is None for grad in grads) == slip
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "attention_norm" in name:
                    weight.add_(1.0)
        assert torch.allclose(model(images()), before) == slip


def test_b11_discarded_preactivation_leaves_its_norm_without_gradient() -> None:
    for slip in (False, True):
        model = make("san-pair-ha", layers=(2,), discard_preactivation=slip).train()
        model(images(4)).square().sum().backward()
        grads = [w.grad for name, w in model.named_parameters() if ".norm." in name]
        assert grads
        assert all(grad is None for grad in grads) == slip


def test_b11_first_key_everywhere_leaves_the_second_key_without_gradient() -> None:
    for slip in (False, True):
        model = make("san-patch-ha", layers=(2,), reuse_first_key=slip).train()
        model(images(4)).square().sum().backward()
        grad = dict(model.named_parameters())["stages.0.1.attention.psi.weight"].grad
        assert (grad is None) == slip


def test_shared_norms_keep_statistics_per_pass_unless_the_slip_is_on() -> None:
    for statistics, rows in (("per-pass", 2), ("shared", 1)):
        model = make("san-pair-ha", pass_statistics=statistics).train()
        model(images(8))
        tables = [layer.pass_mean for layer in model.modules() if isinstance(layer, PassNorm)]
        assert {table.shape[0] for table in tables} == {rows}
        if statistics == "per-pass":
            assert all(not torch.equal(table[0], table[1]) for table in tables)


def test_per_pass_statistics_survive_a_checkpoint() -> None:
    model = make("san-pair-ha").train()
    for _ in range(3):
        model(images(8))
    other = make("san-pair-ha")
    other.load_state_dict(model.state_dict())
    assert torch.equal(model.eval()(images()), other.eval()(images()))


def test_b13_noise_token_makes_evaluation_random() -> None:
    with torch.no_grad():
        for token, same in (("learned", True), ("none", True), ("noise", False)):
            changes = {"cls_token": token} | ({"pool": "mean"} if token == "none" else {})
            model = make("vit", **changes).eval()
            assert torch.equal(model(images()), model(images())) == same


def test_b13_residual_and_pool_change_the_function() -> None:
    with torch.no_grad():
        base = make("vit").eval()
        for change in ({"residual": "normed"}, {"pool": "mean"}):
            other = make("vit", **change).eval()
            other.load_state_dict(base.state_dict())
            assert not torch.allclose(base(images()), other(images()))


def test_b13_the_zero_class_token_learns_through_its_position() -> None:
    model = make("vit").train()
    model(images()).square().sum().backward()
    assert model.position.weight.grad[0].abs().max() > 0  # type: ignore[union-attr, index]


def test_b17_the_short_last_batch_counts_like_a_full_one() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.eye(10)[torch.zeros(len(x), dtype=torch.int64)]

    hits = [(torch.zeros(8, 3, 2, 2), torch.zeros(8, dtype=torch.int64))]
    misses = [(torch.zeros(2, 3, 2, 2), torch.ones(2, dtype=torch.int64))]
    assert evaluate(Constant(), hits + misses).top1 == pytest.approx(0.8)
    assert evaluate(Constant(), hits + misses, batch_mean=True).top1 == pytest.approx(0.5)


@pytest.mark.parametrize("row", ["quadratic", "learned", "learned-content"])
def test_b18_one_mask_for_the_batch_or_one_an_image(row: str) -> None:
    image = images(1).expand(3, -1, -1, -1)
    for mask, same in (("batch", True), ("sample", False)):
        model = make(row, dropout_mask=mask, attention_dropout=0.5).train()
        logits = model(image)
        assert torch.allclose(logits[0], logits[1], rtol=1e-10) == same


def test_b20_without_a_holdout_nothing_is_selected() -> None:
    from reproduce.data.dataset import hold_out

    split = Split(torch.zeros(100, 3, 2, 2, dtype=torch.uint8), torch.arange(100) % 10)
    assert hold_out(split, resolve("vit", variant="as-run").data.holdout)[1] is None
    kept, held = hold_out(split, 0.1)
    assert held is not None
    assert (len(kept), len(held)) == (90, 10)


ORIGINAL = {
    "output_dense": True,
    "hidden_dropout": 0.1,
    "activation": "gelu",
    "norm_epsilon": 1e-12,
    "query_key_bias": True,
    "position_bias": False,
}


def test_the_originals_block_is_on_in_original_only() -> None:
    for key, value in ORIGINAL.items():
        assert getattr(resolve("learned-content", variant="original").model, key) == value
        assert getattr(resolve("learned-content").model, key) != value


def test_the_softmax_cancels_the_position_bias() -> None:
    model = make("learned").eval()
    with torch.no_grad():
        before = model(images())
        for name, weight in model.named_parameters():
            if name.endswith(("row_score.bias", "column_score.bias")):
                weight.add_(torch.randn_like(weight))
        assert torch.allclose(model(images()), before, rtol=1e-11)
