"""The client of a Python service, for the tests of this folder."""

import pytest
from temporalio.client import Client

from devstack.stack import StackInfo
from stockkeeper import Connection, Stockkeeper


@pytest.fixture
async def stock(our_client: Client, worker: None, stack: StackInfo) -> Stockkeeper:
    """A service's client, while a worker runs."""
    del worker
    return Stockkeeper(Connection(our_client, stack.task_queue))
