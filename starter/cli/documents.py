"""The commands of every kind of document: create one, show it, command it, and print the outcome."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, Generic, NamedTuple, TypeVar

from starter.cli.context import as_json as refusal_as_json
from starter.cli.context import connect, explain, run
from starter.cli.output import out, print_json
from starter.cli.times import printed_in, zone_called
from stockkeeper.client.document import Document
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import StockkeeperError, Unreachable
from stockkeeper.contracts.messages import State
from stockkeeper.contracts.receipt import ReceiptState
from stockkeeper.contracts.stock import FoundItems

D = TypeVar("D", bound=Document[Any])
S = TypeVar("S", bound=State)


class Mentioned(NamedTuple):
    """Ids in a state, whose names are printed."""

    product_ids: Iterable[int] = ()
    warehouse_ids: Iterable[int | None] = ()
    supplier_ids: Iterable[int | None] = ()


@dataclass(frozen=True)
class Answer(Generic[S]):
    """The outcome of a command: the state before and after it, and for people the names behind its ids."""

    state: S
    before: S
    found: FoundItems | None


@dataclass(frozen=True)
class Desk(Generic[D, S]):
    """The commands of one kind of document.

    Attributes:
        find: Find one by its number.
        mentions: The ids in its state.
        show: Print the state for people, with changes from the state before.
    """

    find: Callable[[Stockkeeper, str], Awaitable[D]]
    mentions: Callable[[S], Mentioned]
    show: Callable[[Answer[S], FoundItems], None]

    def answer(self, work: Coroutine[Any, Any, Answer[S]], *, as_json: bool) -> None:
        """Run a command's work, and print its outcome."""
        self.print(run(work), as_json=as_json)

    def create(self, make: Callable[[Stockkeeper], Awaitable[D]], *, as_json: bool) -> None:
        """Create a document, and show it."""

        async def work() -> Answer[S]:
            stock = await connect()
            return await self.named(stock, (await make(stock)).state, as_json=as_json)

        self.answer(work(), as_json=as_json)

    def look(self, name: str, *, as_json: bool) -> None:
        """Show one."""

        async def work() -> Answer[S]:
            stock = await connect()
            return await self.named(stock, (await self.find(stock, name)).state, as_json=as_json)

        self.answer(work(), as_json=as_json)

    def command(self, name: str, send: Callable[[D], Awaitable[S]], *, as_json: bool) -> None:
        """Command one, and show the change."""

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
        """Command several, each by itself: a refusal doesn't stop the others.

        Args:
            names: Their numbers; a single one is shown whole.
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
            print_json(
                [
                    refusal_as_json(each, of=name)
                    if isinstance(each, StockkeeperError)
                    else each.state.model_dump(mode="json")
                    for name, each in zip(names, answers, strict=True)
                ]
            )
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
        """Command one as a part of more work."""
        document = await self.find(stock, name)
        before: S = document.state
        return await self.named(stock, await send(document), before, as_json=as_json)

    async def named(self, stock: Stockkeeper, state: S, before: S | None = None, *, as_json: bool) -> Answer[S]:
        """A state with the names behind its ids, which only people need."""
        found = None
        if not as_json:
            mentioned = self.mentions(state)
            found = await names_or_ids(
                stock,
                mentioned.product_ids,
                (each for each in mentioned.warehouse_ids if each),
                (each for each in mentioned.supplier_ids if each),
            )
        return Answer(state, state if before is None else before, found)

    def print(self, answer: Answer[S], *, as_json: bool) -> None:
        """Print an answer, for programs or for people."""
        if as_json or answer.found is None:
            print_json(answer.state)
            return
        with printed_in(self._zone(answer.state, answer.found)):
            self.show(answer, answer.found)

    def _zone(self, state: S, found: FoundItems) -> tzinfo:
        """The timezone of its warehouses; UTC if they are in several."""
        places = {each for each in self.mentions(state).warehouse_ids if each}
        zones = {found.timezones.get(each, "UTC") for each in places}
        return zone_called(zones.pop()) if len(zones) == 1 else UTC


async def names_or_ids(
    stock: Stockkeeper,
    product_ids: Iterable[int] = (),
    warehouse_ids: Iterable[int] = (),
    supplier_ids: Iterable[int] = (),
) -> FoundItems:
    """The names behind ids, and the units of products; none where no answer comes, and ids are printed in their place.

    What is to be printed has been done by then: an error about its names would say otherwise.
    """
    try:
        return await stock.names(product_ids, warehouse_ids, supplier_ids, units=True)
    except Unreachable:
        return FoundItems(products={}, warehouses={}, skus={}, warehouse_names={})


def has_receipt(receipts: Sequence[ReceiptState], receipt_id: str | None) -> bool:
    """Whether a receipt of this number was booked; without a number none is known."""
    return any(each.receipt_id == receipt_id for each in receipts)
