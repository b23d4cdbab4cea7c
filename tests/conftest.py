"""Fixtures that several rooms share. Property tests draw the same cases each time; ATTNREPRO_RANDOM=1 draws others."""

import os
import random
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
settings.register_profile("random")
settings.load_profile("random" if os.environ.get("ATTNREPRO_RANDOM") == "1" else "fixed")


@pytest.fixture
def smoke() -> dict[str, Any]:
    """Recipes of Table 3 at smoke."""
    from tests.golden.cases import recipes

    return recipes("hierarchical")


@pytest.fixture
def paper() -> dict[str, Any]:
    """Recipes of Table 3 at the paper's budget."""
    from tests.golden.cases import recipes

    return recipes("hierarchical", budget="paper")


@pytest.fixture(scope="module")
def content() -> Any:
    """What the report is made of."""
    from figures.report.content import gather

    return gather()


@pytest.fixture(scope="module")
def pictures(content: Any) -> Any:
    """The report's pictures."""
    from figures.report.drawings import list_pictures

    return list_pictures(content)


DRAW = "ATTNREPRO_DRAW"  # the seed of what is drawn from large products of cases; ATTNREPRO_FULL=1 runs them whole


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed once, before workers start, which take it from the environment."""
    os.environ.setdefault(DRAW, str(random.randrange(10**6)))


def pytest_report_header() -> str:
    """Say how to draw the same cases again."""
    return f"large products of cases are drawn from with {DRAW}={os.environ[DRAW]}; ATTNREPRO_FULL=1 runs all"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep ``draw`` cases of each test that is marked ``product(draw)``, the same in every worker."""
    if os.environ.get("ATTNREPRO_FULL") == "1":
        return
    products: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("product"):
            products.setdefault(item.nodeid.partition("[")[0], []).append(item)
    dropped: set[pytest.Item] = set()
    for name, cases in products.items():
        mark = cases[0].get_closest_marker("product")
        assert mark is not None
        kept = random.Random(f"{os.environ[DRAW]} {name}").sample(cases, min(mark.args[0], len(cases)))
        dropped |= set(cases) - set(kept)
    if dropped:
        config.hook.pytest_deselected(items=[item for item in items if item in dropped])
        items[:] = [item for item in items if item not in dropped]
