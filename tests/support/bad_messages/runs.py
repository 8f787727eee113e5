"""What is wrong for the starts of runs that act on one warehouse or all, and take no commands."""

from stockkeeper.contracts import reorder, replenishment_plan, stock_audit
from tests.support.bad import BAD_MONEY, Json, Spoil, any_message, bad_number, with_fields
from tests.support.bad_messages.matrix import Matrix


def _bad(field: str, **values: Json) -> dict[str, Spoil]:
    """The field with each of these values."""
    return {f"{field} {name}": with_fields(**{field: value}) for name, value in values.items()}


_ANY_RUN: dict[str, Spoil] = {
    name: spoil
    for name, spoil in any_message().items()
    if not name.startswith("performed_by") and name != "an empty object"
} | {"a field for who performs it": with_fields(performed_by="ann")}
"""What is wrong for every start of a run that names no person and all of whose fields may be left out."""
_WAREHOUSE: dict[str, Spoil] = {
    **bad_number("warehouse_id", at_most=2**63 - 1),
    "warehouse_id a fraction": with_fields(warehouse_id=1.5),
    "warehouse_id a float": with_fields(warehouse_id=1.0),
}
_REORDER: dict[str, Spoil] = {
    **_ANY_RUN,
    **_WAREHOUSE,
    **_bad("dry_run", null=None, one=1, zero=0, yes="yes", true="true", list=[True], nan=float("nan")),
}
_PLAN: dict[str, Spoil] = {
    **_ANY_RUN,
    **_WAREHOUSE,
    **bad_number("history_days", at_most=3_660),
    **_bad("history_days", null=None, fraction=1.5, float=90.0),
    **bad_number("service_level", at_most=1),
    **_bad("service_level", one=1, nearly=1.0, null=None),
    **bad_number("fill_rate", at_most=1),
    **_bad("fill_rate", one=1, text="0.98"),
    **_bad("method", unknown="poisson", empty="", number=1),
    "fill_rate by the seed's formula": with_fields(method="seed", fill_rate=0.98),
    "forecast by the seed's formula": with_fields(method="seed", forecast=True),
    **_bad("forecast", one=1, word="true"),
    **{f"order_cost {name}": with_fields(order_cost=value) for name, value in BAD_MONEY.items()},
    **{
        name: spoil
        for name, spoil in bad_number("holding_cost_rate", at_most=100).items()
        if not name.endswith(" zero")
    },
}

STARTS: dict[str, Matrix] = {
    "reorder": Matrix(reorder.PROCESS.start, {"warehouse_id": 7}, _REORDER),
    "replenishment_plan": Matrix(replenishment_plan.PROCESS.start, {"warehouse_id": 7}, _PLAN),
    "stock_audit": Matrix(stock_audit.PROCESS.start, {"warehouse_id": 7}, _ANY_RUN | _WAREHOUSE),
}
