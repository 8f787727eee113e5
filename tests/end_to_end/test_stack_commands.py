"""`stockkeeper up`, `setup` and `demo`, and `python worker.py`: as processes, the way people run them."""

import getpass
import json
import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from temporalio.client import Client
from typer.testing import CliRunner, Result

from database.migrate import newest_revision
from devstack.processes import free_port
from devstack.stack import StackInfo
from starter.cli.app import app
from stockkeeper.contracts.event import EventKind, type_of
from tests.devstack.processes import all_gone, below, comes_true, command_line
from tests.support.schedules import NOBODY, SCHEDULES, forget_schedules
from tests.support.webhooks import Receiver
from tests.support.wire import ANSWER_SECONDS

STOCKKEEPER = Path(sysconfig.get_path("scripts")) / "stockkeeper"
ROOT = Path(__file__).parents[2]


def environment(**more: str) -> dict[str, str]:
    """This one's, without what would lead to somebody's Temporal or database."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "DATABASE_URL"))}
    return ours | {"COLUMNS": "200"} | more


def stockkeeper(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """A command, to its end."""
    return subprocess.run(
        [STOCKKEEPER, *arguments],
        cwd=cwd,
        env=env or environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@contextmanager
def up(cwd: Path, *arguments: str | Path, **more: str) -> Iterator["tuple[subprocess.Popen[str], dict[str, str]]"]:
    """`stockkeeper up` until the end of the block, with more variables, and what its ready file says."""
    ready = cwd / "ready.json"
    process = subprocess.Popen(
        [STOCKKEEPER, "up", "--ready-file", ready, *arguments],
        cwd=cwd,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert comes_true(lambda: ready.exists() or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        yield process, json.loads(ready.read_text())
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def here(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Result:
    """A command, run in this process: where its own isn't what is tested, that takes a tenth of the time."""
    told = env or environment()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        for name in set(os.environ) - set(told):
            patch.delenv(name)
        return CliRunner().invoke(app, [*map(str, arguments)], env=told)


def told(*arguments: str | Path, cwd: Path) -> Any:
    """A command that finds the stack of its directory, run in this process: what it tells as JSON."""
    result = here(*arguments, "--json", cwd=cwd)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return json.loads(result.stdout)


def import_sample(cwd: Path, *kinds: str) -> None:
    """Files of the sample."""
    for kind in kinds:
        state = told("import", kind, ROOT / "devstack" / "sample" / f"{kind}.csv", cwd=cwd)
        assert state["status"] == "IMPORTED"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().open() as receiver:
        yield receiver


def assert_no_other_starts_beside(ready: Mapping[str, str], cwd: Path) -> None:
    """A second `up` on the directory, and one on a taken port, are refused in one line."""
    second = stockkeeper("up", cwd=cwd)
    assert (second.returncode, second.stdout) == (1, "")
    assert "is in use by a stack that runs: stop that or choose another directory" in second.stderr
    port = ready["temporal_address"].split(":")[1]
    elsewhere = stockkeeper("up", "--data-dir", "other", "--temporal-port", port, cwd=cwd)
    assert (elsewhere.returncode, elsewhere.stdout) == (1, "")
    assert f"port {port} is taken: choose another with --temporal-port" in elsewhere.stderr
    assert "Traceback" not in second.stderr + elsewhere.stderr


def subscribe(url: str, ready: Mapping[str, str], cwd: Path) -> str:
    """Subscribe as a program does that knows where Temporal is and nothing else: the secret."""
    env = environment(TEMPORAL_ADDRESS=ready["temporal_address"], TEMPORAL_NAMESPACE=ready["namespace"])
    changed = type_of(EventKind.LEVEL_CHANGED)
    subscribed = stockkeeper("events", "subscribe", url, "--types", changed, cwd=cwd, env=env)
    assert (subscribed.returncode, subscribed.stderr) == (0, "")
    [secret] = re.findall(r"whsec_\S+", subscribed.stdout)
    return str(secret)


def taken(receiver: Receiver, secret: str, available: int) -> None:
    """The last event tells this, and each so far is signed by the secret."""

    def last() -> Any:
        return json.loads(receiver.received[-1].body)["data"]["quantity_available"] if receiver.received else None

    assert comes_true(lambda: last() == available), last()
    for each in receiver.received:
        each.verify(secret)


def test_up_serves_its_directory_alone_until_it_is_interrupted_and_again(tmp_path: Path, receiver: Receiver) -> None:
    hook = f"http://127.0.0.1:{receiver.port}/hook"
    with up(tmp_path, STOCKKEEPER_WEBHOOK_ALLOW_PRIVATE="true") as (process, ready):
        assert set(ready) == {"temporal_address", "namespace", "task_queue", "ui_url", "database_url"}
        assert (ready["namespace"], ready["task_queue"]) == ("default", "stockkeeper")
        assert (tmp_path / "ready.json").stat().st_mode & 0o777 == 0o600
        import_sample(tmp_path, "products", "warehouses", "stock")
        key = tmp_path / ".stockkeeper" / "webhook-key"
        assert key.stat().st_mode & 0o777 == 0o600
        (client := tmp_path / "client").mkdir()
        secret = subscribe(hook, ready, client)
        held = stockkeeper("reserve", "start", "1", "--line", "TEA-100@Hamburg=3", cwd=tmp_path)
        assert (held.returncode, held.stderr) == (0, "")
        taken(receiver, secret, 397)
        password = ready["database_url"].split(":")[2].split("@")[0]
        started = below(process.pid)
        assert not [pid for pid in started if password in " ".join(command_line(pid))]
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=ANSWER_SECONDS)
        assert process.returncode == 0, errors
        assert password not in printed + errors
        assert f"export STOCKKEEPER_UI_URL={ready['ui_url']}\n" in printed
        assert all_gone(started)
        assert not (tmp_path / "ready.json").exists()
    with up(tmp_path, STOCKKEEPER_WEBHOOK_ALLOW_PRIVATE="true") as (process, ready):
        assert_no_other_starts_beside(ready, tmp_path)
        assert told("reserve", "fulfill", "1", cwd=tmp_path)["status"] == "FULFILLED"
        shown = told("stock", "show", "TEA-100", "--warehouse", "Hamburg", cwd=tmp_path)
        assert (shown[0]["quantity_on_hand"], shown[0]["quantity_reserved"]) == (397, 0)
        told(
            "adjust", "create", "1", "--warehouse", "Hamburg", "--line", "TEA-100=+5", "--reason", "found", cwd=tmp_path
        )
        taken(receiver, secret, 402)
        process.send_signal(signal.SIGTERM)
        shown, _ = process.communicate(timeout=ANSWER_SECONDS)
        assert process.returncode == 0
        # Two people, because who drafts something can't approve it; `stockkeeper console` is the same by itself.
        links = re.findall(r"^    (\S+): (http://127\.0\.0\.1:\d+)/sign-in\?key=", shown, re.MULTILINE)
        assert [name for name, _ in links] == [getpass.getuser(), "colleague"]
        assert f"  console     {links[0][1]}\n" in shown


def test_up_serves_two_databases_as_the_page_says(tmp_path: Path) -> None:
    with up(tmp_path, "--databases", "2") as (process, ready):
        assert ready["databases"] == "stockkeeper,stockkeeper-2"
        import_sample(tmp_path, "products", "warehouses")
        kept = stockkeeper("warehouse", "keep", "Newark", "--in", "stockkeeper-2", cwd=tmp_path)
        assert (kept.returncode, kept.stdout, kept.stderr) == (0, "Newark is kept by stockkeeper-2\n", "")
        # Its home, and the catalogue, come by replication.
        opening = ("--warehouse", "Newark", "--line", "TEA-100=+5", "--reason", "opening")
        assert told("adjust", "create", "1", *opening, cwd=tmp_path)["status"] == "POSTED"
        assert told("reserve", "start", "1", "--line", "TEA-100@Newark=3", cwd=tmp_path)["status"] == "ACTIVE"
        with psycopg.connect(ready["database_urls"].split("stockkeeper-2=")[1]) as connection:
            assert connection.execute("SELECT reservation_id > 10 ^ 12 FROM reservations").fetchall() == [(True,)]
        checks = {each["name"]: each for each in told("doctor", cwd=tmp_path)["checks"]}
        several = ["database_names", "key_ranges", "warehouse_homes", "database_stockkeeper-2"]
        assert [checks[name]["ok"] for name in several] == [True] * 4
        moving = told("warehouse", "move", "Newark", "--to", "stockkeeper", cwd=tmp_path)
        assert moving["status"] == "COPYING"
        stayed = told("warehouse", "cancel-move", "Newark", "--reason", "not today", cwd=tmp_path)
        assert stayed["status"] == "CANCELLED"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=ANSWER_SECONDS)
        assert process.returncode == 0, errors
    fewer = stockkeeper("up", cwd=tmp_path)
    assert fewer.returncode == 1
    assert "has 2 databases: start it with --databases 2" in fewer.stderr


def test_up_ends_with_one_line_when_a_server_ends_by_itself(tmp_path: Path) -> None:
    with up(tmp_path) as (process, _):
        [temporal] = [pid for pid in below(process.pid) if command_line(pid)[1:3] == ["server", "start-dev"]]
        started = below(process.pid)
        os.kill(temporal, signal.SIGKILL)
        _, errors = process.communicate(timeout=ANSWER_SECONDS)
        assert process.returncode == 1
        log = tmp_path / ".stockkeeper" / "temporal" / "temporal.log"
        assert f"Temporal ended by itself: its log is in the data directory, {log}\n" in errors
        assert log.is_file()
        assert all_gone(started)


@pytest.fixture
async def _no_schedules(our_client: Client) -> AsyncIterator[None]:
    """Those that a test makes in the session's Temporal end with it."""
    await forget_schedules(our_client)
    yield
    await forget_schedules(our_client)


@pytest.mark.usefixtures("_no_schedules")
def test_setup_makes_an_existing_postgresql_and_temporal_ready_and_may_be_repeated(
    stack: StackInfo, tmp_path: Path
) -> None:
    database = "setup_" + str(os.getpid())
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{database}"')
    url = stack.database_url.rsplit("/", 1)[0] + f"/{database}"
    env = environment(
        DATABASE_URL=url,
        TEMPORAL_ADDRESS=stack.temporal_address,
        TEMPORAL_NAMESPACE=stack.namespace,
        STOCKKEEPER_TASK_QUEUE=NOBODY,
    )
    # Each part by itself needs nothing of the other one's.
    nowhere = f"127.0.0.1:{free_port()}"
    migrated = here("setup", "--only", "database", cwd=tmp_path, env=env | {"TEMPORAL_ADDRESS": nowhere})
    assert (migrated.exit_code, migrated.stdout, migrated.stderr) == (
        0,
        f"database: from nothing to revision {newest_revision()}\n",
        "",
    )
    without = {name: value for name, value in env.items() if name != "DATABASE_URL"}
    registered = here("setup", "--only", "temporal", cwd=tmp_path, env=without)
    assert (registered.exit_code, registered.stderr) == (0, "")
    assert registered.stdout.splitlines() == [
        "search attributes: all there",
        f"schedules: {', '.join(SCHEDULES)}",
        "questions: by standalone activities",
        "views of the Temporal UI: `stockkeeper views` prints their links",
    ]
    again = stockkeeper("setup", cwd=tmp_path, env=env)
    assert (again.returncode, again.stdout) == (
        0,
        (
            f"database: at revision {newest_revision()}\nsearch attributes: all there\nschedules: all there\n"
            "questions: by standalone activities\n"
            "views of the Temporal UI: `stockkeeper views` prints their links\n"
        ),
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "DATABASE_URL isn't set: postgresql://user:password@host:port/database"),
        ("postgresql://nobody:secret@127.0.0.1:{port}/none", "no PostgreSQL answers at 127.0.0.1:{port}"),
    ],
)
def test_setup_and_worker_say_what_is_missing(tmp_path: Path, stack: StackInfo, url: str, message: str) -> None:
    port = str(free_port())
    env = environment(DATABASE_URL=url.replace("{port}", port), TEMPORAL_ADDRESS=stack.temporal_address)
    ended = here("setup", cwd=tmp_path, env=env)
    worker = subprocess.run(
        [sys.executable, ROOT / "worker.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    for code, errors in ((ended.exit_code, ended.stderr), (worker.returncode, worker.stderr)):
        assert code == 1
        assert message.replace("{port}", port) in errors
        assert "Traceback" not in errors
        assert "secret" not in errors


def test_a_setting_that_is_none_and_a_taken_metrics_port_are_refused_in_one_line(
    tmp_path: Path, stack: StackInfo
) -> None:
    def worker(**more: str) -> tuple[int, str]:
        env = environment(DATABASE_URL=stack.database_url, TEMPORAL_ADDRESS=stack.temporal_address, **more)
        ended = subprocess.run(
            [sys.executable, ROOT / "worker.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        return ended.returncode, ended.stderr

    strange = "STOCKKEEPER_NOTICE_URL isn't a setting of Stockkeeper; did you mean STOCKKEEPER_NOTICE_URLS?\n"
    assert worker(STOCKKEEPER_NOTICE_URL="mailto://robot:passw0rd@example.com") == (1, strange)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert worker(STOCKKEEPER_METRICS_ADDRESS=address) == (
            1,
            f"STOCKKEEPER_METRICS_ADDRESS {address} can't be listened on: Address already in use (os error 98)\n",
        )


def test_a_worker_of_its_own_does_the_work(tmp_path: Path, stack: StackInfo, worker: None) -> None:
    del worker  # The search attributes and the schema are there.
    env = environment(
        DATABASE_URL=stack.database_url,
        TEMPORAL_ADDRESS=stack.temporal_address,
        STOCKKEEPER_TASK_QUEUE="a-queue-of-its-own",
        STOCKKEEPER_DATABASE_ROLE="stockkeeper_worker",
    )
    process = subprocess.Popen([sys.executable, ROOT / "worker.py"], cwd=tmp_path, env=env, stderr=subprocess.PIPE)
    try:
        shown = here("stock", "show", "--json", "--limit", "1", cwd=tmp_path, env=env)
        assert shown.exit_code == 0, shown.stderr
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=ANSWER_SECONDS)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_the_demo_comes_out_right(tmp_path: Path) -> None:
    # Not even a Temporal that the environment names may be touched by it.
    env = environment(TEMPORAL_ADDRESS="127.0.0.1:1", DATABASE_URL="postgresql://127.0.0.1:1/none")
    result = stockkeeper("demo", cwd=tmp_path, env=env)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "all came out right" in result.stdout
    assert "✗" not in result.stdout
