"""Table 4 of the [Re] report: the hyper-parameters of every row, read off the recipes themselves; nothing is trained.

attnrepro table hyperparameters
"""

from reproduce.recipes.entry import Entry
from reproduce.recipes.paper_table import PaperTable

TABLE = PaperTable(
    name="hyperparameters",
    number=4,
    title="Hyperparameter configuration for all experiments",
    study="re",
    rows=(
        "resnet18",
        "quadratic",
        "learned",
        "learned-content",
        "learned-content-ha",
        "san-pair",
        "san-patch",
        "vit",
        "san-pair-ha",
        "san-patch-ha",
        "vit-ha",
    ),
    train=False,
)

ENTRIES: dict[str, Entry] = {}
