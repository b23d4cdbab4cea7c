"""What a forward pass of a SAN costs, from its sizes alone: exact for every device and every form of its operators.

    count_macs(San(), 32)        products of convolutions, logits and aggregation
    count_flops(San(), 224)      as the SAN paper counts: products, and element-wise work beside them

torch's counter sees an operator's products only where they are matrix products of torch, so the same network would
count differently on a CPU, on a GPU and by unfold; a SAN therefore counts itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reproduce.recipes.architectures import San


@dataclass(frozen=True)
class Block:
    """One block of a stage: C channels, r of relation, m of values, w weights a tap, t taps, L pixels."""

    C: int
    r: int
    m: int
    w: int
    t: int
    L: int
    keys: bool  # whether it makes its keys, or takes those of an earlier pass

    @property
    def related(self) -> int:
        """Multiply-accumulates of the 1x1 convolutions around the attention."""
        return self.L * self.C * (self.r * (1 + self.keys) + self.m) + self.L * self.m * self.C


def count_macs(spec: San, image_size: int) -> int:
    """Return the multiply-accumulates of one image: convolutions, relation products, aggregation and logits."""
    total, channels = 3 * spec.stem * image_size**2, spec.stem
    for stage, width, side in _stages(spec, image_size):
        total += channels * width * side**2 if spec.transitions else 0
        channels = width
        for block in _blocks(spec, stage, width, side):
            total += block.related + _relation_macs(spec, block) + _mapping_macs(spec, block)
            total += block.L * block.t * block.m  # aggregation
    return total + channels * spec.classes


def count_flops(spec: San, image_size: int) -> int:
    """Return the paper's FLOPs of one image: a multiply-accumulate counts 1, and element-wise work is added.

    BatchNorm counts 2 an element; ReLU, a bias, a subtraction and what a pool reads count 1; softmax and residual sums
    count nothing. This convention gives all nine values of Zhao et al. 2020, to their last digit.
    """
    total, channels, pixels = count_macs(spec, image_size), spec.stem, image_size**2
    total += 3 * channels * pixels  # BatchNorm and ReLU of the stem
    for stage, width, side in _stages(spec, image_size):
        total += channels * pixels if side**2 < pixels else 0
        channels, pixels = width, side**2
        total += 3 * width * pixels if spec.transitions else 0
        for block in _blocks(spec, stage, width, side):
            total += _block_elements(spec, block)
    return total + channels * pixels + spec.classes


def _stages(spec: San, image_size: int) -> Iterator[tuple[int, int, int]]:
    for stage, (width, side) in enumerate(zip(spec.widths, spec.sides(image_size), strict=True)):
        yield stage, width, side


def _blocks(spec: San, stage: int, width: int, side: int) -> Iterator[Block]:
    own = 0 if spec.hierarchical else stage
    r, m, w = spec.channels(width)
    for number in range(spec.layers[own]):
        keys = not (spec.hierarchical and (stage > 0 or (spec.reuse_first_key and number > 0)))
        yield Block(width, r, m, w, spec.kernels[own] ** 2, side**2, keys)


def _relation_macs(spec: San, block: Block) -> int:
    """Return the products of the relation itself, and of the coordinates' 2 x 2 map."""
    each = {"hadamard": block.r, "dot": block.r, "star": block.r, "clique": block.r * block.t}.get(spec.relation, 0)
    return each * block.t * block.L + (4 * block.L if spec.attention == "pairwise" else 0)


def _mapping_macs(spec: San, block: Block) -> int:
    entering = spec.related(block.r, block.t)
    if spec.attention == "pairwise":
        return block.t * block.L * (entering * block.r + block.r * block.w)
    return block.L * (entering * block.w + block.w * block.t * block.w)


def _block_elements(spec: San, block: Block) -> int:
    """Return the element-wise work of a block, in the paper's counting."""
    entering, pairs = spec.related(block.r, block.t), block.t * block.L
    biases = block.L * (block.C + (block.r * (1 + block.keys) + block.m if spec.projection_bias else 0))
    if spec.attention == "pairwise":
        normed, biases = pairs * (entering + block.r), biases + pairs * block.w + 2 * block.L
        differences = pairs * (2 + (block.r if spec.relation in ("subtraction", "summation") else 0))
    else:
        normed, biases = block.L * (entering + block.w), biases + pairs * block.w
        differences = pairs * block.r if spec.relation == "subtraction" else 0
    return 3 * (block.L * (block.C + block.m) + normed) + biases + differences
