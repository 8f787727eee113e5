"""A guarded program ends with its parent, and says how it ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devstack import guard
from devstack.processes import GuardedProcess, StackError, free_ports, require_free_port
from tests.devstack.processes import PATIENCE_SECONDS, all_gone, below, comes_true, runs

# The kernel itself ends it on SIGINT. Python's own handler only leaves a note, which a sleep that is about to begin
# overlooks for as long as it lasts.
SLEEPER = [
    "-c",
    "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print('up', flush=True); time.sleep(60)",
]

# It is deaf to everything but SIGKILL, and so is its own child.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
if os.fork():
    print("up", flush=True)
while True:
    time.sleep(60)
"""


def guarded(*arguments: str, grace_seconds: float = PATIENCE_SECONDS) -> "subprocess.Popen[bytes]":
    """A guard over a Python with these arguments."""
    return subprocess.Popen(
        [
            sys.executable,
            "-I",
            "-S",
            guard.__file__,
            f"--grace-seconds={grace_seconds}",
            "--",
            sys.executable,
            *arguments,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def wait_until_up(guardian: "subprocess.Popen[bytes]") -> set[int]:
    """The guarded processes, once they are up."""
    assert guardian.stdout is not None
    assert guardian.stdout.readline() == b"up\n"
    return below(guardian.pid)


def ended(guardian: "subprocess.Popen[bytes]") -> int:
    """The guard's exit status after its parent has let go of it."""
    guardian.communicate(timeout=PATIENCE_SECONDS)
    return guardian.returncode


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("raise SystemExit(0)", 0),
        ("raise SystemExit(7)", 7),
        ("import os; os.kill(os.getpid(), 9)", 128 + signal.SIGKILL),
    ],
)
def test_a_program_that_ends_by_itself_passes_on_its_status(program: str, status: int) -> None:
    with guarded("-c", program) as guardian:
        assert guardian.wait(PATIENCE_SECONDS) == status


def test_a_program_that_cannot_start_is_told_apart(tmp_path: Path) -> None:
    process = GuardedProcess.start([tmp_path / "absent"], log=tmp_path / "log", cwd=tmp_path)

    assert process.wait() == guard.CANNOT_START
    assert process.log_tail() == (
        f"  {tmp_path}/absent does not start: [Errno 2] No such file or directory: '{tmp_path}/absent'"
    )


def test_the_program_stops_when_the_parent_lets_go() -> None:
    guardian = guarded(*SLEEPER)
    program = wait_until_up(guardian)

    assert ended(guardian) == 128 + signal.SIGINT
    assert all_gone(program)


def test_the_program_stops_when_the_guard_is_asked_to() -> None:
    with guarded(*SLEEPER) as guardian:
        program = wait_until_up(guardian)
        guardian.send_signal(signal.SIGTERM)

        assert guardian.wait(PATIENCE_SECONDS) == 128 + signal.SIGINT
    assert all_gone(program)


def test_a_program_that_ignores_the_stop_is_killed_with_its_children_after_the_grace() -> None:
    guardian = guarded("-c", STUBBORN, grace_seconds=0.1)
    programs = wait_until_up(guardian)

    assert len(programs) == 2
    assert ended(guardian) == 128 + signal.SIGKILL
    assert all_gone(programs)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody watches the guard")
def test_the_program_stops_when_the_guard_itself_is_killed() -> None:
    with guarded(*SLEEPER) as guardian:
        program = wait_until_up(guardian)
        guardian.kill()

        assert all_gone(program)


def test_a_stop_reaches_the_program_once_and_may_be_repeated(tmp_path: Path) -> None:
    process = GuardedProcess.start([sys.executable, *SLEEPER], log=tmp_path / "log", cwd=tmp_path)
    assert comes_true(lambda: process.log_tail() == "  up")
    assert process.is_alive

    process.stop()
    process.stop()

    assert process.exit_status == 128 + signal.SIGINT
    assert not process.is_alive


def test_the_program_gets_what_it_is_to_inherit_and_little_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    reading, writing = os.pipe()
    report = f"import os; os.write({writing}, b'inherited'); print(os.environ.get('PGPORT'), os.environ['TZ'])"

    process = GuardedProcess.start(
        [sys.executable, "-c", report],
        log=tmp_path / "log",
        cwd=tmp_path,
        environment={"TZ": "UTC"},
        inherit=[writing],
    )

    assert process.wait() == 0
    assert os.read(reading, 100) == b"inherited"
    assert process.log_tail() == "  None UTC"
    os.close(reading)
    os.close(writing)


def test_a_program_that_never_gets_ready_is_reported_with_its_log(tmp_path: Path) -> None:
    process = GuardedProcess.start([sys.executable, *SLEEPER], log=tmp_path / "log", cwd=tmp_path)
    assert comes_true(lambda: process.log_tail() == "  up")

    with pytest.raises(StackError) as refusal:
        process.wait_until_ready("It", lambda: "no answer", timeout_seconds=0)

    assert str(refusal.value) == "It is not ready after 0 s (no answer):\n  up"
    process.stop()


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(20)

    assert len(set(ports)) == 20
    for port in ports:
        require_free_port(port, "--port")


def test_a_port_that_does_not_exist_is_refused() -> None:
    with pytest.raises(StackError, match=r"^port 70000 does not exist: choose one up to 65535 with --ui-port$"):
        require_free_port(70000, "--ui-port")


def test_runs_tells_this_process_from_one_that_has_ended() -> None:
    with guarded("-c", "") as guardian:
        guardian.wait(PATIENCE_SECONDS)

    assert runs(os.getpid())
    assert not runs(guardian.pid)
