"""The section of the page of faults that a simulation writes."""

from collections import Counter
from pathlib import Path

from tests.faults.simulation.driver import Violation
from tests.faults.simulation.faults import POSTGRES, WORKER, Happened
from tests.faults.simulation.report import PAGE, render, write
from tests.faults.simulation.soak import Soaked

_SOAKED = Soaked(
    seed=7,
    seconds=120.0,
    sent=Counter(update=1_100, ask=100, look=40, result=2),
    again=Counter(TIMEOUT=3),
    happened=[Happened(WORKER, 2.0, 1.0), Happened(POSTGRES, 3.0, 9.0), Happened(WORKER, 4.0, 5.04)],
    kills=3,
    quiet_points=4,
    digest="abc of 5 x 2",
    early_digest="abc of 5 x 2",
    fewest=5,
    violations=[Violation("seed 7, lane reservation-0: it is otherwise")],
)


def test_faults_come_by_kind_with_the_worst_recovery_and_each_violation() -> None:
    assert render(_SOAKED).splitlines() == [
        "- **Seed** 7, 2.0 minutes, 4 quiet points.",
        "- **1,200 commands** (1,100 by update, 100 by ask), 10 a second; 42 looks at results.",
        "- Sent again because no answer came: 3 x TIMEOUT.",
        "- **3 faults**, 3 of them by SIGKILL.",
        "- The own lanes' commands: `abc of 5 x 2`; the same for every run of this seed.",
        "",
        "| fault | times | lasted, s | recovery, s: median | worst |",
        "|---|---:|---:|---:|---:|",
        "| worker killed | 2 | 3.0 | 3.0 | 5.0 |",
        "| PostgreSQL killed | 1 | 3.0 | 9.0 | 9.0 |",
        "",
        "**1 violations.**",
        "",
        "- seed 7, lane reservation-0: it is otherwise",
    ]


def test_a_section_takes_the_place_of_the_last_runs(tmp_path: Path) -> None:
    page = tmp_path / "faults.md"
    page.write_text(PAGE.read_text())
    write("first\n", page)
    once = page.read_text()
    write("second\n", page)
    assert page.read_text() == once.replace("\nfirst\n", "\nsecond\n")
    assert once.count("\nfirst\n") == 1
