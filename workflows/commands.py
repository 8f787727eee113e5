"""How a process declares its commands: each is an update and a signal of one name, with one payload.

```python
@command(DISPATCH)
async def dispatch(self, message: Dispatch, key: str) -> None: ...

dispatch_signal = signal_of(dispatch)
```

mypy compares the payload of the `Command` with the method's message. The update answers with the new state. A refused
signal becomes a note in the state. Both stand in the class body, where mypy and "find references" see them.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar, cast

from temporalio import workflow
from temporalio.workflow import UpdateMethodMultiParam

from stockkeeper.contracts.messages import Message, parse
from stockkeeper.contracts.process import Command
from stockkeeper.domain.errors import InvalidRequest
from workflows.counters import counting_refusals
from workflows.process import Handler, Process

M = TypeVar("M", bound=Message)
P = TypeVar("P", bound=Process[Any])
CommandUpdate: TypeAlias = UpdateMethodMultiParam[[P, M], Any]
"""The update of a command, as Temporal registers it."""


def command(declared: Command[M]) -> Callable[[Callable[[P, M, str], Awaitable[None]]], CommandUpdate[P, M]]:
    """Turn a method into the update of a command.

    The method gets the checked message, and a key that is the same whenever this one command is repeated: the caller's
    update id, or the signal's number in this chain of runs (a reset counts the same signals again). It changes the
    state, or raises a `DomainError`.
    """

    def decorate(body: Callable[[P, M, str], Awaitable[None]]) -> CommandUpdate[P, M]:
        handler = Handler(declared.name, declared.message, body)

        @workflow.update(name=declared.name, description=_summary(body))
        async def update(self: P, *payload: Any) -> Any:
            brought = self.take_brought()
            info = workflow.current_update_info()
            if info is None:
                raise InvalidRequest(f"{declared.name} has to be an update")
            message = cast("M | None", self.checked.pop(info.id, None))
            with counting_refusals(declared.name):
                await self.carry_out(handler, message or parse(declared.message, payload), info.id, brought)
            return self.state

        @update.validator
        def validate(self: P, *payload: Any) -> None:
            with counting_refusals(declared.name):
                message = parse(declared.message, payload)
            # A replay doesn't validate again what was accepted.
            if info := workflow.current_update_info():
                self.checked[info.id] = message

        vars(update)[_HANDLER] = handler
        return cast("CommandUpdate[P, M]", update)

    return decorate


def signal_of(update: Callable[[P, M], Any]) -> Callable[[P, M], Awaitable[None]]:
    """The signal of a command: the same name, payload and effect as its update, without an answer."""
    handler = handler_of(update)

    @workflow.signal(name=handler.name, description=_summary(handler.body))
    async def signal(self: P, *payload: Any) -> None:
        await self.carry_out_signal(handler, payload)

    return cast("Callable[[P, M], Awaitable[None]]", signal)


def handler_of(update: Callable[[P, M], Any]) -> Handler[M]:
    """The message and the body of a command, to carry it out from within the process: `Process.carry_out`."""
    return cast("Handler[M]", vars(update)[_HANDLER])


_HANDLER = "__stockkeeper_handler__"


def _summary(body: Callable[..., Any]) -> str:
    return (body.__doc__ or "").strip().partition("\n")[0]
