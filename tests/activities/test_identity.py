"""Tokens: what proves an identity, what doesn't, and how keys change."""

import base64
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from joserfc.jwk import Key, KeySet, OctKey, RSAKey
from pydantic import ValidationError

from activities.identity import Expired, IdentitySettings, Verifier
from activities.identity_keys import FETCHED_AT_MOST_EVERY, REFRESHED_AFTER, Keys, KeysUnavailable
from stockkeeper.contracts.claims import LEEWAY, LONGEST_TOKEN
from stockkeeper.contracts.identity import Identified
from stockkeeper.domain.errors import NotPermitted
from stockkeeper.domain.permission import Role
from tests.support.identity import Provider, key

# A test's name has its values, and is the same in each process.
_IN_2100 = 4_102_444_800


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return Provider(tmp_path / "keys.json")


def _verifier(provider: Provider, **told: Any) -> Verifier:
    return Verifier(IdentitySettings(**(provider.settings | told)))


async def _refused(provider: Provider, token: str) -> str:
    with pytest.raises(NotPermitted) as caught:
        await _verifier(provider).verify(token, datetime.now(UTC))
    for part in token.split("."):
        assert len(part) < 4 or part not in caught.value.message
    return caught.value.message


async def test_a_token_proves_a_person_with_roles_warehouses_and_a_limit(provider: Provider) -> None:
    token = provider.token("ann", "buy", "approve", "fly", warehouses=[2, "1", 1], limit="500.50")
    assert await _verifier(provider).verify(token, datetime.now(UTC)) == Identified(
        person="ann", roles=[Role.BUY, Role.APPROVE], warehouses=[1, 2], limit=Decimal("500.50")
    )


CLAIMS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "roles in one text": ({"roles": "buy look"}, {}, {"roles": [Role.LOOK, Role.BUY]}),
    "roles within an object": (
        {"realm": {"roles": ["sell"]}},
        {"identity_roles_claim": "realm.roles"},
        {"roles": [Role.SELL]},
    ),
    "a claim with dots in its name": (
        {"https://a.example/roles": ["count"]},
        {"identity_roles_claim": "https://a.example/roles"},
        {"roles": [Role.COUNT]},
    ),
    "no roles": ({"roles": None}, {}, {"roles": []}),
    "roles that are no list": ({"roles": 7}, {}, {"roles": []}),
    "another claim for the person": (
        {"email": "ann@a.example"},
        {"identity_person_claim": "email"},
        {"person": "ann@a.example"},
    ),
    "all warehouses": ({"warehouses": "*"}, {}, {"warehouses": None}),
    "one warehouse": ({"warehouses": 7}, {}, {"warehouses": [7]}),
    "no warehouses though they are asked for": ({"warehouses": None}, {}, {"warehouses": []}),
    "warehouses aren't asked for": (
        {"warehouses": [7]},
        {"identity_warehouses_claim": None},
        {"warehouses": None},
    ),
    "no limit though it is asked for": ({"limit": None}, {}, {"limit": Decimal(0)}),
    "a limit that is a number": ({"limit": 500}, {}, {"limit": Decimal(500)}),
    "any amount": ({"limit": "*"}, {}, {"limit": None}),
    "a limit that isn't one": ({"limit": "much"}, {}, {"limit": Decimal(0)}),
    "a limit without an end": ({"limit": "Infinity"}, {}, {"limit": Decimal(0)}),
    "limits aren't asked for": ({"limit": 5}, {"identity_limit_claim": None}, {"limit": None}),
    "the audience is one of several": ({"aud": ["billing", "stockkeeper"]}, {}, {"person": "ann"}),
}


@pytest.mark.parametrize(("claims", "told", "expected"), CLAIMS.values(), ids=CLAIMS)
async def test_claims_are_read_as_the_settings_say(
    provider: Provider, claims: dict[str, Any], told: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = await _verifier(provider, **told).verify(provider.token("ann", **claims), datetime.now(UTC))
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({"iss": "https://elsewhere.example"}, "its iss is wrong"),
        ({"iss": None}, "its iss is wrong"),
        ({"aud": "billing"}, "its aud is wrong"),
        ({"aud": ["billing"]}, "its aud is wrong"),
        ({"aud": None}, "its aud is wrong"),
        ({"exp": None}, "its exp is wrong"),
        ({"exp": "tomorrow"}, "its exp is wrong"),
        ({"nbf": _IN_2100}, "its nbf is wrong"),
        ({"iat": _IN_2100}, "its iat is wrong"),
        ({"sub": None}, "no name in its claim sub"),
        ({"sub": "two\nlines"}, "no name in its claim sub"),
    ],
    ids=str,
)
async def test_a_token_for_something_else_proves_nobody(
    provider: Provider, claims: dict[str, Any], problem: str
) -> None:
    assert problem in await _refused(provider, provider.token("ann", "buy", **claims))


async def test_a_token_is_judged_by_the_time_that_is_given(provider: Provider) -> None:
    verifier, now = _verifier(provider), datetime.now(UTC).replace(microsecond=0)
    token = provider.token("ann", iat=int(now.timestamp()), exp=int(now.timestamp()) + 60)
    end = now + timedelta(seconds=60) + LEEWAY
    assert (await verifier.verify(token, end - timedelta(seconds=1))).person == "ann"
    with pytest.raises(Expired):
        await verifier.verify(token, end)
    assert (await verifier.verify(token, now)).person == "ann"
    with pytest.raises(NotPermitted):
        await verifier.verify(token, now - LEEWAY - timedelta(seconds=1))


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def test_what_the_provider_has_not_signed_proves_nobody(provider: Provider) -> None:
    """Another key of the same name, no algorithm, a shared secret that is the public key, and other text."""
    good = provider.token("ann", "buy")
    head, body, signature = good.split(".")
    forged = key("first")
    public = provider.signing.as_pem(private=False)
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    by_secret = f"{_part({'alg': 'HS256', 'kid': 'first'})}.{body}"
    mac = base64.urlsafe_b64encode(hmac.digest(public, by_secret.encode(), "sha256")).decode().rstrip("=")
    for token in (
        provider.token("ann", "buy", by=forged),
        f"{_part({'alg': 'none', 'kid': 'first'})}.{body}.",
        f"{_part({'alg': 'None'})}.{body}.{signature}",
        f"{by_secret}.{mac}",
        f"{head}.{_part(claims | {'sub': 'bob'})}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        "a.b.c",
        "ann",
        "",
        "ä.ö.ü",
        "x" * (LONGEST_TOKEN + 1),
    ):
        assert "isn't" in await _refused(provider, token)
    assert (await _verifier(provider).verify(good, datetime.now(UTC))).person == "ann"


async def test_other_kinds_of_keys_sign_as_well_and_a_secret_in_the_set_does_not(provider: Provider) -> None:
    rsa = RSAKey.generate_key(2048, {"kid": "rsa"})
    secret = OctKey.generate_key(256, {"kid": "secret"})
    keys = KeySet([rsa]).as_dict(private=False)
    keys["keys"].append(secret.as_dict(private=True))
    provider.place.write_text(json.dumps(keys))
    verifier = _verifier(provider)
    assert (await verifier.verify(provider.token("ann", by=rsa, alg="PS256"), datetime.now(UTC))).person == "ann"
    with pytest.raises(NotPermitted):
        await verifier.verify(provider.token("ann", by=secret, alg="HS256"), datetime.now(UTC))


async def test_keys_in_a_file_change_with_it(provider: Provider) -> None:
    verifier, first, second = _verifier(provider), provider.signing, key("second")
    old, new = provider.token("ann", by=first), provider.token("ann", by=second)
    assert (await verifier.verify(old, datetime.now(UTC))).person == "ann"
    with pytest.raises(NotPermitted):
        await verifier.verify(new, datetime.now(UTC))
    provider.publish(first, second)
    for token in (old, new):
        assert (await verifier.verify(token, datetime.now(UTC))).person == "ann"
    provider.publish(second)
    with pytest.raises(NotPermitted):
        await verifier.verify(old, datetime.now(UTC))
    provider.place.unlink()
    assert (await verifier.verify(new, datetime.now(UTC))).person == "ann"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"keys": []}',
        "[]",
        '{"keys": [{"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}',
        "null",
    ],
)
async def test_a_set_without_keys_is_none(tmp_path: Path, content: str) -> None:
    place = tmp_path / "keys.json"
    place.write_text(content)
    with pytest.raises(KeysUnavailable, match="the identity provider's keys"):
        Keys(str(place)).read()
    with pytest.raises(KeysUnavailable):
        await Keys(str(place)).current()


class _Serving:
    """A provider's keys by HTTP."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.asked = 0
        self.is_away = False


@pytest.fixture
def serving() -> Iterator[tuple[_Serving, str]]:
    served = _Serving()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked += 1
            self.send_response(503 if served.is_away else 200)
            self.end_headers()
            self.wfile.write(json.dumps(KeySet(served.keys).as_dict(private=False)).encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield served, f"http://127.0.0.1:{server.server_port}/keys"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_keys_are_fetched_again_for_an_unknown_one_but_not_for_each(serving: tuple[_Serving, str]) -> None:
    served, url = serving
    now = [0.0]
    keys = Keys(url, clock=lambda: now[0])
    served.keys = [key("first")]
    for _ in range(3):
        await keys.current("first")
    assert served.asked == 1
    served.keys = [key("second")]
    for _ in range(3):
        await keys.current("second")
    assert served.asked == 1
    now[0] += FETCHED_AT_MOST_EVERY.total_seconds()
    assert [each.kid for each in (await keys.current("second")).keys] == ["second"]
    await keys.current("third")
    assert served.asked == 2
    now[0] += REFRESHED_AFTER.total_seconds()
    served.is_away = True
    assert [each.kid for each in (await keys.current("second")).keys] == ["second"]
    assert served.asked == 3


async def test_a_provider_that_never_answered_is_asked_again_a_little_later(serving: tuple[_Serving, str]) -> None:
    served, url = serving
    served.is_away, served.keys, now = True, [key("first")], [0.0]
    keys = Keys(url, clock=lambda: now[0])
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            await keys.current("first")
    assert served.asked == 1
    served.is_away = False
    now[0] += FETCHED_AT_MOST_EVERY.total_seconds()
    assert [each.kid for each in (await keys.current("first")).keys] == ["first"]


@pytest.mark.parametrize("place", ["http://login.example/keys", "ftp://login.example/keys", "file:///etc/keys"])
def test_keys_come_by_no_way_on_which_they_can_be_changed(place: str) -> None:
    with pytest.raises(ValidationError, match="https://"):
        IdentitySettings(identity_keys=place)


@pytest.mark.parametrize("missing", ["identity_issuer", "identity_audience", "identity_keys"])
def test_required_identities_need_an_issuer_an_audience_and_keys(provider: Provider, missing: str) -> None:
    with pytest.raises(ValidationError, match=f"{missing} isn't set"):
        IdentitySettings(**(provider.settings | {missing: None}))
    assert not IdentitySettings().requires_identity
