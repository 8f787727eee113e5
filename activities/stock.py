"""Questions about stock. They lock nothing and change nothing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, func, select, tuple_
from temporalio import activity

from activities.writes import OnDatabase, database_errors, page_of
from database.names import PRODUCTS, SUPPLIERS, WAREHOUSES, Named, find_names, suggestions
from database.order_terms import price_breaks_of
from database.tables import (
    inventory_items,
    product_suppliers,
    products,
    suppliers,
    warehouses,
)
from database.transfer import transfer_order_lines, transfer_orders
from database.unavailable import available_at, read_unavailable
from database.unit import find_units
from stockkeeper.contracts.stock import (
    IN_TRANSIT_AT_ONCE,
    LEVELS_AT_ONCE,
    FindItems,
    FindTerms,
    FoundItems,
    FoundTerms,
    InTransit,
    InTransitPage,
    ShowInTransit,
    ShowLevels,
    StockActivities,
    StockLevel,
    StockLevels,
)
from stockkeeper.contracts.unit import PackFound
from stockkeeper.domain.errors import UnknownProduct, UnknownSupplier, UnknownWarehouse
from stockkeeper.domain.names import did_you_mean
from stockkeeper.domain.order_quantity import unit_cost_of
from stockkeeper.domain.stock import ItemKey

T = TypeVar("T")

_LEVELS = (
    select(
        *inventory_items.c,
        products.c.sku,
        products.c.name,
        warehouses.c.name.label("warehouse"),
        warehouses.c.priority.label("warehouse_priority"),
    )
    .join_from(inventory_items, products)
    .join(warehouses)
)


class StockQuestions(OnDatabase, StockActivities):
    """`StockActivities` on PostgreSQL."""

    @activity.defn(name="find_items", no_thread_cancel_exception=True)
    def find_items(self, question: FindItems) -> FoundItems:
        """The ids behind names, in any case where only one has that name.

        A SKU or name that looks like an id is taken as a SKU or name first.

        Raises:
            UnknownProduct, UnknownWarehouse, UnknownSupplier: The catalogue hasn't got that name or id; the message
                has the nearest name.
        """
        with database_errors(), self._database.snapshot() as connection:
            places = _ids(connection, WAREHOUSES, question.warehouses, UnknownWarehouse)
            mentioned = [*question.warehouse_ids, *places.values()]
            named = _ids(connection, PRODUCTS, question.products, UnknownProduct, digits_are_ids=not question.exact)
            units = find_units(connection, [*question.product_ids, *named.values()] if question.units else ())
            return FoundItems(
                products=named,
                warehouses=places,
                suppliers=_ids(connection, SUPPLIERS, question.suppliers, UnknownSupplier),
                skus=_names(connection, products.c.sku, products.c.product_id, question.product_ids),
                product_names=_names(connection, products.c.name, products.c.product_id, question.product_ids),
                warehouse_names=_names(
                    connection, warehouses.c.name, warehouses.c.warehouse_id, question.warehouse_ids
                ),
                timezones=_names(connection, warehouses.c.timezone, warehouses.c.warehouse_id, mentioned),
                priorities=_names(connection, warehouses.c.priority, warehouses.c.warehouse_id, mentioned),
                supplier_names=_names(connection, suppliers.c.name, suppliers.c.supplier_id, question.supplier_ids),
                base_units=units.base_units,
                packs={
                    product_id: [PackFound(**pack._asdict()) for pack in packs]
                    for product_id, packs in units.packs.items()
                },
            )

    def ids_of(self, product: str | None, warehouse: str | None) -> tuple[int | None, int | None]:
        """The ids of a product and a warehouse by their names; None: not asked for.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got one of them.
        """
        found = self.find_items(
            FindItems(products=[product] if product else [], warehouses=[warehouse] if warehouse else [])
        )
        return (
            found.products[product] if product else None,
            found.warehouses[warehouse] if warehouse else None,
        )

    @activity.defn(name="find_terms", no_thread_cancel_exception=True)
    def find_terms(self, question: FindTerms) -> FoundTerms:
        """The unit costs that a supplier has agreed to, for so many units."""
        with database_errors(), self._database.snapshot() as connection:
            rows = connection.execute(
                select(
                    product_suppliers.c.product_id, product_suppliers.c.unit_cost, product_suppliers.c.price_breaks
                ).where(
                    product_suppliers.c.supplier_id == question.supplier_id,
                    product_suppliers.c.product_id.in_(question.product_ids),
                )
            )
            wanted = question.quantities
            return FoundTerms(
                unit_costs={
                    row.product_id: unit_cost_of(
                        wanted.get(row.product_id, 1), row.unit_cost, price_breaks_of(row.price_breaks)
                    )
                    for row in rows
                }
            )

    @activity.defn(name="show_levels", no_thread_cancel_exception=True)
    def show_levels(self, question: ShowLevels) -> StockLevels:
        """One page of levels, ordered by SKU and warehouse.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one in the question.
        """
        products_named = [*question.products, *([question.product] if question.product else [])]
        places_named = [*question.warehouses, *([question.warehouse] if question.warehouse else [])]
        asked = FindItems(
            products=products_named,
            warehouses=places_named,
            product_ids=question.product_ids,
            warehouse_ids=question.warehouse_ids,
        )
        wanted = self.find_items(asked)
        require_ids(UnknownProduct, question.product_ids, wanted.skus)
        require_ids(UnknownWarehouse, question.warehouse_ids, wanted.warehouse_names)
        product_ids = {*wanted.products.values(), *wanted.skus}
        warehouse_ids = {*wanted.warehouses.values(), *wanted.warehouse_names}
        conditions: list[ColumnElement[bool]] = []
        if product_ids:
            conditions.append(inventory_items.c.product_id.in_(product_ids))
        if warehouse_ids:
            conditions.append(inventory_items.c.warehouse_id.in_(warehouse_ids))
        as_of, most = question.as_of or datetime.now(UTC), min(question.limit, LEVELS_AT_ONCE)
        if question.after:
            conditions.append(tuple_(products.c.sku, warehouses.c.name) > tuple_(*question.after))
        with database_errors(), self._database.snapshot() as connection:
            if question.below_reorder_point:
                conditions.append(available_at(connection, as_of) < inventory_items.c.reorder_point)
            wanted_levels = _LEVELS.where(*conditions).order_by(products.c.sku, warehouses.c.name)
            statement = wanted_levels.limit(most + 1)
            rows = connection.execute(statement).mappings().all()
            levels = _levels(connection, rows[:most], as_of)
        return StockLevels(levels=levels, more=len(rows) > most)

    @activity.defn(name="show_in_transit", no_thread_cancel_exception=True)
    def show_in_transit(self, question: ShowInTransit) -> InTransitPage:
        """One page of the goods in transit between warehouses, by SKU, source and destination.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one in the question.
        """
        places = [name for name in (question.from_warehouse, question.to_warehouse) if name]
        wanted = self.find_items(FindItems(products=[question.product] if question.product else [], warehouses=places))
        source, destination = warehouses.alias("source"), warehouses.alias("destination")
        grouped = (products.c.sku, source.c.name, destination.c.name)
        conditions = [
            transfer_order_lines.c.in_transit > 0,
            *(transfer_order_lines.c.product_id == product_id for product_id in wanted.products.values()),
        ]
        if question.from_warehouse:
            conditions.append(transfer_orders.c.from_warehouse_id == wanted.warehouses[question.from_warehouse])
        if question.to_warehouse:
            conditions.append(transfer_orders.c.to_warehouse_id == wanted.warehouses[question.to_warehouse])
        if question.after:
            conditions.append(tuple_(*grouped) > tuple_(*question.after))
        statement = (
            select(
                products.c.product_id,
                products.c.sku,
                products.c.name,
                source.c.warehouse_id.label("from_warehouse_id"),
                source.c.name.label("from_warehouse"),
                destination.c.warehouse_id.label("to_warehouse_id"),
                destination.c.name.label("to_warehouse"),
                func.sum(transfer_order_lines.c.in_transit).label("quantity"),
                func.count(transfer_orders.c.transfer_id.distinct()).label("transfers"),
                func.min(transfer_orders.c.dispatched_at).label("dispatched_at"),
                func.min(transfer_orders.c.due_at).label("due_at"),
            )
            .join_from(transfer_order_lines, transfer_orders)
            .join(products, products.c.product_id == transfer_order_lines.c.product_id)
            .join(source, source.c.warehouse_id == transfer_orders.c.from_warehouse_id)
            .join(destination, destination.c.warehouse_id == transfer_orders.c.to_warehouse_id)
            .where(*conditions)
            .group_by(products.c.product_id, source.c.warehouse_id, destination.c.warehouse_id)
            .order_by(*grouped)
            .limit(IN_TRANSIT_AT_ONCE + 1)
        )
        with database_errors(), self._database.snapshot() as connection:
            rows = connection.execute(statement).mappings().all()
        lines, more = page_of(InTransit, rows, IN_TRANSIT_AT_ONCE)
        return InTransitPage(lines=lines, more=more)


def level_of(connection: Connection, item: ItemKey, as_of: datetime) -> StockLevel:
    """The level of one item at an instant, as this transaction sees it."""
    is_item = tuple_(inventory_items.c.warehouse_id, inventory_items.c.product_id) == tuple_(*item)
    return _levels(connection, [connection.execute(_LEVELS.where(is_item)).mappings().one()], as_of)[0]


def _levels(connection: Connection, rows: Sequence[RowMapping], as_of: datetime) -> list[StockLevel]:
    """Levels as answers have them, with what can't be promised at an instant: one query more, if there can be any."""
    some = [_key(row) for row in rows if row["is_tracked"] or row["quantity_unavailable"]]
    by_state = read_unavailable(connection, some, as_of)
    levels = []
    for row in rows:
        unavailable = by_state.get(_key(row), {})
        units = sum(unavailable.values())
        free = row["quantity_on_hand"] - row["quantity_reserved"] - row["quantity_buffer"] - units
        told = {"quantity_unavailable": units, "unavailable": unavailable, "quantity_available": max(free, 0)}
        levels.append(StockLevel.model_validate(dict(row) | told))
    return levels


def _key(row: RowMapping) -> ItemKey:
    return ItemKey(row["warehouse_id"], row["product_id"])


def _ids(
    connection: Connection,
    where: Named,
    wanted: Sequence[str],
    unknown: type[UnknownProduct | UnknownWarehouse | UnknownSupplier],
    *,
    digits_are_ids: bool = True,
) -> dict[str, int]:
    found = find_names(connection, where, wanted, digits_are_ids=digits_are_ids)
    if found.several:
        name, spelled = next(iter(found.several.items()))
        raise unknown(f"no {unknown.kind} is called {name!r} exactly; write {' or '.join(spelled)}")
    if found.unknown:
        shown = ", ".join(repr(text) for text in found.unknown[:10])
        hint = did_you_mean(suggestions(connection, where, found.unknown))
        if not hint and not digits_are_ids and found.unknown[0].isdecimal():
            hint = f"; a {unknown.kind} by its id is written id:{found.unknown[0]}"
        raise unknown(f"no {unknown.kind} is called {shown}{hint}")
    return found.ids


def require_ids(
    unknown: type[UnknownProduct | UnknownWarehouse], wanted: Sequence[int], found: Mapping[int, str]
) -> None:
    """Refuse ids that the catalogue hasn't got.

    Raises:
        UnknownProduct, UnknownWarehouse: With every unknown id.
    """
    if missing := set(wanted) - found.keys():
        raise unknown.of(missing)


def _names(connection: Connection, name: Column[T], key: Column[int], wanted: Sequence[int]) -> dict[int, T]:
    rows = connection.execute(select(key.label("key"), name.label("name")).where(key.in_(wanted)))
    return {row.key: row.name for row in rows}
