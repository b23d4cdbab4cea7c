"""A run's curve for TensorBoard, beside its checkpoints, for those who have it installed (an extra).

with open_board(run.folder) as show:
    show({"epoch": 1, "train_loss": 2.3, "test_top1": 0.1})

tensorboard --logdir results
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from reproduce.errors import UserError

NAME = "tensorboard"
Show = Callable[[Mapping[str, float | None]], None]


def check_board() -> None:
    """Raise UserError where TensorBoard is not installed."""
    from importlib.util import find_spec

    if find_spec("tensorboard") is None:
        raise UserError(
            "TensorBoard is not installed", "pip install 'attnrepro[tensorboard]', or leave --tensorboard out"
        )


@contextmanager
def open_board(folder: Path) -> Iterator[Show]:
    """Yield what takes a line of the curve; a run that goes on replaces the epochs that it does again."""
    from torch.utils.tensorboard import SummaryWriter

    writer: SummaryWriter | None = None

    def show(line: Mapping[str, float | None]) -> None:
        nonlocal writer
        epoch = int(line["epoch"] or 0)
        if writer is None:
            writer = SummaryWriter(str(folder / NAME), purge_step=epoch)
        for name, value in line.items():
            if name != "epoch" and value is not None:
                writer.add_scalar(name, value, epoch)
        writer.flush()

    try:
        yield show
    finally:
        if writer is not None:
            writer.close()
