"""The alert rules of `deploy/prometheus/alerts.yml`, as Prometheus takes them."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from tests.support.promql import Samples, evaluate
from tests.support.scrapes import END

REPOSITORY = Path(__file__).parents[2]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Rule(NamedTuple):
    """One alert rule.

    Attributes:
        for_seconds: How long its expression has to have a value before it fires.
    """

    name: str
    expression: str
    for_seconds: float
    labels: dict[str, str]
    annotations: dict[str, str]


def rules() -> list[Rule]:
    """All of them, in the file's order."""
    read: dict[str, Any] = YAML(typ="safe").load((REPOSITORY / "deploy/prometheus/alerts.yml").read_text())
    return [
        Rule(each["alert"], each["expr"], _seconds(each.get("for", "0s")), each["labels"], each["annotations"])
        for group in read["groups"]
        for each in group["rules"]
    ]


def _seconds(duration: str) -> float:
    matched = re.fullmatch(r"(\d+)([smhd])", duration)
    assert matched, duration
    return float(matched[1]) * _UNITS[matched[2]]


def fires(rule: Rule, samples: Samples) -> bool:
    """Whether it fires at the end of the samples: it has had a value for as long as it has to, at both ends of that."""
    values = [evaluate(rule.expression, samples, END - before) for before in {0.0, rule.for_seconds}]
    assert all(isinstance(value, dict) for value in values)
    return all(values)
