"""What the faults happen to."""

from collections.abc import Callable
from pathlib import Path

import pytest
from temporalio.client import Client

from devstack.stack import StackInfo
from tests.faults.workplace import Workplace
from tests.support.outages import Outages
from worker import Settings


@pytest.fixture
def workplace(
    stack: StackInfo, plain_client: Client, our_client: Client, settings: Settings, tmp_path: Path
) -> Callable[[], Workplace]:
    """Makes a new workplace at each call."""
    del our_client  # It registers the search attributes.
    return lambda: Workplace(stack, plain_client, settings, tmp_path)


@pytest.fixture
def outages(stack: StackInfo) -> Outages:
    """What can happen to the database."""
    return Outages(stack.database_url)
