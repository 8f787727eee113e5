"""The wheel in a service's environment: what it brings, what it leaves alone, and what mypy sees of it."""

import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import temporalio

ROOT = Path(__file__).parents[2]
BUILT_FROM = (
    *("activities", "database", "devstack", "starter", "stockkeeper", "workflows"),
    *("LICENSE", "README.md", "pyproject.toml", "worker.py"),
)

SERVICE = """
import asyncio

import contracts
import domain
import worker
import workflows
from stockkeeper import (
    DeliveryLine,
    InsufficientStock,
    InvalidRequest,
    InvalidState,
    Line,
    NotPermitted,
    OperationConflict,
    OrderLine,
    Stockkeeper,
    UnknownProduct,
)


async def main(stock: Stockkeeper) -> None:
    hold = await stock.reserve("1042", [Line("TEA-100", "Hamburg", quantity=2)], performed_by="checkout")
    reveal_type(hold.state)
    reveal_type(hold.state.status)
    reveal_type(hold.state.lines[0].quantity)
    reveal_type(await hold.fulfill([Line(7, quantity=1)], performed_by="packing"))
    order = await stock.purchase_order("PO-7")
    reveal_type(order.state.line_items[0].unit_cost)
    reveal_type(await order.receive("R-1", [DeliveryLine("TEA-100", quantity=1)], performed_by="dock"))
    reveal_type((await stock.transfer("T-1")).state.line_items[0].in_transit)
    reveal_type((await stock.customer_return("R-1")).state.status)
    reveal_type((await stock.adjustment("A-1")).state.value)
    reveal_type((await stock.cycle_count("C-1")).state.lines)
    reveal_type((await stock.awaiting_approval())[0].total)
    reveal_type((await stock.holds())[0].memo)
    async for level in stock.levels(["TEA-100", 7], "Hamburg"):
        reveal_type(level.quantity_available)
    async for line in stock.in_transit(product="TEA-100"):
        reveal_type(line.due_at)
    async for plan in stock.plans():
        reveal_type(plan.reorder_point)
    async for movement in stock.history("TEA-100", "Hamburg"):
        reveal_type(movement.created_at)
    reveal_type(await stock.terms("Weser", ["TEA-100"]))


def refused(error: Exception) -> None:
    if isinstance(error, InsufficientStock):
        reveal_type(error.shortages)
        reveal_type(error.details)
    elif isinstance(error, InvalidRequest):
        reveal_type(error.details)
        reveal_type(error.details.get("errors", [])[0]["line"])
    elif isinstance(error, InvalidState):
        reveal_type(error.details["status"])
    elif isinstance(error, UnknownProduct):
        reveal_type(error.details)
    elif isinstance(error, NotPermitted | OperationConflict):
        reveal_type(error.details)
    reveal_type((domain.OURS, contracts.OURS, workflows.OURS, worker.OURS))
"""


def run(*command: str | Path, cwd: Path, code: int = 0, **env: str) -> str:
    """A program's output, standard error with it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_", "TEMPORAL_"))}
    done = subprocess.run(
        command, cwd=cwd, env=kept | env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == code, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the checkout: a build leaves files behind."""
    source = tmp_path_factory.mktemp("source")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", cwd=source)
    [wheel] = (source / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; what others have made comes from this one, by a path."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    [packages] = home.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(packages)
    (packages / "others.pth").write_text(str(Path(temporalio.__file__).parents[1]))
    return home / "bin" / "python"


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """Another's project, with modules of the names that Stockkeeper's application has."""
    for name in ("domain", "contracts", "workflows"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("OURS: str = 'ours'\n")
    (tmp_path / "worker.py").write_text("OURS: str = 'ours'\n")
    (tmp_path / "service.py").write_text(SERVICE)
    return tmp_path


def test_it_brings_two_packages_and_nothing_else(python: Path) -> None:
    packages = next(python.parents[1].glob("lib/python*/site-packages"))
    names = {each.name for each in packages.iterdir()} - {"others.pth"}
    assert {re.sub(r"-[\d.]+\.dist-info$", "", name) for name in names} == {"stockkeeper", "starter"}
    assert len(names) == 3
    assert (packages / "stockkeeper" / "py.typed").is_file()
    assert (packages / "stockkeeper" / "contracts" / "schema.json").is_file()
    assert (packages / "starter" / "cli" / "fonts" / "DejaVuSansCondensed-Bold-subset.ttf").is_file()


def test_a_service_imports_its_own_modules_and_no_database(python: Path, service: Path) -> None:
    shown = run(
        python,
        "-c",
        "import sys, contracts, domain, stockkeeper, worker, workflows\n"
        "print(*(each.__file__ for each in (contracts, domain, worker, workflows)), sep='\\n')\n"
        "print(stockkeeper.__file__)\n"
        "others = {'opentelemetry', 'sqlalchemy', 'psycopg', 'typer', 'rich'}\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & others))",
        cwd=service,
    ).splitlines()
    assert all(Path(each).is_relative_to(service) for each in shown[:4])
    assert Path(shown[4]).is_relative_to(python.parents[1])
    assert shown[5] == "[]"


def test_mypy_sees_no_any_in_a_service(python: Path, service: Path) -> None:
    shown = run(
        *(sys.executable, "-m", "mypy", "--strict", "--disallow-any-expr", "--python-executable", python),
        *("--cache-dir", os.devnull, "service.py"),
        cwd=service,
    )
    revealed = re.findall(r'Revealed type is "(.*)"', shown)
    assert len(revealed) == SERVICE.count("reveal_type("), shown
    assert [each for each in revealed if re.search(r"\bAny\b", each)] == []
    assert "list[stockkeeper.domain.errors.Shortage]" in revealed


def test_the_application_is_said_to_run_from_elsewhere(python: Path, tmp_path: Path) -> None:
    # What they import is imported once; a command ends its process.
    program = """
import os, sys
import starter.cli.app
from starter.cli.main import main

for command in ("up", "demo", "setup"):
    if not (child := os.fork()):
        sys.argv[1:] = [command]
        main()
    _, ended = os.waitpid(child, 0)
    print(command, os.waitstatus_to_exitcode(ended), flush=True)
"""
    said = (
        "this command runs from a checkout or the image, which have the application; "
        "`pip install` brings the library alone\n"
    )
    shown = run(python, "-c", program, cwd=tmp_path, HOME=str(tmp_path))
    assert shown == "".join(f"{said}{command} 1\n" for command in ("up", "demo", "setup"))
