"""Signs of life from beside an activity that waits."""

import dataclasses
import threading
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.testing import ActivityEnvironment

from activities import heartbeats
from activities.edge import at_the_edge
from stockkeeper.contracts.import_file import DiscardImportStep


def test_an_activity_that_waits_is_heard_of_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "_EVERY_SECONDS", 0.001)
    heard = threading.Semaphore(0)
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: heard.release()

    def waits() -> None:
        with heartbeats.heartbeats():
            assert heard.acquire(timeout=10)
            assert heard.acquire(timeout=10)

    environment.run(waits)
    assert "heartbeats" not in {thread.name for thread in threading.enumerate()}


def test_they_end_with_an_activity_that_fails() -> None:
    def fails() -> None:
        with heartbeats.heartbeats():
            raise LookupError

    with pytest.raises(LookupError):
        ActivityEnvironment().run(fails)
    assert "heartbeats" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(("limit", "threads"), [(timedelta(seconds=10), 1), (None, 0)])
def test_every_activity_sends_them_for_which_temporal_waits(limit: timedelta | None, threads: int) -> None:
    seen: list[int] = []

    @activity.defn(name="waits")
    def waits(step: DiscardImportStep) -> None:
        del step
        seen.append([thread.name for thread in threading.enumerate()].count("heartbeats"))

    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, heartbeat_timeout=limit)
    step = {"operation_id": "import-1/discard", "performed_by": "tests", "as_of": "2026-11-29T08:00:00Z"}
    environment.run(at_the_edge(waits), step | {"import_id": "1"})
    assert seen == [threads]
