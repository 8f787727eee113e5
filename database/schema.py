"""Renders the schema of a migrated database, so that `schema.sql` shows the sum of all migrations in one place.

Everything is read from PostgreSQL's own catalogue: tables in alphabetical order, each followed by its indexes, triggers
and grants, then sequences, functions with who may execute them, and views, those of the schema `reporting` last.
`python -m devstack.schema` writes the file; a test compares it.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, text

HEADER = """\
-- Generated from a migrated database by `make schema`. To change it, write a migration and generate it anew.
"""

_TABLES = text("""
    SELECT oid, relname AS name, reloptions AS options
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
    ORDER BY relname COLLATE "C"
""")

_COLUMNS = text("""
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attidentity AS identity,
        attgenerated AS generated, attnotnull AS needed, pg_get_expr(adbin, adrelid) AS expression
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = :table AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum
""")

# PostgreSQL 18 keeps NOT NULL as a constraint ('n'), which stands beside its column here. What a constraint trigger
# ('t') checks stands with the triggers.
_CONSTRAINTS = text("""
    SELECT conname AS name, pg_get_constraintdef(oid, true) AS definition
    FROM pg_constraint
    WHERE conrelid = :table AND contype NOT IN ('n', 't')
    ORDER BY position(contype::text IN 'pucxf'), conname COLLATE "C"
""")

_INDEXES = text("""
    SELECT pg_get_indexdef(indexrelid, 0, true) AS definition
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = :table AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)
    ORDER BY relname COLLATE "C"
""")

_TRIGGERS = text("""
    SELECT pg_get_triggerdef(oid, true) AS definition
    FROM pg_trigger
    WHERE tgrelid = :table AND NOT tgisinternal
    ORDER BY tgname COLLATE "C"
""")

_GRANTS = text("""
    SELECT string_agg(privilege, ', ' ORDER BY privilege COLLATE "C") AS privileges, grantee::regrole::text AS grantee
    FROM (
        SELECT privilege_type AS privilege, grantee
        FROM pg_class CROSS JOIN aclexplode(relacl)
        WHERE oid = :relation AND grantee <> relowner
        UNION ALL
        SELECT format('%s (%s)', privilege_type, string_agg(attname, ', ' ORDER BY attnum)), grantee
        FROM pg_attribute CROSS JOIN aclexplode(attacl)
        WHERE attrelid = :relation
        GROUP BY privilege_type, grantee
    ) AS given
    GROUP BY grantee
    ORDER BY grantee::regrole::text COLLATE "C"
""")

_SEQUENCES = text("""
    SELECT oid, relname AS name
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
    ORDER BY relname COLLATE "C"
""")

_IS_OWNED = text("""
    SELECT EXISTS (SELECT 1 FROM pg_depend WHERE objid = :sequence AND deptype IN ('a', 'i') AND refobjsubid > 0)
""")

# Without rights of its own a function may be executed by everybody.
_FUNCTIONS = text("""
    SELECT pg_get_functiondef(oid) AS definition, oid::regprocedure::text AS name,
        ARRAY(
            SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
            FROM aclexplode(coalesce(proacl, acldefault('f', proowner)))
            WHERE grantee <> proowner
            ORDER BY 1
        ) AS executors
    FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND prokind IN ('f', 'p')
    ORDER BY proname COLLATE "C", pg_get_function_identity_arguments(oid) COLLATE "C"
""")

_VIEWS = text("""
    SELECT pg_class.oid, concat(nullif(nspname, 'public') || '.', relname) AS name,
        pg_get_viewdef(pg_class.oid, true) AS definition
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname IN ('public', 'reporting') AND relkind = 'v'
    ORDER BY nspname, relname COLLATE "C"
""")


def render_schema(connection: Connection) -> str:
    """The schema of the database as SQL, for people to read.

    Args:
        connection: A migrated database, as a role that may read its catalogue.

    Returns:
        The same text for the same migrations, whatever was done to the rows.
    """
    return "\n".join(
        (HEADER, *_tables(connection), *_sequences(connection), *_functions(connection), *_views(connection))
    )


def _tables(connection: Connection) -> Iterator[str]:
    for table in connection.execute(_TABLES):
        of = {"table": table.oid}
        inside = [
            *(_column(column) for column in connection.execute(_COLUMNS, of)),
            *(f"CONSTRAINT {row.name} {_indented(row.definition)}" for row in connection.execute(_CONSTRAINTS, of)),
        ]
        options = f" WITH ({', '.join(table.options)})" if table.options else ""
        lines = [f"CREATE TABLE {table.name} (", ",\n".join(f"    {part}" for part in inside), f"){options};"]
        lines += [f"{_unqualified(row.definition)};" for row in connection.execute(_INDEXES, of)]
        lines += [f"{_broken(_unqualified(row.definition))};" for row in connection.execute(_TRIGGERS, of)]
        yield "\n".join((*lines, *_grants(connection, table.oid, table.name), ""))


def _column(column: Row[Any]) -> str:
    parts = [column.name, column.type]
    if column.identity:
        parts.append(f"GENERATED {'ALWAYS' if column.identity == 'a' else 'BY DEFAULT'} AS IDENTITY")
    elif column.generated:
        parts.append(f"GENERATED ALWAYS AS ({column.expression}) {'STORED' if column.generated == 's' else 'VIRTUAL'}")
    elif column.expression:
        parts.append(f"DEFAULT {column.expression}")
    if column.needed and not column.identity:
        parts.append("NOT NULL")
    return " ".join(parts)


def _sequences(connection: Connection) -> Iterator[str]:
    """Sequences that queries name: not those behind an identity column, unless the worker may set them."""
    for sequence in connection.execute(_SEQUENCES):
        grants = list(_grants(connection, sequence.oid, f"SEQUENCE {sequence.name}"))
        is_owned = connection.execute(_IS_OWNED, {"sequence": sequence.oid}).scalar_one()
        created = [] if is_owned else [f"CREATE SEQUENCE {sequence.name};"]
        if created or grants:
            yield "\n".join((*created, *grants, ""))


def _functions(connection: Connection) -> Iterator[str]:
    for function in connection.execute(_FUNCTIONS):
        lines = [f"{_unqualified(function.definition).strip()};"]
        lines += [f"GRANT EXECUTE ON FUNCTION {function.name} TO {executor};" for executor in function.executors]
        yield "\n".join((*lines, ""))


def _views(connection: Connection) -> Iterator[str]:
    for view in connection.execute(_VIEWS):
        lines = (f"CREATE VIEW {view.name} AS", view.definition, *_grants(connection, view.oid, view.name))
        yield "\n".join((*lines, ""))


def _grants(connection: Connection, relation: int, named: str) -> Iterator[str]:
    for grant in connection.execute(_GRANTS, {"relation": relation}):
        yield f"GRANT {grant.privileges} ON {named} TO {grant.grantee};"


def _unqualified(definition: str) -> str:
    """A definition without the schema's name, which PostgreSQL prints: all of ours is in one schema."""
    return definition.replace(" public.", " ")


def _indented(definition: str) -> str:
    """Indent the further lines of a definition: PostgreSQL prints CASE on lines of its own."""
    return definition.replace("\n", "\n        ")


def _broken(trigger: str) -> str:
    """A trigger on two lines: when it fires, and what it does."""
    return trigger.replace(" FOR EACH ", "\n    FOR EACH ")
