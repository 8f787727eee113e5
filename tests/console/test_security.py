"""What the console does against other sites, forged requests and curious ones."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import httpx
import pytest
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from starter.console import app, live
from starter.console.routes import Route, Routes
from starter.console.security import HEADERS, MOST_BYTES, Attempts, path_of_ours
from starter.console.sessions import MOST_SESSIONS, Sessions, Visitor
from starter.console.sign_in import LocalSignIn
from starter.console.visit import Visit
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.event import Event
from stockkeeper.domain.permission import Identity, Role
from tests.support.console import AtTheConsole
from tests.support.console_alone import TLS_URL, URL, Alone
from tests.support.purchase_order import Purchasing
from tests.support.shop import Shop

CONSOLE = Path(app.__file__).parent
A_CHANGE = "/inbox/approve"


@pytest.fixture
def alone() -> Alone:
    return Alone()


async def _ada(alone: Alone) -> httpx.AsyncClient:
    return await alone.signed_in("ada", Role)


async def test_a_change_needs_the_word_of_its_own_session(alone: Alone) -> None:
    ada, eve = await _ada(alone), await alone.signed_in("eve", Role)
    for word in (None, "", "wrong", alone.csrf(eve), alone.csrf(ada)[:-1], "ä"):
        answered = await ada.post(A_CHANGE, data={} if word is None else {"csrf": word})
        assert (answered.status_code, "too old" in answered.text) == (403, True), word
    in_header = await ada.post(A_CHANGE, headers={"X-CSRF-Token": alone.csrf(eve)}, data={"csrf": alone.csrf(ada)})
    assert in_header.status_code == 403
    in_address = await ada.post(f"{A_CHANGE}?csrf={alone.csrf(ada)}")
    assert in_address.status_code == 403
    assert alone.reached == []
    for sent in ({"data": {"csrf": alone.csrf(ada)}}, {"headers": {"X-CSRF-Token": alone.csrf(ada)}}):
        assert (await ada.request("POST", A_CHANGE, **sent)).status_code == 200  # type: ignore[arg-type]
    assert len(alone.reached) == 2


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": URL}, 200),
        ({"Origin": URL.upper()}, 200),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://console.example"}, 403),
        ({"Origin": "https://console.example:8090"}, 403),
        ({"Origin": "http://console.example:8090.evil.example"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": URL, "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_a_change_comes_from_a_page_of_ours(alone: Alone, headers: dict[str, str], status: int) -> None:
    ada = await _ada(alone)
    answered = await ada.post(A_CHANGE, data={"csrf": alone.csrf(ada)}, headers=headers)
    assert answered.status_code == status
    assert len(alone.reached) == (status == 200)


async def test_every_answer_has_the_headers(alone: Alone) -> None:
    async def break_down(visit: Visit) -> Response:
        del visit
        raise ZeroDivisionError("s3cret")

    broken = Alone(routes=[Route("GET", "/broken", tuple(Role), break_down)])
    ada, nobody, there = await _ada(alone), alone.browser(), await _ada(broken)
    answers = [
        await ada.get("/inbox"),
        await ada.post(A_CHANGE),
        await ada.get("/no-such-page"),
        await ada.request("PUT", "/inbox"),
        await nobody.get("/inbox"),
        await nobody.get("/sign-in"),
        await nobody.get("/sign-in?key=x"),
        await nobody.get("/healthz"),
        await nobody.get("/static/console.js"),
        await nobody.get("/static/../app.py"),
        await nobody.get("/inbox", headers={"Host": "evil.example"}),
        await there.get("/broken"),
    ]
    assert [each.status_code for each in answers] == [200, 403, 404, 405, 303, 200, 401, 200, 200, 404, 400, 500]
    for answered in answers:
        assert {name: answered.headers.get(name) for name in HEADERS} == HEADERS
        kept = "no-cache" if answered.url.path.startswith("/static/") and answered.status_code == 200 else "no-store"
        assert answered.headers["cache-control"] == kept
        assert "strict-transport-security" not in answered.headers
        assert "server" not in answered.headers


def test_the_policy_takes_nothing_from_elsewhere_and_nothing_inline() -> None:
    policy = dict(part.strip().partition(" ")[::2] for part in HEADERS["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    assert {source for sources in policy.values() for source in sources.split()} <= {
        *("'self'", "'none'", "data:", "blob:"),
    }


TEMPLATES = sorted((CONSOLE / "templates").rglob("*.html"))


@pytest.mark.parametrize("template", TEMPLATES, ids=[path.name for path in TEMPLATES])
def test_no_page_has_a_script_or_a_style_in_it_or_takes_one_from_elsewhere(template: Path) -> None:
    text = template.read_text()
    scripts = re.findall(r"<script\b([^>]*)>", text)
    assert [each for each in scripts if "src=" not in each and 'type="application/json"' not in each] == []
    assert re.findall(r"<style\b|\sstyle=|javascript:", text) == []
    assert re.findall(r"<[^>{]*\son[a-z]+=", text) == []
    assert re.findall(r"\bhx-on|\bhx-vals=['\"]js:", text) == []
    assert re.findall(r"""(?:src|href|action)=["'](?:https?:)?//""", text) == []
    assert "|safe" not in text.replace(" ", "")


def test_no_script_of_ours_makes_code_of_text() -> None:
    for script in CONSOLE.glob("static/*.js"):
        if "htmx" not in script.name:
            assert re.findall(r"\beval\(|new Function|innerHTML|outerHTML|document\.write", script.read_text()) == []


async def test_cookies_are_for_this_host_and_no_script(alone: Alone) -> None:
    plain = (await alone.browser().get(alone.links.invite(Identity("ada", frozenset())))).headers["set-cookie"]
    assert re.fullmatch(r"stockkeeper=[\w-]{43}; HttpOnly; Path=/; SameSite=lax", plain)
    by_tls = Alone(TLS_URL)
    link = by_tls.links.invite(Identity("ada", frozenset()))
    answered = await by_tls.browser().get(link)
    secure = answered.headers["set-cookie"]
    assert re.fullmatch(r"__Host-stockkeeper=[\w-]{43}; HttpOnly; Path=/; SameSite=lax; Secure", secure)
    assert answered.headers["strict-transport-security"] == "max-age=31536000"
    language = await by_tls.browser().post("/language", data={"language": "de"})
    assert {"HttpOnly", "Secure", "SameSite=lax"} <= set(language.headers["set-cookie"].split("; "))


async def test_signing_in_gives_a_new_session_and_never_takes_a_cookie_that_somebody_has_set(alone: Alone) -> None:
    browser = alone.browser()
    browser.cookies.set("stockkeeper", "fixed")
    await browser.get(alone.links.invite(Identity("ada", frozenset())))
    key = browser.cookies.get("stockkeeper", domain="console.example")
    assert key not in (None, "fixed")
    assert alone.console.sessions.of("fixed") is None


async def test_a_session_ends_by_signing_out(alone: Alone) -> None:
    ada = await _ada(alone)
    csrf, key = alone.csrf(ada), ada.cookies.get("stockkeeper")
    assert (await ada.post("/sign-out", data={"csrf": "wrong"})).status_code == 403
    assert (await ada.post("/sign-out", data={"csrf": csrf}, headers={"Origin": "http://x.example"})).status_code == 403
    assert (await ada.get("/inbox")).status_code == 200
    left = await ada.post("/sign-out", data={"csrf": csrf})
    assert (left.status_code, left.headers["location"]) == (303, "/sign-in")
    thief = alone.browser(cookie=f"stockkeeper={key}")
    assert (await thief.get("/inbox")).status_code == 303


def test_a_session_ends_by_its_time_and_the_oldest_makes_room() -> None:
    now = [0.0]
    sessions, ada = Sessions(lambda: now[0]), Visitor(Identity("ada", frozenset()))
    session, short = sessions.begin(ada), sessions.begin(ada, lasts=timedelta(minutes=5))
    now[0] = 299
    assert (sessions.of(session.key), sessions.of(short.key)) == (session, short)
    now[0] = 300
    assert (sessions.of(session.key), sessions.of(short.key)) == (session, None)
    now[0] = 12 * 3600
    assert sessions.of(session.key) is None
    first, *_ = [sessions.begin(ada) for _ in range(MOST_SESSIONS)]
    last = sessions.begin(ada)
    assert (sessions.of(first.key), sessions.of(last.key)) == (None, last)


async def test_what_is_streamed_ends_with_the_session() -> None:
    routes = Routes()

    @routes.get("/stream")
    async def stream(visit: Visit) -> Response:
        async def parts() -> AsyncIterator[str]:
            yield "one "
            here.console.sessions.end(visit.session)
            yield "two "

        return StreamingResponse(parts())

    here = Alone(routes=routes.all)
    streamed = await (await _ada(here)).get("/stream")
    assert (streamed.text, streamed.headers["x-accel-buffering"]) == ("one ", "no")


async def test_a_stream_of_events_ends_with_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STILL_THERE_SECONDS", 0.01)
    routes = Routes()

    class Nothing:
        async def events(self, **wanted: object) -> AsyncIterator[Event]:
            await asyncio.Event().wait()
            yield cast("Event", wanted)

    @routes.get("/stream")
    async def stream(visit: Visit) -> Response:
        streamed = live.EventStream(cast("Stockkeeper", Nothing()), visit.session, live.Wanted(()))
        asyncio.get_running_loop().call_later(0.1, here.console.sessions.end, visit.session)
        return streamed

    here = Alone(routes=routes.all)
    answered = await (await _ada(here)).get("/stream", timeout=5)
    assert ": still here" in answered.text


@pytest.mark.parametrize(
    ("back", "path"),
    [
        ("/stock?sku=a&page=2", "/stock?sku=a&page=2"),
        ("", "/inbox"),
        (None, "/inbox"),
        ("https://evil.example", "/inbox"),
        ("//evil.example", "/inbox"),
        ("/\\evil.example", "/inbox"),
        ("\\\\evil.example", "/inbox"),
        ("/a\\b", "/inbox"),
        ("/\t/evil.example", "/inbox"),
        ("/\n/evil.example", "/inbox"),
        ("/a\r\nSet-Cookie: x=y", "/inbox"),
        ("javascript:alert(1)", "/inbox"),
        ("inbox", "/inbox"),
    ],
)
async def test_one_is_led_back_to_a_page_of_ours_only(alone: Alone, back: str | None, path: str) -> None:
    assert path_of_ours(back) == path
    link = alone.links.invite(Identity("ada", frozenset()))
    fields = {} if back is None else {"back": back}
    answered = await alone.browser().get(str(httpx.URL(link).copy_merge_params(fields)))
    assert answered.headers["location"] == path
    answered = await alone.browser().post("/language", data={"language": "de", **fields})
    assert answered.headers["location"] == path


async def test_who_fails_to_sign_in_too_often_waits_and_others_do_not(alone: Alone) -> None:
    guesser = alone.browser()
    statuses = [(await guesser.get(f"/sign-in?key={each}")).status_code for each in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    link = alone.links.invite(Identity("ada", frozenset()))
    assert (await guesser.get(link)).status_code == 429
    assert (await guesser.get(link, headers={"X-Forwarded-For": "192.0.2.9"})).status_code == 429
    assert (await alone.browser(address="192.0.2.8").get(link)).status_code == 303


def test_after_a_minute_one_may_try_again_and_success_counts_for_nothing() -> None:
    now = [0.0]
    attempts = Attempts(2, 60.0, lambda: now[0])
    assert [attempts.may_try("a") for _ in range(5)] == [True] * 5
    attempts.failed("a")
    now[0] = 30
    attempts.failed("a")
    assert (attempts.may_try("a"), attempts.may_try("b")) == (False, True)
    now[0] = 60
    assert attempts.may_try("a")


async def test_a_body_that_is_too_large_is_refused_also_if_it_does_not_say_so() -> None:
    routes = Routes()

    @routes.post("/take", Role.COUNT)
    async def take(visit: Visit) -> Response:
        return PlainTextResponse(str(len(await visit.request.body())))

    alone = Alone(routes=routes.all)
    ada = await _ada(alone)
    headers = {"X-CSRF-Token": alone.csrf(ada), "Content-Type": "application/json"}

    async def chunks(size: int) -> AsyncIterator[bytes]:
        while size > 0:
            yield b"x" * min(size, 65_536)
            size -= 65_536

    assert (await ada.post("/take", headers=headers, content=b"x" * MOST_BYTES)).text == str(MOST_BYTES)
    assert (await ada.post("/take", headers=headers, content=chunks(MOST_BYTES))).text == str(MOST_BYTES)
    for path, who in (("/take", ada), ("/language", alone.browser())):
        for content in (b"x" * (MOST_BYTES + 1), chunks(MOST_BYTES + 1)):
            kind = "application/x-www-form-urlencoded" if path == "/language" else "application/json"
            answered = await who.post(path, headers=headers | {"Content-Type": kind}, content=content)
            # A form's own limits may be reached first.
            assert answered.status_code in ({413} if path == "/take" else {400, 413})
    partial = await ada.post("/take", headers=headers | {"HX-Request": "true"}, content=chunks(MOST_BYTES + 1))
    assert (partial.status_code, partial.text) == (413, "That is too much at once.")
    told = await ada.post("/take", headers=headers | {"Content-Length": "-1"}, content=b"x")
    assert told.status_code == 413


@pytest.mark.parametrize("host", ["evil.example", "console.example.evil.example", "127.0.0.1:8090", "", "[", "x@y:z"])
async def test_another_hosts_name_is_refused(alone: Alone, host: str) -> None:
    ada = await _ada(alone)
    answered = await ada.get("/inbox", headers={"Host": host})
    assert (answered.status_code, answered.text) == (400, f"the console is at {URL}")
    assert alone.reached == []
    assert (await ada.get("/healthz", headers={"Host": host})).json() == {"status": "ok"}
    assert (await ada.get("/inbox", headers={"Host": "CONSOLE.example"})).status_code == 200


async def test_what_breaks_is_a_page_without_a_word_of_why(caplog: pytest.LogCaptureFixture) -> None:
    routes = Routes()

    @routes.get("/broken")
    async def break_down(visit: Visit) -> Response:
        del visit
        raise ZeroDivisionError("s3cret")

    @routes.get("/refused")
    async def refuse(visit: Visit) -> Response:
        del visit
        raise InvalidRequest("<b>no</b>")

    alone = Alone(routes=routes.all)
    ada = await _ada(alone)
    answered = await ada.get("/broken")
    assert answered.status_code == 500
    assert "Something went wrong here" in answered.text
    assert not re.search("s3cret|ZeroDivision|Traceback|test_security", answered.text)
    as_json = await ada.get("/broken", headers={"Accept": "application/json"})
    assert as_json.json()["message"].startswith("Something went wrong here")
    failed = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in failed] == ["GET /broken failed"] * 2
    assert "&lt;b&gt;no&lt;/b&gt;" in (await ada.get("/refused")).text

    # Also where Starlette answers.
    def break_down_too(key: str) -> Visitor | None:
        raise ZeroDivisionError(key)

    alone.links.visitor_of_key = break_down_too  # type: ignore[method-assign]
    answered = await alone.browser().get("/sign-in?key=s3cret")
    assert (answered.status_code, answered.text) == (500, "Something went wrong here, and it isn't your doing.")


async def test_keys_and_cookies_are_in_no_log_and_no_words(alone: Alone, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    link = alone.links.invite(Identity("ada", frozenset(Role)))
    browser = alone.browser()
    await browser.get(link)
    await browser.get("/sign-in?key=guessed-key")
    session = alone.console.sessions.of(browser.cookies.get("stockkeeper"))
    assert session is not None
    secrets = [link.partition("key=")[2], "guessed-key", session.key, session.csrf]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("stockkeeper")]
    assert "signed in: ada" in ours
    for secret in secrets:
        assert not any(secret in each for each in [*ours, repr(session), repr(session.visitor)])


async def test_a_suppliers_address_is_on_no_page(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, number: str
) -> None:
    await purchasing.draft(number, shop.supplier(), [(shop.item(0), 2_000)])
    ada = await console.person("ada")
    for path in ("/inbox", f"/inbox/po/{number}"):
        assert re.findall(r"[\w.-]+@[\w-]+\.\w+|mailto:", await ada.get(path)) == []


def test_no_template_names_an_e_mail_address() -> None:
    assert [path.name for path in TEMPLATES if re.search(r"\.e?mail\b|mailto:", path.read_text())] == []


def test_links_are_long_and_each_is_for_one_person() -> None:
    links = LocalSignIn()
    ada, ben = links.invite(Identity("ada", frozenset())), links.invite(Identity("ben", frozenset()))
    assert len(ada.partition("key=")[2]) == 32
    found = links.visitor_of_key(ben.partition("key=")[2])
    assert found is not None
    assert found.identity.person == "ben"
    assert links.visitor_of_key("") is None
