"""The identity of a caller: a token that each call carries, set once for a connection."""

import base64
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from temporalio.api.common.v1 import Payload
from temporalio.client import (
    ActivityHandle,
    Interceptor,
    OutboundInterceptor,
    SignalWorkflowInput,
    StartActivityInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)

from stockkeeper.client.secret_files import content_of
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.identity import HEADER, payload_of

Token: TypeAlias = str | Callable[[], str]
"""A token of the identity provider, or what gives the present one for each call."""

TOKEN = "STOCKKEEPER_IDENTITY_TOKEN"  # noqa: S105 - a variable's name
"""A token for all calls of this process."""
TOKEN_FILE = "STOCKKEEPER_IDENTITY_TOKEN_FILE"  # noqa: S105 - a variable's name
"""The file that has it, read for each call: a renewed token is written over the old one."""
_PERSON_CLAIM = "STOCKKEEPER_IDENTITY_PERSON_CLAIM"


def token_by(environ: Mapping[str, str] = os.environ) -> Token | None:
    """The token that the environment names, or its file; None: it names none.

    Raises:
        StockkeeperError: It is given in both ways.
    """
    token, path = environ.get(TOKEN, "").strip(), environ.get(TOKEN_FILE, "").strip()
    if token and path:
        raise StockkeeperError(f"{TOKEN} and {TOKEN_FILE} are both set: keep one of them")
    return (lambda: content_of(TOKEN_FILE, path).strip()) if path else token or None


def person_by(environ: Mapping[str, str] = os.environ) -> str | None:
    """The name in the token that the environment has; None: it has none.

    The worker verifies it; here it only saves typing.
    """
    token = token_by(environ)
    if token is None:
        return None
    try:
        part = (token() if callable(token) else token).split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        person = claims.get(environ.get(_PERSON_CLAIM, "").strip() or "sub")
    except (ValueError, IndexError, AttributeError):
        return None
    return person if isinstance(person, str) and person else None


class SendsIdentity(Interceptor):
    """Puts the token into the header of each start, signal, update and question.

    Args:
        token: The token, or what gives the present one.
    """

    def __init__(self, token: Token) -> None:
        self._token = token

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        """Put it around a client's calls."""
        return _Sending(next, self._token)


class _Sending(OutboundInterceptor):
    def __init__(self, wrapped: OutboundInterceptor, token: Token) -> None:
        super().__init__(wrapped)
        self._token = token

    def _with(self, headers: Mapping[str, Payload]) -> dict[str, Payload]:
        """These headers and the token: a mapping and a payload of its own for each message."""
        token = self._token() if callable(self._token) else self._token
        return {**headers, HEADER: payload_of(token)}

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002 - the SDK's name
        input.headers = self._with(input.headers)
        return await super().start_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: A002 - the SDK's name
        input.headers = self._with(input.headers)
        await super().signal_workflow(input)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:  # noqa: A002 - the SDK's name
        input.headers = self._with(input.headers)
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002 - the SDK's name
    ) -> WorkflowUpdateHandle[Any]:
        start, update = input.start_workflow_input, input.update_workflow_input
        start.headers, update.headers = self._with(start.headers), self._with(update.headers)
        return await super().start_update_with_start_workflow(input)

    async def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:  # noqa: A002 - the SDK's name
        input.headers = self._with(input.headers)
        return await super().start_activity(input)
