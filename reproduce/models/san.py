"""Self-attention networks (Zhao, Jia and Koltun 2020): pairwise and patchwise, stacked or hierarchical.

Legend: B images, C channels, r = C / relation_ratio, m = C / value_ratio, Cw = m / share weight channels,
L = H * W pixels, t = k * k taps.
Stacked: 1x1 stem -> stages of {2x2 max-pool, 1x1, blocks, BatchNorm, ReLU} -> mean -> logits (Zhao et al. 2020).
Without transitions and pooling: 1x1 stem -> blocks -> ReLU -> mean -> logits (ECE 176 report, Figure 2).
Hierarchical ([Re] section 4.4): one stage's blocks serve every pass, each pass with its own 1x1 and BatchNorm,
and the keys psi(x) of the first pass are kept.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproduce.errors import UserError
from reproduce.kernels import pairwise_attention, patchwise_attention, read_mapping
from reproduce.models.algebra import KeepingModule
from reproduce.models.dropout import drop
from reproduce.models.pointwise import Pointwise
from reproduce.models.san_cost import count_macs
from reproduce.recipes.architectures import San


class PassNorm(nn.BatchNorm2d):
    """BatchNorm used in several passes: one scale and shift, running statistics of their own for each pass.

    The variances that enter a shared BatchNorm differ by an order of magnitude between passes (W6 in deviations.md);
    one average over them serves none. ``select`` says which pass is next.
    """

    pass_mean: Tensor
    pass_var: Tensor

    def __init__(self, channels: int, passes: int) -> None:
        super().__init__(channels)
        self.register_buffer("pass_mean", torch.zeros(passes, channels))
        self.register_buffer("pass_var", torch.ones(passes, channels))
        # views of the selected pass, written through by batch_norm; the tables above are what is saved
        self.register_buffer("running_mean", self.pass_mean[0], persistent=False)
        self.register_buffer("running_var", self.pass_var[0], persistent=False)

    def select(self, index: int) -> None:
        """Use the running statistics of pass ``index``."""
        row = min(index, self.pass_mean.shape[0] - 1)
        self.running_mean, self.running_var = self.pass_mean[row], self.pass_var[row]


def list_coordinates(height: int, width: int, like: Tensor) -> Tensor:
    """Return pixel coordinates in [-1, 1], x then y: (1, 2, H, W). An axis of size 1 sits at -1."""
    y_H = torch.linspace(-1.0, 1.0, height, device=like.device, dtype=like.dtype)
    x_W = torch.linspace(-1.0, 1.0, width, device=like.device, dtype=like.dtype)
    # to(): the older ONNX exporter makes float64 of linspace
    return torch.stack([x_W.expand(height, width), y_H[:, None].expand(height, width)])[None].to(like.dtype)


class LocalAttention(KeepingModule):
    """Vector attention over a k x k footprint: relation of phi and psi -> gamma -> weights of beta (Eq. 5, 6)."""

    def __init__(self, spec: San, channels: int, kernel: int, passes: int) -> None:
        super().__init__()
        self.spec, self.kernel = spec, kernel
        r, mid, weights = spec.channels(channels)
        bias = spec.projection_bias
        self.phi = Pointwise(channels, r, bias=bias)
        self.psi = Pointwise(channels, r, bias=bias)
        self.beta = Pointwise(channels, mid, bias=bias)
        taps = kernel * kernel
        pairwise = spec.attention == "pairwise"
        self.place = nn.Conv2d(2, 2, 1) if pairwise else None
        related = spec.related(r, taps)
        hidden, out = (r, weights) if pairwise else (weights, taps * weights)
        self.gamma = nn.ModuleList(
            [
                PassNorm(related, passes),
                nn.Conv2d(related, hidden, 1, bias=False),
                PassNorm(hidden, passes),
                nn.Conv2d(hidden, out, 1),
            ]
        )

    def forward(self, x_BCHW: Tensor, key_BrHW: Tensor, with_weights: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return the output (B, m, H, W) and, where asked for, the weights (B, Cw, t, L)."""
        mapping = read_mapping(*self.gamma)  # type: ignore[arg-type]
        phi, beta = self.phi(x_BCHW), self.beta(x_BCHW)
        if self.place is None:
            result = patchwise_attention(
                phi, key_BrHW, beta, mapping, self.kernel, relation=self.spec.relation, return_weights=with_weights
            )
        else:
            H, W = x_BCHW.shape[-2:]
            place = self.place
            position = self._kept.get(
                f"{H}x{W}", place.parameters(), lambda: place(list_coordinates(H, W, place.weight))
            )
            result = pairwise_attention(
                phi,
                key_BrHW,
                beta,
                mapping,
                self.kernel,
                position=position,
                relation=self.spec.relation,
                return_weights=with_weights,
            )
        return result if isinstance(result, tuple) else (result, None)


class Bottleneck(nn.Module):
    """x + 1x1(ReLU(BN(attention(ReLU(BN(x)))))), the pre-activation block of SAN.

    ``discard_preactivation`` is slip B11: the attention is fed x itself.
    """

    def __init__(self, spec: San, channels: int, kernel: int, passes: int = 1) -> None:
        super().__init__()
        mid = spec.channels(channels)[1]
        self.norm = PassNorm(channels, passes)
        self.attention = LocalAttention(spec, channels, kernel, passes)
        self.mid_norm = PassNorm(mid, passes)
        self.expand = Pointwise(mid, channels)
        self.discard_preactivation = spec.discard_preactivation
        self.dropout = spec.dropout

    def select(self, index: int) -> None:
        """Use the running statistics of pass ``index`` in every BatchNorm of the block."""
        for module in self.modules():
            if isinstance(module, PassNorm):
                module.select(index)

    def forward(self, x_BCHW: Tensor, key: Tensor | None, with_weights: bool) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the block's output, the keys it used (``key``, or psi of its own input) and its weights."""
        active = F.relu(self.norm(x_BCHW))
        if self.discard_preactivation:
            active = x_BCHW
        if key is None:
            key = self.attention.psi(active)
        attended, weights = self.attention(active, key, with_weights)
        change = drop(self.expand(F.relu(self.mid_norm(attended))), self.dropout, self.training)
        return x_BCHW + change, key, weights


class SanNetwork(nn.Module):
    """Classifier; ``forward`` returns logits (B, classes)."""

    def __init__(self, spec: San) -> None:
        super().__init__()
        check_sizes(spec)
        self.spec = spec
        widths = spec.widths
        self.stem = Pointwise(3, spec.stem, bias=False)
        self.stem_norm = nn.BatchNorm2d(spec.stem)
        between = list(zip((spec.stem, *widths[:-1]), widths, strict=True)) if spec.transitions else []
        self.transitions = nn.ModuleList(Pointwise(old, new, bias=False) for old, new in between)
        passes = len(widths) if spec.hierarchical and spec.pass_statistics == "per-pass" else 1
        stages = range(1 if spec.hierarchical else len(widths))
        self.stages = nn.ModuleList(
            nn.ModuleList(Bottleneck(spec, widths[s], spec.kernels[s], passes) for _ in range(spec.layers[s]))
            for s in stages
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(new) for _, new in between)
        self.classify = nn.Linear(widths[-1], spec.classes)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return logits (B, classes)."""
        return self._run(image_BCHW, None)

    def forward_with_attention(self, image_BCHW: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return logits and each block's weights (B, Cw, k*k, L), pass by pass where hierarchical."""
        maps: list[Tensor] = []
        return self._run(image_BCHW, maps), maps

    def count_macs(self, image_size: int) -> int:
        """Return the multiply-accumulates of one image's forward pass, from the sizes."""
        return count_macs(self.spec, image_size)

    def _run(self, image_BCHW: Tensor, maps: list[Tensor] | None) -> Tensor:
        spec = self.spec
        x = F.relu(self.stem_norm(self.stem(image_BCHW)))
        keys: dict[int, Tensor] = {}
        sides = spec.sides(x.shape[-1])
        for s, side in enumerate(sides):
            if side < x.shape[-1]:
                x = F.max_pool2d(x, 2)
            if spec.transitions:
                x = self.transitions[s](x)
            stage = self.stages[0 if spec.hierarchical else s]
            for b, block in enumerate(stage.children()):
                assert isinstance(block, Bottleneck)
                holder = 0 if spec.reuse_first_key else b
                block.select(s if spec.hierarchical else 0)
                x, key, weights = block(x, keys.get(holder), maps is not None)
                if spec.hierarchical:
                    keys.setdefault(holder, key)
                if maps is not None:
                    maps.append(weights)
            if spec.transitions:
                x = self.norms[s](x)
            last = s + 1 == len(sides)
            if spec.final_relu if last else spec.transitions:
                x = F.relu(x)
        return self.classify(x.mean(dim=(2, 3)))


def check_sizes(spec: San) -> None:
    """Raise UserError where a footprint does not fit its map or a hierarchical net changes its resolution."""
    relations = {
        "pairwise": ("subtraction", "summation", "concatenation", "hadamard", "dot"),
        "patchwise": ("concatenation", "subtraction", "star", "clique"),
    }[spec.attention]
    if spec.relation not in relations:
        raise UserError(
            f"{spec.attention} attention has no relation '{spec.relation}'", f"choose one of: {', '.join(relations)}"
        )
    if spec.hierarchical and (spec.pool or len(set(spec.widths)) > 1):
        raise UserError(
            "hierarchical SAN keeps its keys, so width and resolution cannot change between passes",
            "set model.pool=false and equal model.widths",
        )
    if not spec.transitions and (spec.hierarchical or {*spec.widths} != {spec.stem}):
        raise UserError(
            "without transitions nothing changes the width, and no pass has a BatchNorm of its own",
            "set model.hierarchical=false, and model.stem and all model.widths to one number",
        )
    stages = 1 if spec.hierarchical else len(spec.widths)
    if len(spec.layers) < stages or len(spec.kernels) < stages:
        raise UserError(
            f"{stages} stages need as many layers and kernels, got {len(spec.layers)} and {len(spec.kernels)}",
            "set model.layers and model.kernels to as many numbers as model.widths has",
        )
    for stage, side in enumerate(spec.sides()[:stages]):
        if spec.kernels[stage] // 2 >= side:
            k = spec.kernels[stage]
            raise UserError(
                f"stage {stage} has a {side}x{side} map, too small for a {k}x{k} footprint with reflected borders",
                "use larger images, fewer stages or a smaller model.kernels",
            )
    for width in spec.widths:
        _check_width(spec, width)


def _check_width(spec: San, width: int) -> None:
    values = spec.channels(width)[1]
    shared = min(spec.share, values)
    parts = ((spec.relation_ratio, spec.relation_minimum), (spec.value_ratio, spec.value_minimum))
    whole = all(width % ratio == 0 or width < ratio * least for ratio, least in parts)
    if not whole or values % shared:
        raise UserError(
            f"a width of {width} does not divide into {spec.value_ratio * shared} (value_ratio x share) and"
            f" {spec.relation_ratio}",
            "choose model.widths as multiples of both",
        )
