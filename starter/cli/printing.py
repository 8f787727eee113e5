"""How documents and answers are printed: rows, lists, inboxes, and the parts that several kinds of document share."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel
from rich.markup import escape

from starter.cli.context import connect, run
from starter.cli.output import amount, coloured, err, out, print_json, table
from starter.cli.times import shown
from stockkeeper.client.runs import Listed
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.adjustment import worth
from stockkeeper.contracts.difference import DifferenceApprovalState
from stockkeeper.contracts.giving_way import PromiseState
from stockkeeper.contracts.messages import MAX_LINES, GaveWay, HeldBefore, counted, money
from stockkeeper.contracts.messages import amount as figures
from stockkeeper.contracts.notice import Audience, NoticeOutcome, NoticeState
from stockkeeper.contracts.receipt import ReceiptState
from stockkeeper.contracts.stock import FoundItems, ShortageState

B = TypeVar("B", bound=BaseModel)
T = TypeVar("T")
W = TypeVar("W", bound="Waiting")

Row = dict[str, Any]


def ask_for(found: Callable[[Stockkeeper], AsyncIterator[T]], limit: int | None = None) -> list[T]:
    """The first rows of a question that is answered page by page; without a limit all of them."""

    async def work() -> list[T]:
        return await first_of(found(await connect()), limit)

    return run(work())


async def first_of(found: AsyncIterator[T], limit: int | None) -> list[T]:
    """Rows up to the limit, and no page more; without a limit all of them."""
    answers: list[T] = []
    async for each in found:
        answers.append(each)
        if len(answers) == limit:
            break
    return answers


def print_rows(
    found: Sequence[B],
    columns: Sequence[str],
    cells: Callable[[B], Sequence[str]],
    *,
    as_json: bool,
    limit: int | None = None,
    which: str = "first",
    none: str | None = None,
    title: str | None = None,
) -> None:
    """Print the rows of an answer, for programs as they are, for people as a table.

    Args:
        found: The rows.
        columns: The table's columns.
        cells: The cells of a row.
        as_json: For programs.
        limit: The limit they were asked for with; a hint follows when it was reached.
        which: The word for them in that hint.
        none: The line for people when there are no rows; None: a table without rows.
        title: The table's title.
    """
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
    elif not found and none:
        out.print(none)
    else:
        out.print(table(columns, [cells(each) for each in found], title=title))
        if len(found) == limit:
            err.print(f"the {which} {limit}; --limit shows more")


def print_list(
    listed: Callable[[Stockkeeper], Awaitable[Sequence[Listed]]],
    row: Callable[[Listed], Row],
    columns: Sequence[str],
    cells: Callable[[Row], Sequence[str]],
    *,
    limit: int,
    as_json: bool,
) -> None:
    """Print the latest documents of one kind.

    Args:
        listed: The documents.
        row: The fields of the kind, from a document; every kind's fields follow.
        columns: The columns for people; the status follows the first.
        cells: The cells of a row.
        limit: How many were asked for.
        as_json: For programs.
    """

    async def work() -> list[Row]:
        return [row(each) | _any_document(each) for each in await listed(await connect())]

    rows = run(work())
    if as_json:
        print_json(rows)
        return
    first, *others = columns
    out.print(
        table(
            [first, "status", *others],
            [[name, coloured(row["status"]), *more] for row in rows for name, *more in [cells(row)]],
        )
    )
    if len(rows) == limit:
        err.print(f"the latest {limit}; --limit shows more")


def _any_document(listed: Listed) -> Row:
    return {
        "status": listed.status,
        "skus": list(listed.skus),
        "warehouses": list(listed.warehouses),
        "workflow_id": listed.workflow_id,
        "run_id": listed.run_id,
    }


def from_memo(listed: Listed, number: str, *fields: str) -> Row:
    """A row of a list: the number under its own name, and fields of the memo; those it lacks are null."""
    return {number: listed.number, **{name: listed.memo.get(name) for name in fields}}


def text(value: object) -> str:
    """A value that may be missing, in a cell."""
    return "" if value is None else escape(str(value))


class Waiting(Protocol):
    """A document in an inbox."""

    @property
    def since(self) -> datetime:
        """When it began to wait."""

    @property
    def approve_by(self) -> datetime | None:
        """When it is cancelled without its approval."""


def print_inbox(
    waiting: Callable[[Stockkeeper], Awaitable[Sequence[W]]],
    columns: Sequence[str],
    cells: Callable[[W], Sequence[str]],
    *,
    as_json: bool,
) -> None:
    """Print documents that wait for approval; for people with these columns, before the two instants."""

    async def work() -> Sequence[W]:
        return await waiting(await connect())

    found = run(work())
    if as_json:
        print_json([{name: plain(value) for name, value in vars(each).items()} for each in found])
        return
    if not found:
        out.print("nothing waits for approval")
        return
    out.print(
        table(
            [*columns, "since", "cancelled unless approved by"],
            [[*cells(each), shown(each.since), shown(each.approve_by) if each.approve_by else ""] for each in found],
        )
    )


def plain(value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, Decimal):
        return money(value)
    return value.isoformat() if isinstance(value, datetime) else value


def sku(found: FoundItems, product_id: int | None) -> str:
    """A product's SKU, for a table or a line."""
    return escape(found.skus.get(product_id or 0, f"product {product_id}"))


def warehouse(found: FoundItems, warehouse_id: int | None) -> str:
    """A warehouse's name, for a table or a line; none of them: any."""
    if warehouse_id is None:
        return "any"
    return escape(found.warehouse_names.get(warehouse_id or 0, f"warehouse {warehouse_id}"))


def supplier(found: FoundItems, supplier_id: int | None) -> str:
    """A supplier's name, for a table or a line."""
    return escape(found.supplier_names.get(supplier_id or 0, f"supplier {supplier_id}"))


def units(
    found: FoundItems, product_id: int | None, quantity: int, *, supplier_id: int | None = None, signed: bool = False
) -> str:
    """Units of a product, with its base unit and in its packs, if it has any: ``125 (5 cases of 24 + 5)``.

    Args:
        found: Names and units.
        product_id: The product.
        quantity: Base units.
        supplier_id: The supplier whose packs come before the house's.
        signed: Whether more units have a plus sign.
    """
    plus = "+" if signed and quantity >= 0 else ""
    return escape(f"{plus}{found.units_of(product_id, supplier_id).shown(quantity)}")


async def units_found(stock: Stockkeeper, product_ids: Iterable[int], *, as_json: bool) -> FoundItems:
    """The base units and packs of products; for programs, which get base units alone, none.

    Raises:
        Unreachable: No worker answers.
    """
    found = FoundItems(products={}, warehouses={}, skus={}, warehouse_names={})
    wanted = [] if as_json else sorted(set(product_ids))
    for first in range(0, len(wanted), MAX_LINES):
        some = await stock.names(wanted[first : first + MAX_LINES], units=True)
        found.base_units.update(some.base_units)
        found.packs.update(some.packs)
    return found


def joined(values: Iterable[str]) -> str:
    """Several names in one cell."""
    return escape(", ".join(values))


def print_afterwards(
    notes: Sequence[str], notices: Sequence[NoticeState] = (), found: FoundItems | None = None
) -> None:
    """Print notices and notes, beside the answer itself; notes with the names that were found in place of ids."""
    for notice in notices:
        outcome = notice.outcome.lower()
        if notice.audience is Audience.SUPPLIER and notice.not_sent:
            outcome = f"NOT sent: {escape(notice.not_sent)}"
        elif notice.outcome is NoticeOutcome.FAILED:
            outcome = f"not delivered: {escape(notice.not_sent or '')}"
        err.print(f"notice to {notice.audience.lower()} ({outcome}): {escape(notice.title)}", style="dim")
    for note in notes:
        err.print(f"note: {_with_names(escape(note), found)}", style="yellow")


def _with_names(note: str, found: FoundItems | None) -> str:
    """A note with the names of products and warehouses, which its run knows by their ids."""
    if found is None:
        return note
    name_of = {"product": sku, "warehouse": warehouse}
    return re.sub(r"\b(product|warehouse) (\d+)\b", lambda named: name_of[named[1]](found, int(named[2])), note)


def print_shortages(shortages: Sequence[ShortageState], found: FoundItems) -> None:
    """Print the shortages because of which nothing was held."""
    for each in shortages:
        place = "all warehouses" if each.warehouse_id is None else warehouse(found, each.warehouse_id)
        out.print(f"short: {sku(found, each.product_id)} in {place}: {each.numbers}")


def print_gave_way(gave_way: Sequence[GaveWay], found: FoundItems) -> None:
    """Print the holds that ended because their stock isn't there any more."""
    for hold in gave_way:
        held = f"{hold.reference_type.lower()} {escape(hold.reference_id)}"
        out.print(f"gave way: {held}, {counted(hold.quantity, 'unit')} of {sku(found, hold.product_id)}")


def print_held_before(holds: Sequence[HeldBefore], found: FoundItems) -> None:
    """Print the holds that gave way earlier and whose units may be back."""
    for hold in holds:
        held = f"{hold.reference_type.lower()} {escape(hold.reference_id)}"
        how = "hold it again: stockkeeper reserve hold-again" if hold.reference_type == "ORDER" else "start it anew"
        units = f"{counted(hold.quantity, 'unit')} of {sku(found, hold.product_id)}"
        out.print(f"gave way before: {held}, {units}; {how}")


def print_would_end(promises: Sequence[PromiseState], total: int, found: FoundItems) -> None:
    """Print the holds that an approval would end."""
    for hold in promises:
        held = f"{hold.reference_type.lower()} {escape(hold.reference_id)}"
        units = f"{counted(hold.quantity, 'unit')} of {sku(found, hold.product_id)}"
        out.print(f"an approval would end the hold of {held}: {units}")
    if total > len(promises):
        out.print(f"and {total - len(promises)} more")


def worth_shown(value: Decimal, unvalued_units: int) -> str:
    """A value in words, with the currency of the settings."""
    return worth(value, unvalued_units).replace(figures(value), amount(value), 1)


def print_difference_approvals(
    approvals: Sequence[DifferenceApprovalState], before: Sequence[DifferenceApprovalState]
) -> None:
    """Print approvals of differences."""
    for each in approvals:
        new = "" if each in before else " [bold](new)[/bold]"
        note = f": {escape(each.note)}" if each.note else ""
        up_to = worth_shown(each.value, each.unvalued_units)
        out.print(f"a difference up to {up_to} approved by {escape(each.approver)} at {shown(each.at)}{note}{new}")


def print_receipts(
    receipts: Sequence[ReceiptState], before: Sequence[ReceiptState], *, unfit: str, what: str = "receipt"
) -> None:
    """Print receipts; ``unfit`` names the units that didn't enter stock."""
    for receipt in receipts:
        new = "" if receipt in before else " [bold](new)[/bold]"
        why = f" ({escape(receipt.unfit_reason)})" if receipt.unfit_reason else ""
        more = f", {receipt.unfit} {unfit}{why}" if receipt.unfit else ""
        out.print(
            f"{what} {escape(receipt.short_id)} by {escape(receipt.performed_by)} at {shown(receipt.at)}: "
            f"{receipt.accepted} into stock{more}{new}"
        )
