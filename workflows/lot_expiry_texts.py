"""Texts about lots that expire: in the Temporal UI, and in notices."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from stockkeeper.contracts.lot_expiry import LOTS_TOLD, ExpiringLotState, Expiry, LotExpiryState, LotsPassed
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import StockAnswer, counted
from stockkeeper.contracts.notice import Audience, Notice
from workflows.details import details, notices, table
from workflows.giving_way import named
from workflows.notices import cut

WHY = "a lot that it held has expired, and no other one was free"
"""Why a hold gave way, for its process."""


class Untold(BaseModel):
    """Lots of one warehouse of which its people haven't been told yet.

    Attributes:
        over: The first that have expired, as many as a notice names.
        soon: The first that soon will.
        lots_expired: All that have expired.
        lots_expiring: All that soon will.
    """

    over: list[ExpiringLotState] = Field(default_factory=list)
    soon: list[ExpiringLotState] = Field(default_factory=list)
    lots_expired: int = 0
    lots_expiring: int = 0

    @property
    def warehouse_id(self) -> int | None:
        """The warehouse; None: there are no lots."""
        return next((lot.warehouse_id for lot in (*self.over, *self.soon)), None)

    def with_page(self, page: LotsPassed) -> "Untold":
        """These, and those of another page of the same warehouse."""
        over = [lot for lot in page.lots if lot.expiry is Expiry.EXPIRED]
        soon = [lot for lot in page.lots if lot.expiry is Expiry.EXPIRING]
        return Untold(
            over=[*self.over, *over][:LOTS_TOLD],
            soon=[*self.soon, *soon][:LOTS_TOLD],
            lots_expired=self.lots_expired + page.lots_expired,
            lots_expiring=self.lots_expiring + page.lots_expiring,
        )


def expiring(untold: Untold) -> Notice:
    """Lots of one warehouse have expired, or soon will."""
    over, soon = untold.over, untold.soon
    both = " and ".join(
        [
            *([f"{counted(untold.lots_expired, 'lot')} expired"] if over else []),
            *([f"{counted(untold.lots_expiring, 'lot')} near the last day"] if soon else []),
        ]
    )
    body = []
    if over:
        body += ["These have expired: nothing of them can be held or shipped. Take them off the shelf and adjust them:"]
        body += ["", *cut([_line(lot) for lot in over], " lots", total=untold.lots_expired), ""]
    if soon:
        body += ["These have few days left: sell them first, move them, or mark them down:"]
        body += ["", *cut([_line(lot) for lot in soon], " lots", total=untold.lots_expiring), ""]
    body += ["`stockkeeper lot expiring` lists them all."]
    return _notice(f"{(over or soon)[0].warehouse}: {both}", body)


def gave_way(answer: StockAnswer) -> Notice:
    """Orders and transfers have lost units of expired lots, and no other lot was free."""
    title = f"{counted(len(answer.gave_way), 'hold')} gave way: lots have expired"
    body = ["No other lot was free for these orders and transfers, and all that they hold is released:"]
    return _notice(title, [*body, *cut([named(hold) for hold in answer.gave_way], what="")])


def details_of(state: LotExpiryState, stopped_early: str) -> str:
    """The run in a few lines of Markdown: what has expired, what soon will, and which holds gave way."""
    text = stopped_early + (
        f"{counted(state.lots_expired, 'lot')} expired, {counted(state.lots_expiring, 'lot')} near the last day; "
        f"{counted(state.units_given_up, 'held unit')} of expired lots given up."
    )
    parts = [
        *table(
            ["warehouse", "lot", "product", "#days left", "#on hand"],
            [
                (plain(lot.warehouse), plain(lot.lot_number), plain(lot.sku), lot.days_left, lot.quantity_on_hand)
                for lot in state.lots
            ],
        ),
        "",
        *table(
            ["gave way", "#units"],
            [(f"{hold.reference_type.lower()} {plain(hold.reference_id)}", hold.quantity) for hold in state.gave_way],
        ),
        "",
        *notices(state.notices),
    ]
    return details(state.status, text, parts, state.notes)


def _line(lot: ExpiringLotState) -> str:
    day = lot.expires_on or lot.best_before
    what = "expires on" if lot.expires_on else "best before"
    if lot.expiry is Expiry.EXPIRED:
        what = "expired on"
    return f"lot {lot.lot_number} of {lot.sku}: {counted(lot.quantity_on_hand, 'unit')}, {what} {day}"


def _notice(title: str, body: Sequence[str]) -> Notice:
    return Notice(audience=Audience.WAREHOUSE, title=title, body="\n".join(body))
