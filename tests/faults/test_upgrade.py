"""Open runs go from one version of the workers to the next and back, and no workflow task fails."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url
from temporalio.client import Client
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from database.migrate import require_schema, upgrade
from database.sessions import connect
from devstack.stack import StackInfo
from stockkeeper.contracts.converter import DATA_CONVERTER
from tests.faults.upgrade.next_version import AT_FIRST, AT_LAST
from tests.faults.upgrade.upgrade import NEWER_REVISION, ON_HAND, V1, V2, Upgrade
from tests.support.auditor import assert_books_agree, auditors_engine
from worker import WORKFLOW_RUNNER, WORKFLOWS

OPEN = 12


@pytest.fixture
def own_database(stack: StackInfo, engine: Engine, our_client: Client) -> Iterator[StackInfo]:
    """The session's Temporal, with a database that a newer version may migrate."""
    del our_client  # It registers the search attributes.
    name = f"upgraded_{uuid.uuid4().hex[:12]}"
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = make_url(stack.database_url).set(database=name).render_as_string(hide_password=False)
    yield replace(stack, database_url=url)
    with autocommit.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


async def test_open_holds_go_to_the_next_version_and_back_under_load(
    own_database: StackInfo, plain_client: Client, tmp_path: Path
) -> None:
    engine, auditor = connect(own_database.database_url, pool_size=10), auditors_engine(own_database.database_url)
    upgrade(engine)
    upgraded = Upgrade(own_database, engine, plain_client, tmp_path, senders=4)
    figures = await upgraded.run(OPEN, commands=10)

    on_v1, on_v2, on_v1_again = figures.stretches
    assert figures.not_completed["failed"] == 0
    assert [each.current for each in figures.stretches] == [V1, V2, V1]
    assert (on_v1.tasks[V2], min(on_v1.tasks[V1], on_v2.tasks[V2], on_v1_again.tasks[V1]) > 0) == (0, True)
    # v2 has begun the change and v1 has not, which has gone on with it.
    assert 0 < figures.changed[AT_FIRST] < figures.shipped + OPEN
    assert 0 < figures.changed[AT_LAST] < figures.shipped
    assert upgraded.levels() == {"held": (ON_HAND, OPEN), "sold": (ON_HAND - figures.shipped, 0)}
    assert await upgraded.open_runs(OPEN) == OPEN
    assert require_schema(engine) == NEWER_REVISION
    status, last_line = await upgraded.without_a_version()
    assert (status, "this one, without a version, gets none: set STOCKKEEPER_BUILD_ID" in last_line) == (1, True)
    assert_books_agree(auditor)
    engine.dispose()
    auditor.dispose()
    await _is_seen_by_a_version_that_does_not_know_it(upgraded)


async def _is_seen_by_a_version_that_does_not_know_it(upgraded: Upgrade) -> None:
    """What the count of failed tasks would see: a version that neither begins the change nor understands it."""
    replayer = Replayer(workflows=WORKFLOWS, data_converter=DATA_CONVERTER, workflow_runner=WORKFLOW_RUNNER)
    replayed = await replayer.replay_workflow(await upgraded.a_changed_run(), raise_on_replay_failure=False)
    assert isinstance(replayed.replay_failure, NondeterminismError)
