"""What the local-attention operators must move and compute, counted from their formulas. No torch.

A pair is an output pixel and one of its k*k neighbours. Legend, as in `reproduce.models.san`: C channels of the block,
r of phi and psi, m of beta, Cw weight channels; U = r (k*k + 1) relation values and O = k*k Cw weights a pixel.
Float32, useful bytes: the least that a design must move which stores h in training and nothing wide at evaluation.
What kernels read or write beyond that (h once a product that leads back, partial sums) is not counted, so that a rate
in bytes a second can only be too low.

    layer = Layer(batch=64, side=56, kernel=7, channels=256, relation=16, mid=64, shared=8)
    count("pairwise", layer, "eval").flops        # 9.4e9: SAN10, stage 1
"""

from typing import NamedTuple

OPERATORS = ("subtraction2", "aggregation", "pairwise", "patchwise")
PHASES = ("eval", "train")
FLOAT = 4  # bytes


class Layer(NamedTuple):
    """Sizes of one local-attention layer on square maps."""

    batch: int
    side: int
    kernel: int
    channels: int
    relation: int
    mid: int
    shared: int

    @property
    def pixels(self) -> int:
        """Output pixels of the batch."""
        return self.batch * self.side**2

    @property
    def pairs(self) -> int:
        """Pixels times k*k."""
        return self.pixels * self.kernel**2

    @property
    def maps(self) -> int:
        """Floats of phi, psi, beta and y together: what no design can avoid."""
        return self.pixels * 2 * (self.relation + self.mid)


class Cost(NamedTuple):
    """Bytes to and from memory, and floating-point operations (a multiply-add is two)."""

    bytes: int
    flops: int

    @property
    def intensity(self) -> float:
        """FLOPs a byte."""
        return self.flops / self.bytes

    def plus(self, other: "Cost", times: int = 1) -> "Cost":
        """Return the sum with ``other``, taken ``times`` times."""
        return Cost(self.bytes + times * other.bytes, self.flops + times * other.flops)


def count(operator: str, layer: Layer, phase: str) -> Cost:
    """Return the least cost of the operator: forward (eval) or forward and backward (train)."""
    train, (r, mid, shared) = phase == "train", layer[4:7]
    if operator == "subtraction2":
        floats = layer.pairs * r + 2 * layer.pixels * r
        return Cost(FLOAT * (2 * floats if train else floats), (3 if train else 1) * layer.pairs * r)
    if operator == "aggregation":
        weight, maps = layer.pairs * shared, layer.pixels * mid  # backward reads x, w, g and writes dx, dw
        return Cost(FLOAT * (3 * weight + 5 * maps if train else weight + 2 * maps), _thrice(train, layer.pairs * mid))
    if operator == "pairwise":
        # training: h (r values a pair) is written once and read by the softmax, its backward, two products
        floats = 5 * layer.pairs * r + 6 * layer.maps if train else layer.maps
        return Cost(FLOAT * floats, _thrice(train, layer.pairs * ((r + 2) * r + r * shared + mid)))
    related, outputs = _patch_sizes(layer)
    hidden, weight = layer.pixels * shared, layer.pixels * outputs
    # the weights are written once and read by the aggregation; training reads them once more, and h makes five trips
    floats = 3 * weight + 10 * hidden + 6 * layer.maps if train else 2 * weight + 2 * hidden + layer.maps
    products = related * shared + shared * outputs + layer.kernel**2 * mid
    return Cost(FLOAT * floats, _thrice(train, layer.pixels * products))


def eager_bytes(operator: str, layer: Layer, phase: str) -> int:
    """Return the bytes that the chain of plain operators moves, all its wide tensors materialised."""
    train, (r, _, shared) = phase == "train", layer[4:7]
    if operator in ("subtraction2", "aggregation"):
        return count(operator, layer, phase).bytes
    if operator == "pairwise":
        wide = layer.pairs * (42 * r + 42 + 11 * shared if train else 14 * r + 16 + 4 * shared)
    else:
        related, outputs = _patch_sizes(layer)
        each = 20 * related + 9 * outputs + 14 * shared if train else 7 * related + 4 * outputs + 12 * shared
        wide = layer.pixels * each
    return FLOAT * (wide + (3 if train else 1) * layer.maps)


def saved_bytes(operator: str, layer: Layer) -> int:
    """Return the bytes that the plain chain keeps for its backward."""
    r, shared = layer.relation, layer.shared
    if operator == "pairwise":
        return FLOAT * layer.pairs * (4 * r + 4 + shared)
    related, outputs = _patch_sizes(layer)
    return FLOAT * layer.pixels * (2 * related + outputs + 2 * shared)


def count_block_rest(layer: Layer, phase: str) -> Cost:
    """Return the cost of a SAN block outside its attention: norms, ReLUs, four 1x1 convolutions, the residual sum."""
    C, r, mid = layer.channels, layer.relation, layer.mid
    floats = layer.pixels * (11 * C + 2 * r + 6 * mid)
    return Cost(FLOAT * (3 * floats if phase == "train" else floats), _thrice(phase == "train", layer.pixels * C * (
        2 * r + 2 * mid
    )))  # fmt: skip


def _patch_sizes(layer: Layer) -> tuple[int, int]:
    taps = layer.kernel**2
    return layer.relation * (taps + 1), taps * layer.shared


def _thrice(train: bool, products: int) -> int:
    """Return the FLOPs of so many multiply-adds, and of the two products that lead back from each in training."""
    return (6 if train else 2) * products
