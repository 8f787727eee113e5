"""Signs of life from beside an activity that waits."""

import threading

import pytest
from temporalio.testing import ActivityEnvironment

from activities import heartbeats


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
