"""Claims that files, closed forms and small computations answer: each against another way to the same number."""

import pytest

from paper_tables.claims.assess import assess
from paper_tables.claims.studies import augmented, ece176, operators, re_structure
from paper_tables.claims.studies.registry import STUDIES
from paper_tables.measured import read_counts
from reproduce.errors import UserError
from reproduce.record import evaluations
from tests.golden.cases import EMPTY


def test_closed_forms_are_the_counts_of_the_networks():
    counts = read_counts()
    for row, by_depth in re_structure.DEPTHS.items():
        assert counts[row, "described"]["params"] in by_depth
    # a bottleneck of the hierarchical SAN, its projections without bias: 256 channels, r = 16, 8 weights, 3x3
    for pairwise, whole in ((True, 42_354), (False, 44_120)):
        rest = 2 * 256 + 2 * 256 * 16 + 256 * 64 + 2 * 64 + 64 * 256 + 256
        assert operators.count_mapping(16, 8, 3, pairwise) + rest == whole
    assert (augmented.measure_field(augmented._SIMPLE), augmented.measure_field(augmented._WIDE)) == (21, 101)
    assert ece176.count_convolutions(True, 7, 0) == 50
    assert ece176.count_convolutions(False, 10, 5) == 66
    # crossovers: 16, 32 and 102.4 positions
    for _, n, dk, dv, heads in augmented.LAYERS:
        crossover = 2 * dk * dv / (heads * (dk + dv))
        assert crossover in (16.0, 32.0, 102.4)
        assert (augmented.count_quadratic(n, dk, dv, heads) > augmented.count_linear(n, dk, dv, heads)) == (
            n > crossover
        )


def test_official_weights_are_held_against_the_paper(tmp_path, monkeypatch):
    monkeypatch.setattr("paper_tables.claims.measured_files.MEASURED", tmp_path)
    study = STUDIES["san-review"]
    path = tmp_path / "evaluations.csv"
    found = dict.fromkeys(evaluations.COLUMNS, "") | {"row": "san10-pair", "dataset": "imagenet", "images": 50_000}
    found |= {"eval_mode": "eval", "precision": "fp32", "equalised": False}
    for top1, word in ((0.7493, "holds"), (0.7479, "fails")):
        evaluations.record(found | {"top1": top1}, path)
        parts = assess(study, EMPTY, only="san-1", local=False).claims[0].ours.parts
        assert [part.word for part in parts] == [word, *["not run"] * 5]
    for other in ({"precision": "bf16"}, {"eval_mode": "train"}, {"dataset": "shapes"}, {"equalised": True}):
        evaluations.record(found | {"top1": 0.7493} | other, path)
    parts = assess(study, EMPTY, only="san-1", local=False).claims[0].ours.parts
    assert parts[0].word == "fails"  # as before: those speak of something else
    path.unlink()
    evaluations.record(found | {"top1": 0.75, "images": 4}, path)
    few = assess(study, EMPTY, only="san-1", local=False).claims[0].ours.parts[0]
    assert (few.word, few.reason) == ("not run", "san10-pair was evaluated on 4 images, not on all 50,000")
    path.write_bytes(path.read_bytes().replace(b"0.75", b"0.76"))
    with pytest.raises(UserError, match="evaluations"):
        assess(study, EMPTY, only="san-1", local=False)


def test_the_scenes_are_counted_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path))
    study = STUDIES["san-review"]
    assert assess(study, EMPTY, only="san-8").claims[0].ours.word == "not run"
    for split, count in (("train", 13_600), ("test", 2_600), ("pred", 6_400)):
        folder = tmp_path / "intel-scenes" / f"seg_{split}" / f"seg_{split}" / "sea"
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"{number}.jpg").touch()
    words = [part.word for part in assess(study, EMPTY, only="san-8").claims[0].ours.parts]
    assert words == ["holds", "holds", "fails"]
    assert assess(study, EMPTY, only="san-8", local=False).claims[0].ours.word == "not run"


def test_sizes_by_depth_are_those_of_the_built_models():
    """C16 reads committed counts; here every one of the models is built and counted."""
    from dataclasses import replace

    from reproduce.models.networks import build, count_parameters
    from reproduce.recipes.registry import resolve

    for row, counts in re_structure.DEPTHS.items():
        model = resolve(row).model
        if row.startswith("san"):
            deep = [{"widths": model.widths[:1] * n, "kernels": model.kernels[:1] * n} for n in range(1, 7)]
        else:
            deep = [{"depth": depth} for depth in range(2, 13)]
        assert tuple(count_parameters(build(replace(model, **change))) for change in deep) == counts, row
        assert resolve(row).sha256()  # the row that a user types
    assert len(set(re_structure.DEPTHS["vit-ha"])) == 1


def test_measured_slopes_come_from_the_benchmark(tmp_path, monkeypatch):
    monkeypatch.setattr("paper_tables.claims.measured_files.MEASURED", tmp_path)
    study = STUDIES["augmented"]
    assert assess(study, EMPTY, only="aa-1d").claims[0].ours.word == "not run"
    (tmp_path / "bench").mkdir()
    for session in (1, 2, 3):
        lines = [
            f"wide-g1,{form},{n},{session * (n / 64) ** power},{n**power}\n"
            for form, power in (("full", 2 - session / 100), ("linear", 1))
            for n in (64, 256, 1024, 4096)
        ]
        (tmp_path / "bench" / f"complexity-{session}.csv").write_text("layer,form,tokens,ms,peak_mb\n" + "".join(lines))
    found = assess(study, EMPTY, only="aa-1d").claims[0].ours
    assert found.word == "holds"
    assert found.parts[0].outcome.effect == pytest.approx(1.98)
    for session in (2, 3):
        (tmp_path / "bench" / f"complexity-{session}.csv").unlink()
    assert assess(study, EMPTY, only="aa-1d").claims[0].ours.word == "undecided"


def test_broken_files_are_named(tmp_path):
    assert read_counts(tmp_path / "none.csv") == {}
    path = tmp_path / "structure.csv"
    path.write_text("row,variant,params\nvit,described,many\n")
    with pytest.raises(UserError, match="cannot be read"):
        read_counts(path)


def test_convolution_is_told_from_what_is_rotation_invariant():
    """The same computation with a kernel that is symmetric under the turn finds nothing that changes."""
    import numpy as np
    from scipy.signal import correlate

    holds, change = re_structure.turn_image(lacks=True)
    assert holds
    assert change > 0.1
    assert not re_structure.turn_image(lacks=False)[0]
    ring, image = np.array([[1.0, 2, 1], [2, 5, 2], [1, 2, 1]]), np.random.default_rng(4).normal(size=(9, 9))
    straight, turned = (correlate(x, ring, mode="valid", method="direct") for x in (image, np.rot90(image)))
    assert np.abs(turned - np.rot90(straight)).max() < 1e-12


def test_what_is_kept_for_the_backward_pass_grows_with_depth():
    """The closed form of C32 against what autograd keeps in models of 2, 3 and 4 shared layers."""
    from dataclasses import replace

    import torch

    from reproduce.models.networks import build
    from reproduce.recipes.registry import resolve

    settings, kept = resolve("learned-content-ha").model, {}
    for depth in (2, 3, 4):
        model, total, seen = build(replace(settings, depth=depth)).train(), [0], set()

        def pack(tensor, total=total, seen=seen):
            if tensor.untyped_storage().data_ptr() not in seen and not isinstance(tensor, torch.nn.Parameter):
                seen.add(tensor.untyped_storage().data_ptr())
                total[0] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            out = model(torch.zeros(1, 3, 32, 32))
        kept[depth] = total[0]
        del out
    grown = kept[4] - kept[3]
    assert grown == pytest.approx(kept[3] - kept[2], rel=0.02)  # so much more per layer
    closed = re_structure.keep_hierarchical(4) - re_structure.keep_hierarchical(3)
    assert closed <= grown <= 3 * closed


def test_locality_saves_in_proportion_to_the_neighbours():
    assert operators.count_attention(56**2, 49, 64) == (2 * 56**2 * 49 * 64, 56**2 * 49)
    assert operators._localises(56) == (True, 64.0)
    assert operators._localises(14) == (False, 4.0)
    assert operators.count_convolution(3, 64) == 36_864


def test_the_scenes_sizes_and_classes_are_read(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path))
    study = STUDIES["san-review"]
    words = [part.word for part in assess(study, EMPTY, only="san-8b").claims[0].ours.parts]
    assert words == ["holds", "not run", "not run"]
    for number, name in enumerate(("sea", "street", "forest", "glacier", "mountain", "buildings")):
        folder = tmp_path / "intel-scenes" / "seg_train" / "seg_train" / name
        folder.mkdir(parents=True)
        Image.new("RGB", (150, 150 if number else 149)).save(folder / "1.jpg")
    words = [part.word for part in assess(study, EMPTY, only="san-8b").claims[0].ours.parts]
    assert words == ["holds", "fails", "holds"]
    (folder / "1.jpg").write_bytes(b"no image")
    damaged = assess(study, EMPTY, only="san-8b").claims[0].ours.parts[1]
    assert (damaged.word, damaged.reason) == ("not run", "1.jpg of the Intel scenes cannot be read")
