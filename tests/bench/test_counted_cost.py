"""Bytes and operations of SAN's layers, counted against what was worked out by hand."""

import pytest

from reproduce.bench import kernels, san
from reproduce.bench.counted_cost import Layer, count, count_block_rest, eager_bytes, saved_bytes

# SAN10 at 224 pixels, batch 64, counted by hand: pairs (M), subtraction2's output, r + w of the softmax, aggregation,
# pairwise by plain operators (GB), phi + psi + beta + y (MB), FLOPs of gamma and aggregation (G), saved; patchwise.
STAGES = [
    (7.2, 0.116, 0.116, 0.161, 2.44, 128, 0.7, 0.64, 1.34, 0.33),
    (9.8, 0.629, 0.629, 0.417, 10.83, 128, 9.4, 2.99, 5.96, 1.61),
    (2.5, 0.315, 0.315, 0.209, 5.26, 64, 8.5, 1.46, 2.98, 0.81),
    (0.61, 0.157, 0.157, 0.104, 2.59, 32, 8.0, 0.72, 1.49, 0.40),
    (0.15, 0.079, 0.079, 0.052, 1.28, 16, 7.8, 0.36, 0.75, 0.20),
]


# Whole networks, counted by hand: relation path by plain operators eval | train, as designed here eval | train (GB),
# its FLOPs (G), what plain operators save (GB), the rest of the blocks (GB | GFLOP).
NETWORKS = {
    ("san10-pair", 64): (37.9, 111.7, 0.66, 14.9, 67.7, 10.4, 13.3, 140),
    ("ece176-proposed-pair", 512): (80.6, 236, 1.17, 29.1, 39.7, 22.1, 23.7, 75),
    ("san15-pair-scenes", 64): (25.4, 75.1, 0.44, 10.0, 41.4, 7.0, 8.9, None),
    ("san-pair-ha", 40): (3.42, 10.1, 0.21, 2.2, 2.8, 0.90, 4.2, None),
    ("san10-patch", 64): (21.3, 57.7, 2.9, 7.7, 35.4, None, 13.3, 140),
    ("ece176-proposed-patch", 512): (42.4, 114.7, 5.7, 14.2, 22.3, None, 23.7, 75),
    ("san15-patch-scenes", 64): (14.3, 38.6, 2.0, 5.1, None, None, 8.9, None),
}


def close(found, printed, digits=0.5):
    """``found`` equals a number as printed: within 2 % or half its last digit, whichever is more."""
    text = str(printed)
    last = 10.0 ** -(len(text.split(".")[1]) if "." in text else 0)
    assert found == pytest.approx(printed, rel=0.02, abs=digits * last + 1e-12)


@pytest.mark.parametrize("stage", range(5))
def test_layers_are_counted_as_by_hand(stage):
    layer = kernels.list_layers("cuda")[f"san10-stage{stage}"]
    pairs, minus, softmax, aggregate, pair, maps, flops, pair_saved, patch, patch_saved = STAGES[stage]
    close(layer.pairs / 1e6, pairs)
    close((count("subtraction2", layer, "eval").bytes - 8 * layer.pixels * layer.relation) / 1e9, minus)
    close(8 * layer.pairs * layer.shared / 1e9, softmax)
    close(count("aggregation", layer, "eval").bytes / 1e9, aggregate)
    close(eager_bytes("pairwise", layer, "eval") / 1e9, pair)
    close(count("pairwise", layer, "eval").bytes / 1e6, maps)
    close(count("pairwise", layer, "eval").flops / 1e9, flops)
    close(saved_bytes("pairwise", layer) / 1e9, pair_saved)
    close(eager_bytes("patchwise", layer, "eval") / 1e9, patch)
    close(saved_bytes("patchwise", layer) / 1e9, patch_saved)


def test_one_layer_by_hand():
    layer = Layer(batch=2, side=5, kernel=3, channels=64, relation=4, mid=16, shared=2)
    assert (layer.pixels, layer.pairs, layer.maps) == (50, 450, 50 * 40)
    assert count("subtraction2", layer, "eval") == (4 * (450 * 4 + 2 * 50 * 4), 450 * 4)
    assert count("aggregation", layer, "train") == (4 * (3 * 450 * 2 + 5 * 50 * 16), 6 * 450 * 16)
    assert count("pairwise", layer, "eval") == (4 * 2000, 2 * 450 * (6 * 4 + 4 * 2 + 16))
    assert count("pairwise", layer, "train").bytes == 4 * (5 * 450 * 4 + 6 * 2000)
    assert count("patchwise", layer, "eval") == (4 * (2 * 50 * 18 + 2 * 50 * 2 + 2000), 2 * 50 * (80 + 36 + 144))
    assert count_block_rest(layer, "eval").flops == 2 * 50 * 64 * (4 + 4 + 16 + 16)


@pytest.mark.parametrize(("row", "batch"), NETWORKS)
def test_networks_are_counted_as_by_hand(row, batch):
    spec, _ = san.list_networks()[row]
    layers = [layer for layer, blocks in san.list_layers(spec, batch) for _ in range(blocks)]
    kind = spec.attention
    found = (
        sum(eager_bytes(kind, layer, "eval") for layer in layers),
        sum(eager_bytes(kind, layer, "train") for layer in layers),
        sum(count(kind, layer, "eval").bytes for layer in layers),
        sum(count(kind, layer, "train").bytes for layer in layers),
        sum(count(kind, layer, "eval").flops for layer in layers),
        sum(saved_bytes(kind, layer) for layer in layers),
        sum(count_block_rest(layer, "eval").bytes for layer in layers),
        sum(count_block_rest(layer, "eval").flops for layer in layers),
    )
    for value, printed in zip(found, NETWORKS[row, batch], strict=True):
        if printed is not None:
            close(value / 1e9, printed)


OFFICIAL = {"san10": (2.044, 1.791), "san15": (2.859, 2.478), "san19": (3.636, 3.130)}


@pytest.mark.parametrize(("row", "gmacs"), [(f"{n}-{k}", g) for n, pair in OFFICIAL.items() for k, g in
                                            zip(("pair", "patch"), pair, strict=True)])  # fmt: skip
def test_multiply_accumulates_of_the_official_networks(row, gmacs):
    cost, _ = san.count_network(san.list_networks()[row][0], 1, "eval")
    assert cost.flops / 2e9 == pytest.approx(gmacs, abs=0.0015)
