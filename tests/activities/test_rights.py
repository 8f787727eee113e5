"""What each role may do with each table, view, sequence and function: all of it is stated here.

A new one is named here with its rights, or the test that compares them fails.
"""

from collections.abc import Mapping

import pytest
from sqlalchemy import Engine, text

from database.about import EXPORTER_ROLE, READER_ROLE, WORKER_ROLE

Given = Mapping[tuple[str, str], Mapping[str, str]]
"""Rights by kind of relation and role, and the relation's name."""

READ, ADD, CHANGE = "SELECT", "INSERT SELECT", "INSERT SELECT UPDATE"

WORKER: Mapping[str, frozenset[str]] = {
    # What a trigger or `setup` keeps, and what is a view.
    READ: frozenset(
        {
            *("alembic_version", "audited_documents", "documents_say", "event_log", "events", "items_below"),
            *("moved_runs", "orderable_items"),
            *("reorder_points", "schema_revisions", "this_database", "transfer_holds", "warehouse_homes"),
            *("warehouse_moves", "warehouse_places"),
        }
    ),
    # The past: it grows, and nothing in it changes.
    ADD: frozenset(
        {
            *(
                "outbox",
                "stock_movements",
                "transit_movements",
                "adjustment_lines",
                "approved_differences",
                "cycle_count_entries",
                "inspection_decisions",
                "inspection_decision_lines",
            ),
            *(
                "difference_approvals",
                "imported_files",
                "recall_lines",
                "purchase_order_amendments",
                "purchase_order_approvals",
            ),
            *("purchase_order_receipts", "purchase_order_receipt_lines"),
            *("purchase_order_returns", "purchase_order_return_lines", "reservation_releases"),
            *(
                "return_inspections",
                "return_inspection_lines",
                "return_inspection_lots",
                "supplier_lead_times",
                "waiting_lines",
            ),
        }
    ),
    # These may be changed in some columns, which `test_of_some_tables_a_worker_may_change_only_these_columns` states.
    f"{ADD} columns": frozenset({"audit_findings", "waits"}),
    # The present: documents that are open, levels, names, numbers of plans. Triggers and checks say what may follow.
    CHANGE: frozenset(
        {
            *("adjustments", "cycle_count_lines", "cycle_counts", "daily_demand", "demand_days", "former_skus"),
            *("given_way", "imported_demand", "inventory_items", "item_classes", "item_plans", "plan_months"),
            *(
                "inspections",
                "inspection_lines",
                "lot_items",
                "lots",
                "product_units",
                "reservation_lots",
                "unavailable_stock",
            ),
            *("product_suppliers", "products", "purchase_order_lines", "purchase_orders", "recalls", "refused_demand"),
            *(
                "replenishment_cycles",
                "reservations",
                "return_lines",
                "returns",
                "stated_quantities",
                "suppliers",
            ),
            *("stated_lots", "transfer_order_lines", "transfer_orders", "warehouse_hindsights", "warehouses"),
        }
    ),
    # What is only kept for a time, or is taken away by a person.
    f"DELETE {CHANGE}": frozenset({"import_pages", "operations", "product_barcodes", "refused_operations"}),
}
READER = frozenset(
    f"reporting.{view}"
    for view in (
        *("daily_demand", "events", "holds", "levels", "lots", "movements", "plans", "products"),
        *("purchase_order_lines", "suppliers", "transfer_lines", "warehouses"),
    )
)
EXPORTER = frozenset({"reporting.ledger"})
SEQUENCES = {
    "products_product_id_seq": "UPDATE",
    "reorder_numbers": "USAGE",
    "reservations_reservation_id_seq": "USAGE",
    "suppliers_supplier_id_seq": "UPDATE",
    "warehouses_warehouse_id_seq": "UPDATE",
}
FUNCTIONS = {
    *(
        "are_price_breaks",
        "balance_at",
        "base_unit_is_needed_by",
        "drop_order_lines",
        "is_approved",
        "open_orders",
        "undone_departures",
    ),
    *(
        "begin_events_anew",
        "forget_events",
        "number_events",
        "tell_what_is_there",
        "undone_units",
        "unusable_units",
        "warehouses_elsewhere",
    ),
}
"""Those that aren't a trigger's."""
OWNERS = {"tell_what_is_there"}
"""Those of them that nobody but the owner may call."""
DEFINERS = {
    *("begin_events_anew", "drop_order_lines", "follow_the_tracking", "forget_events", "keep_the_reorder_point"),
    "number_events",
}
"""Those that act with the rights of the owner."""

ROLES = (WORKER_ROLE, READER_ROLE, EXPORTER_ROLE)
_RELATIONS = text("""
    SELECT pg_class.oid, concat(nullif(nspname, 'public') || '.', relname) AS name, relkind = 'S' AS is_sequence
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname IN ('public', 'reporting') AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
""")
_GRANTS = text("""
    SELECT oid, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role, privilege_type AS privilege
    FROM pg_class CROSS JOIN aclexplode(relacl)
    UNION
    SELECT attrelid, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, 'columns'
    FROM pg_attribute CROSS JOIN aclexplode(attacl)
    ORDER BY privilege
""")


@pytest.fixture(scope="module")
def given(engine: Engine) -> Given:
    """The rights of each role, by table, view or sequence; empty where there are none."""
    with engine.connect() as connection:
        relations = connection.execute(_RELATIONS).all()
        grants = connection.execute(_GRANTS).all()
    found: dict[tuple[str, str], dict[str, str]] = {}
    for role in (*ROLES, "PUBLIC"):
        for relation in relations:
            rights = [grant.privilege for grant in grants if (grant.oid, grant.role) == (relation.oid, role)]
            kind = "sequence" if relation.is_sequence else "relation"
            found.setdefault((kind, role), {})[relation.name] = " ".join(rights)
    return found


def test_every_table_and_view_has_a_stated_right_for_the_worker(given: Given) -> None:
    stated = {name: rights for rights, names in WORKER.items() for name in names} | dict.fromkeys(READER | EXPORTER, "")
    assert given["relation", WORKER_ROLE] == stated


@pytest.mark.parametrize(("role", "readable"), [(READER_ROLE, READER), (EXPORTER_ROLE, EXPORTER), ("PUBLIC", ())])
def test_the_others_have_no_right_but_to_read_the_views_that_are_made_for_them(
    given: Given, role: str, readable: frozenset[str]
) -> None:
    stated = {name: READ if name in readable else "" for name in given["relation", WORKER_ROLE]}
    assert given["relation", role] == stated


def test_every_sequence_has_a_stated_right_for_every_role(
    given: Given,
) -> None:
    for role in (*ROLES, "PUBLIC"):
        stated = {name: SEQUENCES.get(name, "") if role == WORKER_ROLE else "" for name in given["sequence", role]}
        assert given["sequence", role] == stated
    assert SEQUENCES.keys() <= given["sequence", WORKER_ROLE].keys()


def test_of_some_tables_a_worker_may_change_only_these_columns(engine: Engine) -> None:
    query = text("""
        SELECT attrelid::regclass::text, array_agg(attname::text ORDER BY attname)
        FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid::regclass::text IN (
            SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace)
        GROUP BY 1
    """)
    with engine.connect() as connection:
        found = {row[0]: {*row[1]} for row in connection.execute(query)}
    closed = {"closed_at", "closed_by", "closed_reason", "run_id", "status"}
    assert found == {
        "audit_findings": closed | {"actual", "expected", "last_seen_at", "operation_id", "workflow_id"},
        "waits": closed | {"shortages", "told_at"},
    }


def test_only_the_worker_may_call_our_functions_and_nobody_may_put_a_trigger_of_ours_on_another_table(
    engine: Engine,
) -> None:
    query = text("""
        SELECT proname, prorettype = 'trigger'::regtype AS is_of_trigger,
            ARRAY(SELECT role FROM unnest(CAST(:roles AS text[])) AS role
                WHERE has_function_privilege(role, pg_proc.oid, 'EXECUTE')) AS executors
        FROM pg_proc WHERE pronamespace IN ('public'::regnamespace, 'reporting'::regnamespace)
    """)
    with engine.connect() as connection:
        found = connection.execute(query, {"roles": list(ROLES)}).all()
    assert {row.proname for row in found if not row.is_of_trigger} == FUNCTIONS
    assert {row.proname: row.executors for row in found if row.is_of_trigger and row.executors} == {}
    ours = [row for row in found if not row.is_of_trigger and row.proname not in OWNERS]
    assert [row.proname for row in ours if row.executors != [WORKER_ROLE]] == []
    assert {row.proname for row in found if not row.executors and not row.is_of_trigger} == OWNERS


def test_no_guard_can_be_led_to_a_temporary_table_of_whoever_is_guarded(engine: Engine) -> None:
    query = text("""
        SELECT proname, prosecdef, proconfig FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND (prorettype = 'trigger'::regtype OR prosecdef)
    """)
    with engine.connect() as connection:
        found = connection.execute(query).all()
    fixed = "search_path=pg_catalog, public, pg_temp"
    assert [row.proname for row in found if fixed not in (row.proconfig or ())] == []
    assert {row.proname for row in found if row.prosecdef} == DEFINERS


def test_no_role_may_make_anything_in_our_schemas_or_is_a_member_of_another(engine: Engine) -> None:
    schemas = text("""
        SELECT nspname, role,
            has_schema_privilege(role, nspname, 'USAGE'), has_schema_privilege(role, nspname, 'CREATE')
        FROM pg_namespace CROSS JOIN unnest(CAST(:roles AS text[])) AS role WHERE nspname IN ('public', 'reporting')
    """)
    members = text("SELECT count(*) FROM pg_auth_members WHERE member::regrole::text = ANY (CAST(:roles AS text[]))")
    with engine.connect() as connection:
        found = {tuple(row) for row in connection.execute(schemas, {"roles": list(ROLES)})}
        assert connection.execute(members, {"roles": list(ROLES)}).scalar_one() == 0
    assert found == {
        ("public", WORKER_ROLE, True, False),
        ("public", READER_ROLE, False, False),
        ("public", EXPORTER_ROLE, False, False),
        ("reporting", WORKER_ROLE, False, False),
        ("reporting", READER_ROLE, True, False),
        ("reporting", EXPORTER_ROLE, True, False),
    }
