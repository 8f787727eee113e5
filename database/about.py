"""What a database tells of itself: its version, who asks, what that role may do, how safely it keeps what it has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, text

from database.sessions import reaching

WORKER_ROLE = "stockkeeper_worker"
"""The role that the first migration makes, with the rights that a worker needs."""
READER_ROLE = "stockkeeper_reader"
"""The role of people who look by SQL: the views of the schema `reporting`, and nothing else."""
EXPORTER_ROLE = "stockkeeper_exporter"
"""The role of a program that copies the ledger elsewhere: the view `reporting.ledger`, and nothing else."""
LEDGERS = ("stock_movements", "transit_movements")
"""The tables whose past nobody may change."""
_SAFE = ("fsync", "full_page_writes", "synchronous_commit")
_RESERVED = "superuser_reserved_connections"

# Not from pg_stat_activity, which shows hardly anything of other users' connections.
_ABOUT = text("""
    SELECT current_setting('server_version') AS version,
        current_setting('server_version_num')::int AS version_number,
        current_database()::text AS database,
        session_user::text AS logged_in_as,
        current_user::text AS acts_as,
        pg_is_in_recovery() AS is_standby,
        (SELECT sum(numbackends)::int FROM pg_stat_database) AS connections
""")
_SUPERUSERS = text("SELECT rolname::text FROM pg_roles WHERE rolsuper AND rolname IN (session_user, current_user)")
# An owner may do anything with a table, and whoever is a member of the owner may become it.
_REWRITERS = text("""
    SELECT role, relname::text AS ledger
    FROM unnest(ARRAY[session_user::text, current_user::text]) AS role CROSS JOIN pg_class
    WHERE pg_class.oid = ANY (SELECT to_regclass(name) FROM unnest(CAST(:ledgers AS text[])) AS name)
        AND (has_table_privilege(role, pg_class.oid, 'UPDATE, DELETE, TRUNCATE')
            OR pg_has_role(role, relowner, 'MEMBER'))
    GROUP BY role, relname
    ORDER BY role, relname
""")
_SETTINGS = text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names)")
_CLOCK = text("SELECT clock_timestamp()")


@dataclass(frozen=True)
class Facts:
    """A database, as the role that asks sees it.

    Attributes:
        version: PostgreSQL's version.
        version_number: The same as a number, such as 180004.
        database: Its name.
        logged_in_as: The user of the connection.
        acts_as: The role that it has taken; the user, if it has taken none.
        superusers: Those of the two who are superusers.
        rewriters: Who of the two may change the past of which ledgers.
        unsafe: Settings that let a crash or a power cut lose what was committed, with their values.
        is_standby: Whether it is a copy that can't be written to.
        connections: How many there are.
        connections_left: How many more it takes from users that aren't superusers.
        asked, clock, answered: Its clock, and this machine's before and after it was read.
    """

    version: str
    version_number: int
    database: str
    logged_in_as: str
    acts_as: str
    superusers: frozenset[str]
    rewriters: Mapping[str, Sequence[str]]
    unsafe: Mapping[str, str]
    is_standby: bool
    connections: int
    connections_left: int
    asked: datetime
    clock: datetime
    answered: datetime


def inspect_database(engine: Engine) -> Facts:
    """Ask a database about itself; changes nothing.

    Raises:
        Unreachable: It doesn't answer, or not to this user and role.
    """
    with reaching(engine), engine.connect() as connection:
        about = connection.execute(_ABOUT).one()
        rewriters: dict[str, list[str]] = {}
        for row in connection.execute(_REWRITERS, {"ledgers": list(LEDGERS)}):
            rewriters.setdefault(row.role, []).append(row.ledger)
        names = [*_SAFE, _RESERVED, "reserved_connections", "max_connections"]
        settings = {row.name: row.setting for row in connection.execute(_SETTINGS, {"names": names})}
        taken = sum(int(settings.get(name, 0)) for name in (_RESERVED, "reserved_connections")) + about.connections
        superusers = frozenset(connection.execute(_SUPERUSERS).scalars())
        asked = datetime.now(UTC)
        clock = connection.execute(_CLOCK).scalar_one()
        answered = datetime.now(UTC)
    return Facts(
        version=about.version.partition(" ")[0],
        version_number=about.version_number,
        database=about.database,
        logged_in_as=about.logged_in_as,
        acts_as=about.acts_as,
        superusers=superusers,
        rewriters=rewriters,
        unsafe={name: settings[name] for name in _SAFE if settings[name] == "off"},
        is_standby=about.is_standby,
        connections=about.connections,
        connections_left=max(int(settings["max_connections"]) - taken, 0),
        asked=asked,
        clock=clock,
        answered=answered,
    )
