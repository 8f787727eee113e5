"""Several lines of a count in one command: each is taken by itself, and people read what became of it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from rich.markup import escape

from starter.cli.context import connect, explain, run
from starter.cli.documents import Answer, Desk, print_afterwards, print_gave_way
from starter.cli.output import changed_status, err, out, print_json, table
from stockkeeper.client.cycle_count import CycleCount
from stockkeeper.client.stock import find_items
from stockkeeper.contracts.cycle_count import CountLineState, CountStatus, CycleCountState, progress
from stockkeeper.contracts.errors import DomainError, InvalidRequest, StockkeeperError, Unreachable
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.stock import FoundItems

T = TypeVar("T")
CountDesk = Desk[CycleCount, CycleCountState]


@dataclass(frozen=True)
class _Told:
    """What became of several lines.

    Attributes:
        answer: The count before and afterwards.
        products: The lines that were taken, by what was typed.
        refused: Why others were not.
        unsent: Those that were not asked about any more, because nobody answers.
    """

    answer: Answer[CycleCountState]
    products: dict[str, int]
    refused: dict[str, StockkeeperError]
    unsent: Sequence[str]


def command_each_line(
    desk: CountDesk,
    count_number: str,
    lines: Callable[[], Sequence[tuple[str, T]]],
    send: Callable[[CycleCount, int, T], Awaitable[CycleCountState]],
    *,
    as_json: bool,
) -> None:
    """Command some lines of a count, one after the other: one that is refused keeps none of the others from it.

    Args:
        desk: Where counts are commanded.
        count_number: Which count.
        lines: What was typed for each product, and what is said of it.
        send: The command for one.
        as_json: For programs.
    """
    told = run(_each(desk, count_number, lines, send, as_json=as_json))
    if as_json or told.answer.found is None:
        print_json(told.answer.state)
    elif told.products:
        _print_lines(told, told.answer.found)
    for product, refusal in told.refused.items():
        explain(refusal, of=product)
    if told.unsent:
        err.print(f"{counted(len(told.unsent), 'more line')} not sent: say it all again, what was taken counts once")
    if told.refused:
        raise SystemExit(1)


async def _each(
    desk: CountDesk,
    count_number: str,
    lines: Callable[[], Sequence[tuple[str, T]]],
    send: Callable[[CycleCount, int, T], Awaitable[CycleCountState]],
    *,
    as_json: bool,
) -> _Told:
    wanted = lines()
    stock = await connect()
    found = await find_items(stock.client, [product for product, _ in wanted], [], task_queue=stock.task_queue)
    _require_once_each([(product, found.products[product]) for product, _ in wanted])
    count = await stock.cycle_count(count_number)
    # The names first: if nobody answers any more, it is said all the same what was taken.
    before = await desk.named(stock, count.state, as_json=as_json)
    taken: dict[str, int] = {}
    refused: dict[str, StockkeeperError] = {}
    unsent: list[str] = []
    for product, said in wanted:
        if unsent or any(isinstance(refusal, Unreachable) for refusal in refused.values()):
            unsent.append(product)
            continue
        try:
            await send(count, found.products[product], said)
            taken[product] = found.products[product]
        except StockkeeperError as error:
            refused[product] = _in_typed_name(error, product, found.products[product])
            if len(wanted) == 1:
                raise refused[product] from None
    return _Told(replace(before, state=count.state), taken, refused, unsent)


def _require_once_each(wanted: Sequence[tuple[str, int]]) -> None:
    """Two numbers for one product may be two shelves or a slip, and nobody here knows which.

    Raises:
        InvalidRequest: A product is there twice.
    """
    first: dict[int, str] = {}
    for product, product_id in wanted:
        if product_id in first:
            raise InvalidRequest(f"{first[product_id]} is there twice: say it once, with all that was counted of it")
        first[product_id] = product


def _in_typed_name(error: StockkeeperError, product: str, product_id: int) -> StockkeeperError:
    """The same error in the words that were typed."""
    if isinstance(error, DomainError):
        return type(error).from_details(error.message.replace(f"product {product_id}", product, 1), error.details)
    return error


def _print_lines(told: _Told, found: FoundItems) -> None:
    """The lines that were commanded; a list may have hundreds of others."""
    state, before = told.answer.state, told.answer.before
    was = {line.product_id: line.status for line in before.lines}
    now = {line.product_id: line for line in state.lines}
    out.print(headline(told.answer, found))
    print_gave_way([hold for hold in state.gave_way if hold not in before.gave_way], found)
    out.print(
        table(
            ["product", "#counted", "by", "status", ""],
            [
                [
                    escape(sku_of(product_id, found)),
                    str(now[product_id].counted_quantity),
                    escape(now[product_id].counted_by or ""),
                    changed_status(was[product_id], now[product_id].status),
                    _what_came_of(now[product_id]),
                ]
                for product_id in told.products.values()
            ],
        )
    )
    print_afterwards(
        [note for note in state.notes if note not in before.notes],
        [notice for notice in state.notices if notice not in before.notices],
    )


def _what_came_of(line: CountLineState) -> str:
    if line.status is CountStatus.REVIEW:
        return f"beyond tolerance: somebody other than {escape(line.counted_by or '')} counts it again, or approves it"
    if line.status is not CountStatus.POSTED or line.delta is None:
        return ""
    if not line.delta:
        return "as the books had it"
    return f"the books had {line.system_quantity}: {signed(line.delta)}, {escape(why(line))}"


def why(line: CountLineState) -> str:
    """Why the books were wrong, and who says so."""
    return ", approved by ".join(part for part in (line.root_cause, line.approved_by) if part)


def headline(answer: Answer[CycleCountState], found: FoundItems) -> str:
    """Where a count stands, in one line."""
    status = changed_status(answer.before.status, answer.state.status)
    number = escape(answer.state.count_number)
    return f"count [bold]{number}[/bold]: {status}, {place_of(answer.state, found)}, {progress(answer.state)}"


def place_of(state: CycleCountState, found: FoundItems) -> str:
    """Where it is counted."""
    return escape(found.warehouse_names.get(state.warehouse_id or 0, f"warehouse {state.warehouse_id}"))


def sku_of(product_id: int, found: FoundItems) -> str:
    """What people call a product."""
    return found.skus.get(product_id, f"product {product_id}")


def signed(delta: int) -> str:
    """A difference in units: ``+2``, ``-1``, ``0``."""
    return f"{delta:+}" if delta else "0"
