"""What came of generated payloads, as a section of `docs/benchmarks/faults.md`."""

from collections.abc import Iterator
from pathlib import Path

from tests.faults.fuzz.lanes import TOO_LARGE, Tally
from tests.faults.fuzz.outcome import INVALID

PAGE = Path(__file__).parents[3] / "docs" / "benchmarks" / "faults.md"
_BEGIN, _END = "<!-- The fuzz, by `python -m tests.faults.fuzz`: begin -->\n", "<!-- The fuzz: end -->\n"


def render(tally: Tally, *, seed: int, payloads: int, seconds: float) -> str:
    """The section: what came of the payloads by the way in which they came, and the violations."""
    lines = [*_sums(tally, seed, payloads, seconds), "", *_ways(tally), "", *_violations(tally)]
    return "\n".join(lines) + "\n"


def _sums(tally: Tally, seed: int, payloads: int, seconds: float) -> Iterator[str]:
    stuck = len(tally.violations)
    yield f"- **Seed** {seed}, {payloads:,} payloads in {seconds / 60:.1f} minutes: **{stuck} stuck or wrong**."
    yield f"- {tally.unjudged} refusals came beside a deadline of the lane, so that something else may have changed."


def _ways(tally: Tally) -> Iterator[str]:
    yield f"| way | payloads | answer or effect | `{INVALID}` | another error of the contract | not reached |"
    yield "|---|---:|---:|---:|---:|---:|"
    for way in sorted({way for way, _ in tally.outcomes}):
        of_way = {what: number for (each, what), number in tally.outcomes.items() if each == way}
        total, good, bad = sum(of_way.values()), of_way.get("Answered", 0), of_way.get(INVALID, 0)
        missed = sum(number for what, number in of_way.items() if what in {"Ended", TOO_LARGE})
        yield f"| {way} | {total:,} | {good:,} | {bad:,} | {total - good - bad - missed:,} | {missed:,} |"


def _violations(tally: Tally) -> Iterator[str]:
    yield "No violation." if not tally.violations else "Violations:\n"
    yield from (f"- {violation[:500]}" for violation in tally.violations)


def write(section: str, page: Path = PAGE) -> None:
    """Put the section in place of the last run's."""
    before, _, rest = page.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}\n{section}\n{_END}{after}")
