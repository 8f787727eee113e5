"""How values and errors become payloads: JSON by pydantic, and our errors with their numbers.

Every client and worker of ours connects with `DATA_CONVERTER`; a plain JSON client understands all of it. Where there
are keys, they connect with `encrypted_by` instead.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    PayloadCodec,
    PayloadConverter,
    SerializationContext,
)
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from stockkeeper.contracts.encryption import UnknownKey, key_id_of, no_key
from stockkeeper.domain.errors import DomainError

MAX_PENDING_FAILURE_BYTES = 3_000
"""Of a failure that is tried again: Temporal keeps 4 KiB of it while the activity is pending."""
_MESSAGE_LENGTH = 500
_STACK_LENGTH = 500

_LONGEST_MESSAGE = 2_000
"""Letters at most of an error's message; a name that is shown in it may have been anything."""


@dataclass(frozen=True)
class Undecodable:
    """Placeholder for a payload that isn't JSON, so that the process that receives it can refuse it itself."""

    why: str


_CONVERTERS = tuple(PydanticPayloadConverter().converters.values())
"""Of all payload converters of this process: they keep how a type is read, which takes longer to find out than to do,
and the SDK makes a converter for every run and several for every task."""


class _PayloadConverter(CompositePayloadConverter):
    """Pydantic's JSON; a payload without a type hint that can't be read becomes `Undecodable`.

    Processes take payloads from outside without a type hint. A decoding error there would otherwise leave a workflow
    repeating its first task for ever, and a signal dropped with no trace.
    """

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)

    def with_context(self, context: SerializationContext) -> Self:
        """Itself: a payload reads the same in every context."""
        del context
        return self

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        if type_hints is not None:
            return super().from_payloads(payloads, type_hints)
        return [self._decode(payload) for payload in payloads]

    def _decode(self, payload: Payload) -> Any:
        try:
            return super().from_payloads([payload])[0]
        except Exception as error:  # noqa: BLE001 - the process answers or notes any fault of a payload
            return Undecodable(f"the payload can't be read ({type(error).__name__})")


class _FailureConverter(DefaultFailureConverter):
    """The one place where a `DomainError` becomes the `ApplicationError` that a caller sees."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        if isinstance(exception, DomainError):
            exception = as_application_error(exception)
        super().to_failure(exception, payload_converter, failure)
        if not failure.application_failure_info.non_retryable:
            _shorten(failure)


class _EncryptedFailureConverter(_FailureConverter):
    """The same, with messages and stacks where a codec reaches them; an error's type and kind stay in the clear.

    So does the failure of whoever lacks a key: operators have to read it, most likely without that key.
    """

    def __init__(self) -> None:
        super().__init__()
        self._in_the_clear = _FailureConverter()

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        self._in_the_clear.to_failure(exception, payload_converter, failure)
        if not _is_about_a_key(exception):
            _move_words(failure, payload_converter)


def _is_about_a_key(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, UnknownKey):
            return True
        error = error.__cause__
    return False


def _move_words(failure: Failure, payload_converter: PayloadConverter) -> None:
    """Put a failure's message and stack, and those behind it, into the payload from which the SDK takes them again."""
    words = {"message": failure.message, "stack_trace": failure.stack_trace}
    failure.encoded_attributes.CopyFrom(payload_converter.to_payload(words))
    failure.message, failure.stack_trace = "Encoded failure", ""
    if failure.HasField("cause"):
        _move_words(failure.cause, payload_converter)


def _shorten(failure: Failure) -> None:
    """Let a failure that is tried again fit where Temporal shows it, message first.

    Of one that is too large, the pending activity says "Failure exceeds size limit" and no more than that at first
    sight. What matters is the message, then the end of the stack, then what is behind it.
    """
    if failure.ByteSize() <= MAX_PENDING_FAILURE_BYTES:
        return
    failure.message = failure.message[:_MESSAGE_LENGTH]
    failure.stack_trace = failure.stack_trace[-_STACK_LENGTH:]
    if failure.ByteSize() > MAX_PENDING_FAILURE_BYTES:
        behind, words = failure.cause, []
        while behind.message:
            words.append(f"{behind.application_failure_info.type}: {behind.message}")
            behind = behind.cause
        failure.ClearField("cause")
        failure.cause.message = ", because of ".join(words)[:_MESSAGE_LENGTH]
        failure.cause.application_failure_info.SetInParent()


def as_application_error(error: DomainError) -> ApplicationError:
    """The error as it travels: its code as the type, its details, and no use in trying again.

    It is benign: out of stock is an answer, not an incident, and must raise no alarm.
    """
    translated = ApplicationError(
        error.message if len(error.message) <= _LONGEST_MESSAGE else f"{error.message[: _LONGEST_MESSAGE - 1]}…",
        error.details,
        type=error.code,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )
    translated.__traceback__ = error.__traceback__
    return translated


def as_domain_error(error: BaseException | None) -> DomainError | None:
    """The way back: our error behind what Temporal raised, or None if it wasn't one of ours."""
    while error is not None:
        if isinstance(error, DomainError):
            return error
        if isinstance(error, ApplicationError) and error.type in DomainError.codes:
            details = error.details[0] if error.details else {}
            return DomainError.codes[error.type].from_details(error.message, details)
        error = error.__cause__
    return None


class _DataConverter(DataConverter):
    """The SDK's, but for payloads that say that they are kept in a storage outside Temporal: they stay as they came.

    There is no such storage here. The SDK would raise while it prepares a workflow's task, before anybody can refuse
    the payload, so that anyone who sends a signal could stop a workflow for ever. Left alone, it is `Undecodable`.
    """

    async def _decode_reference_payload_sequence(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def _external_retrieve_payload_sequence(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def _transform_inbound_payloads(self, payloads: Payloads) -> None:
        decoded = await self._decode_payload_sequence(payloads.payloads)
        if self.payload_codec is not None:
            del payloads.payloads[:]
            payloads.payloads.extend(decoded)

    async def _transform_inbound_payload(self, payload: Payload) -> Payload:
        return (await self._decode_payload_sequence([payload]))[0]

    async def _decode_payload_sequence(self, payloads: Sequence[Payload]) -> list[Payload]:
        """By the codec; without one, what is encrypted waits for a process with the key instead of being refused."""
        if self.payload_codec is not None:
            return await self.payload_codec.decode(payloads)
        for payload in payloads:
            if (key_id := key_id_of(payload)) is not None:
                raise no_key(key_id, [])
        return list(payloads)


DATA_CONVERTER = _DataConverter(
    payload_converter_class=_PayloadConverter,
    failure_converter_class=_FailureConverter,
)
"""Of a process without keys."""


def encrypted_by(codec: PayloadCodec) -> DataConverter:
    """The same converter for a process with keys: payloads go through the codec, and so do the words of failures."""
    return dataclasses.replace(DATA_CONVERTER, payload_codec=codec, failure_converter_class=_EncryptedFailureConverter)
