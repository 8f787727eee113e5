"""Sign-in at an identity provider that listens: who comes in, and which answers of it prove nobody."""

import logging
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from temporalio.client import Client

from database.sessions import Database
from devstack.processes import free_port
from starter.console.provider import Provider, ProviderFails
from starter.console.serve import console_running
from starter.console.sessions import Visitor
from starter.console.sign_in_provider import ProviderSignIn
from stockkeeper.client.databases import connection_to
from stockkeeper.client.identity import SendsIdentity, Token
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.claims import ClaimNames
from stockkeeper.domain.permission import Role
from tests.support.console import Person
from tests.support.console_alone import URL, Alone
from tests.support.identity import carrying, key
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider
from tests.support.purchase_order import Purchasing
from tests.support.shop import Shop, new_reference
from worker import Settings, working

NAMES = ClaimNames(warehouses="warehouses", limit="limit")
QUEUE = "console-identity"


@pytest.fixture
async def provider(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OidcProvider]:
    provider = OidcProvider(tmp_path_factory.mktemp("provider") / "keys.json")
    async with provider.listening():
        yield provider


@pytest.fixture
def alone(provider: OidcProvider) -> Alone:
    return Alone(sign_in=ProviderSignIn(provider.registration(URL), NAMES))


async def _sent_back(browser: httpx.AsyncClient, back: str = "/stock?page=2") -> str:
    """The address by which the provider sends a browser back to the console."""
    left = await browser.get("/sign-in/start", params={"back": back})
    assert left.status_code == 303, left.text
    async with httpx.AsyncClient() as http:
        sent = await http.get(left.headers["location"])
    assert sent.status_code == 302, sent.text
    return str(sent.headers["location"])


def _visitor(alone: Alone, browser: httpx.AsyncClient) -> Visitor:
    session = alone.console.sessions.of(browser.cookies.get("stockkeeper"))
    assert session is not None
    return session.visitor


async def _refused(alone: Alone, browser: httpx.AsyncClient, address: str, status: int = 401) -> str:
    answered = await browser.get(address)
    assert answered.status_code == status
    assert browser.cookies.get("stockkeeper") is None
    assert alone.console.sessions._sessions == {}
    return answered.text


async def test_whoever_signs_in_is_whom_the_token_names(alone: Alone, provider: OidcProvider) -> None:
    provider.claims = {"warehouses": [3, 1], "limit": "1500.50", "roles": ["approve", "count", "fly"]}
    browser = alone.browser()
    led = await browser.get("/inbox", params={"kind": "po"})
    assert (led.status_code, led.headers["location"]) == (303, "/sign-in/start?back=%2Finbox%3Fkind%3Dpo")
    assert 'href="/sign-in/start?back=%2Finbox"' in (await browser.get("/sign-in")).text
    back = await browser.get(await _sent_back(browser))
    assert (back.status_code, back.headers["location"]) == (303, "/stock?page=2")
    visitor = _visitor(alone, browser)
    assert visitor.identity.person == "ada"
    assert visitor.identity.roles == {Role.APPROVE, Role.COUNT}
    assert (visitor.identity.warehouses, visitor.identity.limit) == (frozenset({1, 3}), Decimal("1500.50"))
    assert visitor.token is not None
    assert (await browser.get("/inbox")).text == "reached"
    assert "ada" in alone.reached[0]


async def test_the_way_there_has_pkce_state_and_nonce_of_its_own_and_no_secret(alone: Alone) -> None:
    left = [await alone.browser().get("/sign-in/start") for _ in range(2)]
    asked = [parse_qs(urlsplit(each.headers["location"]).query) for each in left]
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[0][name][0]) == 43
        assert asked[0][name] != asked[1][name]
    assert (asked[0]["code_challenge_method"], asked[0]["response_type"]) == (["S256"], ["code"])
    for answered in left:
        assert CLIENT_SECRET not in str(answered.headers)
        assert "HttpOnly; Max-Age=600; Path=/; SameSite=lax" in answered.headers["set-cookie"]


async def test_who_did_not_leave_from_here_is_not_let_in(alone: Alone, provider: OidcProvider) -> None:
    """A sign-in that somebody else has begun, a state that isn't this browser's, and one that was used."""
    victim, thief = alone.browser(), alone.browser()
    stolen = await _sent_back(thief)
    assert "begun elsewhere" in await _refused(alone, victim, stolen)
    own = await _sent_back(victim)
    assert "begun elsewhere" in await _refused(alone, victim, stolen)
    forged = str(httpx.URL(own).copy_set_param("state", "forged"))
    assert "begun elsewhere" in await _refused(alone, victim, forged)
    assert "begun elsewhere" in await _refused(alone, victim, str(httpx.URL(own).copy_remove_param("state")))
    assert "begun elsewhere" in await _refused(alone, victim, str(httpx.URL(own).copy_set_param("iss", "https://x.y")))
    assert provider.asked == []
    # Another one's code by one's own state: it was asked for by another verifier.
    code = parse_qs(urlsplit(stolen).query)["code"][0]
    assert "prove who you are" in await _refused(alone, victim, str(httpx.URL(own).copy_set_param("code", code)))
    own = await _sent_back(victim)
    assert (await victim.get(own)).status_code == 303
    again = await victim.get(own)
    assert (again.status_code, "begun elsewhere" in again.text) == (401, True)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"nonce": "forged"}, "InvalidClaimError nonce"),
        ({"nonce": None}, "MissingClaimError nonce"),
        ({"iss": "https://evil.example"}, "InvalidClaimError iss"),
        ({"aud": "billing"}, "InvalidClaimError aud"),
        ({"aud": [CLIENT_ID, "billing"], "azp": "billing"}, "InvalidClaimError azp"),
        ({"aud": None}, "MissingClaimError aud"),
        ({"exp": 1_000_000_000}, "ExpiredTokenError"),
        ({"exp": None}, "MissingClaimError exp"),
        ({"nbf": 4_000_000_000}, "InvalidClaimError nbf"),
        ({"at_hash": "AAAA"}, "InvalidClaimError at_hash"),
        ({"sub": None}, "MissingClaimError sub"),
        ({"sub": ""}, "no name"),
        ({"sub": "a\nb"}, "no name"),
    ],
)
async def test_a_token_that_proves_nobody_lets_nobody_in(
    alone: Alone, provider: OidcProvider, claims: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    provider.claims = claims
    browser = alone.browser()
    assert "prove who you are" in await _refused(alone, browser, await _sent_back(browser))
    [told] = [each.getMessage() for each in caplog.records if each.name == "stockkeeper.console"]
    assert why in told
    assert "eyJ" not in told


async def test_a_signature_of_another_key_lets_nobody_in(alone: Alone, provider: OidcProvider) -> None:
    browser = alone.browser()
    provider.forged_by = key("first")
    assert "prove who you are" in await _refused(alone, browser, await _sent_back(browser))
    provider.forged_by = key("another")
    assert "prove who you are" in await _refused(alone, browser, await _sent_back(browser))
    # A key that was published since is taken at once.
    provider.publish(provider.signing, provider.forged_by)
    assert (await browser.get(await _sent_back(browser))).status_code == 303


async def test_without_a_role_one_is_signed_in_and_sees_nothing(alone: Alone, provider: OidcProvider) -> None:
    provider.roles = ()
    browser = alone.browser()
    await browser.get(await _sent_back(browser))
    answered = await browser.get("/inbox")
    assert (answered.status_code, "needs the role" in answered.text) == (403, True)


async def test_the_session_ends_with_the_token(alone: Alone, provider: OidcProvider) -> None:
    provider.refreshes = False
    provider.claims = {"exp": int(time.time()) - 5}
    browser = alone.browser()
    # Within the leeway of two clocks, and then it is over.
    assert (await browser.get(await _sent_back(browser))).status_code == 303
    assert (await browser.get("/inbox")).status_code == 303
    assert alone.reached == []


async def test_a_refresh_token_renews_it_once_and_for_the_same_person_only(
    alone: Alone, provider: OidcProvider
) -> None:
    soon = {"exp": int(time.time()) + 20}
    provider.claims = soon
    browser = alone.browser()
    await browser.get(await _sent_back(browser))
    first = _visitor(alone, browser).token
    provider.claims = {"roles": ["count"]}
    assert (await browser.get("/inbox")).text == "reached"
    renewed = _visitor(alone, browser)
    assert renewed.token != first
    assert renewed.identity.roles == {Role.COUNT}
    assert (await browser.get("/inbox")).text == "reached"
    assert provider.asked == ["authorization_code", "refresh_token"]

    for claims, is_down in (({"sub": "eve"}, False), ({"aud": "x"}, False), ({}, True)):
        provider.claims = {"exp": int(time.time()) - 5}
        browser = alone.browser()
        await browser.get(await _sent_back(browser))
        provider.claims, provider.is_down = claims, is_down
        assert (await browser.get("/inbox")).status_code == 303
        provider.is_down = False


async def test_a_provider_that_is_down_is_told_and_then_it_works_again(provider: OidcProvider) -> None:
    provider.is_down = True
    alone = Alone(sign_in=ProviderSignIn(provider.registration(URL), NAMES))
    browser = alone.browser()
    # It is nobody's failed attempt, however often it is tried.
    for _ in range(21):
        answered = await browser.get("/sign-in/start")
        assert (answered.status_code, "answer. Try again in a minute." in answered.text) == (503, True)
    provider.is_down = False
    address = await _sent_back(browser)
    provider.is_down = True
    assert "Try again in a minute." in await _refused(alone, browser, address, 503)
    provider.is_down = False
    assert "Begin again" not in (await browser.get(await _sent_back(browser))).text
    denied = await alone.browser().get("/sign-in/back?error=access_denied&state=x")
    assert denied.status_code == 401


async def test_a_provider_that_calls_itself_otherwise_is_refused(provider: OidcProvider) -> None:
    registration = provider.registration(URL)
    other = Provider(type(registration)(f"{provider.url}/", CLIENT_ID, None, registration.comes_back_to))
    with pytest.raises(ProviderFails, match="the settings call it"):
        await other.look()


async def test_tokens_and_the_secret_are_in_no_log(
    alone: Alone, provider: OidcProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    browser = alone.browser()
    address = await _sent_back(browser)
    await browser.get(address)
    visitor = _visitor(alone, browser)
    code = parse_qs(urlsplit(address).query)["code"][0]
    ours = [each.getMessage() for each in caplog.records if each.name.startswith("stockkeeper")]
    assert ours == ["signed in: ada"]
    shown = [*ours, repr(visitor), repr(provider.registration(URL))]
    for secret in (code, visitor.token, visitor.renews_by, CLIENT_SECRET):
        assert secret is not None
        assert not any(secret in each for each in shown)


async def test_workers_that_require_identities_have_the_persons_own_token(
    provider: OidcProvider, our_client: Client, plain_client: Client, database: Database, settings: Settings, shop: Shop
) -> None:
    """From the browser through the console into the run: the approver is whom the worker has verified."""
    told = settings.model_copy(update=provider.settings | {"task_queue": QUEUE})
    item, number = shop.item(0), new_reference("PO")

    async def connect(identity: Token | None) -> Stockkeeper:
        config = our_client.config()
        assert identity is not None
        config["interceptors"] = [SendsIdentity(identity)]
        return Stockkeeper(connection_to(Client(**config), QUEUE, ()))

    environ = {
        "STOCKKEEPER_CONSOLE_ISSUER": provider.url,
        "STOCKKEEPER_CONSOLE_CLIENT_ID": CLIENT_ID,
        "STOCKKEEPER_CONSOLE_CLIENT_SECRET": CLIENT_SECRET,
        "STOCKKEEPER_IDENTITY_WAREHOUSES_CLAIM": "warehouses",
        "STOCKKEEPER_IDENTITY_LIMIT_CLAIM": "limit",
    }
    async with working(our_client, database, told):
        buyer = Purchasing(
            carrying(plain_client, provider.token("rita", "buy", iss=provider.url, aud=CLIENT_ID)), QUEUE
        )
        await buyer.draft(number, shop.supplier(), [(item, 2_000)], requested_by="rita")
        running = console_running(
            connect, "127.0.0.1", free_port(), [], [], ui_url=None, namespace="default", environ=environ
        )
        async with running as console:
            url = console.url
            provider.registration(url)
            for person, roles in (("ada", ("approve",)), ("ben", ("look",))):
                provider.person, provider.roles = person, roles
                async with httpx.AsyncClient(base_url=url, follow_redirects=True, timeout=30) as http:
                    page = await http.get(f"/inbox/po/{number}")
                    assert page.status_code == 200, page.text
                    assert str(page.url) == f"{url}/inbox/po/{number}"
                    assert ("/approve" in page.text) == (person == "ada")
                    http.follow_redirects = False
                    if person == "ada":
                        await Person(person, http).post(f"/inbox/po/{number}/approve", {"version": "1"})
                    else:
                        await Person(person, http).post(f"/inbox/po/{number}/reject", {"reason": "x"}, status=403)
        state = await buyer.state(number)
        assert (state["status"], [each["approver"] for each in state["approvals"]]) == ("SUBMITTED", ["ada"])
