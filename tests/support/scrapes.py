"""What Prometheus reads from a worker, and the hours that it would have of it."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tests.support.promql import NAME, Labels, Samples

MINUTES = 150
"""How much of the past there is: enough for a range of an hour that lies in it for an hour."""
BAD_MINUTES = 75
END = 60.0 * MINUTES
_TARGET = {"job": "stockkeeper", "instance": "worker:9464"}
"""What Prometheus adds to each sample of a target."""
_TIMESTAMP = "_timestamp_seconds"


class Change(NamedTuple):
    """What is bad, of the series of a metric that have these labels.

    Attributes:
        value: The value that they have instead.
        each_minute: By how much they grow in a minute, beside what they do; for a counter. With neither of the two they
            aren't there at all.
    """

    metric: str
    labels: Mapping[str, str]
    value: float | None = None
    each_minute: float | None = None


class Scrape:
    """One answer of a worker to Prometheus."""

    def __init__(self, text: str) -> None:
        self.values: dict[Labels, float] = {}
        self.counters: set[str] = set()
        declared = {*re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                # The library gives every counter the end that the SDK's haven't got.
                bare = sample.name.removesuffix("_total")
                name = bare if family.type == "counter" and sample.name not in declared else sample.name
                labels = frozenset({NAME: name, **sample.labels}.items())
                assert labels not in self.values, f"twice: {labels}"
                self.values[labels] = float(sample.value)
                if family.type in {"counter", "histogram"}:
                    self.counters.add(name)

    @property
    def names(self) -> set[str]:
        """The names of the series."""
        return {dict(labels)[NAME] for labels in self.values}

    def of(self, name: str, **labels: str) -> dict[frozenset[tuple[str, str]], float]:
        """The values of a metric by those of its labels that weren't asked for."""
        ignored = {NAME, "service_name", *labels}
        return {
            frozenset(each for each in found if each[0] not in ignored): value
            for found, value in self.values.items()
            if {NAME: name, **labels}.items() <= dict(found).items()
        }

    def value(self, name: str, **labels: str) -> float:
        """The value of the one series with these labels."""
        [value] = self.of(name, **labels).values()
        return value


def scrape(address: str) -> Scrape:
    """Ask a worker."""
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return Scrape(answer.read().decode())


def sustained(before: Scrape, after: Scrape, names: Collection[str], *changes: Change) -> Samples:
    """The past of a worker that has done each minute what this one has between two scrapes.

    Args:
        before: The first scrape: where counters begin.
        after: The second one, whose gauges have been so all the time.
        names: The metrics that are wanted, or patterns of their names.
        changes: What has been otherwise for the last `BAD_MINUTES`.
    """
    pattern = re.compile("|".join(f"{name}" for name in names))
    samples = Samples()
    series = {labels: value for labels, value in after.values.items() if pattern.fullmatch(dict(labels)[NAME])}
    for labels, value in series.items():
        named = dict(labels)
        grows = value - before.values.get(labels, 0.0) if named[NAME] in after.counters else None
        _add(samples, named, value, grows, changes)
    _add(samples, {NAME: "up"}, 1.0, None, changes)
    for change in changes:
        new = {NAME: change.metric, **change.labels}
        if change.metric != "up" and not any(new.items() <= dict(labels).items() for labels in series):
            _add(samples, new, None, 0.0, changes)
    return samples


def _add(
    samples: Samples, named: Mapping[str, str], value: float | None, grows: float | None, changes: Collection[Change]
) -> None:
    """Add a series; one without a value is there only while it is bad."""
    mine = [each for each in changes if {NAME: each.metric, **each.labels}.items() <= named.items()]
    for minute in range(MINUTES + 1):
        at = 60.0 * minute
        now = (value or 0.0) + (grows or 0.0) * minute
        if named[NAME].endswith(_TIMESTAMP):
            now = at
        bad = minute - (MINUTES - BAD_MINUTES)
        if value is None and bad < 0:
            continue
        if mine and bad >= 0:
            [change] = mine
            if change.each_minute is not None:
                now += change.each_minute * bad
            elif change.value is None:
                continue
            else:
                now = change.value
        samples.add({**named, **_TARGET}, at, now)


def each_series(scraped: Scrape) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The name and the labels of every series."""
    for labels in scraped.values:
        named = dict(labels)
        yield named.pop(NAME), named
