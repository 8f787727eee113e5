"""What several files here begin with."""

from pathlib import Path

import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from devstack.stack import StackInfo
from tests.imports import Imports


@pytest.fixture
def imports(our_client: Client, worker: None, stack: StackInfo, tmp_path: Path, engine: Engine) -> Imports:
    """Somebody with files, and a worker at the other end."""
    del worker
    return Imports(our_client, stack.task_queue, tmp_path, engine)
