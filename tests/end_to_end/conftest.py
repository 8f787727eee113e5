"""What several files here begin with."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from temporalio.client import Client
from typer.testing import CliRunner, Result

from database.sessions import Database
from devstack.stack import StackInfo
from starter.cli.app import app
from starter.cli.output import err, out
from stockkeeper.domain.stock import ItemKey
from tests.support.commands import Command
from tests.support.import_file import Imports
from tests.support.purchase_order import Branch
from tests.support.replenishment import Reorders, nobody_else_orders
from tests.support.several_databases import Both, two_databases
from tests.support.shop import Shop
from tests.support.stock_audit import Apart, apart_from_others
from worker import Settings


@pytest.fixture(autouse=True, scope="session")
def _on_a_wide_screen() -> None:
    """What commands print is not folded, however wide the terminal is in which the tests run."""
    out.width = err.width = 200


@pytest.fixture
def item(shop: Shop) -> ItemKey:
    """An item of which there are four units."""
    return shop.item(4)


@pytest.fixture
def imports(our_client: Client, worker: None, stack: StackInfo, tmp_path: Path, engine: Engine) -> Imports:
    """Somebody with files, and a worker at the other end."""
    del worker
    return Imports(our_client, stack.task_queue, tmp_path, engine)


@pytest.fixture
async def alone(engine: Engine, reorders: Reorders) -> AsyncIterator[None]:
    """No other test's items are below their point, and no other run orders."""
    async with nobody_else_orders(engine, reorders):
        yield


@pytest.fixture(scope="package")
async def apart(engine: Engine, settings: Settings, our_client: Client, plain_client: Client) -> AsyncIterator[Apart]:
    """Where nobody else is."""
    async with apart_from_others(engine, settings, our_client, plain_client) as place:
        yield place


@pytest.fixture
def branch(plain_client: Client, our_client: Client, database: Database, settings: Settings) -> Branch:
    """Procurement with a task queue of its own, where nobody works yet."""
    return Branch(plain_client, our_client, database, settings)


@pytest.fixture
def command(stack: StackInfo, worker: None) -> Command:
    """Runs one command as a person would, in a thread of its own: it brings its own event loop."""
    del worker
    environment = {
        "TEMPORAL_ADDRESS": stack.temporal_address,
        "TEMPORAL_NAMESPACE": stack.namespace,
        "STOCKKEEPER_TASK_QUEUE": stack.task_queue,
    }

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env=environment)

    return run


@pytest.fixture(scope="package")
async def both(tmp_path_factory: pytest.TempPathFactory, settings: Settings, our_client: Client) -> AsyncIterator[Both]:
    """Two databases, each with a worker."""
    async with two_databases(tmp_path_factory.mktemp("databases"), settings, our_client) as both:
        yield both
