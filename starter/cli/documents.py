"""What the commands of all documents have in common: find one, command it, and show what has become of it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from rich.markup import escape
from temporalio.client import WorkflowExecution

from starter.cli.context import connect, explain, run
from starter.cli.output import coloured, err, out, print_json, table
from stockkeeper.client.document import Document
from stockkeeper.client.runs import find_runs
from stockkeeper.client.stock import find_items, names
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.errors import InsufficientStock, InvalidRequest, StockkeeperError
from stockkeeper.contracts.messages import GaveWay, State, counted, utc
from stockkeeper.contracts.notice import NoticeState
from stockkeeper.contracts.receipt import ReceiptState
from stockkeeper.contracts.stock import FoundItems, ShortageState

D = TypeVar("D", bound=Document[Any])
S = TypeVar("S", bound=State)
T = TypeVar("T")


class Mentioned(NamedTuple):
    """Ids in a state that people know by other names."""

    product_ids: Iterable[int] = ()
    warehouse_ids: Iterable[int | None] = ()
    supplier_ids: Iterable[int | None] = ()


@dataclass(frozen=True)
class Answer(Generic[S]):
    """What came of a command: the state before and after it, and for people the names of what it is about."""

    state: S
    before: S
    found: FoundItems | None


@dataclass(frozen=True)
class Desk(Generic[D, S]):
    """Where one kind of document is commanded and shown.

    Attributes:
        find: One by its name.
        mentions: What in its state has names.
        show: Print the state for people, beside what it was before.
    """

    find: Callable[[Stockkeeper, str], Awaitable[D]]
    mentions: Callable[[S], Mentioned]
    show: Callable[[Answer[S], FoundItems], None]

    def answer(self, work: Coroutine[Any, Any, Answer[S]], *, as_json: bool) -> None:
        """Run a command's work, and print what came of it."""
        self.print(run(work), as_json=as_json)

    def look(self, name: str, *, as_json: bool) -> None:
        """Show one."""

        async def work() -> Answer[S]:
            stock = await connect()
            return await self.named(stock, (await self.find(stock, name)).state, as_json=as_json)

        self.answer(work(), as_json=as_json)

    def command(self, name: str, send: Callable[[D], Awaitable[S]], *, as_json: bool) -> None:
        """Command one, and show what has changed."""

        async def work() -> Answer[S]:
            return await self.commanded(await connect(), name, send, as_json=as_json)

        self.answer(work(), as_json=as_json)

    def command_each(
        self,
        names: Sequence[str],
        send: Callable[[D], Awaitable[S]],
        headline: Callable[[S, S], str],
        *,
        as_json: bool,
    ) -> None:
        """Command several, each by itself: one that is refused keeps none of the others from it.

        Args:
            names: Which; of one alone everything is shown.
            send: The command.
            headline: One line for each of several, from the state before and after.
            as_json: For programs.
        """
        answers = run(self._each(names, send, as_json=as_json))
        done = [answer for answer in answers if isinstance(answer, Answer)]
        if len(names) == 1:
            self.print(done[0], as_json=as_json)
            return
        if as_json:
            print_json([answer.state.model_dump(mode="json") for answer in done])
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, StockkeeperError):
                explain(answer, of=name)
            elif not as_json:
                out.print(headline(answer.before, answer.state))
        if len(done) < len(answers):
            raise SystemExit(1)

    async def _each(
        self, names: Sequence[str], send: Callable[[D], Awaitable[S]], *, as_json: bool
    ) -> list[Answer[S] | StockkeeperError]:
        stock = await connect()
        answers: list[Answer[S] | StockkeeperError] = []
        for name in names:
            try:
                answers.append(await self.commanded(stock, name, send, as_json=as_json))
            except StockkeeperError as refused:
                if len(names) == 1:
                    raise
                answers.append(refused)
        return answers

    async def commanded(
        self, stock: Stockkeeper, name: str, send: Callable[[D], Awaitable[S]], *, as_json: bool
    ) -> Answer[S]:
        """The same as a part of more work."""
        document = await self.find(stock, name)
        before: S = document.state
        return await self.named(stock, await send(document), before, as_json=as_json)

    async def named(self, stock: Stockkeeper, state: S, before: S | None = None, *, as_json: bool) -> Answer[S]:
        """A state with the names that people need; programs have the ids."""
        found = None
        if not as_json:
            mentioned = self.mentions(state)
            found = await names(
                stock.client,
                mentioned.product_ids,
                (each for each in mentioned.warehouse_ids if each),
                (each for each in mentioned.supplier_ids if each),
                task_queue=stock.task_queue,
            )
        return Answer(state, state if before is None else before, found)

    def print(self, answer: Answer[S], *, as_json: bool) -> None:
        """Print an answer, for programs or for people."""
        if as_json or answer.found is None:
            print_json(answer.state)
            return
        self.show(answer, answer.found)


Row = dict[str, Any]


async def warehouse_named(stock: Stockkeeper, name: str | None) -> int | None:
    """The id of a warehouse that a request may leave open."""
    if name is None:
        return None
    return (await find_items(stock.client, [], [name], task_queue=stock.task_queue)).warehouses[name]


def ask_for(found: Callable[[Stockkeeper], AsyncIterator[T]], limit: int | None = None) -> list[T]:
    """The first of what a question answers page by page; without a limit all of it."""

    async def work() -> list[T]:
        return await first_of(found(await connect()), limit)

    return run(work())


async def first_of(found: AsyncIterator[T], limit: int | None) -> list[T]:
    """So many of them, and no page more; without a limit all of them."""
    answers: list[T] = []
    async for each in found:
        answers.append(each)
        if len(answers) == limit:
            break
    return answers


def list_runs(
    workflow_type: str,
    describe: Callable[[WorkflowExecution], Awaitable[Row]],
    *,
    status: str | None,
    sku: str | None,
    limit: int,
) -> list[Row]:
    """The latest documents of one kind, without asking each run.

    Args:
        workflow_type: Which kind.
        describe: What a list says of a run beside what it says of any.
        status: Only these.
        sku: Only those that have to do with this product.
        limit: How many at most.
    """

    async def work() -> list[Row]:
        stock = await connect()
        runs = find_runs(stock.client, workflow_type, status=status, sku=sku, limit=limit)
        return [await describe(execution) | _any_run(execution) async for execution in runs]

    return run(work())


def print_list(
    rows: Sequence[Row], columns: Sequence[str], cells: Callable[[Row], Sequence[str]], *, limit: int, as_json: bool
) -> None:
    """Print what `list_runs` found; for people with these columns, between the status and where it is."""
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


def print_inbox(
    rows: Sequence[Row], columns: Sequence[str], cells: Callable[[Row], Sequence[str]], *, as_json: bool
) -> None:
    """Print what waits for approval; for people with these columns, before since when and until when."""
    if as_json:
        print_json(rows)
        return
    if not rows:
        out.print("nothing waits for approval")
        return
    out.print(
        table(
            [*columns, "since", "cancelled unless approved by"],
            [
                [
                    *cells(row),
                    utc(datetime.fromisoformat(row["since"])),
                    utc(datetime.fromisoformat(row["approve_by"])) if row["approve_by"] else "",
                ]
                for row in rows
            ],
        )
    )


def _any_run(execution: WorkflowExecution) -> Row:
    found = execution.typed_search_attributes
    return {
        "status": found.get(search_attributes.STATUS) or str(execution.status.name if execution.status else ""),
        "skus": list(found.get(search_attributes.SKUS) or []),
        "warehouses": list(found.get(search_attributes.WAREHOUSES) or []),
        "workflow_id": execution.id,
        "run_id": execution.run_id,
    }


def joined(values: Iterable[str]) -> str:
    """Several names in one cell."""
    return escape(", ".join(values))


def print_afterwards(notes: Sequence[str], notices: Sequence[NoticeState] = ()) -> None:
    """What was sent to people, and what was refused, beside the answer itself."""
    for notice in notices:
        outcome = notice.outcome.lower()
        err.print(f"notice to {notice.audience.lower()} ({outcome}): {escape(notice.title)}", style="dim")
    for note in notes:
        err.print(f"note: {escape(note)}", style="yellow")


def print_shortages(shortages: Sequence[ShortageState], found: FoundItems) -> None:
    """Why nothing was held."""
    for each in shortages:
        product = found.skus.get(each.product_id, f"product {each.product_id}")
        warehouse = found.warehouse_names.get(each.warehouse_id, f"warehouse {each.warehouse_id}")
        out.print(
            f"short: {escape(product)} in {escape(warehouse)}: requested {each.requested}, available {each.available}"
        )


def print_gave_way(gave_way: Sequence[GaveWay], found: FoundItems) -> None:
    """Whose hold has ended because what it was promised isn't there."""
    for hold in gave_way:
        product = found.skus.get(hold.product_id, f"product {hold.product_id}")
        held = f"{hold.reference_type.lower()} {escape(hold.reference_id)}"
        out.print(f"gave way: {held}, {counted(hold.quantity, 'unit')} of {escape(product)}")


def print_receipts(
    receipts: Sequence[ReceiptState], before: Sequence[ReceiptState], *, unfit: str, what: str = "receipt"
) -> None:
    """What came, and when; ``unfit`` is what is said of the units that didn't enter stock."""
    for receipt in receipts:
        new = "" if receipt in before else " [bold](new)[/bold]"
        more = f", {receipt.unfit} {unfit}" if receipt.unfit else ""
        out.print(
            f"{what} {escape(receipt.receipt_id)} by {escape(receipt.performed_by)} at {utc(receipt.at)}: "
            f"{receipt.accepted} into stock{more}{new}"
        )


def has_receipt(receipts: Sequence[ReceiptState], receipt_id: str | None) -> bool:
    """Whether this receipt was booked; one without a name can't be told from any other."""
    return any(each.receipt_id == receipt_id for each in receipts)


def in_typed_names(refused: InvalidRequest, products: Mapping[str, int]) -> InvalidRequest:
    """The same error about a product, in the words that were typed."""
    about = refused.details.get("product_id")
    typed = next((name for name, product_id in products.items() if product_id == about), None)
    if typed is None:
        return refused
    return InvalidRequest(refused.message.replace(f"product {about}", typed, 1), refused.details)


def short_in_typed_names(short: InsufficientStock, typed: Mapping[tuple[int, int], str]) -> InsufficientStock:
    """The same for stock that is short: by product and warehouse, what was typed for it."""
    told = [
        f"{name}: requested {each.requested}, available {each.available}"
        for each in short.shortages
        if (name := typed.get((each.product_id, each.warehouse_id)))
    ]
    return InsufficientStock("; ".join(told) or short.message, short.shortages)
