"""The codec server: what it decrypts, for whom, and what a browser is let do."""

import base64
import http.client
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from temporalio.api.common.v1 import Payload, Payloads
from typer.testing import CliRunner

from starter.cli.app import app
from starter.codec_server import CodecServer, SignIn, origin_of
from stockkeeper.client.encryption import EncryptionCodec, parse_keys
from stockkeeper.contracts.errors import StockkeeperError

KEY, OTHER = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
CODEC = EncryptionCodec(parse_keys(f"now:{KEY}"))
TOKEN = "correct horse battery staple"
UI = "https://temporal.example.com"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'{"performed_by":"Ada"}')

Answer = tuple[int, Mapping[str, str], Any]


@pytest.fixture(scope="module")
def server() -> Iterator[CodecServer]:
    """One that listens."""
    made = CodecServer(("127.0.0.1", 0), CODEC, SignIn(TOKEN, UI))
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def ask(server: CodecServer, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """One request, and what comes back."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request(method, path, sent, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), json.loads(data) if data else None


def as_json(*payloads: Payload) -> Any:
    return MessageToDict(Payloads(payloads=payloads))


@pytest.mark.parametrize("path", ["", "/of/any/depth", "/my-namespace"])
async def test_payloads_are_decrypted_and_encrypted_for_whoever_has_the_token(server: CodecServer, path: str) -> None:
    status, _, encrypted = ask(server, "POST", f"{path}/encode", as_json(PLAIN), **BEARER)
    assert (status, len(encrypted["payloads"])) == (200, 1)
    assert base64.b64decode(encrypted["payloads"][0]["metadata"]["encryption-key-id"]) == b"now"
    status, _, plain = ask(server, "POST", f"{path}/decode?x=1", encrypted, **BEARER)
    assert (status, plain) == (200, as_json(PLAIN))
    # What isn't encrypted stays as it is.
    assert ask(server, "POST", f"{path}/decode", as_json(PLAIN, PLAIN), **BEARER)[2] == as_json(PLAIN, PLAIN)


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN} ", 200),
        (_basic("anybody", TOKEN), 200),
        (_basic("", TOKEN), 200),
        ("", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN.upper()}", 401),
        (f"Token {TOKEN}", 401),
        (TOKEN, 401),
        (_basic("anybody", "wrong"), 401),
        (_basic(TOKEN, ""), 401),
        ("Basic !", 401),
        ("Basic /w==", 401),
    ],
)
def test_nobody_reads_anything_without_the_token(server: CodecServer, authorization: str, status: int) -> None:
    answered, headers, body = ask(server, "POST", "/decode", as_json(PLAIN), Authorization=authorization)
    assert (answered, "payloads" in body) == (status, status == 200)
    assert "Set-Cookie" not in headers


def _signed_in(server: CodecServer) -> str:
    status, headers, body = ask(server, "GET", "/sign-in", Authorization=_basic("ada", TOKEN))
    assert (status, body) == (200, {"signed_in": "for 12 hours; go back to the Temporal UI"})
    cookie, _, attributes = headers["Set-Cookie"].partition("; ")
    assert attributes == "Max-Age=43200; Path=/; HttpOnly; SameSite=Strict; Secure"
    assert TOKEN not in cookie
    return cookie


def test_a_browser_is_asked_for_the_token_once_and_is_then_known_by_a_cookie(server: CodecServer) -> None:
    status, headers, _ = ask(server, "GET", "/sign-in")
    assert (status, headers["WWW-Authenticate"][:5]) == (401, "Basic")
    cookie = _signed_in(server)
    status, headers, body = ask(server, "POST", "/decode", as_json(PLAIN), Cookie=cookie, Origin=UI)
    assert (status, body) == (200, as_json(PLAIN))
    assert headers["Access-Control-Allow-Origin"] == UI
    assert headers["Access-Control-Allow-Credentials"] == "true"


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", "http://temporal.example.com", f"{UI}:8443", "null", ""]
)
def test_no_other_page_is_answered_with_the_cookie_of_somebody_who_is_signed_in(
    server: CodecServer, origin: str
) -> None:
    cookie = _signed_in(server)
    for given in ({"Cookie": cookie}, BEARER):
        status, headers, body = ask(server, "POST", "/decode", as_json(PLAIN), Origin=origin, **given)
        assert (status, list(body)) == (403, ["error"])
        assert not [name for name in headers if name.startswith("Access-Control")]
    status, headers, _ = ask(server, "OPTIONS", "/decode", Origin=origin)
    assert (status, "Access-Control-Allow-Origin" in headers) == (403, False)


def test_a_cookie_without_the_page_that_asks_is_not_enough(server: CodecServer) -> None:
    assert ask(server, "POST", "/decode", as_json(PLAIN), Cookie=_signed_in(server))[0] == 401


def test_a_cookie_is_good_for_its_time_and_only_as_it_was_given(
    server: CodecServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = _signed_in(server)
    until, _, proof = cookie.partition("=")[2].partition(".")
    later = f"stockkeeper-codec={int(until) + 1}.{proof}"
    for wrong in (later, f"{cookie}x", "stockkeeper-codec=", "stockkeeper-codec=x.y", f"stockkeeper-codec={until}"):
        assert ask(server, "POST", "/decode", as_json(PLAIN), Cookie=wrong, Origin=UI)[0] == 401, wrong
    for seconds, status in ((-1, 200), (0, 401)):
        monkeypatch.setattr("starter.codec_server.time.time", lambda now=int(until) + seconds: now)
        assert ask(server, "POST", "/decode", as_json(PLAIN), Cookie=cookie, Origin=UI)[0] == status


def test_the_uis_page_may_send_what_it_sends(server: CodecServer) -> None:
    asked = {"Origin": UI, "Access-Control-Request-Headers": "content-type,x-namespace"}
    status, headers, body = ask(server, "OPTIONS", "/decode", **asked)
    assert (status, body) == (204, None)
    assert {name: value for name, value in headers.items() if name.startswith("Access-Control")} == {
        "Access-Control-Allow-Origin": UI,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "content-type,x-namespace",
        "Access-Control-Max-Age": "600",
    }


async def test_a_key_that_is_missing_is_named(server: CodecServer) -> None:
    [encrypted] = await EncryptionCodec(parse_keys(f"then:{OTHER}")).encode([PLAIN])
    status, _, body = ask(server, "POST", "/decode", as_json(encrypted), **BEARER)
    assert (status, body["error"][:67]) == (422, "a payload is encrypted with key 'then', and the keys here are now: ")


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/download", {}, {}, 404),
        ("POST", "/decode/", {}, {}, 404),
        ("GET", "/decode", None, {}, 404),
        ("POST", "/decode", b"{", {}, 400),
        ("POST", "/decode", b"\xff", {}, 400),
        ("POST", "/decode", [1], {}, 400),
        ("POST", "/decode", {"payloads": [{"data": 7}]}, {}, 400),
        ("POST", "/decode", {}, {"Content-Type": "text/plain"}, 415),
        ("POST", "/decode", None, {"Content-Length": "33554433"}, 413),
        ("POST", "/decode", None, {"Content-Length": "-1"}, 411),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    server: CodecServer, method: str, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    answered, _, told = ask(server, method, path, body, **(BEARER | headers))
    assert (answered, list(told)) == (status, ["error"])


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://localhost:8233", "http://localhost:8233"),
        ("https://Temporal.example.com/ui/", "https://temporal.example.com"),
    ],
)
def test_the_origin_is_that_of_the_uis_address(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", ["localhost:8233", "*", "", "ftp://x"])
def test_what_is_no_address_of_a_page_is_refused(url: str) -> None:
    with pytest.raises(StockkeeperError, match="isn't the address of the Temporal UI"):
        origin_of(url)


def test_a_token_is_not_shown_and_not_short() -> None:
    assert repr(SignIn(TOKEN, UI)) == f"<SignIn for {UI}>"
    with pytest.raises(StockkeeperError, match="has fewer than 20 characters: `openssl rand -hex 32` makes one"):
        SignIn(TOKEN[:19], UI)


@pytest.mark.parametrize(
    ("environ", "arguments", "told"),
    [
        ({}, [], "say where the Temporal UI is: --ui-origin, or STOCKKEEPER_UI_URL"),
        ({"STOCKKEEPER_UI_URL": UI}, [], "STOCKKEEPER_CODEC_TOKEN or STOCKKEEPER_CODEC_TOKEN_FILE has to be set"),
        ({"STOCKKEEPER_CODEC_TOKEN": TOKEN}, ["--ui-origin", UI], "STOCKKEEPER_ENCRYPTION_KEYS_FILE isn't set"),
        (
            {"STOCKKEEPER_CODEC_TOKEN": TOKEN, "STOCKKEEPER_ENCRYPTION_KEYS": f"now:{KEY}"},
            ["--ui-origin", "localhost:8233"],
            "isn't the address of the Temporal UI",
        ),
    ],
)
def test_the_command_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("STOCKKEEPER_", "TEMPORAL_"))]:
        monkeypatch.delenv(name)
    result = CliRunner().invoke(app, ["codec-server", *arguments], env=environ)
    assert result.exit_code == 1
    assert told in " ".join(result.output.split())
