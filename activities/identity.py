"""Whose message it is: a worker verifies the tokens of callers, once for each message."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jws import JWSRegistry, extract_compact
from joserfc.jwt import JWTClaimsRegistry
from pydantic import AfterValidator, BaseModel, Field, model_validator
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.identity_keys import KeysUnavailable, keys_at, require_place
from activities.sent import sent_by
from stockkeeper.contracts.claims import ALGORITHMS, LEEWAY, LONGEST_TOKEN, ClaimNames, identified
from stockkeeper.contracts.converter import as_application_error
from stockkeeper.contracts.identity import (
    WITHOUT,
    Identified,
    IdentifyStep,
    IdentityActivities,
    token_of,
    vouch_for_question,
)
from stockkeeper.contracts.question import QUESTIONS
from stockkeeper.domain.errors import DomainError, NotPermitted

_EXPIRED = "the identity had expired when it was sent: sign in again"
_REGISTRY = JWSRegistry(algorithms=ALGORITHMS)


class IdentityMode(StrEnum):
    """Whether callers have to be who they say."""

    OFF = "off"
    REQUIRED = "required"


def _place(text: str) -> str:
    require_place(text)
    return text


class IdentitySettings(BaseModel):
    """The settings of a worker about identities; each begins with ``identity``."""

    identity: IdentityMode = IdentityMode.OFF
    """``required``: every message carries a token of the identity provider; ``off``: names are taken on trust."""
    identity_issuer: str | None = None
    """The issuer of tokens, exactly as their claim ``iss`` has it."""
    identity_audience: str | None = None
    """The audience that tokens are for: their claim ``aud`` is it, or has it among others."""
    identity_keys: Annotated[str, AfterValidator(_place)] | None = None
    """The issuer's public keys, a JSON Web Key Set: a file's path, or a URL with ``https://``."""
    identity_person_claim: Annotated[str, Field(min_length=1)] = "sub"
    """The claim with the name that is recorded, such as ``email``."""
    identity_roles_claim: Annotated[str, Field(min_length=1)] = "roles"
    """The claim with the roles; dots lead into objects, such as ``realm_access.roles``."""
    identity_warehouses_claim: str | None = None
    """The claim with the ids of the warehouses that the roles are for; None: for all of them."""
    identity_limit_claim: str | None = None
    """The claim with the amount of money up to which an approver approves; None: any amount."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        needed = ("identity_issuer", "identity_audience", "identity_keys")
        missing = [name for name in needed if not getattr(self, name)]
        if self.identity is IdentityMode.REQUIRED and missing:
            raise ValueError(f"identity is required, and {', '.join(missing)} isn't set")
        return self

    @property
    def requires_identity(self) -> bool:
        """Whether a message without a token is refused."""
        return self.identity is IdentityMode.REQUIRED


class Expired(Exception):
    """The token was valid at another time."""


class Verifier:
    """Verifies tokens by the settings.

    Args:
        settings: The settings; identities are required by them.
    """

    def __init__(self, settings: IdentitySettings) -> None:
        self._settings = settings
        self._names = ClaimNames(
            settings.identity_person_claim,
            settings.identity_roles_claim,
            settings.identity_warehouses_claim,
            settings.identity_limit_claim,
        )
        self.keys = keys_at(settings.identity_keys or "")

    async def verify(self, token: str, at: datetime) -> Identified:
        """The identity that a token proves, as of an instant.

        Args:
            token: The token.
            at: When it was sent.

        Raises:
            NotPermitted: It proves none.
            Expired: It did before.
            KeysUnavailable: The provider's keys can't be read.
        """
        claims = await self._signed(token)
        try:
            JWTClaimsRegistry(
                now=int(at.timestamp()),
                leeway=int(LEEWAY.total_seconds()),
                iss={"essential": True, "value": self._settings.identity_issuer or ""},
                aud={"essential": True, "value": self._settings.identity_audience or ""},
                exp={"essential": True},
            ).validate(claims)
        except ExpiredTokenError:
            raise Expired from None
        except JoseError as error:
            raise NotPermitted(f"the identity isn't for this: its {_claim_of(error)} is wrong") from None
        return identified(claims, self._names)

    async def _signed(self, token: str) -> dict[str, Any]:
        """The claims of a token that the issuer has signed."""
        if not token or len(token) > LONGEST_TOKEN:
            raise NotPermitted("the identity isn't a JSON Web Token")
        try:
            kid = extract_compact(token.encode(), registry=_REGISTRY).headers().get("kid")
            keys = await self.keys.current(kid if isinstance(kid, str) else None)
            return dict(jwt.decode(token, keys, registry=_REGISTRY).claims)
        except (JoseError, ValueError, TypeError) as error:
            # The error may have parts of the token in its words.
            raise NotPermitted(f"the identity isn't signed by the identity provider ({type(error).__name__})") from None


def verifier_of(settings: IdentitySettings) -> Verifier | None:
    """What verifies tokens by these settings; None: names are taken on trust."""
    return Verifier(settings) if settings.requires_identity else None


def _claim_of(error: JoseError) -> str:
    """The claim that is at fault."""
    return str(getattr(error, "claim", None) or "content")


class IdentityChecks(IdentityActivities):
    """`IdentityActivities` by the settings.

    Args:
        verifier: Verifies tokens; None: this worker takes names on trust.
    """

    def __init__(self, verifier: Verifier | None) -> None:
        self._verifier = verifier

    @activity.defn(name="identify")
    async def identify(self, step: IdentifyStep) -> Identified:
        """Whose message it is. It reads the run's history only if the token isn't valid any more.

        Raises:
            NotPermitted: The token is invalid, or was when it was sent.
        """
        if self._verifier is None:
            return Identified()
        try:
            return await self._judged(self._verifier, step)
        except Expired:
            raise as_application_error(NotPermitted(_EXPIRED)) from None
        except NotPermitted as refusal:
            raise as_application_error(refusal) from None
        except KeysUnavailable as error:
            raise ApplicationError(str(error), type=KeysUnavailable.__name__) from None

    async def _judged(self, verifier: Verifier, step: IdentifyStep) -> Identified:
        if not step.token:
            sent = await sent_by(activity.client(), step)
            if sent is None or not sent.by_workflow:
                raise NotPermitted(WITHOUT)
            return Identified()
        try:
            return await verifier.verify(step.token, step.as_of)
        except Expired:
            # A worker sees a message late that came in time. Of a start the run itself knows when it came.
            sent = await sent_by(activity.client(), step)
            if sent is None:
                raise
        return await verifier.verify(step.token, sent.at)


class QuestionsVouchedFor(Interceptor):
    """Refuses what a client asks of an activity without an identity that may.

    Steps of runs pass: their run has verified the person behind them.

    Args:
        verifier: Verifies tokens.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """Put it around every activity."""
        return _VouchedFor(next, self._verifier)


class _VouchedFor(ActivityInboundInterceptor):
    def __init__(self, wrapped: ActivityInboundInterceptor, verifier: Verifier) -> None:
        super().__init__(wrapped)
        self._verifier = verifier

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        info = activity.info()
        if info.workflow_id is None:
            try:
                input.args = await self._vouched(info, token_of(input.headers), input.args)
            except KeysUnavailable as error:
                raise ApplicationError(str(error), type=KeysUnavailable.__name__) from None
            except Expired:
                raise as_application_error(NotPermitted(_EXPIRED)) from None
            except DomainError as refusal:
                raise as_application_error(refusal) from None
        return await super().execute_activity(input)

    async def _vouched(self, info: activity.Info, token: str | None, args: Any) -> list[Any]:
        if info.activity_type not in QUESTIONS:
            raise NotPermitted(f"{info.activity_type} is a step of a process: start the process, or send its command")
        if token is None:
            raise NotPermitted(WITHOUT)
        # The first attempt may come late, and others after the token's end: it is judged as of when it was asked.
        found = await self._verifier.verify(token, info.scheduled_time)
        identity = found.identity
        if identity is None or len(args) != 1:
            return list(args)
        return [vouch_for_question(identity, info.activity_type, args[0])]
