"""Fixtures that several modules share: recipes of a table, and what the report is made of."""

import pytest

from figures.report.content import gather
from figures.report.drawings import list_pictures
from tests.golden.cases import recipes


@pytest.fixture
def smoke():
    return recipes("hierarchical")


@pytest.fixture
def paper():
    return recipes("hierarchical", budget="paper")


@pytest.fixture(scope="module")
def content():
    return gather()


@pytest.fixture(scope="module")
def pictures(content):
    return list_pictures(content)
