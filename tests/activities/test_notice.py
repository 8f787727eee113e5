"""Notices to a real server: what arrives, what is tried again, and what nobody may read in a log."""

import dataclasses
import json
import logging
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from apprise.plugins.ntfy import NotifyNtfy
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.notice import NoticeSteps, NoticeWays
from database.sessions import Database
from stockkeeper.contracts.notice import NO_ADDRESS, NOT_SET_UP, Audience, Notice, NoticeSent
from tests.support.shop import Shop

TITLE = "Order 10 is late: 5 x TEA & more"
BODY = "Tea <green>: 5 of 10.\n\nTotal: 1.50 €"


@dataclass
class Inbox:
    """A server that takes what is posted to it, except at places where it refuses."""

    address: str
    posts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refusing: set[str] = field(default_factory=set)
    refusing_topics: set[str] = field(default_factory=set)

    def url(self, place: str, *, login: str = "") -> str:
        """As Apprise names that place."""
        return f"json://{login}{self.address}{place}"

    @property
    def places(self) -> list[str]:
        """Where was posted, in order, whether it was taken or not."""
        return [place for place, _ in self.posts]


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """The server, at a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            taker.posts.append((self.path, posted))
            refused = self.path in taker.refusing or posted.get("topic") in taker.refusing_topics
            self.send_response(503 if refused else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base
            """Nothing: the test asks for what came."""

    # A proxy that the environment names has no way to here.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    # Otherwise it waits for seconds between two recipients.
    monkeypatch.setattr(NotifyNtfy, "request_rate_per_sec", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        taker = Inbox(f"127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield taker
        server.shutdown()
        thread.join()


@dataclass
class Sender:
    """Sends as the activity does, and keeps what it told Temporal."""

    database: Database
    ways: NoticeWays
    console_url: str = ""
    heartbeats: list[tuple[Any, ...]] = field(default_factory=list)

    def send(
        self,
        audience: Audience = Audience.PROCUREMENT,
        supplier_id: int | None = None,
        *,
        attempt_before: tuple[Any, ...] = (),
        notice_id: str = "1",
        body: str = BODY,
        run: tuple[str, str] = ("PurchaseOrderWorkflow", "purchase-order-PO 7/2"),
    ) -> NoticeSent:
        """One attempt, which finds what the one before it has left."""
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(
            environment.info,
            activity_type="send_notice",
            activity_id=notice_id,
            workflow_type=run[0],
            workflow_id=run[1],
            heartbeat_details=list(attempt_before),
        )
        environment.on_heartbeat = lambda *details: self.heartbeats.append(details)
        notice = Notice(audience=audience, supplier_id=supplier_id, title=TITLE, body=body)
        return environment.run(NoticeSteps(self.database, self.ways, self.console_url).send_notice, notice)

    def is_refused(self, *, attempt_before: tuple[Any, ...] = ()) -> str:
        """The error's message; it is one that Temporal tries again."""
        with pytest.raises(ApplicationError) as caught:
            self.send(attempt_before=attempt_before)
        assert (caught.value.type, caught.value.non_retryable) == ("NoticeNotTaken", False)
        return caught.value.message


def _logged(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """What was logged of notices by this test; a worker beside it may log too."""
    here = threading.get_ident()
    return [
        record.getMessage()
        for record in caplog.records
        if (record.name, record.levelno, record.thread) == ("stockkeeper.notices", level, here)
    ]


def test_title_and_body_arrive(inbox: Inbox, database: Database) -> None:
    sender = Sender(database, NoticeWays(procurement=inbox.url("/a")))
    assert sender.send() == NoticeSent(ways=1)
    [(place, posted)] = inbox.posts
    assert (place, posted["title"], posted["message"]) == ("/a", TITLE, BODY)
    [[name]] = sender.heartbeats
    assert re.fullmatch("[0-9a-f]{24}", name)


def test_the_lines_of_a_text_stay_lines_where_html_is_shown(inbox: Inbox, database: Database) -> None:
    Sender(database, NoticeWays(procurement=inbox.url("/a?format=html"))).send()
    [(_, posted)] = inbox.posts
    shown = posted["message"].replace("&nbsp;", " ")
    assert shown == "Tea &lt;green&gt;: 5 of 10.<br/><br/>Total: 1.50 €"


@pytest.mark.parametrize("between", [" ", ",", ", ", "\n"])
def test_every_way_gets_it(inbox: Inbox, database: Database, between: str) -> None:
    urls = between.join(inbox.url(place) for place in ("/a", "/b", "/c"))
    assert Sender(database, NoticeWays(procurement=urls)).send() == NoticeSent(ways=3)
    assert inbox.places == ["/a", "/b", "/c"]


@pytest.mark.parametrize(
    ("audience", "place"),
    [
        (Audience.PROCUREMENT, "/p"),
        (Audience.ESCALATION, "/e"),
        (Audience.SUPPLIER, "/s"),
        (Audience.WAREHOUSE, "/w"),
    ],
)
def test_each_audience_has_its_way(inbox: Inbox, database: Database, audience: Audience, place: str) -> None:
    ways = NoticeWays(
        procurement=inbox.url("/p"),
        escalation=inbox.url("/e"),
        supplier=inbox.url("/s"),
        warehouse=inbox.url("/w"),
    )
    assert Sender(database, ways).send(audience) == NoticeSent(ways=1)
    assert inbox.places == [place]


@pytest.mark.parametrize(
    ("audience", "run", "page"),
    [
        (Audience.PROCUREMENT, ("PurchaseOrderWorkflow", "purchase-order-PO 7/2"), "/inbox/po/PO%207%2F2"),
        (Audience.ESCALATION, ("PurchaseOrderWorkflow", "purchase-order-7"), "/inbox/po/7"),
        (Audience.WAREHOUSE, ("TransferWorkflow", "transfer-7"), "/inbox/transfer/7"),
        (Audience.WAREHOUSE, ("AdjustmentWorkflow", "adjustment-7"), "/inbox/adjust/7"),
        (Audience.WAREHOUSE, ("CycleCountWorkflow", "cycle-count-7"), "/inbox/count/7"),
        (Audience.WAREHOUSE, ("InspectionWorkflow", "inspection-7"), "/inbox/inspection/7"),
        (Audience.WAREHOUSE, ("RecallWorkflow", "recall-7"), "/inbox/recall/7"),
        (Audience.WAREHOUSE, ("StockAuditWorkflow", "audit-2026-12-01"), "/inbox?kind=audit"),
        (Audience.PROCUREMENT, ("ReorderWorkflow", "reorder-2026-12-01"), "/inbox?kind=po"),
        (Audience.WAREHOUSE, ("LotExpiryWorkflow", "lot-expiry"), "/lots"),
        (Audience.SUPPLIER, ("PurchaseOrderWorkflow", "purchase-order-7"), None),
        (Audience.OPERATIONS, ("EventSubscriberWorkflow", "subscriber-7"), None),
    ],
)
def test_it_ends_with_a_link_to_its_page_for_those_who_use_the_console(
    inbox: Inbox, database: Database, audience: Audience, run: tuple[str, str], page: str | None
) -> None:
    ways = NoticeWays(procurement=inbox.url("/p"), supplier=inbox.url("/s"))
    Sender(database, ways, "https://stock.example.com").send(audience, run=run)
    Sender(database, ways).send(audience, run=run)
    link = "" if page is None else f"\n\nhttps://stock.example.com{page}"
    assert [posted["message"] for _, posted in inbox.posts] == [f"{BODY}{link}", BODY]


@pytest.mark.parametrize("audience", [Audience.ESCALATION, Audience.WAREHOUSE])
@pytest.mark.parametrize("urls", ["", "  "])
def test_who_has_no_way_of_their_own_is_told_by_procurements(
    inbox: Inbox, database: Database, audience: Audience, urls: str
) -> None:
    ways = NoticeWays(procurement=inbox.url("/p"), escalation=urls, supplier=inbox.url("/s"), warehouse=urls)
    assert Sender(database, ways).send(audience) == NoticeSent(ways=1)
    assert inbox.places == ["/p"]


def test_a_supplier_without_a_way_is_not_told_by_procurements(inbox: Inbox, database: Database) -> None:
    ways = NoticeWays(procurement=inbox.url("/p"), escalation=inbox.url("/e"), warehouse=inbox.url("/w"))
    assert Sender(database, ways).send(Audience.SUPPLIER) == NoticeSent(ways=0, not_sent=NOT_SET_UP)
    assert inbox.places == []


@pytest.mark.parametrize("audience", Audience)
@pytest.mark.parametrize("urls", ["", "  "])
def test_without_a_way_it_stands_in_the_log(
    database: Database, caplog: pytest.LogCaptureFixture, audience: Audience, urls: str
) -> None:
    caplog.set_level(logging.INFO)
    ways = NoticeWays(procurement=urls, escalation=urls, supplier=urls, warehouse=urls)
    assert Sender(database, ways).send(audience) == NoticeSent(ways=0, not_sent=NOT_SET_UP)
    assert _logged(caplog, logging.INFO) == [f"notice to {audience.lower()}: {TITLE}"]


def test_a_way_that_took_it_is_not_asked_again(
    inbox: Inbox, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    sender = Sender(database, NoticeWays(procurement=f"{inbox.url('/a')} {inbox.url('/b')} {inbox.url('/c')}"))
    inbox.refusing = {"/a", "/c"}
    assert sender.is_refused() == "not taken by JSON, JSON"
    assert _logged(caplog, logging.WARNING) == ["notice to procurement not taken by JSON, JSON"]
    assert (inbox.places, [len(each) for each in sender.heartbeats]) == (["/a", "/b", "/c"], [1])
    inbox.refusing = {"/c"}
    inbox.posts.clear()
    assert sender.is_refused(attempt_before=sender.heartbeats[-1]) == "not taken by JSON"
    assert (inbox.places, [len(each) for each in sender.heartbeats[1:]]) == (["/a", "/c"], [2])
    assert {*sender.heartbeats[0]} < {*sender.heartbeats[1]}
    inbox.refusing = set()
    inbox.posts.clear()
    assert sender.send(attempt_before=sender.heartbeats[-1]) == NoticeSent(ways=3)
    assert (inbox.places, [len(each) for each in sender.heartbeats[2:]]) == (["/c"], [3])


def test_a_way_is_known_by_its_name_when_the_list_is_edited(inbox: Inbox, database: Database) -> None:
    before = Sender(database, NoticeWays(procurement=f"{inbox.url('/a')} {inbox.url('/b')}"))
    inbox.refusing = {"/a"}
    before.is_refused()
    inbox.posts.clear()
    # The one that refuses is taken out, and another one is put in its place and one in front of it.
    after = Sender(database, NoticeWays(procurement=f"{inbox.url('/new')} {inbox.url('/b')} {inbox.url('/other')}"))
    assert after.send(attempt_before=before.heartbeats[-1]) == NoticeSent(ways=3)
    assert inbox.places == ["/new", "/other"]


def test_a_service_with_several_recipients_writes_to_nobody_again(inbox: Inbox, database: Database) -> None:
    sender = Sender(database, NoticeWays(procurement=f"ntfy://{inbox.address}/dock/office/desk"))
    inbox.refusing_topics = {"office"}
    assert sender.is_refused() == "not taken by ntfy"
    assert sorted(post["topic"] for _, post in inbox.posts) == ["desk", "dock", "office"]
    inbox.posts.clear()
    assert sender.is_refused(attempt_before=sender.heartbeats[-1]) == "not taken by ntfy"
    inbox.refusing_topics = set()
    assert sender.send(attempt_before=sender.heartbeats[-1]) == NoticeSent(ways=1)
    assert [post["topic"] for _, post in inbox.posts] == ["office", "office"]


def test_a_long_text_goes_out_in_all_of_its_parts(inbox: Inbox, database: Database) -> None:
    """A service that cuts it has taken each part by itself."""
    url = f"{inbox.url('/a?overflow=split')} ntfy://{inbox.address}/dock?overflow=split"
    sender, long = Sender(database, NoticeWays(procurement=url)), "word " * 4_000
    assert sender.send(body=long) == NoticeSent(ways=2)
    parts = [str(post["message"]).split() for _, post in inbox.posts if post.get("topic") == "dock"]
    assert len(parts) > 1
    assert sum(len(part) for part in parts) == 4_000


def test_where_nobody_listens_it_is_tried_again(database: Database) -> None:
    with socket.socket() as closed:
        # Bound and not listening: the port is nobody else's, and refuses.
        closed.bind(("127.0.0.1", 0))
        sender = Sender(database, NoticeWays(procurement=f"json://127.0.0.1:{closed.getsockname()[1]}/a"))
        assert sender.is_refused() == "not taken by JSON"
    assert sender.heartbeats == []


@pytest.mark.parametrize(
    "address", ["ann@example.com", "ann+po@example.com", "o'brien@example.com", '"a&:message=x#/?"@example.com']
)
def test_a_supplier_is_written_to_at_the_address_that_it_has(
    inbox: Inbox, database: Database, shop: Shop, address: str
) -> None:
    shop.supplier("somebody@example.org")
    sender = Sender(database, NoticeWays(supplier=inbox.url("/s?:to={email}")))
    assert sender.send(Audience.SUPPLIER, shop.supplier(address)) == NoticeSent(ways=1)
    [(place, posted)] = inbox.posts
    assert (place, posted["to"], posted["message"]) == ("/s", address, BODY)


@pytest.mark.parametrize("email", [None, ""])
def test_a_supplier_without_an_address_is_not_written_to(
    inbox: Inbox, database: Database, shop: Shop, email: str | None
) -> None:
    sender = Sender(database, NoticeWays(procurement=inbox.url("/p"), supplier=inbox.url("/s?:to={email}")))
    for supplier in (shop.supplier(email), 999_999_999, None):
        assert sender.send(Audience.SUPPLIER, supplier) == NoticeSent(ways=0, not_sent=NO_ADDRESS)
    assert inbox.posts == []


def test_an_address_is_looked_up_when_it_is_needed(
    inbox: Inbox, database: Database, shop: Shop, engine: Engine
) -> None:
    supplier = shop.supplier("old@example.com")
    sender = Sender(database, NoticeWays(supplier=inbox.url("/s?:to={email}")))
    with engine.begin() as connection:
        moved = text("UPDATE suppliers SET email = 'new@example.com' WHERE supplier_id = :supplier_id")
        connection.execute(moved, {"supplier_id": supplier})
    sender.send(Audience.SUPPLIER, supplier)
    assert [posted["to"] for _, posted in inbox.posts] == ["new@example.com"]


@pytest.mark.parametrize("refusing", [set(), {"/s3cret-path"}], ids=["taken", "refused"])
def test_no_url_password_or_address_is_logged_or_told_to_temporal(
    inbox: Inbox, database: Database, shop: Shop, caplog: pytest.LogCaptureFixture, refusing: set[str]
) -> None:
    # As a worker logs; everything at all of our own.
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, logger="stockkeeper")
    inbox.refusing = refusing
    url = inbox.url("/s3cret-path?:to={email}", login="robot:passw0rd@")
    sender = Sender(database, NoticeWays(supplier=url))
    supplier = shop.supplier("hidden@suppliers.test")
    told = ""
    if refusing:
        with pytest.raises(ApplicationError) as caught:
            sender.send(Audience.SUPPLIER, supplier)
        told = f"{caught.value!r} {caught.value.details}"
    else:
        told = repr(sender.send(Audience.SUPPLIER, supplier))
    assert inbox.places == ["/s3cret-path"]
    assert f"notice to supplier: {TITLE}" in _logged(caplog, logging.INFO)
    everything = f"{caplog.text} {told} {sender.heartbeats}"
    secrets = ("passw0rd", "robot", "s3cret-path", "hidden", "suppliers.test", inbox.address, "json://")
    assert [secret for secret in secrets if secret in everything] == []


def test_the_ways_are_not_shown_with_their_passwords() -> None:
    assert "passw0rd" not in repr(NoticeWays(procurement="json://robot:passw0rd@example.com"))
