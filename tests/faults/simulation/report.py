"""What a simulation has done and found, as lines for a terminal and as a section of `docs/benchmarks/faults.md`."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from tests.faults.simulation.faults import Happened
from tests.faults.simulation.soak import Soaked

PAGE = Path(__file__).parents[3] / "docs" / "benchmarks" / "faults.md"
_LOOKS = ("look", "result")
_BEGIN, _END = "<!-- The soak, by `make soak`: begin -->\n", "<!-- The soak: end -->\n"
MARKS = {
    1: (_BEGIN, _END),
    2: (
        "<!-- Two databases, by `python -m tests.faults.simulation --databases 2`: begin -->\n",
        "<!-- Two databases: end -->\n",
    ),
}
"""What stands before and behind the section on so many databases."""


def render(soaked: Soaked) -> str:
    """The section: commands, faults by kind with their durations, and the violations."""
    return "\n".join([*_sums(soaked), "", *_faults(soaked.happened), "", *_violations(soaked)]) + "\n"


def _sums(soaked: Soaked) -> Iterator[str]:
    looked = sum(soaked.sent[way] for way in _LOOKS)
    commands = soaked.sent.total() - looked
    ways = ", ".join(f"{count:,} by {way}" for way, count in soaked.sent.most_common() if way not in _LOOKS)
    again = ", ".join(f"{count:,} x {problem}" for problem, count in soaked.again.most_common()) or "none"
    yield f"- **Seed** {soaked.seed}, {soaked.seconds / 60:.1f} minutes, {soaked.quiet_points} quiet points."
    rate = commands / soaked.seconds
    yield f"- **{commands:,} commands** ({ways}), {rate:.0f} a second; {looked:,} looks at results."
    yield f"- Sent again because no answer came: {again}."
    yield f"- **{len(soaked.happened):,} faults**, {soaked.kills:,} of them by SIGKILL."
    if soaked.databases > 1:
        sold = f"{soaked.while_one_was_away:,} commands for warehouses of one were answered"
        yield f"- **{soaked.databases} databases**: {sold} while another was away; {soaked.moves} moves of warehouses."
    yield f"- The own lanes' commands: `{soaked.digest}`; the same for every run of this seed."


def _faults(happened: Sequence[Happened]) -> Iterator[str]:
    by_kind: dict[str, list[Happened]] = defaultdict(list)
    for each in happened:
        by_kind[each.kind].append(each)
    yield "| fault | times | lasted, s | recovery, s: median | worst |"
    yield "|---|---:|---:|---:|---:|"
    for kind, those in sorted(by_kind.items(), key=lambda item: -len(item[1])):
        recoveries = [each.recovery_seconds for each in those]
        lasted = median(each.seconds for each in those)
        yield f"| {kind} | {len(those):,} | {lasted:.1f} | {median(recoveries):.1f} | {max(recoveries):.1f} |"


def _violations(soaked: Soaked) -> Iterator[str]:
    yield f"**{len(soaked.violations)} violations.**"
    yield ""
    yield from (f"- {violation.text}" for violation in soaked.violations)


def silence_the_sdk() -> None:
    """What a client tries again is counted; the SDK's own word for each try is too much."""
    quiet = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=quiet)))


def write(section: str, page: Path = PAGE, *, begin: str = _BEGIN, end: str = _END) -> None:
    """Put the section in place of the last run's, between these lines."""
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{section}\n{end}{after}")
