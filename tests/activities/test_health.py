"""What a worker's probes are answered: by real servers that are well, away, silent, or of another version."""

import asyncio
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, make_url
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion

from activities import health, health_server
from activities.health import Health, Look, database_look, search_attributes_look, temporal_look, work_look
from activities.health_server import answering, host_and_port
from activities.polls import Seen
from database.migrate import newest_revision, upgrade
from database.sessions import connect
from devstack.processes import LOOPBACK, free_port
from devstack.stack import StackInfo
from starter.namespace import missing_search_attributes
from stockkeeper.domain.errors import StockkeeperError
from tests.activities.test_older_workers import newer_version
from tests.support.refusing_temporal import refuses_all_but_the_greeting, refusing_temporal
from tests.support.shop import new_reference


async def test_a_database_that_answers_and_serves_is_well(stack: StackInfo, engine: Engine) -> None:
    del engine  # The schema is there.
    looking = database_look(connect(stack.database_url, pool_size=1, role="stockkeeper_worker"))
    assert await looking.seen() == [
        Seen("database", ok=True, reason="it answers"),
        Seen("schema", ok=True, reason=f"revision {newest_revision()} serves this version"),
    ]


async def test_a_schema_that_does_not_serve_this_version_is_named(empty: Engine) -> None:
    [database, schema] = await database_look(empty).seen()
    assert (database.ok, schema) == (
        True,
        Seen(
            "schema",
            ok=False,
            reason=f"the database is at revision none, this version needs {newest_revision()}: run `stockkeeper setup`",
        ),
    )
    upgrade(empty)
    newer_version(empty, serves_older_workers=False)
    [_, schema] = await database_look(empty).seen()
    assert (schema.ok, "migration 9998 doesn't serve older workers" in schema.reason) == (False, True)


async def test_a_database_that_is_away_is_told_without_its_address(stack: StackInfo) -> None:
    port = free_port()
    url = make_url(stack.database_url).set(port=port).render_as_string(hide_password=False)
    [database, schema] = await database_look(connect(url, pool_size=1)).seen()
    assert database == Seen("database", ok=False, reason="the database is away: Connection refused")
    assert schema == Seen("schema", ok=False, reason="it can't be seen")


async def test_an_account_that_may_not_look_keeps_no_worker_from_being_ready_but_for_the_namespace(
    our_client: Client,
) -> None:
    assert await temporal_look(our_client).seen() == [Seen("temporal", ok=True, reason="it answers")]
    with refusing_temporal(refuses_all_but_the_greeting) as address:
        strange = await Client.connect(address)
        refused = "Request unauthorized."
        assert await temporal_look(strange).seen() == [Seen("temporal", ok=False, reason=f"it refuses: {refused}")]
        unseen = f"it can't be seen: {refused}"
        looking = search_attributes_look(lambda: missing_search_attributes(strange))
        assert await looking.seen() == [Seen("search_attributes", ok=True, reason=unseen)]
        assert await work_look(strange, "q", None).seen() == [Seen("work", ok=True, reason=unseen)]


async def test_search_attributes_are_there_or_named(our_client: Client) -> None:
    [seen] = await search_attributes_look(lambda: missing_search_attributes(our_client)).seen()
    assert seen == Seen("search_attributes", ok=True, reason="all are registered")

    async def two_are_missing() -> list[str]:
        return ["StockAmount", "StockStatus"]

    [seen] = await search_attributes_look(two_are_missing).seen()
    reason = "StockAmount, StockStatus not registered: run `stockkeeper setup`"
    assert seen == Seen("search_attributes", ok=False, reason=reason)


async def test_a_worker_with_a_version_is_ready_before_it_is_current(our_client: Client) -> None:
    queue = new_reference("queue")
    assert await work_look(our_client, queue, None).seen() == [
        Seen("work", ok=True, reason=f"workers without a version get the work of task queue {queue}")
    ]
    [seen] = await work_look(our_client, queue, WorkerDeploymentVersion("stock", "v2")).seen()
    assert (seen.ok, "this one, of v2, none until" in seen.reason) == (True, True)


async def test_many_probes_ask_once_and_an_answer_is_good_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[None] = []

    async def ask() -> Sequence[Seen]:
        asked.append(None)
        return [Seen("it", ok=True, reason="")]

    looking = Look(["it"], ask)
    seen = [*await asyncio.gather(looking.seen(), looking.seen()), await looking.seen()]
    assert [[*each] for each in seen] == [[Seen("it", ok=True, reason="")]] * 3
    assert len(asked) == 1
    monkeypatch.setattr(health, "FRESH_SECONDS", -1.0)
    stale = Look(["it"], ask)
    await stale.seen()
    await stale.seen()
    assert len(asked) == 3


async def test_a_server_that_is_silent_is_not_waited_for_nor_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "ANSWER_WITHIN_SECONDS", 0.01)
    answers = asyncio.Event()
    asked: list[None] = []

    async def ask() -> Sequence[Seen]:
        asked.append(None)
        await answers.wait()
        return [Seen("it", ok=True, reason="")]

    looking = Look(["it", "that"], ask)
    for _ in range(2):
        assert await looking.seen() == [
            Seen("it", ok=False, reason="no answer within 0.01 s"),
            Seen("that", ok=False, reason="no answer within 0.01 s"),
        ]
    answers.set()
    monkeypatch.setattr(health, "ANSWER_WITHIN_SECONDS", 30)
    assert (await looking.seen(), len(asked)) == ([Seen("it", ok=True, reason="")], 1)


async def test_a_worker_that_stops_is_not_ready_any_more() -> None:
    stop = asyncio.Event()
    worker = Health((LOOPBACK, free_port()), [], stop)
    assert await worker.ready() == [Seen("worker", ok=True, reason="it works")]
    stop.set()
    assert await worker.ready() == [Seen("worker", ok=False, reason="it is stopping")]
    # Its counters can't be read, which is no reason yet.
    assert [each.ok for each in await worker.live()] == [True, True]


async def get(port: int, path: str) -> tuple[int, Any]:
    """Status and body of an answer."""

    def ask() -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}") as answered:
                assert answered.headers["Content-Type"] == "application/json"
                return answered.status, json.load(answered)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    return await asyncio.to_thread(ask)


async def test_the_endpoint_answers_200_or_503_with_a_reason_for_each_check() -> None:
    well, ill = Seen("database", ok=True, reason="it answers"), Seen("temporal", ok=False, reason="it doesn't")

    async def live() -> Sequence[Seen]:
        return [well]

    async def ready() -> Sequence[Seen]:
        return [well, ill]

    port = free_port()
    with answering((LOOPBACK, port), {"/livez": live, "/readyz": ready}):
        assert await get(port, "/livez") == (200, {"checks": [vars(well)]})
        assert await get(port, "/readyz?verbose") == (503, {"checks": [vars(well), vars(ill)]})
        assert await get(port, "/healthz") == (404, {"paths": ["/livez", "/readyz"]})
    with pytest.raises(urllib.error.URLError):
        await get(port, "/livez")


async def test_a_loop_that_hangs_is_told_and_a_fault_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_server, "LOOP_WITHIN_SECONDS", 0.05)

    async def hangs() -> Sequence[Seen]:
        await asyncio.Event().wait()
        return []

    async def fails() -> Sequence[Seen]:
        raise KeyError("s3cret")

    port = free_port()
    with answering((LOOPBACK, port), {"/livez": hangs, "/readyz": fails}):
        hung = {"name": "event_loop", "ok": False, "reason": "hasn't answered for 0.05 s"}
        assert await get(port, "/livez") == (503, {"checks": [hung]})
        assert await get(port, "/readyz") == (503, {"checks": [hung | {"reason": "can't tell: KeyError"}]})


async def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StockkeeperError) as refused, answering((LOOPBACK, port), {}):
            pass
    assert str(refused.value) == (
        f"STOCKKEEPER_HEALTH_ADDRESS 127.0.0.1:{port} can't be listened on: Address already in use"
    )


def test_an_address_is_an_ip_address_and_a_port() -> None:
    assert host_and_port("127.0.0.1:8086") == ("127.0.0.1", 8086)
    assert host_and_port("[::1]:65535") == ("::1", 65535)
    for wrong in ("8086", ":8086", "localhost:8086", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536"):
        with pytest.raises(ValueError, match=r"^must be an IP address and a port, such as 0\.0\.0\.0:8086$"):
            host_and_port(wrong)
