"""The ways that a purchase order can go."""

from pydantic import SecretStr

from stockkeeper.domain.stock import ItemKey
from tests.replay.recording import Scenes
from tests.support.approvals import NO_APPROVAL, ONE_APPROVAL, TWO_APPROVALS
from tests.support.inspection import has_run
from tests.support.lots import track
from tests.support.purchase_order import Purchasing, approval, came, draft, receipt, wanted
from tests.support.purchase_order_rows import is_late
from tests.support.wire import Json, refusal

_PAST, _PAST_TOO, _FAR = "2020-01-01", "2020-01-02", "2199-12-31"
_HALF_A_SECOND = 0.5 / 3600


class PurchaseOrderScenes(Scenes[Purchasing]):
    """Each scene's name is the order's number."""

    service = Purchasing
    under_way = frozenset({"awaiting_approval", "submitted"})

    async def awaiting_approval(self, po_number: str) -> None:
        """One of two approvals is there, and three timers run."""
        await self._draft(po_number, TWO_APPROVALS)
        await self._caller.approve(po_number, "ann")

    async def submitted(self, po_number: str) -> None:
        """It needed no approval, and the timer for the expected day runs."""
        await self._draft(po_number, NO_APPROVAL, expected_delivery_date=_FAR)

    async def received_in_parts(self, po_number: str) -> None:
        """Approved by two; some units were not accepted, and one delivery was told twice."""
        warehouse, supplier = self._shop.warehouse(), self._shop.supplier("sales@example.com")
        first, second = (ItemKey(warehouse, self._shop.product()) for _ in range(2))
        await self._caller.draft(po_number, supplier, [(first, 3), (second, 2)], approval=TWO_APPROVALS)
        await self._caller.approve(po_number, "ann")
        await self._caller.approve(po_number, "ben", note="")
        await self._caller.receive(po_number, "slip-1", came(first, 2, 1), came(second, 0, 2))
        await self._caller.receive(po_number, "slip-2", came(second, 2))
        await self._caller.receive(po_number, "slip-2", came(second, 2))
        await self._caller.receive(po_number, "slip-3", came(first, 1))

    async def difference_approved(self, po_number: str) -> None:
        """More may come than was ordered, and doesn't."""
        item = await self._draft(po_number, NO_APPROVAL)
        up_to = {"approver": "max", "value": "600.00", "unvalued_units": 2}
        await self._caller.update(po_number, "approve_difference", up_to)
        await self._caller.receive(po_number, "slip-1", came(item, 2))
        await self._caller.close_short(po_number)

    async def amended(self, po_number: str) -> None:
        """As a draft and when it was out: approved anew, and sent again."""
        item, supplier = ItemKey(self._shop.warehouse(), self._shop.product()), self._shop.supplier("s@example.com")
        await self._caller.draft(po_number, supplier, [(item, 3)], approval=ONE_APPROVAL)

        async def amend(qty: int, amendment_id: str) -> None:
            new = {"performed_by": "olga", "reason": "another quantity", "line_items": [wanted(item, qty)]}
            await self._caller.update(po_number, "amend", new | {"amendment_id": amendment_id})

        await amend(4, "first")
        await refusal(self._caller.approve(po_number, "olga"))
        await self._caller.approve(po_number, "ann")
        await amend(5, "second")
        await self._caller.approve(po_number, "ann")
        await self._caller.receive(po_number, "slip-1", came(item, 5))

    async def amendment_rejected(self, po_number: str) -> None:
        """It was out, so the supplier is told."""
        item, supplier = ItemKey(self._shop.warehouse(), self._shop.product()), self._shop.supplier("s@example.com")
        await self._caller.draft(po_number, supplier, [(item, 3)], approval=ONE_APPROVAL)
        await self._caller.approve(po_number, "ann")
        new = {"performed_by": "olga", "reason": "more", "line_items": [wanted(item, 4)]}
        await self._caller.signal(po_number, "amend", new)
        await self._caller.reject(po_number, "ben")

    async def taken_back(self, po_number: str) -> None:
        """A receipt is corrected twice under one number, too much is refused, and goods go back to the supplier."""
        item = await self._draft(po_number, NO_APPROVAL)
        await self._caller.receive(po_number, "slip-1", came(item, 2))
        wrong = {"correction_id": "c-1", "receipt_id": "slip-1", "performed_by": "wes", "reason": "miscounted"}
        for _ in range(2):
            await self._caller.update(po_number, "correct_receipt", wrong | {"lines": [came(item, 1)]})
        back = {"return_id": "b-1", "performed_by": "wes", "reason": "broken"}
        await refusal(self._caller.update(po_number, "return_goods", back | {"lines": [came(item, 2)]}))
        await self._caller.update(po_number, "return_goods", back | {"lines": [came(item, 1)]})
        await self._caller.close_short(po_number)

    async def resumed(self, po_number: str) -> None:
        """The second run for one order, which has ended: goods go back."""
        item = await self._draft(po_number, NO_APPROVAL)
        await self._caller.receive(po_number, "slip-1", came(item, 2))
        await self._caller.close_short(po_number)
        await self._caller.result(po_number)
        back = {"return_id": "b-1", "performed_by": "wes", "reason": "broken", "lines": [came(item, 1)]}
        again = {"po_number": po_number, "resume": True, "performed_by": "wes"}
        await self._caller.ask_raw(po_number, [again], command=("return_goods", back))

    async def rejected(self, po_number: str) -> None:
        await self._draft(po_number, TWO_APPROVALS)
        await self._caller.approve(po_number, "ann")
        await self._caller.reject(po_number, "ben")

    async def lapsed(self, po_number: str) -> None:
        """Reminder, escalation and the last deadline."""
        hours = {
            "remind_after_hours": _HALF_A_SECOND,
            "escalate_after_hours": 2 * _HALF_A_SECOND,
            "cancel_after_hours": 3 * _HALF_A_SECOND,
        }
        await self._draft(po_number, ONE_APPROVAL | hours)

    async def cancelled(self, po_number: str) -> None:
        """It was out with the supplier, who is told."""
        await self._draft(po_number, ONE_APPROVAL)
        await self._caller.approve(po_number, "ann")
        await self._caller.confirm(po_number)
        await self._caller.cancel(po_number)

    async def cancelled_by_operator(self, po_number: str) -> None:
        await self._draft(po_number, ONE_APPROVAL)
        await self._caller.handle(po_number).cancel()

    async def closed_short(self, po_number: str) -> None:
        item = await self._draft(po_number, NO_APPROVAL)
        await self._caller.receive(po_number, "slip-1", came(item, 2))
        await self._caller.close_short(po_number)

    async def closed_short_empty(self, po_number: str) -> None:
        item = await self._draft(po_number, NO_APPROVAL)
        await self._caller.receive(po_number, "slip-1", came(item, 0, 5))
        await self._caller.close_short(po_number)

    async def closed_short_by_operator(self, po_number: str) -> None:
        item = await self._draft(po_number, NO_APPROVAL, expected_delivery_date=_FAR)
        await self._caller.receive(po_number, "slip-1", came(item, 2))
        await self._caller.handle(po_number).cancel()

    async def confirmed_and_late(self, po_number: str) -> None:
        """Late for the day that was wished for, late for the one that the supplier names, and not for the next."""
        item = await self._draft(po_number, NO_APPROVAL)
        is_late(self._engine, po_number, _PAST)
        await self._caller.confirm(po_number)
        await self._caller.quiet(po_number, notices=2)
        is_late(self._engine, po_number, _PAST_TOO)
        await self._caller.confirm(po_number)
        await self._caller.quiet(po_number, notices=3)
        await self._caller.confirm(po_number, _FAR)
        await self._caller.receive(po_number, "slip-1", came(item, 5))

    async def approved_before_the_first_task(self, po_number: str) -> None:
        """Nobody works yet when the approvals come; one of them is the requester's own, one comes twice."""
        item, late = self._item(), Purchasing(self._stage.client, "late")
        order = draft(po_number, self._shop.supplier(), item.warehouse_id, wanted(item, 5), approval=TWO_APPROVALS)
        await late.start(po_number, [order])
        for approver in ("rita", "ann", "Ann", "ben"):
            await late.signal(po_number, "approve", approval(approver))
        async with self._stage.worker(late.task_queue):
            await late.update(po_number, "drafted")
            await late.receive(po_number, "slip-1", came(item, 5))
            await late.result(po_number)

    async def refused_commands(self, po_number: str) -> None:
        item = await self._draft(po_number, TWO_APPROVALS)
        await refusal(self._caller.approve(po_number, "Rita"))
        await refusal(self._caller.receive(po_number, "slip-1", came(item, 5)))
        for approver in ("ann", "ann", "ben"):
            await self._caller.approve(po_number, approver)
        await refusal(self._caller.reject(po_number, "ann"))
        await refusal(self._caller.receive(po_number, "slip-1", came(item, 6)))
        await self._caller.receive(po_number, "slip-1", came(item, 2))
        await refusal(self._caller.receive(po_number, "slip-1", came(item, 1)))
        await refusal(self._caller.cancel(po_number))
        await self._caller.receive(po_number, "slip-2", came(item, 3))

    async def commanded_by_signals(self, po_number: str) -> None:
        """What is refused becomes a note."""
        item = await self._draft(po_number, ONE_APPROVAL)
        await self._caller.signal(po_number, "approve", approval("rita"))
        await self._caller.signal(po_number, "approve", {"approver": 7})
        await self._caller.signal(po_number, "fulfill", {"performed_by": "picker"})
        await self._caller.signal(po_number, "confirm", {"performed_by": "sam"})
        await self._caller.noted(po_number, 4)
        await self._caller.signal(po_number, "approve", approval("ann"))
        await self._caller.signal(po_number, "confirm", {"performed_by": "sam"})
        await self._caller.signal(po_number, "receive", receipt("slip-1", came(item, 2)))
        await self._caller.signal(po_number, "close_short", {"performed_by": "rita", "reason": "discontinued"})

    async def continued_draft(self, po_number: str) -> None:
        """The run that goes on after a long one, with an approval, and a deadline that was met."""
        item = await self._draft(po_number, TWO_APPROVALS | {"remind_after_hours": _HALF_A_SECOND})
        await self._caller.quiet(po_number, notices=2)
        await self._caller.approve(po_number, "ann")
        await self._continue(po_number)
        await self._caller.signal(po_number, "approve", approval("rita"))
        await self._caller.noted(po_number, 4)
        await self._caller.approve(po_number, "ben")
        await self._caller.receive(po_number, "slip-1", came(item, 5))

    async def continued_late(self, po_number: str) -> None:
        """The run that goes on after a long one, in which it was said that the order is late."""
        item = await self._draft(po_number, NO_APPROVAL)
        is_late(self._engine, po_number, _PAST)
        await self._caller.receive(po_number, "slip-1", came(item, 2))
        await self._caller.quiet(po_number, notices=2)
        await self._continue(po_number)
        await self._caller.receive(po_number, "slip-1", came(item, 2))
        await self._caller.receive(po_number, "slip-2", came(item, 3))

    async def supplier_without_address(self, po_number: str) -> None:
        """Mail is set up, and the supplier can't be reached by it: procurement is told, of the order and of its end."""
        there = Purchasing(self._stage.client, "with-mail")
        urls = SecretStr("mailto://robot@127.0.0.1:9/?from=robot@shop.example&to={email}")
        async with self._stage.worker(there.task_queue, supplier_notice_urls=urls):
            await there.ask_raw(po_number, [self._request(po_number, NO_APPROVAL)])
            await there.quiet(po_number, notices=2)
            await there.cancel(po_number)
            await there.result(po_number)

    async def adopted(self, po_number: str) -> None:
        """The second run for one order, which finds the draft and an approval."""
        request = self._request(po_number, TWO_APPROVALS)
        await self._caller.ask_raw(po_number, [request])
        await self._caller.approve(po_number, "ann")
        await self._caller.handle(po_number).terminate("by mistake")
        await self._caller.ask_raw(po_number, [request])
        await self._caller.approve(po_number, "ben")
        await self._caller.cancel(po_number)

    async def adopted_too_late(self, po_number: str) -> None:
        """The second run for one order, which finds that it is over."""
        request = self._request(po_number, ONE_APPROVAL)
        await self._caller.ask_raw(po_number, [request])
        await self._caller.cancel(po_number)
        await self._caller.result(po_number)
        await self._caller.ask_raw(po_number, [request])

    async def invalid(self, po_number: str) -> None:
        await refusal(self._caller.draft(po_number, self._shop.supplier(), [(self._item(), 0)]))

    async def unknown_supplier(self, po_number: str) -> None:
        await refusal(self._caller.draft(po_number, 10**12, [(self._item(), 5)]))

    async def refused_start(self, po_number: str) -> None:
        """Since such a run says in its status that it is refused."""
        await self.unknown_supplier(po_number)

    async def short_dated(self, po_number: str) -> None:
        """A lot that has expired is received into quarantine, and the run of its inspection is started."""
        item = self._item()
        track(self._engine, item.product_id)
        start = draft(po_number, self._shop.supplier(), item.warehouse_id, wanted(item, 5), approval=NO_APPROVAL)
        await self._caller.ask_raw(po_number, [start])
        lot: Json = {"lot_number": "OLD", "expires_on": "2020-01-01"}
        await self._caller.receive(po_number, "slip-1", came(item, 2) | lot)
        await has_run(self._engine, f"{po_number}.slip-1")
        await self._caller.close_short(po_number)

    async def database_away(self, po_number: str) -> None:
        """The steps go by the task queue."""
        request = self._request(po_number, ONE_APPROVAL)
        with self._stage.outages.database_away():
            await self._caller.start(po_number, [request])
            await self._scheduled(po_number)
        await self._caller.update(po_number, "drafted")
        await self._caller.reject(po_number, "ann")

    def _item(self) -> ItemKey:
        """A product that the warehouse never held."""
        return ItemKey(self._shop.warehouse(), self._shop.product())

    def _request(self, po_number: str, policy: Json, **other: Json) -> Json:
        """Five units of something."""
        item = self._item()
        line = wanted(item, 5)
        return draft(po_number, self._shop.supplier(), item.warehouse_id, line, approval=policy, **other)

    async def _draft(self, po_number: str, policy: Json, **other: Json) -> ItemKey:
        """Draft five units, and of what."""
        request = self._request(po_number, policy, **other)
        await self._caller.ask_raw(po_number, [request])
        return ItemKey(request["warehouse_id"], request["line_items"][0]["product_id"])
