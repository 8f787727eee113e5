"""Documents that are started wrong: the error of each start, a run that has failed with the same, nothing stored."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice

from sqlalchemy import Engine
from temporalio.client import WorkflowExecutionStatus

from tests.support.bad import Spoil
from tests.support.books import nothing_is_stored
from tests.support.shop import new_reference
from tests.support.wire import Caller, Json, Refusal, at_once, few_at_once, refusal

_LONGEST_MESSAGE = 2_000
WAYS = ("update with start", "start")


def some(spoils: Mapping[str, Spoil]) -> dict[str, Spoil]:
    """Every fourth of them, for a second way of starting: it is refused as in the first way."""
    return dict(islice(spoils.items(), 0, None, 4))


class Clerk:
    """Starts documents of one kind, each under a name of its own.

    Args:
        caller: The service that starts them.
        engine: The database, of which nothing may change.
        prefix: The first part of their names.
        right: A valid start of the document of this name.
    """

    def __init__(self, caller: Caller, engine: Engine, prefix: str, right: Callable[[str], dict[str, Json]]) -> None:
        self._caller = caller
        self._engine = engine
        self._prefix = prefix
        self._right = right

    def right(self, number: str, **other: Json) -> dict[str, Json]:
        """A valid start, but for these fields."""
        return self._right(number) | other

    async def is_refused(self, number: str, payload: list[Json], way: str = "update with start") -> Refusal:
        """The error of a start; its run has failed with the same."""
        if way == "start":
            await self._caller.start(number, payload)
            refused = await refusal(self._caller.result(number))
        else:
            refused = await refusal(self._caller.ask_raw(number, payload))
            assert await refusal(self._caller.result(number)) == refused
        assert len(refused.message) < _LONGEST_MESSAGE
        return refused

    async def are_invalid(self, spoils: Mapping[str, Spoil], way: str = "update with start") -> None:
        """Each spoilt start is an invalid request, and nothing is stored."""

        async def outcome(name: str, spoil: Spoil) -> str:
            number = new_reference(self._prefix)
            try:
                return (await self.is_refused(number, spoil(self.right(number)), way)).type
            except Exception as error:
                error.add_note(name)
                raise

        with nothing_is_stored(self._engine):
            outcomes = await few_at_once(*(partial(outcome, *each) for each in spoils.items()))
        assert dict(zip(spoils, outcomes, strict=True)) == dict.fromkeys(spoils, "InvalidRequest")

    async def are_named(self, cases: Sequence[tuple[dict[str, Json], Refusal]], ways: Sequence[str] = WAYS) -> None:
        """A start with each case's fields has the case's error, and nothing is stored."""

        async def refused(other: dict[str, Json], way: str) -> Refusal:
            number = new_reference(self._prefix)
            return await self.is_refused(number, [self.right(number, **other)], way)

        with nothing_is_stored(self._engine):
            answers = await at_once(*(refused(other, way) for other, _ in cases for way in ways))
        assert answers == [expected for _, expected in cases for _ in ways]

    async def thousand_products_are_named(self, **other: Json) -> None:
        """A start with a thousand lines of unknown products names them all in its details."""
        number = new_reference(self._prefix)
        with nothing_is_stored(self._engine):
            refused = await refusal(self._caller.ask_raw(number, [self.right(number, **other)]))
        assert (refused.type, len(refused.details["product_ids"])) == ("UnknownProduct", 1_000)

    async def wrong_name_is_corrected(self, document: str, *commands: tuple[str, *tuple[Json, ...]]) -> None:
        """A valid start under another workflow id fails, and its first update is refused with the right id."""

        async def refused(name: str, *payload: Json) -> None:
            number = new_reference(self._prefix)
            wrong = f"wrong-{number}"
            told = await refusal(self._caller.first_update(wrong, self.right(number), name, *payload))
            right = f"{self._caller.prefix}{number}"
            assert told == Refusal(
                "InvalidRequest", {}, f"this {document} has to be started under the workflow id {right}"
            )
            run = await self._caller.client.get_workflow_handle(wrong).describe()
            assert run.status == WorkflowExecutionStatus.FAILED

        with nothing_is_stored(self._engine):
            await at_once(*(refused(*command) for command in commands or [(self._caller.answer_to_start,)]))

    async def first_commands_are_refused(self, error: str, commands: Mapping[str, Json], **other: Json) -> None:
        """A command that comes with a wrong start is refused with the error with which the run fails."""

        async def refused(name: str) -> None:
            number = new_reference(self._prefix)
            start = self.right(number, **other)
            told = await refusal(
                self._caller.first_update(f"{self._caller.prefix}{number}", start, name, commands[name])
            )
            assert told.type == error, name
            assert await refusal(self._caller.result(number)) == told

        with nothing_is_stored(self._engine):
            await at_once(*(refused(name) for name in commands))


async def run_is_refused(caller: Caller, payload: list[Json]) -> Refusal:
    """The error with which a run that is started like this fails."""
    name = new_reference("bad")
    await caller.start(name, payload)
    refused = await refusal(caller.result(name))
    assert len(refused.message) < _LONGEST_MESSAGE
    assert await caller.status(name) == WorkflowExecutionStatus.FAILED
    return refused


async def runs_are_invalid(caller: Caller, engine: Engine, spoils: Mapping[str, Spoil], right: dict[str, Json]) -> None:
    """A run for each spoilt start fails with an invalid request, and nothing is stored."""

    async def outcome(name: str, spoil: Spoil) -> str:
        try:
            return (await run_is_refused(caller, spoil(right))).type
        except Exception as error:
            error.add_note(name)
            raise

    with nothing_is_stored(engine):
        types = await few_at_once(*(partial(outcome, *each) for each in spoils.items()))
    assert dict(zip(spoils, types, strict=True)) == dict.fromkeys(spoils, "InvalidRequest")
