"""What becomes of findings: seen again, gone, accepted; and how they are shown."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from activities import audit_findings, stock_audit
from database import audit_findings as kept_findings
from database.sessions import Database
from stockkeeper.contracts.stock_audit import FindingStatus
from tests.support.audit_tampering import tampering
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.reservation import Steps
from tests.support.steps.stock_audit import OF_ITEM, Auditing, Deciding, Off, level, off, one, set_item

RESERVED = "RESERVED_IS_NOT_THE_HOLDS"
NIGHT = timedelta(days=1)


def test_the_same_thing_seen_again_is_the_same_finding(engine: Engine, shop: Shop) -> None:
    item, elsewhere = shop.item(10), shop.item(10)
    with tampering(engine) as tampered:
        set_item(tampered, item, reserved=1)
        set_item(tampered, elsewhere, reserved=1)
        nights = [Auditing(tampered, item.warehouse_id, since=NOON + number * NIGHT) for number in range(3)]
        seen = [one(night.found()) for night in nights]
        other = one(Auditing(tampered, elsewhere.warehouse_id).found())
        assert {off(finding) for finding in seen} == {Off(RESERVED, item, 0, 1)}
        assert {finding.finding_id for finding in seen} == {seen[0].finding_id} != {other.finding_id}
        assert [finding.is_new for finding in seen] == [True, False, False]
        shown = Deciding(tampered).show(seen[0])
        assert (shown.first_seen_at, shown.last_seen_at) == (NOON + MINUTE, NOON + 2 * NIGHT + MINUTE)
        assert (shown.run_id, shown.status, shown.is_new) == (nights[2].run, "OPEN", False)


def test_a_finding_has_the_numbers_of_the_last_night(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    with tampering(engine) as tampered:
        set_item(tampered, item, reserved=1)
        first = one(Auditing(tampered, item.warehouse_id).found())
        set_item(tampered, item, reserved=4)
        second = one(Auditing(tampered, item.warehouse_id, since=NOON + NIGHT).found())
        assert (second.finding_id, off(second)) == (first.finding_id, Off(RESERVED, item, 0, 4))
        assert off(Deciding(tampered).show(first)) == Off(RESERVED, item, 0, 4)


def test_what_is_so_no_longer_is_gone(engine: Engine, shop: Shop) -> None:
    item, other, elsewhere = *shop.items(2, units=10), shop.item(10)
    with tampering(engine) as tampered:
        for each in (item, other, elsewhere):
            set_item(tampered, each, reserved=1)
        gone, stays = Auditing(tampered, item.warehouse_id).found()
        there = one(Auditing(tampered, elsewhere.warehouse_id).found())
        set_item(tampered, item, reserved=0)
        set_item(tampered, elsewhere, reserved=0)
        night = Auditing(tampered, item.warehouse_id, since=NOON + NIGHT)
        assert one(night.found()).finding_id == stays.finding_id
        assert night.close() == 1
        deciding = Deciding(tampered)
        shown = deciding.show(gone)
        assert (shown.status, shown.closed_at) == ("GONE", night.as_of)
        assert (shown.closed_by, shown.closed_reason) == ("stock-audit", "not so any more")
        # What is elsewhere hasn't been looked at.
        assert [deciding.show(each).status for each in (stays, there)] == ["OPEN", "OPEN"]
        assert night.close() == 0
        for decide in (deciding.repair, deciding.accept):
            assert refused(partial(decide, gone))[0] == "InvalidState"
        set_item(tampered, item, reserved=1)
        again = Auditing(tampered, item.warehouse_id, since=NOON + 2 * NIGHT).found()[0]
        assert (again.finding_id != gone.finding_id, again.is_new) == (True, True)


def test_what_another_audit_sees_at_the_same_time_is_not_gone(engine: Engine, shop: Shop) -> None:
    """One begins, another sees it, and each ends without the other's."""
    item = shop.item(10)
    with tampering(engine) as tampered:
        set_item(tampered, item, reserved=1)
        nightly = Auditing(tampered, item.warehouse_id, since=NOON)
        by_hand = Auditing(tampered, item.warehouse_id, since=NOON + 30 * MINUTE)
        finding = one(nightly.found())
        assert one(by_hand.found()).finding_id == finding.finding_id
        # A page of the one that began first may come last.
        nightly.items(as_of=NOON + MINUTE)
        assert nightly.close() == by_hand.close() == 0
        assert Deciding(tampered).show(finding).status == "OPEN"
        assert Auditing(tampered, item.warehouse_id, since=NOON + NIGHT).close() == 1


def test_what_was_accepted_is_quiet_until_it_becomes_something_else(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    with tampering(engine) as tampered:
        set_item(tampered, item, reserved=1)
        finding, deciding = one(Auditing(tampered, item.warehouse_id).found()), Deciding(tampered)
        accepted = deciding.accept(finding, performed_by="ann", reason="the old system's")
        assert (accepted.status, accepted.closed_by, accepted.closed_reason) == ("ACCEPTED", "ann", "the old system's")
        night = Auditing(tampered, item.warehouse_id, since=NOON + NIGHT)
        assert (night.found(), night.close()) == ([], 0)
        kept = deciding.show(finding)
        assert kept == accepted.model_copy(
            update={"last_seen_at": NOON + NIGHT + MINUTE, "is_new": False}
            | {"workflow_id": kept.workflow_id, "run_id": night.run}
        )
        assert level(tampered, item) == (10, 1)
        set_item(tampered, item, reserved=2)
        worse = one(Auditing(tampered, item.warehouse_id, since=NOON + 2 * NIGHT).found())
        assert (worse.finding_id, off(worse)) == (finding.finding_id, Off(RESERVED, item, 0, 2))
        reopened = deciding.show(finding)
        assert (reopened.status, reopened.closed_at, reopened.closed_by, reopened.closed_reason) == (
            "OPEN",
            None,
            None,
            None,
        )


def test_what_was_accepted_is_quiet_though_the_item_moves(engine: Engine, database: Database, shop: Shop) -> None:
    """It is off by as many units as before; only both numbers have become others."""
    item = shop.item(10)
    with tampering(engine) as tampered:
        set_item(tampered, item, reserved=1)
        finding, deciding = one(Auditing(tampered, item.warehouse_id).found()), Deciding(tampered)
        deciding.accept(finding, reason="the old system's")
        Steps(tampered).reserve(new_reference(), (item, 4))
        night = Auditing(tampered, item.warehouse_id, since=NOON + NIGHT)
        page = night.items()
        assert (page.findings, page.found, page.found_new, night.close()) == ([], 0, 0, 0)
        shown = deciding.show(finding)
        assert off(shown) == Off(RESERVED, item, 4, 5)
        assert (shown.status, shown.closed_reason) == ("ACCEPTED", "the old system's")


@pytest.mark.parametrize("at_once", [1, 2, 5, 6])
def test_an_answer_has_some_of_the_findings_the_new_ones_first(
    engine: Engine, shop: Shop, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(stock_audit, "FINDINGS_SHOWN", 3)
    monkeypatch.setattr(kept_findings, "KEPT_AT_ONCE", at_once)
    items = shop.items(5, units=10)
    with tampering(engine) as tampered:
        for item in (items[0], items[2], items[3]):
            set_item(tampered, item, reserved=1)
        first = Auditing(tampered, items[0].warehouse_id).items()
        assert [off(finding).item for finding in first.findings] == [items[0], items[2], items[3]]
        assert (first.found, first.found_new) == (3, 3)
        for item in (items[1], items[4]):
            set_item(tampered, item, reserved=1)
        second = Auditing(tampered, items[0].warehouse_id, since=NOON + NIGHT).items()
        assert [(off(finding).item, finding.is_new) for finding in second.findings] == [
            (items[1], True),
            (items[4], True),
            (items[0], False),
        ]
        assert (second.found, second.found_new) == (5, 2)
        # All of them are kept.
        kept = text("SELECT count(*) FROM audit_findings WHERE warehouse_id = :warehouse_id AND status = 'OPEN'")
        assert tampered.connection.execute(kept, {"warehouse_id": items[0].warehouse_id}).scalar_one() == 5


def test_an_answer_about_runs_has_some_of_the_findings_and_all_of_the_references(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock_audit, "FINDINGS_SHOWN", 1)
    names = [new_reference() for _ in range(3)]
    with tampering(engine) as tampered:
        checked = Auditing(tampered, None).check_runs(*names, names[0])
        assert [finding.document for finding in checked.findings] == [f"order {names[0]}"]
        assert (checked.references, checked.found, checked.found_new) == ([*names, names[0]], 3, 3)


def test_what_was_accepted_may_be_gone_one_day(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    with tampering(engine) as tampered:
        set_item(tampered, item, reserved=1)
        finding, deciding = one(Auditing(tampered, item.warehouse_id).found()), Deciding(tampered)
        deciding.accept(finding)
        for decide in (deciding.repair, deciding.accept):
            assert refused(partial(decide, finding)) == (
                "InvalidState",
                {"status": "ACCEPTED", "command": decide.__name__},
            )
        set_item(tampered, item, reserved=0)
        assert Auditing(tampered, item.warehouse_id, since=NOON + NIGHT).close() == 1
        assert deciding.show(finding).status == "GONE"


def test_findings_are_shown_with_all_that_is_known_of_them(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    with tampering(engine) as tampered:
        set_item(tampered, item, reserved=1)
        auditing = Auditing(tampered, item.warehouse_id)
        finding, run = one(auditing.found()), one(auditing.check_runs("of-nobody").findings)
        query = text(f"SELECT sku, warehouses.name FROM products, warehouses {OF_ITEM}")
        sku, warehouse = tampered.connection.execute(query, item._asdict()).one()
        known = {
            "status": "OPEN",
            "workflow_id": f"stock-audit-{auditing.run}",
            "run_id": auditing.run,
            "closed_at": None,
            "closed_by": None,
            "closed_reason": None,
        }
        at = {"first_seen_at": NOON + MINUTE, "last_seen_at": NOON + MINUTE}
        shown = Deciding(tampered).show(finding).model_dump()
        assert shown == finding.model_dump() | known | at | {"sku": sku, "warehouse": warehouse}
        later = {"first_seen_at": auditing.as_of, "last_seen_at": auditing.as_of}
        shown = Deciding(tampered).show(run).model_dump()
        assert shown == run.model_dump() | known | later | {"sku": None, "warehouse": None}


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_findings_are_shown_the_latest_first_page_by_page(
    engine: Engine, shop: Shop, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(audit_findings, "FINDINGS_A_PAGE", size)
    items = shop.items(3, units=10)
    with tampering(engine) as tampered:
        with tampered.as_owner() as connection:
            # What other tests have left.
            connection.execute(text("DELETE FROM audit_findings"))
        for item in items:
            set_item(tampered, item, reserved=1)
        found = Auditing(tampered, items[0].warehouse_id).found()
        deciding = Deciding(tampered)
        accepted = deciding.accept(found[1])
        pages = deciding.shown(FindingStatus.OPEN)
        assert [each.finding_id for page in pages for each in page] == [found[2].finding_id, found[0].finding_id]
        assert [len(page) for page in pages] == ([1, 1] if size == 1 else [2])
        assert deciding.shown(FindingStatus.ACCEPTED) == [[accepted]]
        everything = [each.finding_id for page in deciding.shown() for each in page]
        assert everything[:3] == [each.finding_id for each in reversed(found)]
        assert everything == sorted(everything, reverse=True)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_findings",
        "TRUNCATE audit_findings",
        "UPDATE audit_findings SET kind = 'x'",
        "UPDATE audit_findings SET document = 'x'",
        "UPDATE audit_findings SET warehouse_id = NULL",
        "UPDATE audit_findings SET product_id = NULL",
        "UPDATE audit_findings SET first_seen_at = now()",
        "INSERT INTO reorder_points SELECT warehouse_id, product_id, now(), 1 FROM inventory_items",
        "UPDATE reorder_points SET reorder_point = 1",
        "DELETE FROM reorder_points",
        "DROP FUNCTION balance_at",
    ],
)
def test_the_worker_cannot_change_what_was(engine: Engine, statement: str) -> None:
    """It may find and decide, and no more."""
    with tampering(engine) as tampered, pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        tampered.connection.execute(text(statement))
