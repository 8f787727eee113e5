"""Somebody who starts things wrong: with what each start is refused, and that its run has failed with the same."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial

from tests.support.bad import Spoil
from tests.support.shop import new_reference
from tests.support.wire import Caller, Json, Refusal, few_at_once, refusal

_LONGEST_MESSAGE = 2_000


class Clerk(ABC):
    """Starts documents of one kind, each under a name of its own.

    Args:
        caller: Who they are started with.
        prefix: What their names begin with.
    """

    def __init__(self, caller: Caller, prefix: str) -> None:
        self._caller = caller
        self._prefix = prefix

    @abstractmethod
    def right(self, number: str, **other: Json) -> dict[str, Json]:
        """A start that is right, but for what is said."""

    async def is_refused(self, number: str, payload: list[Json], way: str) -> Refusal:
        """With what; the run has failed with the same."""
        if way == "start":
            await self._caller.start(number, payload)
            refused = await refusal(self._caller.result(number))
        else:
            refused = await refusal(self._caller.ask_raw(number, payload))
            assert await refusal(self._caller.result(number)) == refused
        assert len(refused.message) < _LONGEST_MESSAGE
        return refused

    async def outcomes(self, spoils: Mapping[str, Spoil], way: str) -> dict[str, str]:
        """The type of the refusal of each spoilt start."""

        async def outcome(name: str, spoil: Spoil) -> str:
            number = new_reference(self._prefix)
            try:
                return (await self.is_refused(number, spoil(self.right(number)), way)).type
            except Exception as error:
                error.add_note(name)
                raise

        return dict(zip(spoils, await few_at_once(*(partial(outcome, *each) for each in spoils.items())), strict=True))
