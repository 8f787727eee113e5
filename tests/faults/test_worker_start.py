"""A worker that can't begin: one line that says why, and the process ends, with a status of its own."""

import asyncio
import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine
from temporalio.client import Client
from temporalio.worker import Worker

import worker
from activities.waking import Waking
from database.sessions import Database
from devstack.processes import free_port
from devstack.stack import StackInfo
from starter.ending import run_to_the_end
from tests.faults.workplace import FORKS
from tests.support.refusing_temporal import (
    refuses_after_the_first_question,
    refuses_all,
    refuses_all_but_the_greeting,
    refusing_temporal,
)
from tests.support.shop import new_reference
from tests.support.wire import ANSWER_SECONDS
from worker import Settings


def _as_a_program(environment: dict[str, str], log: Path) -> None:
    """`python worker.py`, in a process that was forked."""
    with log.open("wb") as output:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    run_to_the_end(worker.main)


@contextmanager
def _nobody() -> Iterator[str]:
    yield f"127.0.0.1:{free_port()}"


@pytest.mark.parametrize(
    ("temporal", "told"),
    [
        (_nobody, "no Temporal server answers at {}"),
        (
            lambda: refusing_temporal(refuses_all),
            "Temporal at {} refuses: invalid API key; check TEMPORAL_API_KEY, or the certificate",
        ),
        (
            lambda: refusing_temporal(refuses_all_but_the_greeting),
            "Temporal at {} refuses: Request unauthorized; check TEMPORAL_API_KEY, or the certificate",
        ),
        (
            lambda: refusing_temporal(refuses_after_the_first_question()),
            "Temporal doesn't let this worker work: Request unauthorized.",
        ),
    ],
    ids=["away", "a wrong key", "a wrong key, after the greeting", "a key that may do little"],
)
def test_a_worker_says_in_one_line_why_it_cannot_begin(
    stack: StackInfo,
    engine: Engine,
    tmp_path: Path,
    temporal: Callable[[], AbstractContextManager[str]],
    told: str,
) -> None:
    """temporalio/sdk-python 631: it was silent. 300: the interpreter aborted after the right line."""
    del engine  # The schema is there.
    log = tmp_path / "worker.log"
    with temporal() as address:
        environment = {"DATABASE_URL": stack.database_url, "TEMPORAL_ADDRESS": address}
        process = FORKS.Process(target=_as_a_program, args=(environment, log))
        process.start()
        process.join(60)
        assert (process.exitcode, log.read_text().splitlines()[-1]) == (1, told.format(address)), log.read_text()
    assert "Traceback" not in log.read_text()


async def test_a_worker_whose_other_half_cannot_begin_ends_at_once(
    our_client: Client, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a plugin of the first, the second would keep it from ever ending."""
    # Bulk work is nothing but activities through a queue.
    monkeypatch.setattr(worker, "Worker", functools.partial(Worker, no_remote_activities=True))
    queue = settings.model_copy(update={"task_queue": new_reference("queue")})
    async with asyncio.timeout(ANSWER_SECONDS):
        with pytest.raises(ValueError, match="At least one task type must be enabled"):
            async with worker.working(our_client, database, queue):
                await asyncio.Event().wait()


async def test_what_cannot_begin_beside_a_worker_ends_it_at_once(
    our_client: Client, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(self: Waking) -> None:
        raise RuntimeError("it can't listen")

    monkeypatch.setattr(Waking, "while_working", cannot)
    queue = settings.model_copy(update={"task_queue": new_reference("queue")})
    async with asyncio.timeout(ANSWER_SECONDS):
        with pytest.raises(RuntimeError, match="it can't listen"):
            async with worker.working(our_client, database, queue):
                await asyncio.Event().wait()
