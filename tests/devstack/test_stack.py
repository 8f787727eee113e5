"""A stack keeps its data, leaves nothing behind, and says clearly what stands in its way."""

import asyncio
import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from devstack.processes import StackError
from devstack.stack import StackInfo, running_stack
from tests.devstack import owner
from tests.devstack.processes import all_gone, below, comes_true, command_line, guards, listening_addresses

REPOSITORY = Path(__file__).parents[2]

ELSEWHERE = StackInfo(
    temporal_address="temporal.example:7233",
    namespace="warehouse",
    task_queue="night-shift",
    ui_url=None,
    database_url="postgresql://stock@db.example/stock",
)


@pytest.fixture
async def idle(tmp_path: Path) -> AsyncIterator[StackInfo]:
    """A stack nobody has used yet."""
    async with running_stack(tmp_path / "idle", fast=True, environ={}) as info:
        yield info


@contextmanager
def owned_by_another_process(data_dir: Path) -> Iterator["tuple[subprocess.Popen[bytes], StackInfo]"]:
    """A stack whose owner can be killed."""
    with subprocess.Popen(
        [sys.executable, "-m", owner.__name__, str(data_dir)], stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as process:
        assert process.stdout is not None
        yield process, StackInfo(**json.loads(process.stdout.readline()))


async def remember(stack: StackInfo) -> None:
    """Leaves a row and a workflow behind."""
    with psycopg.connect(stack.database_url) as connection:
        connection.execute("CREATE TABLE memory (word text)")
        connection.execute("INSERT INTO memory VALUES ('pallet')")
    client = await Client.connect(stack.temporal_address, namespace=stack.namespace)
    await client.start_workflow("Memory", "pallet", id="memory", task_queue=stack.task_queue)


async def assert_remembered(stack: StackInfo) -> None:
    with psycopg.connect(stack.database_url) as connection:
        assert connection.execute("SELECT word FROM memory").fetchall() == [("pallet",)]
    client = await Client.connect(stack.temporal_address, namespace=stack.namespace)
    handle = client.get_workflow_handle("memory")
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    started = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    assert [payload.data for payload in started.input.payloads] == [b'"pallet"']


async def test_data_survives_a_restart(tmp_path: Path) -> None:
    async with running_stack(tmp_path / "kept", environ={}) as stack:
        await remember(stack)

    async with running_stack(tmp_path / "kept", environ={}) as stack:
        await assert_remembered(stack)


async def test_a_killed_owner_leaves_no_process_and_its_data_is_taken_up_at_once(tmp_path: Path) -> None:
    with owned_by_another_process(tmp_path / "killed") as (process, stack):
        await remember(stack)
        processes = below(process.pid)
        process.kill()

    # At once, while the killed owner's servers are still stopping.
    async with running_stack(tmp_path / "killed", environ={}) as stack:
        assert all_gone(processes)
        await assert_remembered(stack)


async def test_a_stop_leaves_no_process(tmp_path: Path) -> None:
    before = guards()
    async with running_stack(tmp_path / "stopped", fast=True, environ={}):
        started = below(*guards() - before)
        # A server's own helpers come and go: one may have ended meanwhile, and have no command line any more.
        programs = {Path(words[0]).name for pid in started if (words := command_line(pid))}
        assert programs >= {"postgres", "temporal"}

    assert guards() == before
    assert all_gone(started)


async def test_cancelling_a_stack_that_starts_leaves_no_process(tmp_path: Path) -> None:
    async def run() -> None:
        async with running_stack(tmp_path / "cancelled", fast=True, environ={}):
            await asyncio.Event().wait()

    before = guards()
    running = asyncio.create_task(run())
    assert await asyncio.to_thread(comes_true, lambda: guards() != before)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert guards() == before


@pytest.mark.parametrize("service", ["temporal", "ui", "postgres"])
async def test_a_taken_port_is_named_and_nothing_is_left_running(tmp_path: Path, service: str) -> None:
    before = guards()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError) as refusal:
            async with running_stack(tmp_path / "refused", fast=True, environ={}, **{f"{service}_port": port}):
                pass

    assert str(refusal.value) == f"port {port} is taken: choose another with --{service}-port"
    assert guards() == before


async def test_a_second_stack_on_a_directory_is_refused_and_the_first_is_unharmed(
    tmp_path: Path, idle: StackInfo
) -> None:
    with pytest.raises(StackError) as refusal:
        async with running_stack(tmp_path / "idle", fast=True, environ={}):
            pass

    directories = [f"{tmp_path}/idle/{part}" for part in ("postgres", "temporal")]
    assert str(refusal.value) in {
        f"{each} is in use by a stack that runs: stop that or choose another directory" for each in directories
    }
    await remember(idle)
    await assert_remembered(idle)


async def test_the_environment_replaces_both_servers(tmp_path: Path) -> None:
    environ = {
        "DATABASE_URL": ELSEWHERE.database_url,
        "TEMPORAL_ADDRESS": ELSEWHERE.temporal_address,
        "TEMPORAL_NAMESPACE": ELSEWHERE.namespace,
        "STOCKKEEPER_TASK_QUEUE": ELSEWHERE.task_queue,
    }
    before = guards()
    async with running_stack(tmp_path / "unused", environ=environ) as stack:
        assert stack == ELSEWHERE
        assert guards() == before

    assert not (tmp_path / "unused").exists()


async def test_a_chosen_profile_replaces_temporal(tmp_path: Path) -> None:
    profiles = tmp_path / "temporal.toml"
    profiles.write_text('[profile.night]\naddress = "temporal.example:7233"\nnamespace = "warehouse"\n')
    environ = {
        "DATABASE_URL": ELSEWHERE.database_url,
        "TEMPORAL_CONFIG_FILE": str(profiles),
        "TEMPORAL_PROFILE": "night",
        "STOCKKEEPER_TASK_QUEUE": "night-shift",
    }
    async with running_stack(tmp_path / "unused", environ=environ) as stack:
        assert stack == ELSEWHERE


async def test_a_profile_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"^the Temporal profile can't be used: Profile 'day' not found$"):
        async with running_stack(tmp_path / "unused", environ={"TEMPORAL_PROFILE": "day"}):
            pass


async def test_one_server_may_be_replaced_alone(tmp_path: Path) -> None:
    environ = {"DATABASE_URL": ELSEWHERE.database_url}
    async with running_stack(tmp_path / "half", headless=True, environ=environ) as stack:
        await Client.connect(stack.temporal_address)

    assert (stack.database_url, stack.ui_url) == (ELSEWHERE.database_url, None)
    assert [each.name for each in (tmp_path / "half").iterdir()] == ["temporal"]


async def test_the_embedded_servers_have_the_defaults_and_a_web_ui(idle: StackInfo) -> None:
    assert (idle.namespace, idle.task_queue) == ("default", "stockkeeper")
    assert idle.ui_url is not None
    host, port = idle.ui_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"200"
    writer.close()
    await writer.wait_closed()


async def test_nobody_else_can_reach_the_servers(tmp_path: Path) -> None:
    before = guards()
    async with running_stack(tmp_path / "private", fast=True, environ={}):
        assert listening_addresses(*below(*guards() - before)) == {"127.0.0.1"}


def test_the_ready_file_holds_five_keys_for_its_owner_only(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready.json"
    ready_file.write_text("of an earlier run")

    ELSEWHERE.write_ready_file(ready_file)

    assert json.loads(ready_file.read_text()) == {
        "temporal_address": "temporal.example:7233",
        "namespace": "warehouse",
        "task_queue": "night-shift",
        "ui_url": None,
        "database_url": "postgresql://stock@db.example/stock",
    }
    assert stat.S_IMODE(ready_file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [ready_file]


@pytest.fixture
def nobody() -> pwd.struct_passwd:
    """A normal user, if we are root and it may run this Python."""
    if os.geteuid() != 0:
        pytest.skip("every other test runs as a normal user already")
    account = pwd.getpwnam("nobody")
    try:
        subprocess.run([sys.executable, "-c", ""], user=account.pw_uid, check=True)
    except PermissionError:
        pytest.skip("a normal user can't run the Python that root runs here")
    return account


def test_a_normal_user_has_a_stack_too(nobody: pwd.struct_passwd) -> None:
    home = Path(tempfile.mkdtemp())
    shutil.chown(home, nobody.pw_uid, nobody.pw_gid)
    try:
        with subprocess.Popen(
            [sys.executable, "-m", owner.__name__, str(home / "stack")],
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            extra_groups=[],
        ) as process:
            assert process.stdout is not None
            stack = StackInfo(**json.loads(process.stdout.readline()))
            asyncio.run(remember(stack))
            processes = below(process.pid)
            process.kill()
        assert all_gone(processes)
        assert {each.stat().st_uid for each in home.glob("stack/**/*")} == {nobody.pw_uid}
    finally:
        shutil.rmtree(home)
