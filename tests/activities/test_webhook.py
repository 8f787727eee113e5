"""Where webhooks may go, and what one is: no test here sends anything beyond this machine."""

import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from activities import webhook
from activities.settings import WorkerSettings
from activities.webhook import Lane, NotTaken
from activities.webhook_guard import PRIVATE, Guard, NoSuchHost, NotAllowed, Resolve, is_allowed, networks_of, resolve
from stockkeeper.contracts.event_subscriber import SubscribeToEvents
from stockkeeper.contracts.webhook import default_name, shown, signing_secret
from tests.support.tls import Authority
from tests.support.webhooks import DROPPED, WEBHOOK_KEY, Received, Receiver

INSIDE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 - an address to be refused
    "255.255.255.255",
    "224.0.0.1",
    "233.252.0.1",
    "240.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fd00::1",
    "ff0e::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "2002:7f00:1::",
    "64:ff9b::a00:1",
    "64:ff9b::7f00:1",
]
PUBLIC = ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


def _found(*addresses: str) -> Resolve:
    return lambda _host, _port: addresses


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_refused(address: str) -> None:
    assert not is_allowed(address)
    with pytest.raises(NotAllowed, match="STOCKKEEPER_WEBHOOK_NETWORKS"):
        Guard(resolve=_found("8.8.8.8", address)).target("https://shop.example.com/hooks")


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    target = Guard(resolve=_found(address)).target("https://shop.example.com:8443/a/b?c=d")
    assert (target.host, target.port, target.addresses) == ("shop.example.com", 8443, (address,))
    assert (target.is_tls, target.authority, target.path) == (True, "shop.example.com:8443", "/a/b?c=d")


def test_networks_of_the_settings_are_allowed_and_nothing_beside_them() -> None:
    networks = networks_of("10.1.0.0/16, fd00:1::/32")
    assert [is_allowed(each, networks) for each in ("10.1.255.1", "::ffff:10.1.0.1", "fd00:1::5")] == [True] * 3
    assert [is_allowed(each, networks) for each in ("10.2.0.1", "fd00:2::5", "127.0.0.1")] == [False] * 3
    private = [is_allowed(each, PRIVATE) for each in ("127.0.0.1", "::1", "10.2.0.1", "172.31.0.1", "192.168.0.1")]
    assert private == [True] * 5
    # A cloud's metadata, and other hosts of the link, stay out of reach.
    assert not is_allowed("169.254.169.254", PRIVATE)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.0.0.1", "localhost"])
def test_what_the_resolver_makes_of_a_host_is_what_counts(host: str) -> None:
    with pytest.raises((NotAllowed, NoSuchHost)):
        Guard(resolve=resolve).target(f"https://{host}/hooks")


def test_without_tls_only_where_the_settings_say_so() -> None:
    with pytest.raises(NotAllowed, match="STOCKKEEPER_WEBHOOK_ALLOW_HTTP"):
        Guard(resolve=_found("8.8.8.8")).target("http://shop.example.com")
    target = Guard(allow_http=True, resolve=_found("8.8.8.8")).target("http://shop.example.com")
    assert (target.is_tls, target.port, target.path) == (False, 80, "/")


def test_where_private_addresses_are_allowed_these_need_no_tls_and_public_ones_do() -> None:
    guard = WorkerSettings(webhook_allow_private=True, webhook_networks="100.64.0.0/10").webhooks.guard
    for address in ("127.0.0.1", "::1", "10.2.0.1", "172.31.0.1", "192.168.0.1", "fd00::1", "::ffff:10.0.0.1"):
        target = replace(guard, resolve=_found(address)).target("http://shop.example.com:8080/hook")
        assert (target.is_tls, target.addresses, target.port) == (False, (address,), 8080)
    for addresses in (["8.8.8.8"], ["10.2.0.1", "8.8.8.8"], ["100.64.0.1"]):
        with pytest.raises(NotAllowed, match="without TLS they go to loopback and private addresses only"):
            replace(guard, resolve=_found(*addresses)).target("http://shop.example.com")
        assert replace(guard, resolve=_found(*addresses)).target("https://shop.example.com").is_tls
    with pytest.raises(NotAllowed, match="STOCKKEEPER_WEBHOOK_NETWORKS"):
        replace(guard, resolve=_found("169.254.169.254")).target("http://shop.example.com")


def test_a_subscriber_without_a_name_has_one_of_its_host_url_and_types() -> None:
    name = default_name("https://shop.example.com:8443/hooks", ["b", "a"])
    assert re.fullmatch(r"shop\.example\.com-[0-9a-f]{8}", name)
    assert default_name("https://shop.example.com:8443/hooks", ["a", "b", "a"]) == name
    others = [
        ("https://shop.example.com:8443/hooks", ["a"]),
        ("https://shop.example.com:8443/hooks?shop=2", ["a", "b"]),
    ]
    assert len({name, *(default_name(*each) for each in others)}) == 3
    for url in (
        "http://[::1]:80/x",
        "http://127.0.0.1:9/hook",
        f"https://{'a.' * 300}b/",
        "no URL at all",
        "https://-",
    ):
        SubscribeToEvents(name=default_name(url), url="https://shop.example.com", performed_by="ann")


def test_a_name_without_an_address_is_told() -> None:
    with pytest.raises(NoSuchHost):
        Guard(resolve=_found()).target("https://shop.example.com")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://shop.example.com", "must be a URL"),
        ("shop.example.com/hooks", "must be a URL"),
        ("https://", "must be a URL"),
        ("https://shop.example.com:port", "must be a URL"),
        ("https://user:password@shop.example.com", "no user or password"),
        ("https://shop.example.com/#here", "no fragment"),
        ("https://shop.example.com/a b", "without spaces"),
        ("https://shop.example.com/\r\nHost: other", "without spaces"),
        ("https://shop.example.com\\@other.example.com", "without spaces"),
        ("https://[::1/hooks", "must be a URL"),
        ("https://shop.example.com:70000/", "must be a URL"),
        ("https://münchen.example.com/", "without spaces"),
        ("https://shop.example.com;x/", "must be a URL"),
    ],
)
def test_a_url_that_could_be_read_in_two_ways_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        SubscribeToEvents(name="shop", url=url, performed_by="ann")


def test_people_see_no_query() -> None:
    assert shown("https://shop.example.com/hooks?token=secret") == "https://shop.example.com/hooks"


def test_a_secret_is_of_one_name_and_one_generation() -> None:
    secrets = {signing_secret(WEBHOOK_KEY, name, number) for name in ("shop", "shop2") for number in (1, 2)}
    assert len(secrets) == 4
    assert signing_secret(WEBHOOK_KEY, "shop", 1) in secrets
    signature = Webhook(signing_secret(WEBHOOK_KEY, "shop", 1))
    assert all(each.startswith("whsec_") for each in secrets)
    with pytest.raises(WebhookVerificationError):
        signature.verify(
            "{}", {"webhook-id": "1", "webhook-timestamp": str(time.time()), "webhook-signature": "v1,AA=="}
        )


def test_a_short_key_is_no_key() -> None:
    with pytest.raises(ValidationError, match="at least 32 characters"):
        WorkerSettings(webhook_key="short")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="networks such as"):
        WorkerSettings(webhook_networks="everywhere")
    settings = WorkerSettings(webhook_allow_private=True, webhook_networks="100.64.0.0/10").webhooks
    assert settings.guard.networks == (*networks_of("100.64.0.0/10"), *PRIVATE)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().open() as receiver:
        yield receiver


_HERE = Guard(allow_http=True, networks=networks_of("127.0.0.0/8"))
_SECRETS = [signing_secret(WEBHOOK_KEY, "shop", 2), signing_secret(WEBHOOK_KEY, "shop", 1)]


def _lane(receiver: Receiver) -> Lane:
    return Lane(_HERE.target(receiver.url), _SECRETS)


def _body(number: int) -> str:
    return f'{{"id": "{number}", "partitionkey": "item/1/1", "data": "Zoë"}}'


def test_an_event_is_signed_by_both_secrets_and_the_connection_is_used_again(receiver: Receiver) -> None:
    with closing(_lane(receiver)) as lane:
        for number in (1, 2):
            lane.send(f"stockkeeper/{number}", _body(number))
    assert receiver.taken == [1, 2]
    for each in receiver.received:
        each.verify(*_SECRETS)
    assert receiver.received[0].headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert receiver.received[0].headers["webhook-id"] == "stockkeeper/1"


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (500, "it answered 500"),
        (404, "it answered 404"),
        (302, "it answered 302, and a redirect isn't followed"),
        (410, "it answered 410"),
        (DROPPED, "the connection was lost"),
    ],
)
def test_anything_but_a_success_is_not_taken(receiver: Receiver, status: int, why: str) -> None:
    receiver.answers = lambda _: status
    with closing(_lane(receiver)) as lane, pytest.raises(NotTaken) as caught:
        lane.send("1", _body(1))
    assert (str(caught.value), caught.value.is_gone) == (why, status == 410)
    # A redirect leads nowhere.
    assert len(receiver.received) == 1


def test_a_connection_that_the_other_side_has_closed_is_made_anew(receiver: Receiver) -> None:
    with closing(_lane(receiver)) as lane:
        lane.send("1", _body(1))
        receiver.answers = lambda came: DROPPED if came.attempt == 1 else 200
        lane.send("2", _body(2))
    assert [each.number for each in receiver.received] == [1, 2, 2]


def test_a_receiver_that_is_away_is_told(receiver: Receiver) -> None:
    with Receiver().open() as other:
        lane = _lane(other)
    with pytest.raises(NotTaken, match="the connection was refused"):
        lane.send("1", _body(1))
    assert receiver.received == []


def test_a_receiver_that_answers_too_slowly_is_cut_off(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "WHOLE_SECONDS", 0.1)
    over = threading.Event()

    def silent(_: Received) -> int:
        over.wait(30)
        return 200

    receiver.answers = silent
    with pytest.raises(NotTaken, match=r"no whole answer within 0\.1 s"):
        _lane(receiver).send("1", _body(1))
    over.set()


def test_a_certificate_is_for_the_name_and_the_call_goes_to_the_checked_address(
    receiver: Receiver, tmp_path: Path
) -> None:
    authority = Authority("tests")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    authority.issue("shop.example.com").write(certificate, key)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    trusted = ssl.create_default_context(cadata=authority.pem.decode())
    resolved: list[str] = []

    def once(host: str, _port: int) -> list[str]:
        resolved.append(host)
        return ["127.0.0.1"]

    guard = Guard(networks=networks_of("127.0.0.0/8"), resolve=once)
    with Receiver().open(serving) as shop:
        good = guard.target(f"https://shop.example.com:{shop.port}/hooks")
        other = guard.target(f"https://other.example.com:{shop.port}/hooks")
        with closing(Lane(good, _SECRETS, trusted)) as lane:
            lane.send("1", _body(1))
        with pytest.raises(NotTaken, match="its certificate isn't good: Hostname mismatch"):
            Lane(other, _SECRETS, trusted).send("2", _body(2))
        with pytest.raises(NotTaken, match="its certificate isn't good: unable to get local issuer certificate"):
            Lane(good, _SECRETS).send("3", _body(3))
    assert (shop.taken, resolved) == ([1], ["shop.example.com", "other.example.com"])
