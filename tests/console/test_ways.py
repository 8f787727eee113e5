"""The ways to sign in by the settings: which one it is, what stops the start, and the reverse proxy's header."""

from ipaddress import ip_network

import httpx
import pytest

from starter.console.settings import ConsoleSettings
from starter.console.sign_in import LocalSignIn, SignIn
from starter.console.sign_in_provider import ProviderSignIn
from starter.console.sign_in_proxy import ProxySignIn
from starter.console.ways import claim_names, people_in, proxies_by, sign_in_by
from stockkeeper.contracts.claims import ClaimNames
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.domain.permission import Identity, Role
from tests.support.console_alone import TLS_URL, URL, Alone

CONSOLE = "STOCKKEEPER_CONSOLE_"
A_PROVIDER = {"ISSUER": "https://login.example", "CLIENT_ID": "console"}
A_PROXY = {"PROXY": "10.0.0.0/24 fd00::/8", "PROXY_HEADER": "X-Remote-User"}
PROXY, VISITOR = "10.0.0.9", "192.0.2.7"


def _by(settings: dict[str, str], *people: str, url: str = TLS_URL) -> SignIn:
    environ = {f"{CONSOLE}{name}": value for name, value in settings.items()}
    return sign_in_by(environ, ConsoleSettings(url, proxies=proxies_by(environ)), people, ["me"])[0]


def test_the_settings_say_which_way_it_is() -> None:
    assert isinstance(_by({}), LocalSignIn)
    assert isinstance(_by({"ISSUER": "", "PROXY_HEADER": ""}), LocalSignIn)
    assert isinstance(_by({"PROXY": "10.0.0.1"}), LocalSignIn)
    assert isinstance(_by(A_PROVIDER), ProviderSignIn)
    assert isinstance(_by(A_PROVIDER | {"PROXY": "10.0.0.0/8"}), ProviderSignIn)
    assert isinstance(_by(A_PROXY | {"PEOPLE": "ada=approve"}), ProxySignIn)
    assert isinstance(_by(A_PROXY | {"PROXY_ROLES_HEADER": "X-Roles"}), ProxySignIn)


@pytest.mark.parametrize(
    ("settings", "people", "url", "message"),
    [
        (A_PROVIDER | A_PROXY, (), TLS_URL, "CONSOLE_ISSUER and STOCKKEEPER_CONSOLE_PROXY_HEADER are both set"),
        ({"ISSUER": "https://login.example"}, (), TLS_URL, "CONSOLE_CLIENT_ID isn't"),
        (A_PROVIDER | {"ISSUER": "http://login.example"}, (), TLS_URL, "needs https://"),
        (A_PROVIDER, (), "http://console.example", "STOCKKEEPER_CONSOLE_URL is 'http://console.example'"),
        (A_PROVIDER | {"SCOPES": "profile"}, (), TLS_URL, "openid has to be among them"),
        (A_PROVIDER, ("ada",), TLS_URL, "--person is set, and STOCKKEEPER_CONSOLE_ISSUER says who people are"),
        (A_PROVIDER | {"PEOPLE": "ada"}, (), TLS_URL, "STOCKKEEPER_CONSOLE_PEOPLE is set"),
        ({"CLIENT_ID": "x"}, (), TLS_URL, "CONSOLE_CLIENT_ID is set, and STOCKKEEPER_CONSOLE_ISSUER isn't"),
        (
            {"CLIENT_SECRET": "s3cret"},
            (),
            TLS_URL,
            "CONSOLE_CLIENT_SECRET is set, and STOCKKEEPER_CONSOLE_ISSUER isn't",
        ),
        ({"PROXY_HEADER": "X-User", "PEOPLE": "ada"}, (), TLS_URL, "anybody could send that header"),
        (A_PROXY, (), TLS_URL, "says who may do what"),
        (A_PROXY | {"PEOPLE": "ada", "PROXY_ROLES_HEADER": "X-Roles"}, (), TLS_URL, "says who may do what"),
        (A_PROXY | {"PROXY_HEADER": "X User", "PEOPLE": "ada"}, (), TLS_URL, "isn't the name of a header"),
        ({"PROXY_ROLES_HEADER": "X-Roles"}, (), TLS_URL, "CONSOLE_PROXY_HEADER isn't"),
        ({"PROXY": "10.0.0.1/24"}, (), TLS_URL, "CONSOLE_PROXY names networks"),
        ({"PROXY": "proxy.example"}, (), TLS_URL, "CONSOLE_PROXY names networks"),
        ({}, ("ada=fly",), TLS_URL, "the role fly; roles are look, sell, count, receive, buy, approve, administer"),
        ({}, ("ada=",), TLS_URL, "no role"),
        ({}, ("=approve",), TLS_URL, "names nobody"),
        ({}, ("ada", "Ada=look"), TLS_URL, "names somebody twice"),
        ({}, ("ada=count@north",), TLS_URL, "ids of warehouses"),
        ({"PEOPLE": "ada=approve, ben"}, (), TLS_URL, "the role ben"),
    ],
)
def test_a_wrong_setting_is_told_in_a_line(
    settings: dict[str, str], people: tuple[str, ...], url: str, message: str
) -> None:
    with pytest.raises(StockkeeperError) as caught:
        _by(settings, *people, url=url)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_people_have_the_roles_that_are_named_or_all_of_them() -> None:
    found = people_in(["ada@x.example=approve,buy", "ben = count , receive @ 1, 2", " ", "Cleo Day"], "--person")
    assert found == [
        Identity("ada@x.example", frozenset({Role.APPROVE, Role.BUY})),
        Identity("ben", frozenset({Role.COUNT, Role.RECEIVE}), frozenset({1, 2})),
        Identity("Cleo Day", frozenset(Role)),
    ]
    assert sign_in_by({}, ConsoleSettings(URL), [], ["me", "colleague"])[1] == [
        Identity("me", frozenset(Role)),
        Identity("colleague", frozenset(Role)),
    ]
    by_setting = {f"{CONSOLE}PEOPLE": "ada=look; ben=sell"}
    assert [each.person for each in sign_in_by(by_setting, ConsoleSettings(URL), [], ["me"])[1]] == ["ada", "ben"]
    assert [each.person for each in sign_in_by(by_setting, ConsoleSettings(URL), ["eva"], ["me"])[1]] == ["eva"]


def test_claims_are_named_by_the_settings_of_workers() -> None:
    assert claim_names({}) == ClaimNames("sub", "roles", None, None)
    named = {f"STOCKKEEPER_IDENTITY_{each}_CLAIM": each.lower() for each in ("PERSON", "ROLES", "WAREHOUSES", "LIMIT")}
    assert claim_names(named) == ClaimNames("person", "roles", "warehouses", "limit")


def _proxied(**named: str) -> Alone:
    settings = ConsoleSettings(URL, proxies=(ip_network("10.0.0.0/24"), ip_network("fd00::/8")))
    people = {each.person: each for each in people_in(named.get("people", "").split(";"), "PEOPLE")}
    sign_in = ProxySignIn(settings, "X-Remote-User", named.get("roles_header"), people)
    return Alone(sign_in=sign_in, settings=settings)


async def _asked(alone: Alone, address: str, *headers: tuple[str, str]) -> httpx.Response:
    async with alone.browser(address=address) as browser:
        return await browser.get("/inbox", headers=list(headers))


async def test_the_proxys_header_says_who_it_is(caplog: pytest.LogCaptureFixture) -> None:
    alone = _proxied(people="ada=approve; Jürgen=look")
    for address in (PROXY, "fd00::9"):
        assert (await _asked(alone, address, ("X-Remote-User", "ada"))).text == "reached"
    named = await alone.browser(address=PROXY).get("/inbox", headers={b"X-Remote-User": "Jürgen".encode()})
    assert named.text == "reached"
    assert alone.reached == ["GET /inbox by ada"] * 2 + ["GET /inbox by Jürgen"]
    stranger = await _asked(alone, PROXY, ("X-Remote-User", "eve"))
    assert (stranger.status_code, "needs the role" in stranger.text) == (403, True)


async def test_nobody_elses_header_counts_and_no_cookie_without_it() -> None:
    alone = _proxied(people="ada=approve")
    browser = alone.browser(address=PROXY)
    assert (await browser.get("/inbox", headers={"X-Remote-User": "ada"})).status_code == 200
    key = browser.cookies.get("stockkeeper")
    for address, headers in (
        (VISITOR, [("X-Remote-User", "ada")]),
        (VISITOR, [("X-Remote-User", "ada"), ("X-Forwarded-For", PROXY)]),
        (VISITOR, [("X-Remote-User", "ada"), ("Forwarded", f"for={PROXY}")]),
        (VISITOR, [("Cookie", f"stockkeeper={key}")]),
        (PROXY, [("Cookie", f"stockkeeper={key}")]),
        (PROXY, []),
        (PROXY, [("X-Remote-User", "")]),
        (PROXY, [("X-Remote-User", "ada"), ("X-Remote-User", "eve")]),
        (PROXY, [("X-Remote-User", "a" * 201)]),
        ("10.0.1.9", [("X-Remote-User", "ada")]),
        ("", [("X-Remote-User", "ada")]),
    ):
        answered = await _asked(alone, address, *headers)
        assert (answered.status_code, answered.headers["location"]) == (303, "/sign-in?back=%2Finbox"), headers
    assert len(alone.reached) == 1
    page = await alone.browser(address=VISITOR).get("/sign-in")
    assert "has not said who you are" in page.text


async def test_another_person_by_the_same_browser_has_a_session_of_their_own() -> None:
    alone = _proxied(people="ada=approve;ben=approve")
    browser = alone.browser(address=PROXY)
    await browser.get("/inbox", headers={"X-Remote-User": "ada"})
    word, key = alone.csrf(browser), browser.cookies.get("stockkeeper")
    refused = await browser.post("/inbox/approve", headers={"X-Remote-User": "ben"}, data={"csrf": word})
    assert refused.status_code == 403
    assert alone.reached == ["GET /inbox by ada"]
    assert alone.console.sessions.of(key) is None
    own = alone.csrf(browser)
    assert (
        await browser.post("/inbox/approve", headers={"X-Remote-User": "ben"}, data={"csrf": own})
    ).text == "reached"


async def test_roles_come_in_a_header_where_it_is_named() -> None:
    alone = _proxied(roles_header="X-Roles")
    for roles, status in (("approve", 200), ("look, approve;fly", 200), ("administered", 403), ("", 403)):
        answered = await _asked(alone, PROXY, ("X-Remote-User", "ada"), ("X-Roles", roles))
        assert answered.status_code == status, roles
    assert (await _asked(alone, VISITOR, ("X-Remote-User", "ada"), ("X-Roles", "approve"))).status_code == 303


async def test_failures_behind_a_proxy_count_for_whom_it_names() -> None:
    settings = ConsoleSettings(URL, proxies=(ip_network("10.0.0.0/24"),))
    alone = Alone(settings=settings)
    async with alone.browser(address=PROXY) as browser:
        for _ in range(20):
            sent = {"X-Forwarded-For": f"192.0.2.1, {VISITOR}, 10.0.0.7"}
            assert (await browser.get("/sign-in?key=x", headers=sent)).status_code == 401
        for forwarded, status in ((VISITOR, 429), (f"192.0.2.1,{VISITOR}", 429), ("192.0.2.1", 401), ("", 401)):
            answered = await browser.get("/sign-in?key=x", headers={"X-Forwarded-For": forwarded})
            assert answered.status_code == status, forwarded
