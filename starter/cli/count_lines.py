"""Several lines of a count in one command: each is taken by itself, and its outcome is printed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from rich.markup import escape

from starter.cli import printing
from starter.cli.context import as_json as refusal_as_json
from starter.cli.context import connect, explain, run
from starter.cli.documents import Answer, Desk
from starter.cli.output import changed_status, err, out, print_json, table
from stockkeeper.client.cycle_count import CycleCount
from stockkeeper.contracts.cycle_count import CountLineState, CountStatus, CycleCountState, progress
from stockkeeper.contracts.errors import DomainError, InvalidRequest, StockkeeperError, Unreachable
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.stock import FoundItems

T = TypeVar("T")
CountDesk = Desk[CycleCount, CycleCountState]


@dataclass(frozen=True)
class _Outcome:
    """The outcome of several lines.

    Attributes:
        answer: The count before and afterwards.
        products: The lines that were taken: typed name and product id.
        refused: Refusals of other lines, by typed name.
        unsent: Lines that were not sent, because no answer came to one before them.
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
    """Command some lines of a count, one after the other: a refusal doesn't stop the others.

    Args:
        desk: Where counts are commanded.
        count_number: Which count.
        lines: The typed name of each product, and the command's value for it.
        send: The command for one.
        as_json: For programs.
    """
    outcome = run(_each(desk, count_number, lines, send, as_json=as_json))
    if as_json or outcome.answer.found is None:
        refused = [refusal_as_json(error, of=product) for product, error in outcome.refused.items()]
        print_json(outcome.answer.state.model_dump(mode="json") | ({"refused": refused} if refused else {}))
    elif outcome.products:
        _print_lines(outcome, outcome.answer.found)
    for product, refusal in outcome.refused.items():
        explain(refusal, of=product)
    if outcome.unsent:
        err.print(
            f"{counted(len(outcome.unsent), 'more line')} not sent; run the same command again, no line counts twice"
        )
    if outcome.refused:
        raise SystemExit(1)


async def _each(
    desk: CountDesk,
    count_number: str,
    lines: Callable[[], Sequence[tuple[str, T]]],
    send: Callable[[CycleCount, int, T], Awaitable[CycleCountState]],
    *,
    as_json: bool,
) -> _Outcome:
    wanted = lines()
    stock = await connect()
    found = await stock.ids(product for product, _ in wanted)
    _require_once_each([(product, found.products[product]) for product, _ in wanted])
    count = await stock.cycle_count(count_number)
    # The names first: if no answer comes later, the lines taken so far are printed all the same.
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
    return _Outcome(replace(before, state=count.state), taken, refused, unsent)


def _require_once_each(wanted: Sequence[tuple[str, int]]) -> None:
    """Refuse two numbers for one product: they may be two shelves or a slip.

    Raises:
        InvalidRequest: A product is there twice.
    """
    first: dict[int, str] = {}
    for product, product_id in wanted:
        if product_id in first:
            raise InvalidRequest(f"{first[product_id]} is listed twice; give it once, with the whole quantity")
        first[product_id] = product


def _in_typed_name(error: StockkeeperError, product: str, product_id: int) -> StockkeeperError:
    """The same error with the typed name in place of the id."""
    if isinstance(error, DomainError):
        return type(error).from_details(error.message.replace(f"product {product_id}", product, 1), error.details)
    return error


def _print_lines(outcome: _Outcome, found: FoundItems) -> None:
    """The lines that were commanded; a list may have hundreds of others."""
    state, before = outcome.answer.state, outcome.answer.before
    was = {line.product_id: line.status for line in before.lines}
    now = {line.product_id: line for line in state.lines}
    out.print(headline(outcome.answer, found))
    printing.print_gave_way([hold for hold in state.gave_way if hold not in before.gave_way], found)
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
                for product_id in outcome.products.values()
            ],
        )
    )
    printing.print_afterwards(
        [note for note in state.notes if note not in before.notes],
        [notice for notice in state.notices if notice not in before.notices],
        found,
    )


def _what_came_of(line: CountLineState) -> str:
    if line.status is CountStatus.REVIEW and line.needs_approval:
        by = escape(line.counted_by or "")
        return f"fewer than promised: a person other than {by} has to look at count review, and approve it"
    if line.status is CountStatus.REVIEW:
        return (
            f"beyond tolerance: a person other than {escape(line.counted_by or '')} has to count it again or approve it"
        )
    if line.status is not CountStatus.POSTED or line.delta is None:
        return ""
    if not line.delta:
        return "as the books had it"
    return f"the books had {line.system_quantity}: {signed(line.delta)}, {escape(why(line))}"


def why(line: CountLineState) -> str:
    """The root cause, and its approver."""
    return ", approved by ".join(part for part in (line.root_cause, line.approved_by) if part)


def headline(answer: Answer[CycleCountState], found: FoundItems) -> str:
    """A count's status and progress, in one line."""
    status = changed_status(answer.before.status, answer.state.status)
    number = escape(answer.state.count_number)
    return f"count [bold]{number}[/bold]: {status}, {place_of(answer.state, found)}, {progress(answer.state)}"


def place_of(state: CycleCountState, found: FoundItems) -> str:
    """The warehouse's name."""
    return escape(found.warehouse_names.get(state.warehouse_id or 0, f"warehouse {state.warehouse_id}"))


def sku_of(product_id: int, found: FoundItems) -> str:
    """A product's SKU."""
    return found.skus.get(product_id, f"product {product_id}")


def signed(delta: int) -> str:
    """A difference in units: ``+2``, ``-1``, ``0``."""
    return f"{delta:+}" if delta else "0"
