"""What several files here begin with."""

from pathlib import Path

import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from database.sessions import Database
from devstack.stack import StackInfo
from tests.imports import Imports
from tests.purchasing import Branch
from worker import Settings


@pytest.fixture
def imports(our_client: Client, worker: None, stack: StackInfo, tmp_path: Path, engine: Engine) -> Imports:
    """Somebody with files, and a worker at the other end."""
    del worker
    return Imports(our_client, stack.task_queue, tmp_path, engine)


@pytest.fixture
def branch(plain_client: Client, our_client: Client, database: Database, settings: Settings) -> Branch:
    """Procurement with a task queue of its own, where nobody works yet."""
    return Branch(plain_client, our_client, database, settings)
