"""Whose start and command it is: the token that came with it, and the verdict on it, which the history keeps.

A message with a token is judged by a step, so that a replay goes by what was found then. A message without one is
refused where the workers require identities. Of an update nothing is kept then; of a start and a signal a marker says
so, because a replay must not depend on the worker's settings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar, cast

from temporalio import workflow

from stockkeeper.contracts import event_subscriber, move, order_in_parts
from stockkeeper.contracts.identity import (
    NAME_FIELDS,
    WITHOUT,
    Identified,
    IdentifyStep,
    IdentityActivities,
    name_field,
    token_of,
    with_name,
)
from stockkeeper.contracts.messages import Message
from stockkeeper.contracts.operation import operation_id
from stockkeeper.contracts.permission import places
from stockkeeper.contracts.processes import PROCESSES
from stockkeeper.domain.errors import NotPermitted
from stockkeeper.domain.permission import (
    START,
    Identity,
    Role,
    require_limit,
    require_looking,
    require_named,
    require_role,
)
from workflows.patches import WITHOUT_IDENTITY
from workflows.steps import write

M = TypeVar("M", bound=Message)

_NEEDS = {
    process.workflow_type: process.needs
    for process in (*PROCESSES, order_in_parts.PROCESS, move.PROCESS, event_subscriber.PROCESS)
}
_OF_WORKFLOWS = frozenset({"give_way"})
"""Commands that workflows send to each other; Temporal records that, and they carry no token."""


@dataclass(frozen=True)
class Brought:
    """What a start, a signal or an update has brought along.

    Attributes:
        token: The token; None: it has none.
        at: The workflow's time when it came.
        signal: The number of the signal among those of this run; 0: it isn't one.
        update_id: The id of the update; empty: it isn't one.
    """

    token: str | None
    at: datetime
    signal: int = 0
    update_id: str = ""

    @property
    def name(self) -> str:
        """Its name within the run."""
        return f"signal {self.signal}" if self.signal else self.update_id or START


def of_start() -> Brought:
    """What the start of this run has brought. It came when Temporal recorded it, however late a worker sees it."""
    info = workflow.info()
    return Brought(token_of(info.headers), info.workflow_start_time)


async def verdict(brought: Brought, what: str, named: str) -> Identified:
    """The identity behind a message, as the history has it after this.

    Args:
        brought: What came with it.
        what: The command, or the start.
        named: The name that it has itself.

    Raises:
        NotPermitted: The token is invalid, or missing where identities are required.
    """
    if brought.token is None:
        # An update without one was let in by a worker that takes names on trust.
        if brought.update_id or not workflow.patched(f"{WITHOUT_IDENTITY} {brought.name}"):
            return Identified()
        if not (brought.signal and what in _OF_WORKFLOWS):
            raise NotPermitted(WITHOUT)
    step = IdentifyStep(
        operation_id=operation_id(workflow.info().workflow_id, "identify", brought.name),
        performed_by=named,
        as_of=brought.at,
        token=brought.token or "",
        signal=brought.signal,
        update_id=brought.update_id,
    )
    identify = cast("Callable[[Any, IdentifyStep], Identified]", IdentityActivities.identify)
    return await write(identify, step, f"whose {what} it is")


def _require_role(identity: Identity, what: str, source: Any) -> None:
    """Refuse a start or command of this run for which an identity has no role where it takes place."""
    needs = _NEEDS[workflow.info().workflow_type][what]
    require_role(identity, needs, what, places(source, needs.at))


class Vouched:
    """The part of a process that goes by identities. Without tokens, and where none is required, it does nothing."""

    state: Any
    payload: tuple[Any, ...]
    brought: Brought | None = None
    """What came with the signal or update that is being handed over."""

    def take_brought(self) -> Brought | None:
        """What came with the signal or update that this handler was begun for; to be called before it waits."""
        brought, self.brought = self.brought, None
        return brought

    def worth_of(self, message: Message) -> Decimal | None:
        """The amount of money that an approval is about; None: it isn't known here."""
        value = getattr(message, "value", None)
        return None if getattr(message, "unvalued_units", 0) else value

    async def vouched(self, what: str, message: M, brought: Brought | None) -> M:
        """A command with the name that its identity has.

        Args:
            what: The command.
            message: Its message, checked.
            brought: What came with it; None: this run itself gives the command.

        Raises:
            NotPermitted: Its identity isn't valid, is another person's, or may not do that.
        """
        if brought is None:
            return message
        field = name_field(message)
        found = await verdict(brought, what, getattr(message, field) if field else "")
        if (identity := found.identity) is None:
            return message
        named = with_name(identity, message)
        _require_role(identity, what, self.state)
        needs = _NEEDS[workflow.info().workflow_type][what]
        if Role.APPROVE in needs.any_of and what != "reject":
            require_limit(identity, self.worth_of(message), what)
        return named

    async def vouch_for_start(self, *, is_the_systems: bool = False) -> str | None:
        """Put the name into the start that its identity has, from here on and in the runs that follow.

        A run that goes on from another one, and one that a workflow has started, carry names that were verified there.

        Args:
            is_the_systems: Whether it is what a schedule sends, which needs no token.

        Returns:
            The verified name; None: there is no token.

        Raises:
            NotPermitted: Its identity isn't valid, is another person's, or may not do that.
        """
        info, brought = workflow.info(), of_start()
        # By these Temporal starts a run again that a caller has started: it says that it goes on from another one then,
        # whatever its arguments are.
        is_started_again = info.retry_policy is not None or bool(info.cron_schedule)
        if brought.token is None:
            goes_on = info.continued_run_id is not None and not is_started_again
            if goes_on or info.parent is not None or is_the_systems:
                return None
        elif is_started_again:
            raise NotPermitted("a start with an identity takes neither a retry policy nor a cron schedule")
        start = self.payload[0] if self.payload else None
        fields = start if isinstance(start, dict) else {}
        field = next((name for name in NAME_FIELDS if isinstance(fields.get(name), str)), None)
        found = await verdict(brought, START, fields[field] if field else "")
        if (identity := found.identity) is None:
            return None
        if field is not None:
            require_named(identity, fields[field])
            self.payload = ({**fields, field: identity.person}, *self.payload[1:])
        _require_role(identity, START, fields)
        return identity.person

    async def vouch_for_look(self, what: str, brought: Brought | None) -> None:
        """Refuse a look at the answer to the start without a valid token.

        A token that the start was sent with has been verified already.

        Raises:
            NotPermitted: The identity isn't valid, or has no role.
        """
        if brought is None or brought.token is None or brought.token == of_start().token:
            return
        if (identity := (await verdict(brought, what, "")).identity) is not None:
            require_looking(identity, what)
