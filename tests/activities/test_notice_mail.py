"""Mail to a real server: the envelopes, read as the server has them."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from temporalio.exceptions import ApplicationError

from activities.notice import NoticeWays
from activities.notice_ways import ways_of
from database.sessions import Database
from stockkeeper.contracts.notice import NO_ADDRESS, NOT_SET_UP, Audience, NoticeSent
from tests.activities.test_notice import BODY, TITLE, Sender
from tests.support.mail_server import MailServer, mail_server
from tests.support.shop import Shop


@pytest.fixture
def post() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


EXACT = {
    "ann@example.com": "ann@example.com",
    "Ann+PO@Example.com": "Ann+PO@Example.com",
    "o'brien@example.com": "o'brien@example.com",
    "'ann'@example.com": "'ann'@example.com",
    "!#$%&'*+/=?^_`{|}~-@example.com": "!#$%&'*+/=?^_`{|}~-@example.com",
    '"smith,john"@example.com': '"smith,john"@example.com',
    '"Smith, John; Sales <x>"@example.com': '"Smith, John; Sales <x>"@example.com',
    '"a@b"@example.com': '"a@b"@example.com',
    "info@müller.example": "info@xn--mller-kva.example",
    "info@straße.example": "info@xn--strae-oqa.example",
    "root@localhost": "root@localhost",
}


@pytest.mark.parametrize(("address", "envelope"), EXACT.items(), ids=EXACT)
def test_a_supplier_is_written_to_at_exactly_its_address(
    post: MailServer, database: Database, shop: Shop, address: str, envelope: str
) -> None:
    sender = Sender(database, NoticeWays(supplier=post.url("to={email}")))
    assert sender.send(Audience.SUPPLIER, shop.supplier(address)) == NoticeSent(ways=1)
    [mail] = post.envelopes
    assert (mail.sender, mail.recipients) == ("robot@shop.example", [envelope])
    assert (mail.message["Subject"], mail.message["To"], mail.message["Cc"]) == (TITLE, envelope, None)
    assert str(mail.message.get_content()).replace("\r\n", "\n").rstrip() == BODY


@pytest.mark.parametrize(
    "query", ["to={}", "to={},ben@example.com", "to=Ann <{}>", "cc={}", "bcc={}", "to=ben@example.com&cc={}"]
)
def test_a_recipient_in_the_settings_is_written_to_exactly(post: MailServer, database: Database, query: str) -> None:
    address = "o'brien@example.com"
    sender = Sender(database, NoticeWays(procurement=post.url(query.format(address).replace(" ", "%20"))))
    assert sender.send() == NoticeSent(ways=1)
    others = {"ben@example.com"} if "ben" in query else {"robot@shop.example"} if "to=" not in query else set()
    assert sorted(post.recipients) == sorted([[address], *([each] for each in others)])


def test_each_recipient_gets_a_mail_of_its_own_once(post: MailServer, database: Database) -> None:
    query = "to=a@x.example,b@x.example%20c@x.example&cc=d@x.example,A@x.example,a@x.example&bcc=e@x.example"
    urls = f"{post.url(query)}, {post.url('to=b@x.example')}"
    assert Sender(database, NoticeWays(procurement=urls)).send() == NoticeSent(ways=2)
    assert sorted(post.recipients) == [[f"{name}@x.example"] for name in ("A", "a", "b", "c", "d", "e")]
    assert [(each.message["To"], each.message["Cc"], each.message["Bcc"]) for each in post.envelopes] == [
        (recipient, None, None) for [recipient] in post.recipients
    ]


def test_one_refused_recipient_makes_nobody_be_written_to_again(post: MailServer, database: Database) -> None:
    sender = Sender(database, NoticeWays(procurement=post.url("to=a@x.example,gone@x.example&cc=c@x.example")))
    post.refusing = {"gone@x.example"}
    assert sender.is_refused() == "not taken by E-Mail (1 of 3 recipients)"
    assert sorted(post.recipients) == [["a@x.example"], ["c@x.example"]]
    for _ in range(3):
        post.forget()
        assert sender.is_refused(attempt_before=sender.heartbeats[-1]) == "not taken by E-Mail (1 of 3 recipients)"
        assert (post.asked, post.envelopes) == (["gone@x.example"], [])
    post.refusing = set()
    post.forget()
    assert sender.send(attempt_before=sender.heartbeats[-1]) == NoticeSent(ways=1)
    assert post.recipients == [["gone@x.example"]]


def test_recipients_are_known_by_name_when_the_list_is_edited(post: MailServer, database: Database) -> None:
    before = Sender(database, NoticeWays(procurement=post.url("to=a@x.example,gone@x.example,c@x.example")))
    post.refusing = {"gone@x.example"}
    before.is_refused()
    post.forget()
    # The one that fails is taken out, another one comes in at the front, and the rest are in another order.
    urls = f"{post.url('to=new@x.example,c@x.example')} {post.url('to=a@x.example')}"
    after = Sender(database, NoticeWays(procurement=urls))
    assert after.send(attempt_before=before.heartbeats[-1]) == NoticeSent(ways=2)
    assert post.recipients == [["new@x.example"]]


def test_the_same_recipient_has_another_name_in_the_next_notice(post: MailServer, database: Database) -> None:
    sender = Sender(database, NoticeWays(procurement=post.url("to=a@x.example")))
    sender.send()
    sender.send(notice_id="2")
    assert len({*sender.heartbeats}) == 2
    assert post.recipients == [["a@x.example"]] * 2


REFUSED = ("müller@example.com", "smith,john@example.com", "a b@example.com", "a@b@example.com", "nobody", "a@b..c")


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_cannot_be_written_to_is_given_up_at_once(
    post: MailServer, database: Database, shop: Shop, address: str
) -> None:
    # Put there by other means than an import, which refuses it.
    ways = NoticeWays(
        supplier=f"{post.url('to={email}')} {post.url('to=archive@shop.example')} {post.url('cc={email}')} "
        f"mailto://robot@127.0.0.1:{post.port}/?from=robot@shop.example&to=desk@shop.example&subject={{email}}"
    )
    sender, supplier = Sender(database, ways), shop.supplier(address)
    with pytest.raises(ApplicationError) as caught:
        sender.send(Audience.SUPPLIER, supplier)
    assert (caught.value.type, caught.value.non_retryable) == ("NoticeUndeliverable", True)
    assert caught.value.message.startswith("the supplier's mail address can't be written to: it must be a mail address")
    assert address not in f"{caught.value!r} {sender.heartbeats}"
    # The others have it, and nobody else.
    assert sorted(post.asked) == ["archive@shop.example", "desk@shop.example"]


@pytest.mark.parametrize(
    "url",
    [
        "sendgrid://abcdef12345:from@example.com/{email}",
        "mailgun://user@example.com/aaaaaaaa-bbbbbbbb-cccccccc/{email}",
        "ses://user@example.com/AKIAABCDEFGHIJKLMNOP/abcdefghijklmnopqrstuvwxyz0123456789ABCD/us-east-1/{email}",
    ],
)
def test_a_service_that_would_write_to_another_mailbox_is_not_used(
    database: Database, shop: Shop, engine: Engine, url: str
) -> None:
    del engine
    assert len(ways_of(url, "brien@example.com")) == 1
    with pytest.raises(ApplicationError) as caught:
        Sender(database, NoticeWays(supplier=url)).send(Audience.SUPPLIER, shop.supplier("o'brien@example.com"))
    assert (caught.value.type, caught.value.message) == (
        "NoticeUndeliverable",
        "the service would read another address out of the supplier's",
    )
    with pytest.raises(ValueError, match="has an address with an apostrophe, of which this service would read the end"):
        ways_of(url.replace("{email}", "o'brien@example.com"))


@pytest.mark.parametrize("place", ["to", "cc", "bcc", "from", "reply"])
def test_a_recipient_in_the_settings_that_cannot_be_written_to_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="has a recipient or sender that no mail can be sent to") as caught:
        ways_of(f"mailto://robot:passw0rd@example.com/?{place}=müller@example.com")
    assert [secret for secret in ("passw0rd", "ller@") if secret in str(caught.value)] == []


def test_an_answer_says_why_nothing_was_sent(post: MailServer, database: Database, shop: Shop) -> None:
    supplier = shop.supplier(None)
    assert Sender(database, NoticeWays()).send(Audience.SUPPLIER, supplier) == NoticeSent(ways=0, not_sent=NOT_SET_UP)
    ways = NoticeWays(supplier=post.url("to={email}"))
    assert Sender(database, ways).send(Audience.SUPPLIER, supplier) == NoticeSent(ways=0, not_sent=NO_ADDRESS)
    assert post.asked == []
