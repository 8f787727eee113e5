"""A run as people see it in the Temporal UI: found by search, and with its commands."""

from collections.abc import Mapping
from functools import partial

from tests.support.wire import Caller, eventually


async def finds(caller: Caller, queries: Mapping[str, list[str]]) -> None:
    """Return once each search finds exactly these documents."""
    for query, numbers in queries.items():
        await eventually(partial(caller.found, query), sorted(numbers).__eq__)


async def tells_its_commands(caller: Caller, number: str, *commands: str) -> None:
    """The run names these commands as updates and signals, each with a description, and the query of its state."""
    definition = (await caller.metadata(number)).definition
    assert definition.type == caller.workflow_type
    # The one without a name takes what isn't a command, and refuses it.
    updates = {update.name: update.description for update in definition.update_definitions if update.name}
    assert sorted(updates) == sorted([*commands, caller.answer_to_start])
    signals = {signal.name: signal.description for signal in definition.signal_definitions if signal.name}
    # Attempts tell the run of trouble with the database.
    assert sorted(signals) == sorted([*commands, "attempt_failed"])
    assert all([*updates.values(), *signals.values()])
    assert "state" in {query.name for query in definition.query_definitions}
