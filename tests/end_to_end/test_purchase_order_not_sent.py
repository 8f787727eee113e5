"""An order whose supplier isn't written to says so: in the details, in the state's notes, and on the command line."""

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from stockkeeper.contracts.notice import NO_ADDRESS, NOT_SET_UP
from tests.support.approvals import NO_APPROVAL, ONE_APPROVAL
from tests.support.mail_server import mail_server
from tests.support.notices import TAKING
from tests.support.purchase_order import Branch
from tests.support.purchase_order_rows import supplier_name
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, eventually

UNWRITABLE = (
    "the supplier's mail address can't be written to: it must be a mail address with only a to z before the @; "
    "few servers take other letters"
)


@pytest.mark.parametrize(
    ("urls", "email", "outcome", "reason"),
    [
        ("", "sales@example.com", "LOGGED", NOT_SET_UP),
        ("mailto://robot@127.0.0.1:9/?from=robot@shop.example&to={email}", None, "LOGGED", NO_ADDRESS),
        ("mailto://robot@127.0.0.1:9/?from=robot@shop.example&to={email}", "müller@example.com", "FAILED", UNWRITABLE),
    ],
    ids=["no mail", "no address", "no address that works"],
)
async def test_an_order_that_did_not_reach_its_supplier_says_so(
    branch: Branch, shop: Shop, engine: Engine, urls: str, email: str | None, outcome: str, reason: str
) -> None:
    item, supplier, number = shop.item(0), shop.supplier(email), new_reference("po")
    title, purchasing = f"Purchase order {number}", branch.purchasing
    # Procurement is told where mail is set up and a supplier can't be reached by it.
    asked = [("PROCUREMENT", "SENT", f"Not delivered to the supplier: {title}")] if urls else []
    async with branch.worker(supplier_notice_urls=SecretStr(urls), notice_urls=SecretStr(TAKING)):
        await purchasing.draft(number, supplier, [(item, 10)], approval=NO_APPROVAL)
        state = await purchasing.quiet(number, notices=1 + len(asked))
        details = (await purchasing.metadata(number)).current_details.splitlines()
    assert [_told(notice) for notice in state["notices"]] == [("SUPPLIER", outcome, title), *asked]
    assert [notice["reason"] for notice in state["notices"]] == [reason, *(None for _ in asked)]
    assert [note[25:] for note in state["notes"]] == [f"{title} was NOT sent: {reason}"]
    of = f"{supplier_name(engine, supplier)} → "
    assert details[0].startswith(f"**SUBMITTED** · {of}")
    assert f"NOT sent: {reason}. Inform the supplier yourself. Next: `confirm`, " in details[0]
    assert f" UTC: notice to supplier (NOT sent: {reason}): {title}" in "\n".join(details)


def _told(notice: Json) -> tuple[str, str, str]:
    return notice["audience"], notice["outcome"], notice["title"]


async def test_a_refused_recipient_is_tried_again_alone(branch: Branch, shop: Shop) -> None:
    item, supplier, number = shop.item(0), shop.supplier(), new_reference("po")
    names = ("a@shop.example", "gone@shop.example", "c@shop.example")
    with mail_server() as post:
        post.refusing = {"gone@shop.example"}
        async with branch.worker(notice_urls=SecretStr(post.url(f"to={','.join(names)}"))):
            await branch.purchasing.draft(number, supplier, [(item, 10)], approval=ONE_APPROVAL)

            async def asked() -> int:
                return post.asked.count("gone@shop.example")

            # Attempt after attempt, as Temporal makes them.
            await eventually(asked, lambda times: times >= 2)
            assert sorted(post.recipients) == [["a@shop.example"], ["c@shop.example"]]
            post.refusing = set()
            state = await branch.purchasing.quiet(number, notices=1)
    assert [(notice["outcome"], notice["reason"]) for notice in state["notices"]] == [("SENT", None)]
    assert sorted(recipient for [recipient] in post.recipients) == sorted(names)
