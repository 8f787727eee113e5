"""What the doctor makes of what it has found: of each part when it is well, and when it isn't."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.common import WorkerDeploymentVersion

from activities.standing import Routing
from database.about import Facts
from database.homes import Several
from devstack.doctor import encryption, secret_files
from devstack.doctor_database import judged, judged_several
from devstack.doctor_temporal import (
    Poller,
    judged_bulk_pollers,
    judged_events_pollers,
    judged_pollers,
    judged_retention,
    judged_schedules,
    judged_version,
)
from starter.checks import Check, Reading
from starter.schedules import ScheduleShown

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WELL = Facts(
    version="18.4",
    version_number=180_004,
    database="stock",
    logged_in_as="robot",
    acts_as="robot",
    superusers=frozenset(),
    rewriters={},
    unsafe={},
    is_standby=False,
    connections=40,
    connections_left=57,
    asked=NOON,
    clock=NOON + SECOND / 2,
    answered=NOON + SECOND,
)
BOTH = ("stock_movements", "transit_movements")


def database_checks(is_ours: bool = False, **other: Any) -> dict[str, Check]:
    """The checks of a database that is well but for this."""
    found = {each.name: each for each in judged(replace(WELL, **other), connections=21, is_ours=is_ours)}
    assert [*found] == ["database", "role", "durability", "connections", "database_clock"]
    return found


def test_a_database_that_is_well_needs_no_advice() -> None:
    assert {name: (each.ok, each.detail, each.advice) for name, each in database_checks().items()} == {
        "database": (True, "PostgreSQL 18.4, database stock as robot", ""),
        "role": (True, "a worker acts as robot, which can't change the ledger's past", ""),
        "durability": (True, "what is committed survives a crash and a power cut", ""),
        "connections": (True, "40 in use, 57 left; a worker takes 21", ""),
        "database_clock": (True, "PostgreSQL's clock and this machine's agree", ""),
    }


@pytest.mark.parametrize(
    ("facts", "name", "detail"),
    [
        ({"version": "13.9", "version_number": 130_009}, "database", "PostgreSQL 13.9, database stock as robot"),
        (
            {"is_standby": True},
            "database",
            "PostgreSQL 18.4, database stock as robot: a standby, which takes no writes",
        ),
        (
            {"unsafe": {"fsync": "off", "synchronous_commit": "off"}},
            "durability",
            "a crash or a power cut may lose what was committed: fsync is off, synchronous_commit is off",
        ),
        ({"connections_left": 0}, "connections", "40 in use, 0 left; a worker takes 21"),
        (
            {"clock": NOON - SECOND * 2.5},
            "database_clock",
            "PostgreSQL's clock is 2.5 s behind this machine's",
        ),
        ({"superusers": frozenset({"robot"})}, "role", "a worker acts as robot, a superuser"),
        (
            {"rewriters": {"robot": BOTH}},
            "role",
            "a worker acts as robot, which may change the past of stock_movements and transit_movements",
        ),
        (
            {"logged_in_as": "boss", "rewriters": {"boss": BOTH[:1]}},
            "role",
            (
                "a worker acts as robot; but it logs in as boss, which may change the past of stock_movements, and may "
                "go back to that"
            ),
        ),
    ],
)
def test_a_fault_of_the_database_is_one_check_with_advice(facts: Mapping[str, Any], name: str, detail: str) -> None:
    found = database_checks(**facts)
    assert {each.name for each in found.values() if not each.ok} == {name}
    assert (found[name].detail, found[name].advice != "") == (detail, True)


def test_what_is_right_and_could_be_better_is_a_note() -> None:
    few = database_checks(connections_left=20)["connections"]
    assert (few.ok, few.advice) == (True, "raise max_connections before you start another worker")
    facts: dict[str, Any] = {
        "logged_in_as": "postgres",
        "superusers": frozenset({"postgres"}),
        "rewriters": {"postgres": BOTH},
    }
    assert database_checks(**facts)["role"].ok is False
    role = database_checks(is_ours=True, **facts)["role"]
    assert (role.ok, role.detail, role.advice) == (
        True,
        "a worker acts as robot; but it logs in as postgres, a superuser, and may go back to that",
        "that is how `stockkeeper up` works; a worker in production logs in by another user",
    )


@pytest.mark.parametrize(
    ("told", "ahead"),
    [
        (NOON, timedelta()),
        (NOON + SECOND, timedelta()),
        (NOON + 4 * SECOND, 3 * SECOND),
        (NOON - 3 * SECOND, -3 * SECOND),
    ],
)
def test_a_clock_is_off_by_what_question_and_answer_do_not_explain(told: datetime, ahead: timedelta) -> None:
    assert Reading.of(told, asked=NOON, answered=NOON + SECOND).ahead == ahead


def test_clocks_may_differ_by_two_seconds() -> None:
    assert Reading(2 * SECOND).check("clock", "It").ok
    assert Reading(-2 * SECOND).check("clock", "It").ok
    off = Reading(2.1 * SECOND).check("clock", "It")
    assert (off.ok, off.detail) == (False, "It's clock is 2.1 s ahead of this machine's")


@pytest.mark.parametrize(
    ("version", "ok"), [("1.32.0", True), ("1.28.0", True), ("1.27.9", False), ("2.0.0-rc1", True), ("", True)]
)
def test_temporal_is_new_enough_for_update_with_start(version: str, ok: bool) -> None:
    found = judged_version(version, "found")
    assert (found.name, found.ok, found.detail) == ("temporal", ok, "found")
    assert (found.advice == "") is ok


def test_a_short_retention_is_a_note() -> None:
    assert judged_retention("ns", timedelta(days=30)) == Check(
        "retention", True, "runs that have ended are kept for 30 days"
    )
    short = judged_retention("ns", timedelta(hours=36))
    assert (short.ok, short.detail) == (True, "runs that have ended are kept for 1.5 days")
    assert short.advice.endswith("`temporal operator namespace update --namespace ns --retention 30d`")
    assert judged_retention("ns", timedelta(days=1)).detail == "runs that have ended are kept for 1 day"
    assert judged_retention("ns", timedelta()).detail == "Temporal doesn't say how long it keeps runs that have ended"


def schedule(name: str, *, paused: bool = False, note: str = "", task_queue: str = "q") -> ScheduleShown:
    """A schedule as it is shown."""
    return ScheduleShown(name, "what it does", paused, note, None, None, None, task_queue)


@pytest.mark.parametrize(
    ("there", "missing", "ok", "detail", "advice"),
    [
        ([schedule("a"), schedule("b")], [], True, "all 2 are there, and none is paused", ""),
        (
            [schedule("a"), schedule("b", paused=True, note="anna: stocktaking")],
            [],
            True,
            "paused: b (anna: stocktaking)",
            "`stockkeeper schedule resume b`",
        ),
        ([schedule("a")], ["b", "c"], False, "missing: b, c", "run `stockkeeper setup`"),
        (
            [schedule("a"), schedule("b", task_queue="old")],
            [],
            False,
            "begin on another task queue than q: b on old",
            "set STOCKKEEPER_TASK_QUEUE as the workers have it, and run `stockkeeper setup`",
        ),
    ],
)
def test_schedules_are_missing_paused_or_elsewhere(
    there: Sequence[ScheduleShown], missing: Sequence[str], ok: bool, detail: str, advice: str
) -> None:
    assert judged_schedules(there, missing, "q") == Check("schedules", ok, detail, advice)


V1, V2 = WorkerDeploymentVersion("stock", "v1"), WorkerDeploymentVersion("stock", "v2")


def poller(name: str, version: WorkerDeploymentVersion | None = None, *, ago: timedelta = SECOND) -> Poller:
    """A worker that has asked for work."""
    return Poller(name, version, NOON - ago)


FOUR_MINUTES = timedelta(minutes=4)


@pytest.mark.parametrize(
    ("for_workflows", "for_activities", "routing", "ok", "detail"),
    [
        ([poller("1@a"), poller("2@b")], [poller("1@a")], Routing(None), True, "asked for work by 1@a, 2@b"),
        (
            [poller(f"{each}@a") for each in range(7)],
            [poller("0@a")],
            Routing(None),
            True,
            "asked for work by 0@a, 1@a, 2@a, 3@a, 4@a and 2 more",
        ),
        ([], [], Routing(None), False, "no worker asks task queue q for work"),
        ([poller("1@a", ago=FOUR_MINUTES)], [], Routing(None), False, "no worker asks task queue q for work"),
        ([poller("1@a")], [], Routing(None), False, "no worker asks task queue q for activities"),
        ([], [poller("1@a")], Routing(None), False, "no worker asks task queue q for workflow tasks"),
        ([poller("1@a", V1)], [poller("1@a", V1)], Routing(V1), True, "asked for work by 1@a"),
        ([poller("1@a", V1)], [poller("1@a", V1)], Routing(V2, V1), True, "asked for work by 1@a"),
        (
            [poller("1@a", V1)],
            [poller("1@a", V1)],
            Routing(V2),
            False,
            (
                "none of the workers that ask for work gets it (1@a): workers of version v2 of stock get the work of "
                "task queue q; this one, of v1, none until "
                "`temporal worker deployment set-current-version --deployment-name stock --build-id v1`"
            ),
        ),
    ],
)
def test_a_task_queue_needs_workers_that_get_its_work(
    for_workflows: Sequence[Poller], for_activities: Sequence[Poller], routing: Routing, ok: bool, detail: str
) -> None:
    found = judged_pollers("q", for_workflows, for_activities, routing, V1, NOON)
    assert (found.ok, found.detail, found.advice == "") == (ok, detail, ok)


def test_bulk_work_without_a_worker_is_a_note() -> None:
    left = [Poller("gone", None, NOON - timedelta(minutes=3))]
    found = judged_bulk_pollers("q-bulk", "q", left, NOON)
    assert (found.ok, found.detail) == (True, "no worker asks task queue q-bulk for bulk work")
    assert found.advice == (
        "start a worker with STOCKKEEPER_SERVES=all or bulk: until then each step of plans, audits and files waits "
        "10 minutes and then goes by task queue q, in the way of orders"
    )
    found = judged_bulk_pollers("q-bulk", "q", [*left, Poller("here", None, NOON - SECOND)], NOON)
    assert (found.ok, found.detail, found.advice) == (True, "asked for bulk work by here", "")


def test_followers_of_events_without_a_worker_are_a_note() -> None:
    left = [Poller("gone", None, NOON - timedelta(minutes=3))]
    found = judged_events_pollers("q-events", left, NOON)
    assert (found.ok, found.detail) == (True, "no worker asks task queue q-events for questions about events")
    assert found.advice == (
        "start a worker of this version with STOCKKEEPER_SERVES=all or orders: until then whoever follows events hears "
        "nothing; nothing is missed afterwards"
    )
    found = judged_events_pollers("q-events", [*left, Poller("here", None, NOON - SECOND)], NOON)
    assert (found.ok, found.detail, found.advice) == (True, "asked for questions about events by here", "")


KEY = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ("", (True, "off: payloads are in the clear in Temporal", "")),
        (
            f"new:{KEY} old:{KEY}",
            (True, "payloads are encrypted with key new; payloads of these keys can be read: new, old", ""),
        ),
        (
            f"none new:{KEY}",
            (
                True,
                "nothing is encrypted; payloads of these keys can be read: new",
                "take `none` out of the keys once every process has them",
            ),
        ),
        (
            "new",
            (
                False,
                "STOCKKEEPER_ENCRYPTION_KEYS: entry 1 isn't id:key, the id of at most 64 letters, digits and . _ -",
                "correct the keys: nothing with them connects to Temporal (docs/encryption.md)",
            ),
        ),
    ],
    ids=["off", "on", "reading only", "wrong"],
)
def test_the_doctor_says_which_keys_there_are(keys: str, found: tuple[bool, str, str]) -> None:
    check = encryption({"STOCKKEEPER_ENCRYPTION_KEYS": keys})
    assert (check.name, (check.ok, check.detail, check.advice)) == ("encryption", found)


def test_a_file_of_secrets_that_every_account_may_read_is_a_note(tmp_path: Path) -> None:
    assert secret_files({}).detail == "no secret comes from a file"
    (file := tmp_path / "password").write_text("s3cret")
    file.chmod(0o600)
    closed = secret_files({"DATABASE_PASSWORD_FILE": str(file)})
    assert (closed.ok, closed.detail, closed.advice) == (True, "1 named, none readable by every account", "")
    found = secret_files({"DATABASE_PASSWORD_FILE": "/etc/hosts", "TEMPORAL_API_KEY_FILE": str(file)})
    assert (found.ok, found.advice != "") == (True, True)
    assert found.detail == "every account of this machine may read /etc/hosts (DATABASE_PASSWORD_FILE)"


SEVERAL = Several("south", "north", frozenset({"south"}), is_following=True)


@pytest.mark.parametrize(
    ("found", "queue", "queues", "told"),
    [
        (SEVERAL, "south", ["north", "south"], "south of north, south, which follows that of north"),
        (None, "south", ["north", "south"], "doesn't know that it is one of several"),
        (SEVERAL, "south", [], "the database is south, one of several, and STOCKKEEPER_DATABASES isn't set"),
        (SEVERAL, "east", ["north", "south"], "the database is that of task queue south, and the worker's is east"),
        (
            SEVERAL,
            "south",
            ["south", "north"],
            "north keeps the catalogue, and STOCKKEEPER_DATABASES begins with south",
        ),
        (SEVERAL, "south", ["north", "east"], "warehouses are kept in south, which STOCKKEEPER_DATABASES hasn't got"),
        (
            replace(SEVERAL, is_following=False),
            "south",
            ["north", "south"],
            "the catalogue of north isn't being replicated to here",
        ),
    ],
)
def test_of_several_databases_directory_replication_and_setting_have_to_fit(
    found: Several | None, queue: str, queues: list[str], told: str
) -> None:
    [check] = judged_several(found, queue, queues)
    assert check.name == "databases"
    assert told in check.detail
    assert check.ok is (" of north, south, which " in check.detail)
    assert list(judged_several(None, queue, [])) == []
