"""What a row of the ledger holds: its columns in order, and which of them are numbers. Imports nothing."""

COLUMNS: tuple[str, ...] = (
    "run_id",
    "row",
    "table",
    "budget",
    "variant",
    "scale",
    "dataset",
    "data_sha256",
    "recipe_sha256",
    "seed",
    "precision",
    "device",
    "epochs",
    "top1_last",
    "top1_best",
    "top1_val_selected",
    "top5_last",
    "loss_last",
    "params",
    "macs",
    "latency_ms",
    "train_seconds",
    "images_per_second",
    "peak_memory_mb",
    "torch",
    "cuda",
    "cupy",
    "git",
    "started",
    "status",
    "checkpoint",
    "test_images",  # of which the accuracies are shares
)
INTEGERS = frozenset({"seed", "epochs", "params", "macs", "test_images"})
NUMBERS = frozenset(
    {
        "top1_last",
        "top1_best",
        "top1_val_selected",
        "top5_last",
        "loss_last",
        "latency_ms",
        "train_seconds",
        "images_per_second",
        "peak_memory_mb",
    }
)
