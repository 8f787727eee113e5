"""Commands that are sent wrong to documents that are there: refused or noted, and nothing changes."""

from collections.abc import Sequence

from sqlalchemy import Engine
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from tests.support.bad_messages.matrix import Sent
from tests.support.books import nothing_is_stored
from tests.support.wire import Caller, Json, Refusal, answer, at_once, refusal

_LONGEST_MESSAGE = 2_000
_UPDATES_AT_ONCE = 8
"""Temporal takes ten of a run."""
_LONGEST_NOTE = 500 - len("2026-01-01 00:00:00 UTC: ")
PAYLOADS: dict[str, list[Json]] = {
    "null": [None],
    "{}": [{}],
    "{a}": [{"a": 1}],
    "1 MB": ["x" * 1_000_000],
    "3": [1, 2, 3],
}
"""Arguments that an update without payload passes over."""


def _is_unchanged(state: Json, before: Json) -> bool:
    """Whether a state is as before but for its notes; its notices count if the state before has them."""
    passed_over = {"notes", *({"notices"} - before.keys())}

    def rest(each: Json) -> Json:
        return {name: value for name, value in each.items() if name not in passed_over}

    return bool(rest(state) == rest(before))


async def change_nothing(
    caller: Caller,
    engine: Engine,
    command: str,
    sent: Sent,
    places: Sequence[tuple[str, Json, Json]],
) -> None:
    """Each spoilt command is an invalid request as an update; those that are signalled are noted with the same error.

    Args:
        caller: The service that sends the commands.
        engine: The database, of which nothing may change.
        command: The name of the command.
        sent: The spoilt messages; they are dealt to the documents in turn.
        places: Number of each document, its state before, and a valid message for it.
    """

    async def are_refused(place: int) -> dict[str, str]:
        """All that are dealt to one document: as updates as many at once as a run takes, as signals in their order."""
        number, before, right = places[place]
        names = list(sent.messages)[place :: len(places)]
        signals = [name for name in names if name in sent.signalled]

        async def is_refused(name: str) -> Refusal:
            try:
                return await refusal(caller.update(number, command, *sent.messages[name](right)))
            except Exception as error:
                error.add_note(name)
                raise

        refusals: dict[str, Refusal] = {}
        while these := names[len(refusals) :][:_UPDATES_AT_ONCE]:
            refusals |= zip(these, await at_once(*map(is_refused, these)), strict=True)
        for name in signals:
            await caller.signal(number, command, *sent.messages[name](right))
        # One that only the database refuses is noted after those that came with it and are wrong in themselves.
        notes = await caller.noted(number, len(signals))
        assert max(len(refused.message) for refused in refusals.values()) < _LONGEST_MESSAGE
        for name in sorted(signals, key=lambda name: -len(refusals[name].message)):
            refused = refusals[name]
            told = f"signal {command} refused: {refused.type}: {refused.message[:300]}"
            note = next((note for note in notes if note.startswith(told)), "")
            assert note, (name, notes)
            assert len(note) <= _LONGEST_NOTE, name
            notes.remove(note)
        assert notes == []
        assert _is_unchanged(await caller.state(number), before)
        return {name: refused.type for name, refused in refusals.items()}

    with nothing_is_stored(engine):
        outcomes = await at_once(*(are_refused(place) for place in range(len(places))))
    types = {name: each for part in outcomes for name, each in part.items()}
    assert types == dict.fromkeys(sent.messages, "InvalidRequest")


async def strangers_change_nothing(
    caller: Caller, engine: Engine, number: str, before: Json, names: Sequence[str], message: Json | None = None
) -> None:
    """Updates of names that are no command are refused, signals of these names are noted."""
    payload = {"performed_by": "ann"} if message is None else message
    with nothing_is_stored(engine):
        for name in names:
            told = await refusal(caller.update(number, name, payload))
            assert told == Refusal("InvalidRequest", {}, f"update {name!r} isn't one of its commands")
        state = await caller.state(number)
        assert _is_unchanged(state, before)
        assert state["notes"] == []
        for name in names:
            await caller.signal(number, name, payload)
        noted = [f"signal {name!r} isn't one of its commands" for name in names]
        assert await caller.noted(number, len(names)) == noted
        assert _is_unchanged(await caller.state(number), before)


async def payloads_are_passed_over(
    caller: Caller, engine: Engine, number: str, before: Json, *payloads: list[Json]
) -> None:
    """The update that answers the start, and the query, answer the same with whatever arguments."""
    unreadable = RawValue(Payload(metadata={"encoding": b"binary/secret"}, data=b"{}"))
    with nothing_is_stored(engine):
        for payload in (*payloads, [unreadable]):
            assert _is_unchanged(await caller.update(number, caller.answer_to_start, *payload), before)
            asked = await answer(caller.handle(number).query("state", args=payload[:1]))
            assert _is_unchanged(asked, before)
