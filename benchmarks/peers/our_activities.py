"""Stockkeeper's activity layer: `reserve_stock` as the worker registers it, raw payload in and answer out."""

import dataclasses
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Engine
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

import worker
from benchmarks.peers.our_items import new_item, promised_units
from database.migrate import upgrade
from database.sessions import connect


class Short(Exception):
    """`InsufficientStock`."""


REFUSALS = (Short,)
_CALLERS = 16
_engine: Engine
_reserve: Callable[[dict[str, Any]], Any]


def prepare(settings: dict[str, str]) -> None:
    """Migrate the database."""
    engine = connect(settings["url"])
    upgrade(engine)
    engine.dispose()


def open(settings: dict[str, str]) -> None:  # noqa: A001 the name that all adapters have
    """Build what a worker builds, with a connection for each caller."""
    global _engine, _reserve  # noqa: PLW0603 one database a process
    configured = worker.Settings(database_url=SecretStr(settings["url"]), concurrency=_CALLERS)
    database = worker.build_database(configured)
    _engine = database.engine
    registered = worker.activities_of(*worker.build_steps(database, configured))
    [_reserve] = [each for each in registered if each.__name__ == "reserve_stock"]


def stock(units: int) -> int:
    """A product; its id."""
    return new_item(_engine, units)


def hold(item: int) -> None:
    """One order of one unit."""
    reference = uuid.uuid4().hex
    now = datetime.now(UTC)
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(
        environment.info, activity_type="reserve_stock", workflow_id=f"reservation-{reference}"
    )
    step = {
        "operation_id": f"reservation-{reference}/reserve",
        "reference_type": "ORDER",
        "reference_id": reference,
        "performed_by": "shop",
        "as_of": now.isoformat(),
        "expires_at": (now + timedelta(minutes=30)).isoformat(),
        "lines": [{"product_id": item, "warehouse_id": 1, "quantity": 1}],
    }
    try:
        environment.run(_reserve, step)
    except ApplicationError as error:
        if error.type == "InsufficientStock":
            raise Short(error.message) from None
        raise


def promised(item: int) -> int:
    """Units reserved."""
    return promised_units(_engine, item)
