"""`stockkeeper audit`: a checker's exit status, findings by name, and what people decide about them."""

import json
import re
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Engine, text
from temporalio.client import Client

from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_is_stored
from tests.support.commands import Command, names, words
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, eventually

_PROMISE = text("""
    UPDATE inventory_items SET quantity_reserved = quantity_reserved + :units
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
""")


def promise(engine: Engine, item: ItemKey, units: int) -> None:
    """Somebody with the owner's password has promised units to nobody."""
    with engine.begin() as connection:
        assert connection.execute(_PROMISE, item._asdict() | {"units": units}).rowcount == 1


class Auditor:
    """Somebody who audits one warehouse, in which there is one item."""

    def __init__(self, command: Command, engine: Engine, item: ItemKey) -> None:
        self.command = command
        self.item = item
        self.sku, self.warehouse = names(engine, item)

    async def audit(self) -> tuple[int, str]:
        """Exit status, and what is printed for people; a document may have to do with any warehouse."""
        done = await self.command("audit", "--warehouse", self.warehouse)
        return done.exit_code, re.sub(r"\b\d+ documents?", "all documents", words(done.stdout))

    async def json(self) -> Json:
        """The state, for programs."""
        return json.loads((await self.command("audit", "--warehouse", self.warehouse, "--json")).stdout)

    async def listed(self, *arguments: str) -> list[Json]:
        """What is known of findings in this warehouse."""
        done = await self.command("audit", "list", *arguments, "--json")
        assert (done.exit_code, done.stderr) == (0, "")
        return [row for row in json.loads(done.stdout) if row["warehouse"] == self.warehouse]

    async def decide(self, verb: str, finding: int | str) -> str:
        """What is printed of a decision."""
        done = await self.command("audit", verb, str(finding), "--reason", "looked into it", "--performed-by", "ann")
        assert (done.exit_code, done.stderr) == (0, "")
        return words(done.stdout)


@pytest.fixture
async def books(command: Command, shop: Shop, engine: Engine) -> AsyncIterator[Auditor]:
    """Ten units, none of them promised, and so it is again at the end: the books are gone over afterwards."""
    books = Auditor(command, engine, shop.item(10))
    yield books
    promise(engine, books.item, -level(engine, books.item)[1])


async def test_books_that_agree_are_said_to(books: Auditor, engine: Engine) -> None:
    with nothing_is_stored(engine):
        assert await books.audit() == (
            0,
            "1 item, all documents, 0 holds, 0 reservations looked at: no findings",
        )
    assert await books.listed("--status", "all") == []


async def test_a_finding_is_told_listed_repaired_and_gone_from_the_list(books: Auditor, engine: Engine) -> None:
    item = books.item
    promise(engine, item, 4)
    state = await books.json()
    [finding] = state["findings"]
    number = finding.pop("finding_id")
    assert (state["status"], state["findings_in_all"], finding) == (
        "DONE",
        1,
        {
            "product_id": item.product_id,
            "warehouse_id": item.warehouse_id,
            "kind": "RESERVED_IS_NOT_THE_HOLDS",
            "expected": 0,
            "actual": 4,
            "document": "",
            "is_new": True,
        },
    )
    what = f"{number} reserved is not the holds {books.sku} {books.warehouse} 0 4"
    status, printed = await books.audit()
    head = "finding what doesn't agree product warehouse of expected is"
    assert status == 1
    assert printed == f"1 item, all documents, 0 holds, 0 reservations looked at: 1 finding {head} {what}"
    [row] = await books.listed()
    assert (row["finding_id"], row["status"], row["closed_by"]) == (number, "OPEN", None)

    told = await books.decide("repair", number)
    assert told.startswith(f"finding {number}: OPEN → REPAIRED ")
    assert f" {what} REPAIRED " in told
    assert told.endswith(" ann: looked into it")
    assert level(engine, item) == (10, 0)
    assert await books.listed() == []
    [row] = await books.listed("--status", "repaired")
    assert (row["finding_id"], row["closed_by"], row["closed_reason"]) == (number, "ann", "looked into it")
    assert (await books.audit())[0] == 0


async def test_what_was_accepted_is_quiet_until_its_numbers_change(books: Auditor, engine: Engine) -> None:
    promise(engine, books.item, 1)
    [finding] = (await books.json())["findings"]
    told = await books.decide("accept", finding["finding_id"])
    assert told.startswith(f"finding {finding['finding_id']}: OPEN → ACCEPTED ")
    assert await books.audit() == (
        0,
        "1 item, all documents, 0 holds, 0 reservations looked at: no findings",
    )
    assert [row["status"] for row in await books.listed("--status", "ACCEPTED")] == ["ACCEPTED"]
    promise(engine, books.item, 1)
    [again] = (await books.json())["findings"]
    assert again == finding | {"actual": 2, "is_new": False}
    promise(engine, books.item, -2)
    assert (await books.audit())[1].endswith("no findings 1 earlier finding gone")
    assert [row["status"] for row in await books.listed("--status", "all")] == ["GONE"]


async def test_a_hold_whose_run_was_terminated_is_found_and_ended(
    books: Auditor, engine: Engine, our_client: Client
) -> None:
    reference = new_reference()
    line = f"{books.sku}@{books.warehouse}=3"
    assert (await books.command("reserve", "start", reference, "--line", line)).exit_code == 0
    await our_client.get_workflow_handle(f"reservation-{reference}").terminate("by mistake")
    # A list of runs may have it for some moments more, and the audit believes that for now.
    [finding] = (await eventually(books.json, lambda state: bool(state["findings"])))["findings"]
    assert (finding["kind"], finding["document"], finding["expected"], finding["actual"]) == (
        "HOLD_WITHOUT_RUN",
        f"order {reference}",
        0,
        3,
    )
    told = await books.decide("repair", finding["finding_id"])
    assert f"hold without run {books.sku} {books.warehouse} order {reference} 0 3 REPAIRED" in told
    assert level(engine, books.item) == (10, 0)
    assert (await books.audit())[0] == 0


async def test_what_can_not_be_decided_is_said_in_one_line(books: Auditor, engine: Engine) -> None:
    promise(engine, books.item, 2)
    number = str((await books.json())["findings"][0]["finding_id"])
    await books.decide("accept", number)
    because = ("--reason", "because")
    cases = {
        ("repair", "999999999", *because): "InvalidRequest: there is no finding 999999999",
        ("repair", number, *because): f"InvalidState: finding {number} has been accepted and can't be repaired",
        ("accept", number, *because): f"InvalidState: finding {number} has been accepted already",
        ("accept", number, "--reason", ""): "InvalidRequest: reason: String should have at least 1 character",
        ("--warehouse", "nowhere"): "UnknownWarehouse: no warehouse is called 'nowhere'",
    }
    with nothing_is_stored(engine):
        for arguments, message in cases.items():
            done = await books.command("audit", *arguments)
            assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"{message}\n")
    assert level(engine, books.item) == (10, 2)
