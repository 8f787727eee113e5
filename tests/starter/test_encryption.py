"""Keys and the codec: what they take, what they say of what they don't, and that no key is ever shown."""

import base64
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from stockkeeper.client.encryption import EncryptionCodec, data_converter, parse_keys, read_keys
from stockkeeper.contracts.converter import DATA_CONVERTER, MAX_PENDING_FAILURE_BYTES, Undecodable
from stockkeeper.contracts.encryption import ENCODING, KEY_ID, UnknownKey
from stockkeeper.contracts.errors import InsufficientStock, Shortage, StockkeeperError

OLD, NEW, OTHER = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3))
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'{"performed_by":"Ada"}')


def _codec(text: str) -> EncryptionCodec:
    return EncryptionCodec(parse_keys(text))


async def _encrypted(text: str, payload: Payload = PLAIN) -> Payload:
    [encrypted] = await _codec(text).encode([payload])
    return encrypted


async def test_a_payload_is_hidden_under_the_first_key_and_is_the_same_again_for_whoever_has_it() -> None:
    encrypted = await _encrypted(f"new:{NEW}\nold:{OLD}")
    assert dict(encrypted.metadata) == {"encoding": ENCODING, KEY_ID: b"new"}
    assert len(encrypted.data) == 12 + PLAIN.ByteSize() + 16
    assert b"Ada" not in encrypted.SerializeToString()
    assert await _codec(f"other:{OTHER} new:{NEW}").decode([encrypted, PLAIN]) == [PLAIN, PLAIN]


async def test_each_payload_has_a_nonce_of_its_own() -> None:
    encrypted = await _codec(f"new:{NEW}").encode([PLAIN] * 1_000)
    assert len({each.data[:12] for each in encrypted}) == 1_000


async def test_keys_are_rotated_without_a_break() -> None:
    old, new = await _encrypted(f"old:{OLD}"), await _encrypted(f"new:{NEW}")
    # First every process gets the key, then it is the current one, then the old one goes.
    before, meanwhile, after = f"old:{OLD} new:{NEW}", f"new:{NEW} old:{OLD}", f"new:{NEW}"
    for keys in (before, meanwhile):
        assert await _codec(keys).decode([old, new]) == [PLAIN, PLAIN]
    assert (await _encrypted(before)).metadata[KEY_ID] == b"old"
    assert (await _encrypted(meanwhile)).metadata[KEY_ID] == b"new"
    with pytest.raises(UnknownKey, match=r"with key 'old', and the keys here are new: add it to STOCKKEEPER_ENCR"):
        await _codec(after).decode([new, old])


async def test_keys_that_only_read_encrypt_nothing() -> None:
    reads = _codec(f"none new:{NEW}")
    assert await reads.encode([PLAIN]) == [PLAIN]
    assert await reads.decode([await _encrypted(f"new:{NEW}")]) == [PLAIN]


async def test_what_is_encrypted_already_is_not_encrypted_again() -> None:
    """A header that several requests share comes twice, as in temporalio/sdk-python 1769."""
    codec = _codec(f"new:{NEW} old:{OLD}")
    once = [await _encrypted(f"old:{OLD}"), await _encrypted(f"new:{NEW}")]
    assert await codec.encode(once) == once


async def test_a_payload_of_another_key_under_the_same_id_is_not_refused_but_waits() -> None:
    with pytest.raises(UnknownKey, match=r"the key of that id here doesn't decrypt it: STOCKKEEPER_ENCRYPTION_KEYS_F"):
        await _codec(f"new:{OTHER}").decode([await _encrypted(f"new:{NEW}")])


@pytest.mark.parametrize("byte", [0, 11, 12, 40, -1])
async def test_a_changed_byte_is_noticed(byte: int) -> None:
    encrypted = await _encrypted(f"new:{NEW}")
    changed = bytearray(encrypted.data)
    changed[byte] ^= 1
    with pytest.raises(UnknownKey, match="or the payload was changed on its way"):
        await _codec(f"new:{NEW}").decode([Payload(metadata=encrypted.metadata, data=bytes(changed))])


async def test_a_payload_belongs_to_the_id_of_its_key() -> None:
    encrypted = await _encrypted(f"one:{NEW}")
    renamed = Payload(metadata={"encoding": ENCODING, KEY_ID: b"two"}, data=encrypted.data)
    with pytest.raises(UnknownKey, match="'two'"):
        await _codec(f"two:{NEW}").decode([renamed])


@pytest.mark.parametrize(
    "payload",
    [
        Payload(metadata={"encoding": ENCODING}, data=b"x" * 99),
        Payload(metadata={"encoding": ENCODING, KEY_ID: b"new"}, data=b"x" * 27),
        Payload(metadata={"encoding": b"binary/secret", KEY_ID: b"new"}, data=b"x" * 99),
    ],
    ids=["without a key's id", "cut off", "otherwise encoded"],
)
async def test_what_was_never_encrypted_here_is_refused_as_any_payload_that_cannot_be_read(payload: Payload) -> None:
    converter = data_converter({"STOCKKEEPER_ENCRYPTION_KEYS": f"new:{NEW}"})
    assert await converter.decode([payload]) == [Undecodable("the payload can't be read (KeyError)")]


async def test_without_keys_what_is_encrypted_is_not_refused_and_nothing_is_encrypted() -> None:
    assert data_converter({}) is DATA_CONVERTER
    assert (await DATA_CONVERTER.encode(["Ada"]))[0].data == b'"Ada"'
    encrypted = await _encrypted(f"new:{NEW}")
    told = r"with key 'new', and there are no keys here: add it to STOCKKEEPER_ENCRYPTION_KEYS_FILE of this process"
    with pytest.raises(UnknownKey, match=told):
        await DATA_CONVERTER.decode([encrypted])
    failure = Failure(encoded_attributes=encrypted)
    with pytest.raises(UnknownKey, match=told):
        await DATA_CONVERTER.decode_failure(failure)


WRONG: dict[str, tuple[str, str]] = {
    "nothing": ("# nothing\n", "has no keys"),
    "none alone": ("none", "has no keys"),
    "a key alone": (NEW, "entry 1 isn't id:key"),
    "none in the second place": (f"new:{NEW} none", "entry 2 isn't id:key"),
    "an id with a slash": (f"a/b:{NEW}", "entry 1 isn't id:key"),
    "an id of 65": (f"{'a' * 65}:{NEW}", "entry 1 isn't id:key"),
    "twice": (f"new:{NEW} new:{OLD}", "key 'new' is there twice"),
    "too short": (f"new:{NEW[:-8]}", "key 'new' isn't 32 bytes in base64; `openssl rand -base64 32` makes one"),
    "no base64": (f"new:{NEW[:-2]}!=", "key 'new' isn't 32 bytes in base64"),
}


@pytest.mark.parametrize(("text", "told"), WRONG.values(), ids=WRONG)
def test_keys_that_make_no_sense_are_told_without_any_part_of_a_key(text: str, told: str) -> None:
    with pytest.raises(StockkeeperError) as caught:
        parse_keys(text, "THE_FILE")
    assert str(caught.value).startswith("THE_FILE")
    assert told in str(caught.value)
    assert NEW[:8] not in str(caught.value)


def test_keys_come_from_a_file_or_a_variable_and_are_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# the current one first\nnew:{NEW}   # since November\n\nold:{OLD}\n")
    for environ in ({"STOCKKEEPER_ENCRYPTION_KEYS_FILE": str(file)}, {"STOCKKEEPER_ENCRYPTION_KEYS": file.read_text()}):
        keys = read_keys(environ)
        assert keys is not None
        assert (keys.current, list(keys.by_id)) == ("new", ["new", "old"])
        assert f"{keys} {keys!r}" == " ".join(["<Keys new, old; current: new>"] * 2)
    assert read_keys({"STOCKKEEPER_ENCRYPTION_KEYS": ""}) is None


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"STOCKKEEPER_ENCRYPTION_KEYS_FILE": "/nowhere"}, "names /nowhere, which can't be read: No such file"),
        (
            {"STOCKKEEPER_ENCRYPTION_KEYS_FILE": "/nowhere", "STOCKKEEPER_ENCRYPTION_KEYS": NEW},
            "STOCKKEEPER_ENCRYPTION_KEYS and STOCKKEEPER_ENCRYPTION_KEYS_FILE are both set",
        ),
    ],
)
def test_a_file_of_keys_that_cannot_be_read_is_told(environ: dict[str, str], told: str) -> None:
    with pytest.raises(StockkeeperError, match=told):
        read_keys(environ)


async def _failure_of(error: BaseException) -> tuple[Failure, BaseException]:
    converter = data_converter({"STOCKKEEPER_ENCRYPTION_KEYS": f"new:{NEW}"})
    failure = Failure()
    await converter.encode_failure(error, failure)
    sent = Failure.FromString(failure.SerializeToString())
    return sent, await converter.decode_failure(failure)


async def test_a_refusal_keeps_its_type_in_the_clear_and_hides_its_words_and_numbers() -> None:
    shortage = Shortage(product_id=70707, warehouse_id=3, requested=5, available=2)
    refusal = InsufficientStock("SKU-7 is short", [shortage])
    sent, read = await _failure_of(refusal)
    assert (sent.message, sent.stack_trace) == ("Encoded failure", "")
    assert (sent.application_failure_info.type, sent.application_failure_info.non_retryable) == (
        "InsufficientStock",
        True,
    )
    assert b"70707" not in sent.SerializeToString()
    [details] = sent.application_failure_info.details.payloads
    assert dict(details.metadata) == dict(sent.encoded_attributes.metadata) == {"encoding": ENCODING, KEY_ID: b"new"}
    assert isinstance(read, ApplicationError)
    assert (read.message, read.details[0]) == (refusal.message, refusal.details)


async def test_a_long_failure_fits_where_temporal_shows_it() -> None:
    behind = RuntimeError("why" * 2_000)
    error = ApplicationError("what" * 2_000)
    error.__cause__ = behind
    sent, read = await _failure_of(error)
    assert sent.ByteSize() < MAX_PENDING_FAILURE_BYTES
    assert sent.cause.message == "Encoded failure"
    assert str(read) == ("what" * 2_000)[:500]


async def test_a_failure_about_a_key_is_read_without_any() -> None:
    """Whoever looks at it has, most likely, no key."""
    missing: Any = RuntimeError("Failed decoding arguments")
    missing.__cause__ = UnknownKey("a payload is encrypted with key 'next'")
    sent, _ = await _failure_of(missing)
    assert sent.message == "Failed decoding arguments"
    assert sent.cause.message == "a payload is encrypted with key 'next'"
