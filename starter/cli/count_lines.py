"""Several lines of a count in one command: each is taken by itself, and its outcome is printed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar

from rich.markup import escape

from starter.cli import printing
from starter.cli.context import as_json as refusal_as_json
from starter.cli.context import connect, explain, run
from starter.cli.documents import Answer, Desk
from starter.cli.output import changed_status, err, out, print_json, table
from stockkeeper.client.cycle_count import CycleCount
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.cycle_count import CountLineState, CountStatus, CycleCountState, progress
from stockkeeper.contracts.errors import DomainError, InvalidRequest, StockkeeperError, Unreachable
from stockkeeper.contracts.lot import product_and_lot
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.stock import FoundItems

T = TypeVar("T")
CountDesk = Desk[CycleCount, CycleCountState]
Key = tuple[int, str | None]
"""A line of a count: the product, and its lot."""


class Wanted(NamedTuple, Generic[T]):
    """A line that is commanded.

    Attributes:
        product: The product as it was typed.
        lot_number: Its lot; None: none was named.
        said: What is said of it.
    """

    product: str
    lot_number: str | None
    said: T

    @property
    def name(self) -> str:
        """The line as it was typed, for messages."""
        return product_and_lot(self.product, self.lot_number)


@dataclass(frozen=True)
class _Outcome:
    """The outcome of several lines.

    Attributes:
        answer: The count before and afterwards.
        taken: The lines that were taken.
        refused: Refusals of other lines, by typed name.
        unsent: Lines that were not sent, because no answer came to one before them.
    """

    answer: Answer[CycleCountState]
    taken: list[Key]
    refused: dict[str, StockkeeperError]
    unsent: Sequence[str]


def command_each_line(
    desk: CountDesk,
    count_number: str,
    lines: Callable[[Stockkeeper], Awaitable[Sequence[Wanted[T]]]],
    send: Callable[[CycleCount, int, Wanted[T]], Awaitable[CycleCountState]],
    *,
    as_json: bool,
) -> None:
    """Command some lines of a count, one after the other: a refusal doesn't stop the others.

    Args:
        desk: Where counts are commanded.
        count_number: Which count.
        lines: Find the lines, and the command's value for each.
        send: The command for one, by the id of its product.
        as_json: For programs.
    """
    outcome = run(_each(desk, count_number, lines, send, as_json=as_json))
    if as_json or outcome.answer.found is None:
        refused = [refusal_as_json(error, of=product) for product, error in outcome.refused.items()]
        print_json(outcome.answer.state.model_dump(mode="json") | ({"refused": refused} if refused else {}))
    elif outcome.taken:
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
    lines: Callable[[Stockkeeper], Awaitable[Sequence[Wanted[T]]]],
    send: Callable[[CycleCount, int, Wanted[T]], Awaitable[CycleCountState]],
    *,
    as_json: bool,
) -> _Outcome:
    stock = await connect()
    wanted = await lines(stock)
    found = await stock.ids(each.product for each in wanted)
    _require_once_each([(each.name, (found.products[each.product], each.lot_number)) for each in wanted])
    count = await stock.cycle_count(count_number)
    # The names first: if no answer comes later, the lines taken so far are printed all the same.
    before = await desk.named(stock, count.state, as_json=as_json)
    taken: list[Key] = []
    refused: dict[str, StockkeeperError] = {}
    unsent: list[str] = []
    # Lots that were found come first: a count that has ended, with the last line of its list, takes no more.
    listed = {key_of(line) for line in count.state.lines}
    for each in sorted(
        wanted, key=lambda line: line.lot_number is None or (found.products[line.product], line.lot_number) in listed
    ):
        product_id = found.products[each.product]
        if unsent or any(isinstance(refusal, Unreachable) for refusal in refused.values()):
            unsent.append(each.name)
            continue
        try:
            await send(count, product_id, each)
            taken.append((product_id, each.lot_number))
        except StockkeeperError as error:
            refused[each.name] = _in_typed_name(error, each.product, product_id)
            if len(wanted) == 1:
                raise refused[each.name] from None
    return _Outcome(replace(before, state=count.state), taken, refused, unsent)


def _require_once_each(wanted: Sequence[tuple[str, Key]]) -> None:
    """Refuse two numbers for one product or lot: they may be two shelves or a slip.

    Raises:
        InvalidRequest: One is there twice.
    """
    first: dict[Key, str] = {}
    for name, key in wanted:
        if key in first:
            raise InvalidRequest(f"{first[key]} is listed twice; give it once, with the whole quantity")
        first[key] = name


def _in_typed_name(error: StockkeeperError, product: str, product_id: int) -> StockkeeperError:
    """The same error with the typed name in place of the id."""
    if isinstance(error, DomainError):
        return type(error).from_details(error.message.replace(f"product {product_id}", product, 1), error.details)
    return error


def _print_lines(outcome: _Outcome, found: FoundItems) -> None:
    """The lines that were commanded; a list may have hundreds of others."""
    state, before = outcome.answer.state, outcome.answer.before
    was = {key_of(line): line.status for line in before.lines}
    now = {key_of(line): line for line in state.lines}
    out.print(headline(outcome.answer, found))
    printing.print_gave_way([hold for hold in state.gave_way if hold not in before.gave_way], found)
    out.print(
        table(
            ["product", "#counted", "by", "status", ""],
            [
                [
                    escape(name_of(now[key], found)),
                    printing.units(found, key[0], now[key].counted_quantity or 0),
                    escape(now[key].counted_by or ""),
                    # A lot that was found has no line before.
                    changed_status(was.get(key, CountStatus.COUNTING), now[key].status),
                    _what_came_of(now[key]),
                ]
                for key in outcome.taken
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


def key_of(line: CountLineState) -> Key:
    """The product and the lot of a line."""
    return line.product_id, line.lot_number


def name_of(line: CountLineState, found: FoundItems) -> str:
    """The SKU of a line, and its lot."""
    return product_and_lot(sku_of(line.product_id, found), line.lot_number)


def signed(delta: int) -> str:
    """A difference in units: ``+2``, ``-1``, ``0``."""
    return f"{delta:+}" if delta else "0"
