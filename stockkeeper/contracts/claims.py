"""What the claims of an identity provider's token say: who it is, what they may do, where, and up to which amount.

Whoever takes a token verifies it first; workers and the console read it the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import TypeAdapter, ValidationError

from stockkeeper.contracts.identity import Identified
from stockkeeper.contracts.messages import Actor
from stockkeeper.domain.errors import NotPermitted
from stockkeeper.domain.permission import Role

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""Signatures by a private key. The token doesn't choose: none, and any with a shared secret, are never taken."""
LEEWAY = timedelta(seconds=30)
"""By so much the clocks of provider and Temporal may differ."""
LONGEST_TOKEN = 16 * 1024

_ACTOR: TypeAdapter[str] = TypeAdapter(Actor)


@dataclass(frozen=True)
class ClaimNames:
    """Which claims say it; dots lead into objects, such as ``realm_access.roles``.

    Attributes:
        person: The name that is recorded.
        roles: The roles.
        warehouses: The ids of the warehouses that the roles are for; None: for all of them.
        limit: The amount of money up to which an approver approves; None: any amount.
    """

    person: str = "sub"
    roles: str = "roles"
    warehouses: str | None = None
    limit: str | None = None


def identified(claims: Mapping[str, Any], names: ClaimNames) -> Identified:
    """The identity in the claims of a token that was verified.

    Args:
        claims: The claims.
        names: Which of them say what.

    Raises:
        NotPermitted: They have no name.
    """
    person = person_named(_claim(claims, names.person))
    if person is None:
        raise NotPermitted(f"the identity has no name in its claim {names.person}")
    asked = _listed(_claim(claims, names.roles))
    return Identified(
        person=person,
        roles=[role for role in Role if role.value in asked],
        warehouses=_warehouses(claims, names.warehouses),
        limit=_limit(claims, names.limit),
    )


def person_named(value: Any) -> str | None:
    """A value as a name that can be recorded; None: it is none."""
    try:
        return _ACTOR.validate_python(value, strict=True)
    except ValidationError:
        return None


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by the names on the way to it."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _listed(value: Any) -> list[str]:
    """Words of a claim: a list, or a text with spaces between them."""
    if isinstance(value, str):
        return value.split()
    return [str(each) for each in value if isinstance(each, str | int)] if isinstance(value, list) else []


def _warehouses(claims: Mapping[str, Any], name: str | None) -> list[int] | None:
    """The warehouses of a claim; where the claim is asked for and isn't there, none."""
    if not name:
        return None
    value = _claim(claims, name)
    listed = _listed([value] if isinstance(value, int) and not isinstance(value, bool) else value)
    return None if listed == ["*"] else sorted({int(each) for each in listed if each.isascii() and each.isdigit()})


def _limit(claims: Mapping[str, Any], name: str | None) -> Decimal | None:
    """The amount of a claim, ``*`` being any; where the claim is asked for and isn't there, nothing."""
    if not name:
        return None
    value = _claim(claims, name)
    if value == "*":
        return None
    try:
        amount = Decimal(str(value)) if isinstance(value, int | str) and not isinstance(value, bool) else Decimal(0)
    except InvalidOperation:
        amount = Decimal(0)
    return amount if amount.is_finite() and amount > 0 else Decimal(0)
