"""Which peers there are, in which version, and which of their ways is called."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, eq=False)
class Peer:
    """A way to promise units.

    Attributes:
        name: As the table has it.
        adapter: Its file in this folder, which says how its documentation says to.
        expiry: Whether a hold that nobody ends comes to an end.
        packages: Pinned, from a public registry; empty: ours.
        language: Decides the installer.
        settings: For the adapter.
        workers: Our worker processes that it needs, with a Temporal.
    """

    name: str
    adapter: str
    expiry: str
    packages: tuple[str, ...] = ()
    language: Literal["python", "javascript"] = "python"
    settings: Mapping[str, str] = field(default_factory=dict)
    workers: int = 0


_MEDUSA = tuple(f"@medusajs/{name}@2.21.2" for name in ("framework", "inventory", "locking", "locking-postgres"))


def _medusa(name: str, lock: str) -> Peer:
    settings = {"lock": lock}
    return Peer(name, "medusa.mjs", expiry="no", packages=_MEDUSA, language="javascript", settings=settings)


def _oscar(name: str, check: str) -> Peer:
    packages = ("django-oscar==4.2.1", "psycopg[binary]==3.3.9")
    return Peer(name, "oscar.py", expiry="no", packages=packages, settings={"check": check})


OUR_ORDERS = Peer(
    "**Stockkeeper**: `Stockkeeper.reserve`, two workers",
    "our_orders.py",
    expiry="yes, at its deadline",
    workers=2,
)
OUR_ACTIVITIES = Peer("Stockkeeper: its activity `reserve_stock`", "our_activities.py", expiry="yes, at its deadline")
MEDUSA = _medusa("Medusa 2.21.2: `createReservationItems`", "none")
OSCAR = _oscar("django-oscar 4.2.1: availability, then `allocate`", "yes")
OSCAR_ALLOCATE = _oscar("django-oscar 4.2.1: `allocate`", "no")
"""For speed: without the question whether it may."""

PEERS = (
    OUR_ORDERS,
    OUR_ACTIVITIES,
    OSCAR,
    MEDUSA,
    _medusa("Medusa 2.21.2: the same within its default lock", "in-memory"),
    _medusa("Medusa 2.21.2: the same within its PostgreSQL lock", "postgres"),
    Peer(
        "Vendure 3.7.3: an order, from the cart to its payment",
        "vendure.mjs",
        expiry="no",
        packages=("@vendure/core@3.7.3", "pg@8.16.3"),
        language="javascript",
    ),
    Peer(
        "Tryton 8.2: a shipment, to `assign_try`",
        "tryton.py",
        expiry="no",
        packages=("trytond==8.2.1", "trytond_stock==8.2.1", "psycopg[binary,pool]==3.3.9"),
    ),
    Peer(
        "pretix 2026.8: a ticket into a cart",
        "pretix.py",
        expiry="yes, with its cart",
        packages=("pretix==2026.8.0",),
    ),
)
