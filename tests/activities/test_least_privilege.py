"""What each role tries and can't, logged in by itself: there is no role to fall back to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from psycopg.errors import InsufficientPrivilege, IntegrityConstraintViolation
from sqlalchemy import Engine, make_url, text

from database.about import EXPORTER_ROLE, READER_ROLE, WORKER_ROLE
from database.migrations.common import require_role
from database.sessions import Database
from devstack.stack import StackInfo
from stockkeeper.contracts.ledger import EFFECTIVE_COLUMN, LOT_COLUMN, MOVEMENT_COLUMNS
from stockkeeper.domain.errors import StockkeeperError
from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_changes
from tests.support.shop import Shop

Login = Callable[[str], psycopg.Connection]

OF_THE_PAST = (
    "UPDATE public.stock_movements SET quantity = quantity + 1",
    "UPDATE public.stock_movements SET reason = reason WHERE false",
    "DELETE FROM public.stock_movements",
    "TRUNCATE public.stock_movements",
    "MERGE INTO public.stock_movements USING public.products ON false WHEN MATCHED THEN DELETE",
    "UPDATE public.transit_movements SET quantity = 0",
    "DELETE FROM public.reservations",
    "DELETE FROM public.inventory_items",
    "UPDATE public.purchase_order_approvals SET approver = 'bob'",
    "INSERT INTO public.reorder_points VALUES (1, 1, now(), 1)",
    "UPDATE public.schema_revisions SET serves_older_workers = true",
    "UPDATE public.alembic_version SET version_num = '0001'",
)
OF_TRIGGERS = (
    "ALTER TABLE public.stock_movements DISABLE TRIGGER ALL",
    "ALTER TABLE public.stock_movements DISABLE TRIGGER stock_movements_append_only",
    "DROP TRIGGER stock_movements_append_only ON public.stock_movements",
    "CREATE TRIGGER mine BEFORE UPDATE ON public.products EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE mine AS ON INSERT TO public.stock_movements DO INSTEAD NOTHING",
    "ALTER FUNCTION public.require_on_hand_to_be_the_ledger() RESET ALL",
    "ALTER TABLE public.inventory_items DROP CONSTRAINT inventory_items_never_oversold",
    "SET session_replication_role = replica",
    "DROP TABLE public.stock_movements",
)
OF_MORE_POWER = (
    "SET ROLE {owner}",
    "SET ROLE pg_read_all_data",
    "SET ROLE pg_write_all_data",
    "SET SESSION AUTHORIZATION {owner}",
    "GRANT {owner} TO {self}",
    "GRANT pg_monitor TO {self}",
    "ALTER ROLE {self} SUPERUSER",
    "ALTER ROLE {self} CREATEROLE",
    "ALTER ROLE {owner} PASSWORD 'known'",
    "CREATE ROLE mine SUPERUSER",
    "ALTER SYSTEM SET log_statement = 'all'",
    "ALTER DATABASE {database} OWNER TO {self}",
    "REASSIGN OWNED BY {owner} TO {self}",
)
OF_SECRETS = (
    "SELECT rolpassword FROM pg_authid",
    "SELECT passwd FROM pg_shadow",
    "SELECT umoptions FROM pg_user_mapping",
    "SELECT subconninfo FROM pg_subscription",
    "SELECT * FROM pg_hba_file_rules",
    "SELECT * FROM pg_file_settings",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT pg_read_binary_file('PG_VERSION')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_stat_file('PG_VERSION')",
    "SELECT pg_current_logfile()",
)
OF_OBJECTS = (
    "CREATE TABLE public.mine (id int)",
    "CREATE VIEW public.mine AS SELECT 1",
    "CREATE SEQUENCE public.mine",
    "CREATE TYPE public.mine AS (id int)",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql RETURN 1",
    "CREATE SCHEMA mine",
    "CREATE TABLE reporting.mine (id int)",
    "CREATE INDEX mine ON public.products (name)",
    "CREATE DATABASE mine",
    "CREATE LANGUAGE mine HANDLER plpgsql_call_handler",
    "DROP EXTENSION plpgsql",
    "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
    "CREATE PUBLICATION mine",
    "CREATE FOREIGN DATA WRAPPER mine",
    "CREATE TABLESPACE mine LOCATION '/tmp'",
)
OF_FILES = (
    "COPY (SELECT 1) TO '/tmp/mine'",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "CREATE TEMPORARY TABLE mine (line text); COPY mine FROM '/etc/hostname'",
    "CREATE TEMPORARY TABLE mine (line text); COPY mine FROM PROGRAM 'id'",
    "SELECT lo_import('/etc/hostname')",
    "SELECT lo_export(0, '/tmp/mine')",
    "LOAD 'mine'",
)
OF_DATA = (
    "INSERT INTO public.products (sku, name) VALUES ('mine', 'mine')",
    "UPDATE public.inventory_items SET quantity_on_hand = 1",
    "DELETE FROM public.operations",
    "SELECT * FROM public.operations",
    "SELECT * FROM public.import_pages",
    "SELECT * FROM public.refused_operations",
    "SELECT performed_by, reason FROM public.stock_movements",
    "SELECT email FROM public.suppliers",
    "SELECT unit_cost FROM public.product_suppliers",
    "SELECT unit_cost FROM public.purchase_order_lines",
    "SELECT approver FROM public.purchase_order_approvals",
    "SELECT * FROM public.items_below",
    "SELECT * FROM public.balance_at(1, 1, now())",
    "SELECT public.drop_order_lines(1, 1)",
    "SELECT nextval('public.reorder_numbers')",
    "INSERT INTO reporting.products (sku, name) VALUES ('mine', 'mine')",
    "UPDATE reporting.warehouses SET name = 'mine'",
    "DELETE FROM reporting.suppliers",
    "DO $$ BEGIN LOCK TABLE reporting.levels IN ACCESS EXCLUSIVE MODE; END $$",
    "SELECT 1 FROM reporting.levels FOR UPDATE",
)
OF_THE_LEDGER = ("SELECT * FROM reporting.ledger",)
OF_VIEWS = tuple(
    f"SELECT * FROM reporting.{view}"
    for view in (
        *("products", "warehouses", "suppliers", "levels", "movements", "holds"),
        *("transfer_lines", "purchase_order_lines", "plans", "daily_demand"),
    )
)
TRIED: Mapping[str, Mapping[str, Sequence[str]]] = {
    WORKER_ROLE: {"views": (*OF_THE_LEDGER, *OF_VIEWS)},
    READER_ROLE: {"data": OF_DATA, "views": OF_THE_LEDGER},
    EXPORTER_ROLE: {"data": OF_DATA, "views": OF_VIEWS},
}
"""What a role can't do beside `FOR_ALL`, by its topic."""
FOR_ALL: Mapping[str, Sequence[str]] = {
    "the past": OF_THE_PAST,
    "triggers": OF_TRIGGERS,
    "more power": OF_MORE_POWER,
    "secrets": OF_SECRETS,
    "objects": OF_OBJECTS,
    "files": OF_FILES,
}


@pytest.fixture(scope="module")
def login(stack: StackInfo, engine: Engine) -> Iterator[Login]:
    """Opens a session of one of the roles, which log in for as long as this file runs."""
    opened: dict[str, psycopg.Connection] = {}

    def session_of(role: str) -> psycopg.Connection:
        if role not in opened:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"ALTER ROLE {role} LOGIN PASSWORD 'tries'")
            url = make_url(stack.database_url).set(drivername="postgresql", username=role, password="tries")
            opened[role] = psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)
        return opened[role]

    yield session_of
    for role, session in opened.items():
        session.close()
        with engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER ROLE {role} NOLOGIN PASSWORD NULL")


@pytest.fixture(scope="module")
def item(engine: Engine) -> ItemKey:
    """Ten units of a product in a warehouse."""
    return Shop(engine).item(10)


def without_defaults(session: psycopg.Connection) -> psycopg.Connection:
    """A session that has put off whatever it could."""
    session.execute("RESET ROLE")
    session.execute("RESET SESSION AUTHORIZATION")
    session.execute("SET default_transaction_read_only = off")
    return session


@contextmanager
def trying(session: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """Such a session in a transaction that is rolled back."""
    with without_defaults(session).transaction(force_rollback=True):
        yield session


def outcome(session: psycopg.Connection, statement: str) -> str:
    """What comes of a statement, by itself: some are refused in a transaction for being in one."""
    try:
        session.execute(statement.encode())
    except InsufficientPrivilege:
        return "refused"
    except psycopg.Error as error:
        return f"{type(error).__name__}: {error}"
    return "done"


@pytest.mark.parametrize(
    ("role", "topic"), [(role, topic) for role, topics in TRIED.items() for topic in (*FOR_ALL, *topics)]
)
def test_a_role_cannot(login: Login, stack: StackInfo, engine: Engine, item: ItemKey, role: str, topic: str) -> None:
    url = make_url(stack.database_url)
    tried = [
        statement.format(owner=url.username, self=role, database=url.database)
        for statement in {**FOR_ALL, **TRIED[role]}[topic]
    ]
    with nothing_changes(engine, item):
        session = without_defaults(login(role))
        outcomes = {statement: outcome(session, statement) for statement in tried}
    assert outcomes == dict.fromkeys(tried, "refused")


def test_a_worker_cannot_show_a_guard_a_ledger_of_its_own(login: Login, engine: Engine, item: ItemKey) -> None:
    """It may make temporary tables, for imports; they come before ours where a table is named without its schema."""
    with nothing_changes(engine, item), trying(login(WORKER_ROLE)) as session:
        session.execute("CREATE TEMPORARY TABLE stock_movements (LIKE public.stock_movements)")
        session.execute(
            """
            INSERT INTO pg_temp.stock_movements
            SELECT movement_id + 1, product_id, warehouse_id, movement_type, -1, 9, reference_id, performed_by, reason,
                operation_id, workflow_id, run_id, created_at, occurred_at
            FROM public.stock_movements WHERE (warehouse_id, product_id) = (%s, %s)
            """,
            [*item],
        )
        change = "UPDATE inventory_items SET quantity_on_hand = 9 WHERE (warehouse_id, product_id) = (%s, %s)"
        session.execute(change, [*item])
        with pytest.raises(IntegrityConstraintViolation, match="has 9 on hand, but its latest movement left 10"):
            session.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_worker_cannot_drop_the_lines_of_an_order_by_another_table_of_orders(login: Login, engine: Engine) -> None:
    """The function that drops them acts as the owner, and looks whether the order is still open."""
    with trying(login(WORKER_ROLE)) as session:
        session.execute("CREATE TEMPORARY TABLE purchase_orders (LIKE public.purchase_orders)")
        session.execute(
            """
            INSERT INTO pg_temp.purchase_orders (po_id, po_number, status, supplier_id, warehouse_id, requested_by,
                reason, created_at, total, required_approvals, approval_policy, over_delivery_percent, operation_id,
                workflow_id, run_id, version, approvals_since)
            VALUES (-1, 'closed', 'DRAFT', 1, 1, 'x', 'x', now(), 1, 0, '{}', 0, 'x', 'x', 'x', 1, 1)
            """
        )
        # Of the real ones none has this id.
        with pytest.raises(IntegrityConstraintViolation, match="purchase order <NULL> is <NULL>: its lines stay"):
            session.execute("SELECT drop_order_lines(-1, 0)")
    del engine


def test_a_worker_cannot_make_up_what_a_reorder_point_was(login: Login, engine: Engine, item: ItemKey) -> None:
    points = text("SELECT count(*) FROM reorder_points")
    with engine.connect() as connection:
        before = connection.execute(points).scalar_one()
    with trying(login(WORKER_ROLE)) as session:
        session.execute("CREATE TEMPORARY TABLE forged (warehouse_id bigint, product_id bigint, reorder_point bigint)")
        with pytest.raises(InsufficientPrivilege, match="permission denied for function keep_the_reorder_point"):
            session.execute(
                "CREATE TRIGGER mine AFTER INSERT ON forged FOR EACH ROW EXECUTE FUNCTION keep_the_reorder_point()"
            )
    with engine.connect() as connection:
        assert connection.execute(points).scalar_one() == before
    del item


@pytest.mark.parametrize("role", [READER_ROLE, EXPORTER_ROLE])
def test_a_role_sees_nothing_of_what_others_are_doing(login: Login, engine: Engine, role: str) -> None:
    with engine.connect() as other, trying(login(role)) as session:
        pid = other.execute(text("SELECT pg_backend_pid()")).scalar_one()
        seen = session.execute("SELECT query, state FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
    assert seen == ("<insufficient privilege>", None)


@pytest.mark.parametrize(("role", "views"), [(READER_ROLE, OF_VIEWS), (EXPORTER_ROLE, OF_THE_LEDGER)])
def test_a_role_reads_its_views(login: Login, role: str, views: tuple[str, ...]) -> None:
    with trying(login(role)) as session:
        for view in views:
            session.execute(f"{view} LIMIT 1".encode())


def test_a_reader_sees_levels_and_movements_by_name(login: Login, engine: Engine, item: ItemKey) -> None:
    with trying(login(READER_ROLE)) as session:
        of_item = "WHERE (warehouse_id, product_id) = (%s, %s)"
        level = f"SELECT quantity_on_hand, quantity_reserved, quantity_available FROM reporting.levels {of_item}"
        assert session.execute(level.encode(), [*item]).fetchall() == [(10, 0, 10)]
        moved = f"SELECT quantity, balance_after FROM reporting.movements {of_item}"
        assert session.execute(moved.encode(), [*item]).fetchall() == [(10, 10)]
        columns = session.execute("SELECT * FROM reporting.movements LIMIT 0").description or ()
    assert {"performed_by", "reason", "operation_id"}.isdisjoint(column.name for column in columns)
    del engine


def test_the_view_of_the_ledger_has_the_columns_of_the_export(login: Login) -> None:
    with trying(login(EXPORTER_ROLE)) as session:
        columns = session.execute("SELECT * FROM reporting.ledger LIMIT 0").description or ()
    assert tuple(column.name for column in columns) == (*MOVEMENT_COLUMNS, EFFECTIVE_COLUMN, LOT_COLUMN)


def test_an_exporter_watches_the_server_by_what_postgresql_shows_everybody(login: Login) -> None:
    with trying(login(EXPORTER_ROLE)) as session:
        for watched in (
            "SELECT numbackends, xact_commit, deadlocks FROM pg_stat_database WHERE datname = current_database()",
            "SELECT n_live_tup, n_dead_tup, last_autovacuum FROM pg_stat_user_tables WHERE relname = 'stock_movements'",
            "SELECT pg_database_size(current_database())",
            "SELECT count(*) FROM pg_locks",
        ):
            assert len(session.execute(watched.encode()).fetchall()) == 1


def test_a_migration_says_which_role_is_missing_where_it_may_make_none(database: Database) -> None:
    with (
        database.rehearsal() as connection,
        Operations.context(MigrationContext.configure(connection)),
        pytest.raises(StockkeeperError) as refused,
    ):
        require_role("stockkeeper_absent")
    assert str(refused.value) == (
        "the role stockkeeper_absent is missing, this user may make no roles, and nothing has changed: run "
        "deploy/postgresql/roles.sh (docs/deployment.md), then `stockkeeper setup` again"
    )
