"""Events on their way to subscribers: whatever a receiver does, it gets all of them, in order per subject."""

import base64
import json
import re
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from devstack.stack import StackInfo
from stockkeeper import Connection, Stockkeeper
from stockkeeper.client.questions import ask
from stockkeeper.contracts.errors import InvalidRequest, InvalidState, OperationConflict
from stockkeeper.contracts.event import EventKind, type_of
from stockkeeper.contracts.event_subscriber import EventSubscriberState, ShowWebhookSecret, SubscriberStatus
from stockkeeper.contracts.question import SHOW_WEBHOOK_SECRET
from stockkeeper.contracts.sealed_secret import Sealed, SealingKey
from stockkeeper.contracts.webhook import signing_secret
from tests.support.commands import Command
from tests.support.shop import Shop, new_reference
from tests.support.webhooks import DROPPED, WEBHOOK_KEY, News, Received, Receiver
from tests.support.wire import eventually

ANN = "ann"


@pytest.fixture
def stock(our_client: Client, worker: None, stack: StackInfo) -> Stockkeeper:
    del worker
    return Stockkeeper(Connection(our_client, stack.task_queue))


@pytest.fixture
def news(engine: Engine, shop: Shop) -> News:
    return News(engine, [shop.product() for _ in range(6)])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().open() as receiver:
        yield receiver


async def _subscribed(stock: Stockkeeper, receiver: Receiver, news: News, name: str) -> EventSubscriberState:
    return await stock.subscribe(
        receiver.url, name=name, products=news.product_ids, after=news.last(), performed_by=ANN
    )


async def _is(stock: Stockkeeper, name: str, status: SubscriberStatus) -> EventSubscriberState:
    return await eventually(lambda: stock.subscriber(name), lambda state: state.status is status)


def _in_order(receiver: Receiver) -> None:
    """Of each partition key, an event was first taken after all before it."""
    keys = receiver.key_of()
    first = sorted(dict.fromkeys(receiver.taken), key=lambda number: keys[number])
    for _, numbers in groupby(first, key=lambda number: keys[number]):
        listed = list(numbers)
        assert listed == sorted(listed)


def _clumsy(came: Received) -> int:
    """Fails at first, is slow now and then, and forgets to answer what it has taken."""
    if came.requests <= 3:
        return 503
    if came.requests % 7 == 0:
        time.sleep(0.2)
    return DROPPED if came.requests in (10, 20) else 200


async def test_a_receiver_that_fails_is_slow_and_answers_nothing_gets_all_in_order(
    stock: Stockkeeper, receiver: Receiver, news: News
) -> None:
    receiver.answers = _clumsy
    name = new_reference("clumsy")
    begun = await _subscribed(stock, receiver, news, name)
    assert (begun.status, begun.url, begun.delivered) == (SubscriberStatus.ACTIVE, receiver.url.partition("?")[0], 0)
    numbers = news.happen(60)
    await receiver.has(numbers)
    _in_order(receiver)
    # What had no answer came again, and nothing else did.
    assert len(receiver.taken) == 62
    assert {*receiver.taken} == {*numbers}
    for each in receiver.received:
        each.verify(signing_secret(WEBHOOK_KEY, name, 1))
    sent = receiver.received[0]
    assert sent.headers["webhook-id"] == f"stockkeeper/{sent.number}"
    assert sent.headers["Content-Type"] == "application/cloudevents+json"


async def test_a_subscriber_is_paused_changed_replayed_and_ended(
    stock: Stockkeeper, receiver: Receiver, news: News
) -> None:
    name = new_reference("commanded")
    begun = await _subscribed(stock, receiver, news, name)
    first = news.happen(3)
    await receiver.has(first)
    # The same again is the same subscriber; other events, or another place, aren't.
    assert (await _subscribed(stock, receiver, news, name)).name == begun.name
    with pytest.raises(OperationConflict):
        await stock.subscribe(receiver.url, name=name, performed_by=ANN)
    paused = await stock.pause_subscriber(name, performed_by=ANN, reason="holidays")
    assert (paused.status, paused.paused_because) == (SubscriberStatus.PAUSED, "paused by ann: holidays")
    with pytest.raises(InvalidState, match="is paused already"):
        await stock.pause_subscriber(name, performed_by=ANN, reason="holidays")
    await eventually(lambda: stock.subscriber(name), lambda state: state.delivered == 3)
    missed = news.happen(4)
    with Receiver().open() as other:
        changed = await stock.change_subscriber(name, url=other.url, types=["level.changed"], performed_by=ANN)
        assert (changed.status, changed.url) == (SubscriberStatus.PAUSED, other.url.partition("?")[0])
        again = await stock.replay_events(name, first[1], performed_by=ANN)
        assert (again.cursor, again.status) == (first[0], SubscriberStatus.PAUSED)
        await stock.rotate_webhook_secret(name, performed_by=ANN)
        assert sorted(receiver.taken) == first
        await stock.resume_subscriber(name, performed_by=ANN)
        await other.has([*first[1:], *missed])
        assert sorted(other.taken) == [*first[1:], *missed]
        assert sorted(receiver.taken) == first
        for each in other.received:
            each.verify(signing_secret(WEBHOOK_KEY, name, 2), signing_secret(WEBHOOK_KEY, name, 1))
        ended = await stock.unsubscribe(name, performed_by=ANN, reason="moved on")
        assert ended.status is SubscriberStatus.ENDED
    with pytest.raises(InvalidState, match="has been unsubscribed; subscribe it again"):
        await stock.resume_subscriber(name, performed_by=ANN)


async def test_a_receiver_that_is_gone_is_paused_at_once_and_told(
    stock: Stockkeeper, receiver: Receiver, news: News
) -> None:
    receiver.answers = lambda _: 410
    name = new_reference("gone")
    await _subscribed(stock, receiver, news, name)
    numbers = news.happen(12)
    state = await _is(stock, name, SubscriberStatus.PAUSED)
    assert state.paused_because == "its receiver says that it is gone (410)"
    assert state.cursor < numbers[0]
    # Those that were under way with it.
    assert len(receiver.received) <= 4
    told = await eventually(lambda: stock.subscriber(name), lambda state: state.notices[0].outcome != "PENDING")
    [notice] = told.notices
    assert (notice.audience, notice.title) == ("OPERATIONS", f"Events to {name} are paused")
    receiver.answers = lambda _: 200
    await stock.resume_subscriber(name, performed_by=ANN)
    await receiver.has(numbers)
    receiver.answers = lambda _: 410
    news.happen(1)
    await _is(stock, name, SubscriberStatus.PAUSED)
    await stock.unsubscribe(name, performed_by=ANN, reason="seen")
    # Whoever comes under this name later has another secret.
    assert (await _subscribed(stock, receiver, news, name)).generation == 2


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"url": "https://10.0.0.1/hooks"}, "url: it has an address that isn't public"),
        ({"url": "https://169.254.169.254/latest"}, "url: it has an address that isn't public"),
        ({"url": "https://user@8.8.8.8/"}, "url: must have no user or password"),
        ({"types": ["level.gone"]}, "types: has 'stockkeeper.level.gone', which is no type of event"),
        ({"name": "a/b"}, "name: String should match pattern"),
        ({"after": 2**62}, "after: "),
    ],
)
async def test_a_subscriber_that_cannot_be_served_is_refused(
    stock: Stockkeeper, receiver: Receiver, wrong: dict[str, Any], why: str
) -> None:
    asked = {"url": receiver.url, "name": new_reference("refused"), "performed_by": ANN} | wrong
    with pytest.raises(InvalidRequest) as caught:
        await stock.subscribe(**asked)
    assert str(caught.value).startswith(why)
    assert receiver.received == []


async def test_a_person_subscribes_looks_commands_and_reads_the_secret(
    command: Command, stock: Stockkeeper, receiver: Receiver, news: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answers = lambda _: 410
    name = new_reference("typed")
    sku = next(iter((await stock.names([news.product_ids[0]])).skus.values()))
    subscribed = await command(
        *("events", "subscribe", receiver.url, "--name", name, "--types", "level.changed,hold.expired"),
        *("--sku", sku, "--performed-by", ANN),
    )
    assert subscribed.exit_code == 0, subscribed.output
    first, second, third = subscribed.stdout.splitlines()
    types = ", ".join(map(type_of, (EventKind.LEVEL_CHANGED, EventKind.HOLD_EXPIRED)))
    assert first == f"{name}: ACTIVE, {types} of 1 product to http://127.0.0.1:{receiver.port}/hooks"
    assert second.startswith("0 events taken, all up to number ")
    assert (third, subscribed.stderr) == (f"secret: {signing_secret(WEBHOOK_KEY, name, 1)}", "")
    # A worker tells it, and where the workers' key is set nobody has to be asked.
    for key in ("", WEBHOOK_KEY):
        monkeypatch.setenv("STOCKKEEPER_WEBHOOK_KEY", key)
        secret = await command("events", "secret", name)
        assert (secret.stdout, secret.stderr) == (f"{signing_secret(WEBHOOK_KEY, name, 1)}\n", "")
    monkeypatch.delenv("STOCKKEEPER_WEBHOOK_KEY")
    news.happen(1)
    await _is(stock, name, SubscriberStatus.PAUSED)
    listed = json.loads((await command("events", "subscribers", "--json")).stdout)
    [listed_one] = [each for each in listed if each["name"] == name]
    assert (listed_one["status"], listed_one["delivered"]) == ("PAUSED", 0)
    shown = (await command("events", "subscribers")).stdout
    assert "its receiver says that it is gone (410)" in shown
    rotated = json.loads((await command("events", "rotate", name, "--json")).stdout)
    assert rotated["generation"] == 2
    changed = json.loads((await command("events", "change", name, "--all-types", "--json")).stdout)
    assert (changed["types"], len(changed["product_ids"])) == ([], 1)
    replayed = await command("events", "replay", name, "--from", "1", "--json")
    assert json.loads(replayed.stdout)["cursor"] == 0
    twice = await command("events", "pause", name, "--reason", "again")
    assert (twice.exit_code, "is paused already" in twice.stderr) == (1, True)
    ended = json.loads((await command("events", "unsubscribe", name, "--reason", "seen", "--json")).stdout)
    assert ended["status"] == "ENDED"


async def test_a_program_subscribes_without_a_name_and_verifies_by_the_secret_that_it_was_told(
    command: Command, receiver: Receiver, news: News, stock: Stockkeeper, our_client: Client
) -> None:
    changed = type_of(EventKind.LEVEL_CHANGED)
    subscribed = await command("events", "subscribe", receiver.url, "--types", f"{changed},hold.expired", "--json")
    assert (subscribed.exit_code, subscribed.stderr) == (0, "")
    state = json.loads(subscribed.stdout)
    assert re.fullmatch(r"127\.0\.0\.1-[0-9a-f]{8}", state["name"])
    assert state["types"] == [changed, type_of(EventKind.HOLD_EXPIRED)]
    numbers = news.happen(2)
    await receiver.has(numbers)
    for each in receiver.received:
        each.verify(state["secret"])
    # Short types and full ones are the same, so this is the same subscriber, and it has the same secret.
    again = await command("events", "subscribe", receiver.url, "--types", f"hold.expired,{changed}", "--json")
    assert json.loads(again.stdout)["name"] == state["name"]
    assert json.loads(again.stdout)["secret"] == state["secret"]
    # Without the library it is subscribed all the same, and the extra and the way to the secret are named.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.x25519", None)
        without = await command("events", "subscribe", receiver.url, "--types", f"hold.expired,{changed}", "--json")
    assert (without.exit_code, json.loads(without.stdout)["secret"]) == (0, None)
    assert "pip install 'stockkeeper[encryption]'" in without.stderr
    assert f"`stockkeeper events secret {state['name']}`" in without.stderr
    # Temporal has been asked, and has nothing of it.
    handle = our_client.get_workflow_handle(f"event-subscriber-{state['name']}")
    assert state["secret"] not in (await handle.fetch_history()).to_json()
    await stock.unsubscribe(state["name"], performed_by=ANN, reason="seen")


async def test_only_the_secret_that_signs_now_is_told_and_only_to_who_made_the_key(
    stock: Stockkeeper, receiver: Receiver, news: News
) -> None:
    name, key = new_reference("sealed"), SealingKey()

    async def shown(**fields: Any) -> str:
        asked = ShowWebhookSecret(**{"name": name, "public_key": key.public} | fields)
        found = await ask(stock.connection, SHOW_WEBHOOK_SECRET, asked)
        assert signing_secret(WEBHOOK_KEY, name, found.generation) not in found.model_dump_json()
        return key.open(Sealed(found.public_key, found.sealed), found.name, found.generation)

    async def refused(**fields: Any) -> str:
        with pytest.raises(InvalidRequest) as caught:
            await shown(**fields)
        return str(caught.value)

    assert await refused() == f"name: nobody is subscribed as {name}"
    await _subscribed(stock, receiver, news, name)
    assert await shown(generation=1) == signing_secret(WEBHOOK_KEY, name, 1)
    assert await refused(generation=2) == f"generation: secret no. 1 signs for {name} now"
    assert "public key of which secrets can be made" in await refused(public_key=base64.b64encode(bytes(32)).decode())
    await stock.rotate_webhook_secret(name, performed_by=ANN)
    assert await refused(generation=1) == f"generation: secret no. 2 signs for {name} now"
    assert await stock.webhook_secret(name) == signing_secret(WEBHOOK_KEY, name, 2)
    await stock.unsubscribe(name, performed_by=ANN, reason="seen")
    assert await refused() == f"name: nobody is subscribed as {name}"
