"""How an encrypted payload looks on the wire, and the error of whoever has no key for it.

A payload's metadata says that it is encrypted and names the key; its data is a nonce of 12 bytes, then the payload
itself, serialized and encrypted by AES-256-GCM (ADR 0072). What encrypts is `stockkeeper.client.encryption`.
"""

from temporalio.api.common.v1 import Payload

from stockkeeper.domain.errors import StockkeeperError

ENCODING = b"binary/encrypted"
"""The value of ``encoding`` in the metadata of an encrypted payload."""
KEY_ID = "encryption-key-id"
"""The name in the metadata by which the key's id stands."""
KEYS = "STOCKKEEPER_ENCRYPTION_KEYS"
"""The variable with the keys."""
KEYS_FILE = f"{KEYS}_FILE"
"""The variable with the name of a file of keys."""
_SHOWN = 64
"""Letters at most of a key's id that came from outside."""


class UnknownKey(StockkeeperError):
    """A payload can't be decrypted here: its key isn't there, or is another one.

    Nothing is wrong with what was sent, so it isn't refused: a workflow's task or an activity fails, and is tried again
    until a worker has the key.
    """


def key_id_of(payload: Payload) -> str | None:
    """The id of the key that a payload is encrypted with; None: it isn't encrypted, or not by Stockkeeper's format."""
    metadata = payload.metadata
    if metadata.get("encoding") != ENCODING or KEY_ID not in metadata:
        return None
    return metadata[KEY_ID].decode(errors="replace")[:_SHOWN]


def no_key(key_id: str, known: list[str]) -> UnknownKey:
    """The error for a payload whose key isn't among the known ones."""
    there = f"the keys here are {', '.join(known)}" if known else "there are no keys here"
    return UnknownKey(
        f"a payload is encrypted with key {key_id!r}, and {there}: add it to {KEYS_FILE} of this process, and start it "
        "again; nothing is lost until then"
    )


def other_key(key_id: str) -> UnknownKey:
    """The error for a payload that the key of its id doesn't decrypt."""
    return UnknownKey(
        f"a payload is encrypted with key {key_id!r}, and the key of that id here doesn't decrypt it: {KEYS_FILE} has "
        "another key under the id, or the payload was changed on its way"
    )
