"""What is no question at all."""

from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from tests.support.wire import Json

MALFORMED: dict[str, tuple[Sequence[Json], str]] = {
    "none": ([], "{model} has to be one JSON object; 0 arguments were sent"),
    "several": ([{}, {}], "{model} has to be one JSON object; 2 arguments were sent"),
    "null": ([None], "{model} has to be a JSON object; null was sent"),
    "a number": ([1e-9], "{model} has to be a JSON object; a number was sent"),
    "what is kept elsewhere": (
        [RawValue(Payload(metadata={"encoding": b"json/external-storage-reference"}, data=b"{}"))],
        "{model} has to be a JSON object: the payload can't be read (KeyError)",
    ),
    "bytes": ([b"\x00"], "{model} has to be a JSON object; something else was sent"),
}
"""Payloads that no activity takes, and the refusal."""
