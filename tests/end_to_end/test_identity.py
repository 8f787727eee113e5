"""Who did it: each kind of message with an identity, without one, and with one that proves nothing."""

import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import pytest
from sqlalchemy import Engine, text
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer

from database.sessions import Database
from stockkeeper import InvalidRequest, NotPermitted, Stockkeeper
from stockkeeper.client.connection import Connection
from stockkeeper.contracts.claims import LEEWAY
from stockkeeper.contracts.converter import DATA_CONVERTER
from stockkeeper.contracts.identity import WITHOUT
from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import Adjusting, adjustment, changed
from tests.support.identity import Provider, carrying, key
from tests.support.purchase_order import Purchasing
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.stock_audit import Audits
from tests.support.wire import ANSWER_SECONDS, Caller, Json, answer, eventually, refusal
from worker import REPLAYED_WITH, WORKFLOW_RUNNER, WORKFLOWS, Settings, working

QUEUE = "identity"
UPDATES = (
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
)
C = TypeVar("C", bound=Caller)


class Place(NamedTuple):
    """A worker that requires identities: what makes it, and its provider."""

    provider: Provider
    plain: Client
    ours: Client
    database: Database
    settings: Settings

    def worker(self) -> AbstractAsyncContextManager[None]:
        """Such a worker, to be entered."""
        return working(self.ours, self.database, self.settings)

    def as_(self, kind: type[C], person: str, *roles: str, **claims: Any) -> C:
        """Somebody's side of a process, with a token."""
        return self.with_token(kind, self.provider.token(person, *roles, **claims))

    def with_token(self, kind: type[C], token: str) -> C:
        """The same with this token."""
        return kind(carrying(self.plain, token), self.settings.task_queue)

    def without(self, kind: type[C]) -> C:
        """The side of somebody without one."""
        return kind(self.plain, self.settings.task_queue)


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory,
    plain_client: Client,
    our_client: Client,
    database: Database,
    settings: Settings,
) -> Place:
    provider = Provider(tmp_path_factory.mktemp("provider") / "keys.json")
    told = settings.model_copy(update=provider.settings | {"task_queue": QUEUE})
    return Place(provider, plain_client, our_client, database, told)


@pytest.fixture(scope="module")
async def here(place: Place) -> AsyncIterator[Place]:
    """... at work."""
    async with place.worker():
        yield place


async def _not_permitted(call: Awaitable[Any]) -> str:
    refused = await refusal(call)
    assert refused.type == "NotPermitted"
    return refused.message


def _movers(engine: Engine, item: ItemKey) -> list[tuple[str, int]]:
    asked = text("SELECT performed_by, quantity FROM stock_movements WHERE product_id = :p AND movement_type = 'SALE'")
    with engine.connect() as connection:
        return [(row.performed_by, row.quantity) for row in connection.execute(asked, {"p": item.product_id})]


async def _past(end: float) -> None:
    """Return once a token of this end is over."""
    over = end + LEEWAY.total_seconds()
    await eventually(_now, lambda now: now > over)


async def _now() -> float:
    return time.time()


async def test_what_the_ledger_names_is_the_name_of_the_token(here: Place, shop: Shop, engine: Engine) -> None:
    """Update-with-start, update, and the same name typed in another way."""
    item, order = shop.item(5), new_reference()
    seller = here.as_(Orders, "Shop", "sell")
    state = await seller.reserve(order, (item, 5), performed_by="SHOP")
    assert state["status"] == "ACTIVE"
    await seller.fulfill(order, [{"product_id": item.product_id, "quantity": 2}], performed_by="shop")
    assert _movers(engine, item) == [("Shop", -2)]

    for person, message in (("eve", "it names 'shop', and its identity is 'eve''s"), ("Shop", "it names 'eve'")):
        thief = here.as_(Orders, person, "sell")
        typed = "shop" if person == "eve" else "eve"
        assert message in await _not_permitted(thief.fulfill(order, performed_by=typed))
    looker = here.as_(Orders, "Shop", "look", "receive")
    assert "needs the role sell" in await _not_permitted(looker.fulfill(order, performed_by="Shop"))
    assert _movers(engine, item) == [("Shop", -2)]
    assert (await seller.state(order))["status"] == "ACTIVE"


async def test_a_start_that_proves_nobody_fails_and_holds_nothing(here: Place, shop: Shop) -> None:
    item = shop.item(1)
    forged = here.provider.token("shop", "sell", by=key("first"))
    for caller in (here.without(Orders), here.with_token(Orders, forged), here.as_(Orders, "shop", "buy")):
        order = new_reference()
        await caller.start(order, [{"reference_id": order, "performed_by": "shop", "lines": [_line(item)]}])
        assert await _not_permitted(caller.result(order))
        run = await caller.handle(order).describe()
        assert run.search_attributes["StockStatus"] == ["REFUSED"]
    alone = here.without(Orders).reserve(new_reference(), (item, 1))
    assert await _not_permitted(alone) == WITHOUT
    state = await here.as_(Orders, "shop", "sell").reserve(new_reference(), (item, 1))
    assert state["status"] == "ACTIVE"


def _line(item: ItemKey, quantity: int = 1) -> dict[str, Json]:
    return {"product_id": item.product_id, "warehouse_id": item.warehouse_id, "quantity": quantity}


async def test_a_signal_that_proves_nobody_is_noted_and_changes_nothing(here: Place, shop: Shop) -> None:
    """Without a token, expired, forged, of another audience, of another person; and one that is right."""
    item, order = shop.item(1), new_reference()
    seller = here.as_(Orders, "shop", "sell")
    await seller.reserve(order, (item, 1))
    gone = int(time.time()) - int(LEEWAY.total_seconds()) - 1
    tokens = {
        "had expired": here.provider.token("shop", "sell", exp=gone),
        "isn't signed": here.provider.token("shop", "sell", by=key("first")),
        "aud is wrong": here.provider.token("shop", "sell", aud="billing"),
        "identity is 'eve''s": here.provider.token("eve", "sell"),
    }
    await here.without(Orders).signal(order, "cancel", {"performed_by": "shop", "reason": "x"})
    for token in tokens.values():
        await here.with_token(Orders, token).signal(order, "cancel", {"performed_by": "shop", "reason": "x"})
    notes = await seller.noted(order, 5)
    assert notes[0] == f"signal cancel refused: NotPermitted: {WITHOUT}"
    for note, words in zip(notes[1:], tokens, strict=True):
        assert note.startswith("signal cancel refused: NotPermitted: ")
        assert words in note
    assert (await seller.state(order))["status"] == "ACTIVE"
    await here.without(Orders).signal(order, "give_way", {"performed_by": "shop", "reason": "x"})
    assert (await seller.noted(order, 6))[5] == f"signal give_way refused: NotPermitted: {WITHOUT}"
    await seller.signal(order, "cancel", {"performed_by": "shop", "reason": "x"})
    assert (await seller.result(order))["status"] == "CANCELLED"
    await _replays(seller, order)


async def test_an_update_without_an_identity_leaves_no_trace(here: Place, shop: Shop) -> None:
    item, order = shop.item(1), new_reference()
    seller, stranger = here.as_(Orders, "shop", "sell"), here.without(Orders)
    await seller.reserve(order, (item, 1))
    before = await seller.history(order, *UPDATES)
    assert await _not_permitted(stranger.fulfill(order, performed_by="shop")) == WITHOUT
    assert await _not_permitted(stranger.update(order, "reserved")) == WITHOUT
    assert await seller.history(order, *UPDATES) == before
    nobody = here.as_(Orders, "eve")
    assert "has none" in await _not_permitted(nobody.update(order, "reserved"))
    assert (await here.as_(Orders, "eve", "look").update(order, "reserved"))["status"] == "ACTIVE"
    cancelled = await seller.update(order, "cancel", {"performed_by": "shop", "reason": "x"})
    assert cancelled["status"] == "CANCELLED"


async def test_four_eyes_and_limits_count_the_people_of_tokens(here: Place, shop: Shop) -> None:
    item, number = shop.item(0), new_reference("PO")
    buyer = here.as_(Purchasing, "rita", "buy", "approve")
    state = await buyer.draft(number, shop.supplier(), [(item, 1500)], requested_by="Rita")
    assert (state["status"], state["required_approvals"]) == ("DRAFT", 1)

    async def approved_by(typed: str, caller: Purchasing) -> Json:
        return await caller.update(number, "approve", {"approver": typed})

    assert "names 'ann'" in await _not_permitted(approved_by("ann", buyer))
    assert await _not_permitted(approved_by("rita", buyer))
    small = here.as_(Purchasing, "ann", "approve", limit="1499.99")
    assert "is above 1,499.99" in await _not_permitted(approved_by("ann", small))
    elsewhere = here.as_(Purchasing, "ann", "approve", warehouses=[item.warehouse_id + 1], limit="1500")
    assert "in warehouse" in await _not_permitted(approved_by("ann", elsewhere))
    assert (await buyer.state(number))["approvals"] == []
    ann = here.as_(Purchasing, "Ann", "approve", warehouses=[item.warehouse_id], limit="1500")
    state = await approved_by("ann", ann)
    assert state["status"] == "SUBMITTED"
    assert [each["approver"] for each in state["approvals"]] == ["Ann"]
    await here.as_(Purchasing, "rita", "buy").update(number, "cancel", {"performed_by": "rita", "reason": "x"})


async def test_a_command_that_a_worker_sees_late_goes_by_when_it_was_sent_also_after_a_reset(
    here: Place, shop: Shop
) -> None:
    place = here._replace(settings=here.settings.model_copy(update={"task_queue": new_reference("late")}))
    item, order, late = shop.item(1), new_reference(), new_reference()
    end = int(time.time()) - int(LEEWAY.total_seconds()) + 3
    short = place.as_(Orders, "shop", "sell", exp=end, iat=end - 600)
    start = {"reference_id": order, "performed_by": "shop", "lines": [_line(item)]}
    await short.start(order, [start])
    await short.signal(order, "extend", {"performed_by": "shop", "ttl_minutes": 600})
    await _past(end)
    await short.start(late, [start | {"reference_id": late}])
    await short.signal(order, "cancel", {"performed_by": "shop", "reason": "too late"})
    async with place.worker():
        assert "had expired" in await _not_permitted(short.result(late))
        notes = await short.noted(order, 1)
        assert "signal cancel refused: NotPermitted: the identity had expired" in notes[0]
        state = await short.state(order)
        assert state["status"] == "ACTIVE"
        await _reset(short, order)
        notes = await short.noted(order, 1)
        assert "signal cancel refused: NotPermitted: the identity had expired" in notes[0]
        again = await short.state(order)
        assert again["lines"] == state["lines"]
        extended = await short.summaries(order, EventType.EVENT_TYPE_MARKER_RECORDED)
        assert any(each.startswith("extend until") for each in extended)
        seller = place.as_(Orders, "shop", "sell")
        await seller.update(order, "cancel", {"performed_by": "shop", "reason": "x"})
        await _replays(seller, order)


async def _reset(caller: Caller, reference: str) -> None:
    """Go back to the first task; what came since comes again."""
    run = await caller.handle(reference).describe()
    await caller.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=caller.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run.id, run_id=run.run_id),
            reason="try again",
            workflow_task_finish_event_id=4,
            request_id=new_reference("reset"),
        )
    )


async def test_a_key_is_rotated_while_a_run_is_open_and_the_run_goes_on_in_another_one(here: Place, shop: Shop) -> None:
    """The new key at once, the old one not any more; histories replay without either."""
    item, order = shop.item(3), new_reference()
    old = here.as_(Orders, "shop", "sell")
    # An update id of the caller's own: the run goes on in another one, whose start has no header.
    await old.reserve(order, (item, 3), update_id="mine")
    second = key("second")
    before, here.provider.signing = here.provider.signing, second
    here.provider.publish(second)
    try:
        line = [{"product_id": item.product_id, "quantity": 1}]
        assert "isn't signed" in await _not_permitted(old.fulfill(order, line, performed_by="shop"))
        new = here.as_(Orders, "shop", "sell")
        state = await new.fulfill(order, line, performed_by="shop")
        assert [each["quantity_fulfilled"] for each in state["lines"]] == [1]
        run = await new.handle(order).describe()
        assert run.raw_info.first_run_id != run.run_id
        await new.update(order, "cancel", {"performed_by": "shop", "reason": "x"})
        await _replays(new, order)
        await _replays(new, order, run.raw_info.first_run_id)
    finally:
        here.provider.signing = before
        here.provider.publish(before)


async def _replays(caller: Caller, reference: str, run_id: str | None = None) -> None:
    """The history says the same to a worker without keys, and has no token in what it made of them."""
    history = await caller.handle(reference, run_id).fetch_history()
    replayer = Replayer(
        workflows=WORKFLOWS,
        workflow_runner=WORKFLOW_RUNNER,
        data_converter=DATA_CONVERTER,
        interceptors=REPLAYED_WITH,
    )
    await replayer.replay_workflow(history)
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            assert b"eyJ" not in event.SerializeToString()


async def test_questions_need_an_identity_by_both_of_their_ways(here: Place, shop: Shop) -> None:
    shop.item(1)

    def asking(client: Client, *, by_activity: bool) -> Stockkeeper:
        connection = Connection(client, QUEUE, answer_within=timedelta(seconds=ANSWER_SECONDS))
        connection.standalone_activities = by_activity
        return Stockkeeper(connection)

    for by_activity in (True, False):
        looker = asking(carrying(here.ours, here.provider.token("ann", "look")), by_activity=by_activity)
        product = (await anext(looker.levels())).product_id
        assert await looker.inbox() is not None
        for client in (here.ours, carrying(here.ours, here.provider.token("eve"))):
            with pytest.raises(NotPermitted):
                await anext(asking(client, by_activity=by_activity).levels())
        before = (await looker.product_names(product)).sku
        with pytest.raises(NotPermitted, match="administer"):
            await looker.rename_product(product, new_reference("sku"), performed_by="ann")
        admin = asking(carrying(here.ours, here.provider.token("Ann", "administer")), by_activity=by_activity)
        with pytest.raises(NotPermitted, match="name yourself"):
            await admin.rename_product(product, new_reference("sku"), performed_by="bob")
        assert (await looker.product_names(product)).sku == before
        renamed = new_reference("sku")
        assert (await admin.rename_product(product, renamed, performed_by="ann")).sku == renamed

        # A buffer and a reorder point are set in one's own warehouses only.
        item, other = shop.item(5), shop.item(5)
        token = here.provider.token("ann", "buy", warehouses=[item.warehouse_id])
        buyer = asking(carrying(here.ours, token), by_activity=by_activity)
        [own] = [level async for level in looker.levels(item.product_id)]
        [their] = [level async for level in looker.levels(other.product_id)]
        level = await buyer.set_buffer(own.sku, own.warehouse, 2, performed_by="ann")
        assert level.quantity_available == 3
        not_there = f"'ann' may not do that in warehouse {other.warehouse_id}"
        with pytest.raises(NotPermitted, match=not_there):
            await buyer.set_buffer(their.sku, their.warehouse, 2, performed_by="ann")
        with pytest.raises(NotPermitted, match=not_there):
            await buyer.set_automatic(their.sku, their.warehouse, performed_by="ann")
        assert [level async for level in looker.levels(other.product_id)] == [their]

    step = carrying(here.plain, here.provider.token("ann", "sell")).execute_activity(
        "reserve_stock", {}, id=new_reference("step"), task_queue=QUEUE, start_to_close_timeout=timedelta(seconds=9)
    )
    with pytest.raises(Exception, match="Activity") as caught:
        await answer(step)
    cause = caught.value.__cause__
    assert isinstance(cause, ApplicationError)
    assert (cause.type, "is a step of a process" in cause.message) == ("NotPermitted", True)


async def test_the_secret_of_a_subscriber_is_for_administrators(here: Place) -> None:
    for by_activity in (True, False):

        def asking(client: Client, *, by_activity: bool = by_activity) -> Stockkeeper:
            connection = Connection(client, QUEUE, answer_within=timedelta(seconds=ANSWER_SECONDS))
            connection.standalone_activities = by_activity
            return Stockkeeper(connection)

        others = ("look", "sell", "count", "receive", "buy", "approve")
        for client in (here.ours, carrying(here.ours, here.provider.token("ann", *others))):
            with pytest.raises(NotPermitted):
                await asking(client).webhook_secret("shop")
        admin = asking(carrying(here.ours, here.provider.token("ann", "administer")))
        with pytest.raises(InvalidRequest, match="nobody is subscribed as shop"):
            await admin.webhook_secret("shop")


async def test_what_the_system_sends_needs_no_token(here: Place, shop: Shop) -> None:
    """A correction tells a hold to give way; a schedule's run begins, and one that somebody made up doesn't."""
    item, order, number = shop.item(2), new_reference(), new_reference("A")
    seller = here.as_(Orders, "shop", "sell")
    await seller.reserve(order, (item, 2))
    counter = here.as_(Adjusting, "tom", "count")
    lost = adjustment(number, item.warehouse_id, changed(item, -1))
    state = await counter.ask_raw(number, [lost])
    if state["status"] == "PENDING":
        await here.as_(Adjusting, "ann", "approve", limit="*").approve(number, "ann")
    assert (await seller.result(order))["status"] == "CANCELLED"
    assert "the hold gave way" in (await seller.state(order))["notes"][-1]

    audits = here.without(Audits)
    of_one = new_reference("audit")
    await audits.start(of_one, [{"warehouse_id": item.warehouse_id}])
    assert await _not_permitted(audits.result(of_one)) == WITHOUT
    of_all = new_reference("audit")
    await audits.start(of_all, [{"warehouse_id": None}])
    assert (await audits.result(of_all))["status"] == "DONE"
    by_ann = here.as_(Audits, "ann", "administer")
    await by_ann.start(mine := new_reference("audit"), [{"warehouse_id": item.warehouse_id}])
    assert "asked for by ann" in (await by_ann.result(mine))["notes"][0]
