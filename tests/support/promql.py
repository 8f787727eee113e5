"""Evaluates the PromQL that our alert rules and dashboard use, over samples in memory; a library parses it.

It knows the functions below and no others, each as Prometheus has it. What it doesn't know it refuses, so that no rule
passes for being misunderstood.
"""

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import promql_parser as promql

NAME = "__name__"
_STALE_SECONDS = 300.0
"""Prometheus takes the latest sample of a series, if it isn't older."""

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]


class Point(NamedTuple):
    """A sample of a series."""

    at: float
    value: float


class Samples:
    """What was scraped."""

    def __init__(self) -> None:
        self._series: dict[Labels, list[Point]] = {}

    def add(self, labels: Mapping[str, str], at: float, value: float) -> None:
        """Add a sample; those of one series in the order of time."""
        self._series.setdefault(frozenset(labels.items()), []).append(Point(at, value))

    def matching(self, matches: Callable[[Mapping[str, str]], bool]) -> Iterator[tuple[Labels, Sequence[Point]]]:
        """The series whose labels fit."""
        for labels, points in self._series.items():
            if matches(dict(labels)):
                yield labels, points


def names_in(expression: str) -> set[str]:
    """The names of the metrics that an expression asks for; of those it asks for by a pattern, the pattern."""
    return {name for node in _nodes(promql.parse(expression)) if (name := _name_of(node))}


def evaluate(expression: str, samples: Samples, at: float) -> Vector | float:
    """The value of an expression at an instant."""
    return _value(promql.parse(expression), samples, at)


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        if (child := getattr(node, name, None)) is not None:
            yield from _nodes(child)
    for child in getattr(node, "args", ()):
        yield from _nodes(child)


def _name_of(node: Any) -> str | None:
    if not isinstance(node, promql.VectorSelector):
        return None
    patterns = [each.value for each in node.matchers.matchers if each.name == NAME]
    return node.name or next(iter(patterns), None)


def _value(node: Any, samples: Samples, at: float) -> Vector | float:
    match node:
        case promql.NumberLiteral():
            return float(node.val)
        case promql.ParenExpr():
            return _value(node.expr, samples, at)
        case promql.VectorSelector():
            return dict(_instant(node, samples, at))
        case promql.AggregateExpr():
            return _aggregated(node, _vector(node.expr, samples, at))
        case promql.Call():
            return _called(node, samples, at)
        case promql.BinaryExpr():
            return _combined(node, _value(node.lhs, samples, at), _value(node.rhs, samples, at))
    raise NotImplementedError(type(node).__name__)


def _vector(node: Any, samples: Samples, at: float) -> Vector:
    found = _value(node, samples, at)
    assert isinstance(found, dict), node
    return found


_MATCHES: Mapping[str, Callable[[str, str], bool]] = {
    "Equal": operator.eq,
    "NotEqual": operator.ne,
    "Re": lambda value, pattern: re.fullmatch(pattern, value) is not None,
    "NotRe": lambda value, pattern: re.fullmatch(pattern, value) is None,
}


def _selected(node: Any, samples: Samples) -> Iterator[tuple[Labels, Sequence[Point]]]:
    assert not node.matchers.or_matchers
    wanted = [(each.name, _MATCHES[_word(each.op)], each.value) for each in node.matchers.matchers]
    if node.name:
        wanted.append((NAME, operator.eq, node.name))
    return samples.matching(lambda labels: all(matches(labels.get(name, ""), value) for name, matches, value in wanted))


def _instant(node: Any, samples: Samples, at: float) -> Iterator[tuple[Labels, float]]:
    then = at - (node.offset or timedelta()).total_seconds()
    for labels, points in _selected(node, samples):
        recent = [point for point in points if then - _STALE_SECONDS < point.at <= then]
        if recent:
            yield labels, recent[-1].value


def _range(node: Any, samples: Samples, at: float) -> Iterator[tuple[Labels, Sequence[Point], float]]:
    assert isinstance(node, promql.MatrixSelector)
    seconds = node.range.total_seconds()
    then = at - (node.vector_selector.offset or timedelta()).total_seconds()
    for labels, points in _selected(node.vector_selector, samples):
        yield labels, [point for point in points if then - seconds < point.at <= then], seconds


def _increase(points: Sequence[Point], seconds: float, at: float) -> float:
    """By how much a counter has grown, extrapolated to the ends of the range, but not below zero before its start."""
    grown = sum(
        later.value - (earlier.value if later.value >= earlier.value else 0) for earlier, later in pairwise(points)
    )
    sampled = points[-1].at - points[0].at
    step = sampled / (len(points) - 1)
    before, after = points[0].at - (at - seconds), at - points[-1].at
    before = before if before < step * 1.1 else step / 2
    after = after if after < step * 1.1 else step / 2
    if grown > 0:
        before = min(before, sampled * points[0].value / grown)
    return grown * (sampled + before + after) / sampled


def _called(node: Any, samples: Samples, at: float) -> Vector | float:
    match node.func.name:
        case "time":
            return at
        case "absent":
            return {} if _vector(node.args[0], samples, at) else {frozenset(): 1.0}
        case "increase" | "rate" as name:
            return {
                _unnamed(labels): _increase(points, seconds, at) / (seconds if name == "rate" else 1.0)
                for labels, points, seconds in _range(node.args[0], samples, at)
                if len(points) > 1
            }
        case "histogram_quantile":
            quantile = _value(node.args[0], samples, at)
            assert isinstance(quantile, float)
            return _quantiles(quantile, _vector(node.args[1], samples, at))
    raise NotImplementedError(node.func.name)


def _quantiles(quantile: float, buckets: Vector) -> Vector:
    histograms: dict[Labels, list[tuple[float, float]]] = {}
    for labels, count in buckets.items():
        bound = float(dict(labels)["le"])
        histograms.setdefault(frozenset(each for each in labels if each[0] != "le"), []).append((bound, count))
    return {labels: _quantile(quantile, sorted(histogram)) for labels, histogram in histograms.items()}


def _quantile(quantile: float, histogram: Sequence[tuple[float, float]]) -> float:
    total = histogram[-1][1]
    if not total:
        return math.nan
    rank, lower, below = quantile * total, 0.0, 0.0
    for bound, count in histogram:
        if count >= rank:
            return lower if math.isinf(bound) else lower + (bound - lower) * (rank - below) / (count - below)
        lower, below = bound, count
    raise AssertionError(histogram)


_AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {"sum": sum, "max": max, "min": min, "count": len}


def _aggregated(node: Any, vector: Vector) -> Vector:
    by = {*node.modifier.labels} if node.modifier else set()
    assert node.modifier is None or _word(node.modifier.type) == "By"
    groups: dict[Labels, list[float]] = {}
    for labels, value in vector.items():
        groups.setdefault(frozenset(each for each in labels if each[0] in by), []).append(value)
    return {labels: float(_AGGREGATES[_word(node.op)](values)) for labels, values in groups.items()}


_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


def _combined(node: Any, left: Vector | float, right: Vector | float) -> Vector | float:
    word = _word(node.op)
    if word in {"and", "or", "unless"}:
        assert isinstance(left, dict)
        assert isinstance(right, dict)
        return _of_sets(word, left, right, _matching(node))
    if isinstance(left, float) and isinstance(right, float):
        return _ARITHMETIC[word](left, right)
    pairs = list(_pairs(left, right, _matching(node)))
    if word in _ARITHMETIC:
        return {_unnamed(labels): _ARITHMETIC[word](one, other) for labels, one, other in pairs}
    kept = [each for each in pairs if _COMPARISONS[word](each[1], each[2])]
    # A comparison keeps the vector's value, on whichever side it is.
    return {labels: other if isinstance(left, float) else one for labels, one, other in kept}


def _pairs(
    left: Vector | float, right: Vector | float, key: Callable[[Labels], Labels]
) -> Iterator[tuple[Labels, float, float]]:
    if isinstance(left, float):
        assert isinstance(right, dict)
        yield from ((labels, left, value) for labels, value in right.items())
    elif isinstance(right, float):
        yield from ((labels, value, right) for labels, value in left.items())
    else:
        others = {key(labels): value for labels, value in right.items()}
        assert len(others) == len(right), "many to one"
        yield from ((labels, one, others[key(labels)]) for labels, one in left.items() if key(labels) in others)


def _of_sets(word: str, left: Vector, right: Vector, key: Callable[[Labels], Labels]) -> Vector:
    in_left, in_right = ({key(labels) for labels in vector} for vector in (left, right))
    if word == "or":
        return left | {labels: value for labels, value in right.items() if key(labels) not in in_left}
    return {labels: value for labels, value in left.items() if (key(labels) in in_right) == (word == "and")}


def _matching(node: Any) -> Callable[[Labels], Labels]:
    matching = node.modifier.matching if node.modifier else None
    if matching is None:
        return _unnamed
    assert _word(matching.type) == "Include"
    on = {*matching.labels}
    return lambda labels: frozenset(each for each in labels if each[0] in on)


def _unnamed(labels: Labels) -> Labels:
    return frozenset(each for each in labels if each[0] != NAME)


def _word(token: object) -> str:
    """What the parser's token says, such as ``sum`` or ``>=``."""
    return str(token).rpartition(".")[2]
