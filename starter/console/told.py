"""What a list tells of each kind of document: its numbers and its reason, in the words of the person who looks."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from starter.console.texts import Texts
from stockkeeper.client.inbox import InboxItem


def about(texts: Texts, item: InboxItem) -> list[str]:
    """The numbers and the reason of what waits."""
    tells = _TELLS.get(item.kind)
    told = [item.about] if tells is None else tells(texts, item, item.facts)
    return [each for each in told if each]


def kind_of_finding(texts: Texts, kind: str) -> str:
    """What doesn't agree, by a finding's kind."""
    said = texts.say(kind)
    return said if said != kind else kind.lower().replace("_", " ")


def _order(texts: Texts, item: InboxItem, facts: Mapping[str, Any]) -> Iterator[str]:
    if item.task == "approve":
        yield texts.say("worth {worth}", worth=texts.money(facts["total"]))
        yield str(facts["supplier"])
    else:
        yield str(facts.get("supplier", ""))
        yield item.about


def _adjustment(texts: Texts, item: InboxItem, facts: Mapping[str, Any]) -> Iterator[str]:
    yield texts.say("worth {worth}", worth=texts.money(facts["value"]))
    if units := facts["unvalued_units"]:
        yield texts.say("{count} units of unknown cost", count=texts.number(units))
    if holds := facts["would_end"]:
        yield texts.counted("would end {number} hold", "would end {number} holds", holds)
    yield item.about


def _inspection(texts: Texts, item: InboxItem, facts: Mapping[str, Any]) -> Iterator[str]:
    if "open" in facts:
        still, units = texts.number(facts["open"]), texts.number(facts["units"])
        yield texts.say("{count} of {units} units", count=still, units=units)
    yield item.about
    yield str(facts.get("reason", ""))


def _return(texts: Texts, item: InboxItem, facts: Mapping[str, Any]) -> Iterator[str]:
    if "expected" in facts:
        yield texts.counted("{number} unit", "{number} units", facts["expected"])
        yield texts.say("sold as {order}", order=facts["reference_id"])
    yield item.about


def _transfer(texts: Texts, item: InboxItem, facts: Mapping[str, Any]) -> Iterator[str]:
    if "in_transit" in facts:
        yield texts.counted("{number} unit", "{number} units", facts["in_transit"])
    yield item.about


def _recall(texts: Texts, item: InboxItem, facts: Mapping[str, Any]) -> Iterator[str]:
    yield item.about
    if "lot_number" in facts:
        yield texts.say("lot {number}", number=facts["lot_number"])
    yield str(facts.get("reason", ""))


def _finding(texts: Texts, item: InboxItem, facts: Mapping[str, Any]) -> Iterator[str]:
    kind = str(facts["kind"])
    yield kind_of_finding(texts, kind)
    yield item.about.removeprefix(kind.lower().replace("_", " ")).strip()
    expected, actual = texts.number(facts["expected"]), texts.number(facts["actual"])
    yield texts.say("should be {expected}, is {actual}", expected=expected, actual=actual)


_TELLS: Mapping[str, Callable[[Texts, InboxItem, Mapping[str, Any]], Iterator[str]]] = {
    "po": _order,
    "adjust": _adjustment,
    "inspection": _inspection,
    "return": _return,
    "transfer": _transfer,
    "recall": _recall,
    "audit": _finding,
}
