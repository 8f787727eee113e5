"""`stockkeeper doctor` as an operator runs it: on an installation that is well, and on one in trouble."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, make_url
from temporalio.client import Client
from typer.testing import Result

from database.migrate import newest_revision
from database.sessions import Database, connect
from devstack import doctor_temporal
from devstack.processes import LOOPBACK, free_port
from devstack.stack import StackInfo
from tests.support.doctor import Doctor, doctor_of
from tests.support.schedules import SCHEDULES, forget_schedules
from tests.support.shop import new_reference
from worker import Settings, working

CHECKS = [
    *("versions", "settings", "secret_files", "encryption", "notices", "identity"),
    *("database", "role", "durability", "connections", "database_clock", "schema", "events"),
    *("temporal", "temporal_clock", "retention", "search_attributes", "schedules"),
    *("task_queue", "bulk_queue", "events_queue", "worker", "standalone_activities"),
]
# The tests' servers forget what a power cut takes, their worker logs in as a superuser, and they have no schedules.
OF_THE_TESTS = {"durability", "role", "schedules"}


@pytest.fixture
async def doctor(stack: StackInfo, worker: None, our_client: Client) -> Doctor:
    """Runs the doctor in the environment of the session's worker, but for some variables."""
    del worker
    await forget_schedules(our_client)
    return doctor_of(stack)


def found_in(result: Result) -> dict[str, Any]:
    """The checks by their names, in order; exit status 1 if one has failed."""
    checks = json.loads(result.stdout)["checks"]
    assert all([*each] == ["name", "ok", "detail", "advice"] for each in checks)
    assert (result.exit_code, result.stderr) == (0 if all(each["ok"] for each in checks) else 1, "")
    return {each["name"]: each for each in checks}


def wrong(found: dict[str, Any]) -> set[str]:
    """The names of those that have failed."""
    return {name for name, each in found.items() if not each["ok"]}


async def test_every_part_is_looked_at(doctor: Doctor, stack: StackInfo, engine: Engine) -> None:
    with engine.connect() as connection:
        others = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        ).scalar_one()
    found = found_in(await doctor("--json"))
    assert [*found] == CHECKS
    assert wrong(found) == OF_THE_TESTS
    assert found["settings"]["detail"] == "all variables are known, and their values make sense"
    assert found["schema"]["detail"] == f"revision {newest_revision()}, which serves this version"
    assert found["role"]["detail"] == (
        "a worker acts as stockkeeper_worker; but it logs in as postgres, a superuser, and may go back to that"
    )
    assert found["durability"]["detail"].endswith(": fsync is off, full_page_writes is off")
    # Those of another user, the owner, count as well: the doctor acts as the worker's role.
    in_use = int(found["connections"]["detail"].partition(" in use, ")[0])
    assert others > 1
    assert in_use >= others
    assert found["schedules"] == {
        "name": "schedules",
        "ok": False,
        "detail": f"missing: {', '.join(SCHEDULES)}",
        "advice": "run `stockkeeper setup`",
    }
    assert found["temporal"]["detail"].endswith(f" at {stack.temporal_address}, namespace {stack.namespace}")
    assert found["task_queue"]["detail"].startswith("asked for work by ")
    assert found["bulk_queue"]["detail"].startswith("asked for bulk work by ")
    assert found["events_queue"]["detail"].startswith("asked for questions about events by ")
    assert found["worker"]["detail"].startswith("a worker has answered a question in ")
    assert found["standalone_activities"]["detail"] == "on: questions go by them"
    assert found["notices"]["advice"] == (
        "set STOCKKEEPER_NOTICE_URLS and STOCKKEEPER_SUPPLIER_NOTICE_URLS, for the workers"
    )


async def test_a_person_reads_what_is_wrong_and_what_to_do(doctor: Doctor) -> None:
    told = await doctor()
    assert (told.exit_code, told.stderr) == (1, "")
    assert told.stdout.splitlines()[-1] == "wrong: role, durability, schedules"
    [line] = [line for line in told.stdout.splitlines() if line.split()[:1] == ["schedules"]]
    assert line.split()[1:3] == ["wrong", "missing:"]
    assert "run `stockkeeper setup`" in told.stdout


async def test_a_setting_that_is_misspelt_or_wrong_keeps_nothing_from_being_looked_at(doctor: Doctor) -> None:
    wrongly = {"STOCKKEEPER_NOTICE_URL": "json://s3cret", "STOCKKEEPER_CONCURRENCY": "s3cret"}
    result = await doctor("--json", **wrongly)
    found = found_in(result)
    assert ([*found], wrong(found)) == (CHECKS, OF_THE_TESTS | {"settings"})
    assert found["settings"]["detail"] == (
        "STOCKKEEPER_NOTICE_URL isn't a setting of Stockkeeper; did you mean STOCKKEEPER_NOTICE_URLS?; "
        "STOCKKEEPER_CONCURRENCY: Input should be a valid integer, unable to parse string as an integer"
    )
    assert "s3cret" not in result.stdout


async def test_servers_that_are_away_are_one_finding_each(doctor: Doctor, stack: StackInfo) -> None:
    nobody = f"{LOOPBACK}:{free_port()}"
    url = make_url(stack.database_url).set(port=free_port())
    found = found_in(
        await doctor("--json", DATABASE_URL=url.render_as_string(hide_password=False), TEMPORAL_ADDRESS=nobody)
    )
    assert [*found] == [
        "versions",
        "settings",
        "secret_files",
        "encryption",
        "notices",
        "identity",
        "database",
        "temporal",
    ]
    assert wrong(found) == {"database", "temporal"}
    assert found["temporal"]["detail"] == f"no Temporal server answers at {nobody}"
    assert found["database"]["detail"].startswith(f"no PostgreSQL answers at {LOOPBACK}:{url.port} to {url.username}: ")
    assert str(url.password) not in json.dumps(found)


async def test_without_a_database_that_is_the_finding(doctor: Doctor) -> None:
    found = found_in(await doctor("--json", DATABASE_URL=""))
    assert wrong(found) == {"database", "schedules"}
    assert found["database"]["detail"] == "DATABASE_URL isn't set"


async def test_a_task_queue_without_a_worker_is_told_and_nothing_is_left_running(
    doctor: Doctor, our_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_temporal, "ANSWERS_WITHIN", timedelta(seconds=1))
    queue = new_reference("queue")
    found = found_in(await doctor("--json", STOCKKEEPER_TASK_QUEUE=queue))
    assert ([*found], wrong(found)) == (CHECKS, OF_THE_TESTS | {"task_queue", "worker"})
    assert found["task_queue"]["detail"] == f"no worker asks task queue {queue} for work"
    assert found["worker"]["detail"] == "no worker has answered a question within 1 s"
    running = our_client.list_workflows(f'TaskQueue="{queue}" AND ExecutionStatus="Running"')
    assert [run.id async for run in running] == []


async def test_a_worker_that_cannot_answer_says_why(doctor: Doctor, stack: StackInfo, our_client: Client) -> None:
    """Its database is away: the doctor's own may answer."""
    queue = new_reference("queue")
    url = make_url(stack.database_url).set(port=free_port()).render_as_string(hide_password=False)
    away = Database(connect(url, pool_size=2))
    async with working(our_client, away, Settings(task_queue=queue)):
        found = found_in(await doctor("--json", STOCKKEEPER_TASK_QUEUE=queue))
    assert wrong(found) == OF_THE_TESTS | {"worker"}
    assert found["worker"]["detail"].startswith("a worker couldn't answer a question: DatabaseAway: ")
