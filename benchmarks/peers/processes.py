"""Peers in folders of their own: installed at a pinned version, and run as processes of callers."""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.peers.callers import MARK
from benchmarks.peers.catalogue import Peer

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
_INSTALL_SECONDS = 900.0
_ANSWER_SECONDS = 180.0


class NotHere(Exception):
    """A peer that can't be tried on this machine, with the reason."""


def install(peer: Peer, folder: Path) -> None:
    """Install a peer's packages into this folder, unless they are there.

    Raises:
        NotHere: The installer is missing or fails; its last words.
    """
    done = folder / ".installed"
    if done.exists() or not peer.packages:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if peer.language == "python":
        _run([sys.executable, "-m", "venv", str(folder / "venv")], folder)
        _run(
            [str(folder / "venv/bin/pip"), "install", "--quiet", "--disable-pip-version-check", *peer.packages], folder
        )
    else:
        for program in ("node", "npm"):
            if shutil.which(program) is None:
                raise NotHere(f"{program} is not on this machine")
        (folder / "package.json").write_text('{"private": true}')
        _run(["npm", "install", "--no-audit", "--no-fund", "--no-progress", "--save-exact", *peer.packages], folder)
    done.touch()


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        ended = subprocess.run(  # noqa: S603 names of pinned packages
            command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotHere(f"not installed within {_INSTALL_SECONDS / 60:.0f} minutes") from None
    if ended.returncode:
        said = [line.strip() for line in (ended.stderr + ended.stdout).splitlines() if "rror" in line]
        raise NotHere(f"not installed: {said[0] if said else 'no reason given'}")


class Callers:
    """A process of callers."""

    def __init__(self, peer: Peer, folder: Path, settings: Mapping[str, str], number: int) -> None:
        adapter = HERE / peer.adapter
        own = json.dumps({**settings, **peer.settings, "process": str(number), "folder": str(folder)})
        environment = dict(os.environ)
        if not peer.packages:
            command = [sys.executable, "-P", str(HERE / "callers.py"), str(adapter), own]
            environment["PYTHONPATH"] = str(ROOT)
        elif peer.language == "python":
            command = [str(folder / "venv/bin/python"), "-P", str(HERE / "callers.py"), str(adapter), own]
        else:
            # Node finds packages from where a file lies, so the adapter lies beside them.
            for name in ("callers.mjs", peer.adapter):
                shutil.copy(HERE / name, folder / name)
            command = ["node", str(folder / "callers.mjs"), str(folder / peer.adapter), own]
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / f"process-{number}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(  # noqa: S603 our own adapters
                command,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                if line.startswith(MARK):
                    self._answers.put(line.removeprefix(MARK))
        self._answers.put(None)

    def ask(self, **asked: Any) -> None:
        """Say what to do; the answer comes by `answer`."""
        if self._process.stdin is not None:
            try:
                self._process.stdin.write(json.dumps(asked) + "\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                return

    def answer(self) -> Any:
        """Wait for the answer.

        Raises:
            NotHere: The process has ended or says nothing; its last words.
        """
        try:
            line = self._answers.get(timeout=_ANSWER_SECONDS)
        except queue.Empty:
            raise NotHere(f"no answer within {_ANSWER_SECONDS:.0f} s") from None
        if line is None:
            said = [each.strip() for each in self._log.read_text(errors="replace").splitlines() if "rror" in each]
            raise NotHere(f"it ended: {said[-1][:300] if said else 'no reason given'}")
        return json.loads(line)

    def __call__(self, **asked: Any) -> Any:
        """Say what to do, and wait for the answer."""
        self.ask(**asked)
        return self.answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=10)
        if self._process.stdout is not None:
            self._process.stdout.close()


def all_at_once(processes: Sequence[Callers], **asked: Any) -> list[Any]:
    """Ask all of them to begin at the same instant, and collect their answers."""
    at = time.time() + 0.5
    for process in processes:
        process.ask(at=at, **asked)
    return [process.answer() for process in processes]
