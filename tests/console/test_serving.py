"""`stockkeeper console`, as a program of its own."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from devstack.processes import free_port
from devstack.stack import StackInfo
from starter.cli.app import app
from starter.console.beside import people_of_this_machine
from stockkeeper.contracts.settings import require_known
from tests.support.wire import ANSWER_SECONDS

CONSOLE = (sys.executable, "-m", "starter", "console")


@pytest.fixture
def environment(stack: StackInfo) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "STOCKKEEPER_"))}
    return ours | {
        "TEMPORAL_ADDRESS": stack.temporal_address,
        "TEMPORAL_NAMESPACE": stack.namespace,
        "STOCKKEEPER_TASK_QUEUE": stack.task_queue,
        "COLUMNS": "200",
    }


def _started(cwd: Path, environ: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*CONSOLE, *arguments], cwd=cwd, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _read(process: "subprocess.Popen[str]") -> tuple[str, dict[str, str]]:
    """The first line, and the links of those who are named, once it is up."""
    assert process.stdout is not None
    lines = iter(process.stdout)
    first, links = next(lines, ""), dict[str, str]()
    for line in lines:
        if found := re.fullmatch(r"    (.+): (http://\S+)\n", line):
            links[found[1]] = found[2]
        if "Ctrl-C" in line:
            break
    return first, links


@pytest.mark.usefixtures("worker")
async def test_it_serves_those_who_are_named_until_it_is_stopped(environment: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    settings = environment | {"PYTHONPATH": str(Path.cwd()), "STOCKKEEPER_LOG_FORMAT": "json"}
    process = _started(
        tmp_path, settings, "--port", str(port), "--person", "ada=approve", "--person", "Ben Bow=count@1"
    )
    try:
        first, links = await asyncio.to_thread(_read, process)
        assert first == f"console on http://127.0.0.1:{port}\n"
        assert [*links] == ["ada", "Ben Bow"]
        async with httpx.AsyncClient(follow_redirects=True, timeout=ANSWER_SECONDS) as http:
            page = await http.get(links["Ben Bow"])
            assert (page.status_code, page.url.path) == (200, "/inbox")
            assert '<span class="who">Ben Bow</span>' in page.text
            refused = await http.post(f"http://127.0.0.1:{port}/inbox/approve")
            assert refused.status_code == 403
        process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.to_thread(process.communicate, timeout=ANSWER_SECONDS)
        assert process.returncode == 0
        assert '"message": "signed in: Ben Bow"' in errors
        assert "Traceback" not in errors
        assert not [link for link in links.values() if link.partition("key=")[2] in errors]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("settings", "arguments", "message"),
    [
        ({"STOCKKEEPER_CONSOLE_ISUER": "x"}, (), "did you mean STOCKKEEPER_CONSOLE_ISSUER?"),
        ({"STOCKKEEPER_CONSOLE_URL": "stock.example.com"}, (), "STOCKKEEPER_CONSOLE_URL is 'stock.example.com'"),
        ({"STOCKKEEPER_CONSOLE_ISSUER": "https://login.example"}, (), "STOCKKEEPER_CONSOLE_CLIENT_ID isn't"),
        ({}, ("--person", "ada=fly"), "the role fly"),
    ],
)
def test_a_wrong_setting_stops_the_start_in_a_line(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    for name in [each for each in os.environ if each.startswith("STOCKKEEPER_")]:
        monkeypatch.delenv(name)
    result = CliRunner().invoke(app, ["console", "--port", "0", *arguments], env=environment | settings)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_provider_that_does_not_answer_stops_the_start_in_a_line(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in os.environ if each.startswith("STOCKKEEPER_")]:
        monkeypatch.delenv(name)
    nowhere = {
        "STOCKKEEPER_CONSOLE_ISSUER": f"http://127.0.0.1:{free_port()}",
        "STOCKKEEPER_CONSOLE_CLIENT_ID": "console",
        "STOCKKEEPER_CONSOLE_CLIENT_SECRET": "s3cret",
    }
    result = CliRunner().invoke(app, ["console", "--port", "0"], env=environment | nowhere)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the identity provider that STOCKKEEPER_CONSOLE_ISSUER names can't be asked" in result.stderr
    assert "s3cret" not in result.stderr


def test_there_are_two_for_one_person_cannot_approve_what_is_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for me, people in (("ada", ["ada", "colleague"]), ("colleague", ["colleague", "another"])):
        monkeypatch.setenv("LOGNAME", me)
        assert people_of_this_machine() == people


def test_its_settings_are_known() -> None:
    of_the_console = ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "CLIENT_SECRET_FILE", "SCOPES", "PEOPLE", "URL")
    of_the_proxy = ("PROXY", "PROXY_HEADER", "PROXY_ROLES_HEADER")
    require_known(f"STOCKKEEPER_CONSOLE_{name}" for name in (*of_the_console, *of_the_proxy))


def test_without_its_packages_it_says_how_they_come() -> None:
    program = (
        "import sys; sys.modules['starlette'] = None; sys.argv = ['stockkeeper', 'console']; "
        "from starter.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "this command needs `pip install 'stockkeeper[console]'`" in done.stderr
