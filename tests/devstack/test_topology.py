"""The services of docker-compose.yml, brought up without containers: their roles, their passwords, their work."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import httpx
import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

from database.sessions import connect
from devstack.topology import DEPLOY, REPOSITORY, Topology
from stockkeeper import Line, Stockkeeper
from stockkeeper.contracts.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from tests.devstack.processes import all_gone, below
from tests.support.shop import Shop
from tests.support.wire import eventually

PASSWORDS = {
    "postgres": "unused@here",
    "owner": "p@ss/w:rd?#%41&=+",
    "worker": "/@'\"\\:{}$(id)`;--",
    "reader": "r'e\\a:d@",
    "exporter": "%65x/p",
    "temporal": "päßwörd/@",
}
ROLES = {
    **{name: f"stockkeeper_{name}" for name in ("owner", "worker", "reader", "exporter")},
    "temporal": "temporal",
}


@dataclass
class Running:
    """A topology in a process of its own, and the directory of its passwords."""

    topology: Topology
    secrets: Path
    process: "subprocess.Popen[bytes]"

    def url(self, who: str, database: str = "stockkeeper") -> str:
        """The URL that this one of its services logs in by."""
        return f"postgresql://{ROLES[who]}:{quote(PASSWORDS[who], safe='')}@{self.topology.postgresql}/{database}"

    def rows(self, who: str, query: str, database: str = "stockkeeper") -> list[tuple[object, ...]]:
        """What a query answers to this role."""
        with psycopg.connect(self.url(who, database)) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`python -m devstack.topology`, stopped as a container engine stops it."""
    place = tmp_path_factory.mktemp("topology")
    secrets, ready = place / "secrets", place / "ready.json"
    secrets.mkdir()
    for name, password in PASSWORDS.items():
        (secrets / f"{name}_password").write_text(f"{password}\n", encoding="utf-8")
    options = ["--data-dir", place / "data", "--secrets", secrets, "--ready-file", ready, "--fast", "--headless"]
    with (
        (place / "log").open("w+b") as log,
        subprocess.Popen(
            [sys.executable, "-m", "devstack.topology", *map(str, options)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=log,
            # A setting of whoever starts it is none of the services'.
            env={"PATH": os.environ["PATH"], "STOCKKEEPER_TASK_QUEUE": "another", "DATABASE_URL": "another"},
        ) as process,
    ):
        assert process.stdout is not None
        try:
            if not any(line.startswith(b"up") for line in process.stdout):
                pytest.fail((place / "log").read_text())
            yield Running(Topology(**json.loads(ready.read_text())), secrets, process)
            started = below(process.pid)
            process.send_signal(signal.SIGTERM)
            assert (process.wait(60), all_gone(started)) == (0, True), (place / "log").read_text()
        finally:
            # Whatever failed: it would be waited for.
            process.terminate()


@pytest.fixture(scope="module")
def item(running: Running) -> Iterator[ItemKey]:
    """Ten units of a product in a warehouse."""
    owner = connect(running.url("owner"))
    yield Shop(owner).item(10)
    owner.dispose()


def test_no_service_has_a_role_with_more_than_its_own(running: Running) -> None:
    rights = "rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin"
    for who, role in ROLES.items():
        database = "temporal" if who == "temporal" else "stockkeeper"
        found = running.rows(who, f"SELECT rolname, {rights} FROM pg_roles WHERE rolname = session_user", database)
        assert found == [(role, False, False, False, False, False, True)]
    owners = (
        "SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname ~ '^(stockkeeper|temporal)' ORDER BY 1"
    )
    assert running.rows("owner", owners) == [
        ("stockkeeper", "stockkeeper_owner"),
        ("temporal", "temporal"),
        ("temporal_visibility", "temporal"),
    ]


def test_the_console_lets_those_in_whose_links_are_in_its_log(running: Running) -> None:
    log = (running.secrets.parent / "data" / "console.log").read_text()
    links = dict(re.findall(r"^    (\S+): (http://\S+)$", log, re.MULTILINE))
    assert [*links] == ["ada", "ben"]
    assert links["ada"].startswith(f"{running.topology.console}/sign-in?key=")
    with httpx.Client(follow_redirects=True, timeout=30) as http:
        page = http.get(links["ben"])
    assert (page.status_code, '<span class="who">ben</span>' in page.text) == (200, True)


@pytest.mark.parametrize(
    ("who", "database"),
    [
        ("temporal", "stockkeeper"),
        ("owner", "temporal"),
        ("worker", "temporal"),
        ("worker", "temporal_visibility"),
        ("worker", "postgres"),
        *((who, database) for who in ("reader", "exporter") for database in ("temporal", "postgres", "template1")),
    ],
)
def test_no_service_reaches_the_database_of_another(running: Running, who: str, database: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=f'permission denied for database "{database}"'):
        running.rows(who, "SELECT 1", database)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stock_movements SET quantity = 1",
        "DELETE FROM stock_movements",
        "TRUNCATE stock_movements",
        "ALTER TABLE stock_movements DISABLE TRIGGER ALL",
        "CREATE TABLE mine (id int)",
        "SET ROLE stockkeeper_owner",
        "SET SESSION AUTHORIZATION stockkeeper_owner",
        "SELECT rolpassword FROM pg_authid",
        "COPY stock_movements TO PROGRAM 'cat'",
    ],
)
def test_a_worker_cannot_change_the_past_whatever_role_it_resets(
    running: Running, item: ItemKey, statement: str
) -> None:
    ledger = "SELECT movement_id, quantity, balance_after FROM stock_movements ORDER BY 1"
    before = running.rows("owner", ledger)
    with psycopg.connect(running.url("worker")) as connection:
        connection.execute("RESET ROLE")
        connection.execute("RESET SESSION AUTHORIZATION")
        with pytest.raises(InsufficientPrivilege):
            connection.execute(statement)
    assert running.rows("owner", ledger) == before != []
    del item


@pytest.mark.parametrize(("who", "statements"), [("reader", "1min"), ("exporter", "30min")])
def test_who_only_reads_reads_by_defaults_that_spare_the_others(running: Running, who: str, statements: str) -> None:
    assert running.rows(
        who,
        "SELECT current_setting('default_transaction_read_only'), current_setting('statement_timeout'), "
        "current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'), "
        "current_setting('temp_file_limit'), current_setting('search_path')",
    ) == [("on", statements, "2s", "1min", "2GB", "reporting")]
    with psycopg.connect(running.url(who)) as connection:
        with pytest.raises(InsufficientPrivilege):
            connection.execute("SET temp_file_limit = -1")
        connection.rollback()
        connection.execute("SET default_transaction_read_only = off")
        connection.commit()
        with pytest.raises(InsufficientPrivilege, match="permission denied to create temporary tables"):
            connection.execute("CREATE TEMPORARY TABLE mine (id int)")


def test_each_role_has_no_more_connections_than_it_needs(running: Running) -> None:
    limits = "SELECT rolname, rolconnlimit FROM pg_roles WHERE rolname LIKE 'stockkeeper%' ORDER BY 1"
    assert running.rows("reader", limits) == [
        ("stockkeeper_exporter", 5),
        ("stockkeeper_owner", 5),
        ("stockkeeper_reader", 20),
        ("stockkeeper_worker", -1),
    ]


def test_a_reader_sees_the_levels_and_an_exporter_the_ledger(running: Running, item: ItemKey) -> None:
    level = f"SELECT quantity_on_hand FROM levels WHERE product_id = {item.product_id}"
    assert running.rows("reader", level) == [(10,)]
    assert running.rows("exporter", "SELECT quantity, balance_after FROM ledger") == [(10, 10)]
    for who, view in (("reader", "ledger"), ("exporter", "levels"), ("reader", "public.operations")):
        with pytest.raises(InsufficientPrivilege):
            running.rows(who, f"SELECT * FROM {view}")


async def test_two_workers_hold_stock_and_answer_questions_as_their_own_role(running: Running, item: ItemKey) -> None:
    stock = await Stockkeeper.connect(running.topology.temporal, namespace=running.topology.namespace)
    lines = [Line(item.product_id, item.warehouse_id, quantity=4)]
    state = (await stock.reserve("1042", lines, performed_by="shop")).state
    assert (state.status, [line.quantity for line in state.lines]) == (ReservationStatus.ACTIVE, [4])
    levels = [(level.quantity_on_hand, level.quantity_reserved) async for level in stock.levels(item.product_id)]
    assert levels == [(10, 4)]
    for kind in (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY):
        request = DescribeTaskQueueRequest(
            namespace=running.topology.namespace, task_queue=TaskQueue(name="stockkeeper"), task_queue_type=kind
        )

        async def pollers(asked: DescribeTaskQueueRequest = request) -> int:
            described = await stock.connection.client.workflow_service.describe_task_queue(asked)
            return len({poller.identity for poller in described.pollers})

        # Temporal lists those that have asked the queue's first partition; that both work, their health says.
        assert await eventually(pollers, lambda found: found in (1, 2)) in (1, 2)
    with psycopg.connect(running.url("worker")) as connection:
        users = "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'stockkeeper-worker'"
        assert connection.execute(users).fetchall() == [("stockkeeper_worker",)]


def test_each_worker_answers_for_its_health_and_its_metrics(running: Running) -> None:
    topology = running.topology
    assert len({*topology.workers, *topology.metrics}) == 4
    for address in topology.workers:
        for path in ("livez", "readyz"):
            assert urlopen(f"http://{address}/{path}").status == 200
    for address in topology.metrics:
        assert b"temporal_worker_task_slots_available" in urlopen(f"http://{address}/metrics").read()


def _roles(running: Running, secrets: Path) -> "subprocess.CompletedProcess[str]":
    """The script for roles and databases, once more, by a superuser whose password doesn't fit."""
    host, port = running.topology.postgresql.split(":")
    return subprocess.run(
        ["/bin/sh", DEPLOY / "postgresql" / "roles.sh"],
        env={"PATH": os.environ["PATH"], "PGHOST": host, "PGPORT": port, "SECRETS": str(secrets)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("password", ["", "two words", "two\nlines", "tab\tbed"])
def test_a_password_that_temporals_server_would_not_take_is_refused_before_anything_is_done(
    running: Running, tmp_path: Path, password: str
) -> None:
    for name in PASSWORDS:
        (tmp_path / f"{name}_password").write_text(password if name == "temporal" else "good")
    refused = _roles(running, tmp_path)
    told = f"{tmp_path}/temporal_password: a password is one line without spaces\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", told)
    assert running.rows("temporal", "SELECT session_user", "temporal") == [("temporal",)]


def test_secrets_are_made_once_readable_only_by_way_of_their_owners_directory(tmp_path: Path) -> None:
    def made() -> dict[str, str]:
        subprocess.run(["/bin/sh", DEPLOY / "make-secrets", tmp_path / "made"], check=True, capture_output=True)
        return {file.name: file.read_text() for file in (tmp_path / "made").iterdir()}

    first = made()
    assert first.keys() == {f"{name}_password" for name in (*PASSWORDS, "grafana")}
    assert len({*first.values()}) == len(first)
    assert {len(password.strip()) for password in first.values()} == {32}
    (tmp_path / "made" / "owner_password").write_text("chosen@by/me")
    assert made() == first | {"owner_password": "chosen@by/me"}
    assert oct((tmp_path / "made").stat().st_mode & 0o777) == oct(0o700)
