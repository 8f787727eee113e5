"""The signed identity of a caller: how it travels, what a worker makes of it, and what is done about it.

The header `HEADER` has a JSON Web Token of the company's identity provider as a JSON string. A worker that requires
identities verifies it once, and what follows goes by the verdict in the run's history (ADR 0070).
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, Field
from temporalio import activity
from temporalio.api.common.v1 import Payload

from stockkeeper.contracts.messages import Money, Step
from stockkeeper.domain.permission import (
    ONLY_IN,
    QUESTIONS,
    Identity,
    Role,
    require_looking,
    require_named,
    require_role,
)

HEADER = "stockkeeper-identity"
"""The key in the headers of starts, signals, updates and standalone activities."""
WITHOUT = f"it has no identity: send a token of the identity provider in the header {HEADER}"
"""The words of a refusal where identities are required."""
NAME_FIELDS = ("performed_by", "approver", "requested_by")
"""The fields of messages that name the person or service behind them; a message has one of them at most."""

M = TypeVar("M", bound=BaseModel)


def token_of(headers: Mapping[str, Payload]) -> str | None:
    """The token among headers; None: there is none; empty: what is there isn't a JSON string."""
    payload = headers.get(HEADER)
    if payload is None:
        return None
    try:
        token = json.loads(payload.data)
    except ValueError:
        return ""
    return token if isinstance(token, str) else ""


def payload_of(token: str) -> Payload:
    """The header's payload."""
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(token).encode())


class IdentifyStep(Step):
    """Whose message is it? Its name is the one that the message has, or empty.

    Attributes:
        token: The token; empty: it has none, and only another workflow may have sent it.
        signal: The number of the signal among those of its run; 0: it isn't one.
        update_id: The id of the update; empty: it isn't one.
    """

    token: str = Field(repr=False)
    signal: int = 0
    update_id: str = ""


class Identified(BaseModel):
    """A worker's verdict, as the history keeps it; the token isn't in it.

    Attributes:
        person: The name; None: the worker takes names on trust, or another workflow has sent the message.
        roles: The roles that Stockkeeper knows.
        warehouses: The ids of the warehouses it is for; None: all.
        limit: The amount up to which it approves; None: any.
    """

    person: str | None = None
    roles: list[Role] = Field(default_factory=list)
    warehouses: list[int] | None = None
    limit: Money | None = None

    @property
    def identity(self) -> Identity | None:
        """The identity to go by; None: there is none."""
        if self.person is None:
            return None
        warehouses = None if self.warehouses is None else frozenset(self.warehouses)
        limit = None if self.limit is None else Decimal(self.limit)
        return Identity(self.person, frozenset(self.roles), warehouses, limit)


class IdentityActivities(Protocol):
    """The verdict on a message. Implemented in `activities.identity`."""

    @activity.defn(name="identify")
    async def identify(self, step: IdentifyStep) -> Identified:
        """Whose message it is, by its token.

        Raises:
            NotPermitted: The token is forged, of another issuer or audience, or wasn't valid when it was sent.
        """
        ...


def name_field(message: BaseModel) -> str | None:
    """The field of a message that names a person; None: the message names none."""
    return next((field for field in NAME_FIELDS if field in type(message).model_fields), None)


def with_name(identity: Identity, message: M) -> M:
    """The message with the name that the identity has.

    Raises:
        NotPermitted: It names another person.
    """
    if (field := name_field(message)) is None:
        return message
    require_named(identity, getattr(message, field))
    return message.model_copy(update={field: identity.person})


def vouch_for_question(identity: Identity, name: str, payload: Any) -> Any:
    """A question's payload with the name that the identity has, and a small change with its warehouses.

    Args:
        identity: The verified identity.
        name: The question.
        payload: Its fields, as they came: they are checked later.

    Raises:
        NotPermitted: It has no role for the question, or names another person.
    """
    needs = QUESTIONS.get(name)
    if needs is None:
        require_looking(identity, name)
        return payload
    require_role(identity, needs, name)
    if not isinstance(payload, dict):
        return payload
    places = None if identity.warehouses is None else sorted(identity.warehouses)
    limited = {needs.at: places} if needs.at == ONLY_IN else {}
    named = payload.get("performed_by")
    if not isinstance(named, str):
        return payload | limited
    require_named(identity, named)
    return {**payload, **limited, "performed_by": identity.person}
