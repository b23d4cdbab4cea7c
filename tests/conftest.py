"""Fixtures that several rooms share. Property tests draw the same cases each time; ATTNREPRO_RANDOM=1 draws others."""

import os
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
