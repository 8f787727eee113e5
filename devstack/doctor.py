"""The doctor: looks at an installation as its workers see it, and says of each part whether it is well.

A check that can't be made because its server doesn't answer is left out: the server's own check says so.
"""

import asyncio
import os
import platform
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import temporalio
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from activities.identity_keys import Keys, KeysUnavailable
from database.about import WORKER_ROLE
from database.migrate import newest_revision
from devstack.doctor_database import database_checks
from devstack.doctor_databases import several_checks
from devstack.doctor_temporal import temporal_checks
from devstack.settings import in_a_line
from starter.checks import Check
from starter.secret_files import readable_by_others
from stockkeeper.client.connection import Connection
from stockkeeper.client.encryption import EncryptionCodec, read_keys
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.settings import UnknownSetting, queues_of, require_known
from worker import Settings

CONNECTIONS_BESIDE_THE_POOL = 3
"""A worker's connections that listen for stock and for events, and the one that numbers events."""


@dataclass(frozen=True)
class Patient:
    """What is looked at.

    Attributes:
        settings: A worker's settings, by this process's environment.
        is_ours: Whether the database is that of `stockkeeper up`.
        problem: What is wrong with the settings; empty: nothing.
    """

    settings: Settings
    is_ours: bool
    problem: str = ""


async def examine(
    connect: Callable[[], Awaitable[Connection]], stack: Mapping[str, str] | None, files: Mapping[str, str]
) -> list[Check]:
    """Make all checks; nothing is changed.

    Args:
        connect: Connects to Temporal as the command line does.
        stack: The addresses of this directory's stack, if one is up.
        files: Files with secrets, by the variables that name them.
    """
    patient = read_settings(stack)
    settings = patient.settings
    queues = queues_of(settings.databases)
    database, several, temporal = await asyncio.gather(
        database_checks(
            settings.database_url.get_secret_value(),
            settings.database_role,
            connections=settings.connections + CONNECTIONS_BESIDE_THE_POOL,
            is_ours=patient.is_ours,
            task_queue=settings.task_queue,
            queues=queues,
        ),
        several_checks(
            # A worker knows its own by DATABASE_URL, and needs the others.
            {settings.task_queue: settings.database_url.get_secret_value()}
            | {queue: url.get_secret_value() for queue, url in settings.urls.items()},
            settings.database_role,
            queues,
            is_ours=patient.is_ours,
        ),
        temporal_checks(connect, settings.version, settings.nexus_endpoint),
    )
    identity = await asyncio.to_thread(_identity, settings)
    here = [_versions(), _settings(patient.problem), secret_files(files), encryption(os.environ), _notices(settings)]
    return [*here, identity, *database, *several, *temporal]


def read_settings(stack: Mapping[str, str] | None) -> Patient:
    """A worker's settings as it would read them here; of a stack that is up here, those that its worker has."""
    problems = []
    try:
        require_known(os.environ)
    except UnknownSetting as error:
        problems.append(str(error))
    try:
        settings = Settings()
    except (ValidationError, SettingsError) as error:
        problems.append(in_a_line(error))
        url, role = os.environ.get("DATABASE_URL", ""), os.environ.get("STOCKKEEPER_DATABASE_ROLE") or None
        settings = Settings.model_construct(database_url=SecretStr(url), database_role=role)
    is_ours = not settings.database_url.get_secret_value() and stack is not None
    if is_ours and stack is not None:
        settings = settings.model_copy(
            update={
                "database_url": SecretStr(stack["database_url"]),
                "database_role": settings.database_role or WORKER_ROLE,
                "build_id": None,
                "databases": stack.get("databases", settings.databases),
                "database_urls": SecretStr(stack.get("database_urls", "")),
                "task_queue": stack["task_queue"],
            }
        )
    return Patient(settings, is_ours, "; ".join(problems))


def _versions() -> Check:
    parts = {
        "Python": platform.python_version(),
        "temporalio": temporalio.service.__version__,
        "schema": newest_revision(),
    }
    return Check("versions", ok=True, detail=", ".join(f"{name} {version}" for name, version in parts.items()))


def _settings(problem: str) -> Check:
    if problem:
        advice = "correct the variable; a worker with it doesn't start"
        return Check("settings", ok=False, detail=problem, advice=advice)
    return Check("settings", ok=True, detail="all variables are known, and their values make sense")


def secret_files(files: Mapping[str, str]) -> Check:
    """Who else could read the files that secrets come from.

    Args:
        files: The files, by the variables that name them.
    """
    if not files:
        return Check("secret_files", ok=True, detail="no secret comes from a file")
    if open_ones := [f"{path} ({name})" for name, path in files.items() if readable_by_others(path)]:
        return Check(
            "secret_files",
            ok=True,
            detail=f"every account of this machine may read {', '.join(open_ones)}",
            advice="chmod o-r the file, or o-x its directory; in a container with no other account it may stay so",
        )
    return Check("secret_files", ok=True, detail=f"{len(files)} named, none readable by every account")


def encryption(environ: Mapping[str, str]) -> Check:
    """Which keys this process encrypts and decrypts payloads with."""
    try:
        keys = read_keys(environ)
        if keys is not None:
            EncryptionCodec(keys)
    except StockkeeperError as error:
        advice = "correct the keys: nothing with them connects to Temporal (docs/encryption.md)"
        return Check("encryption", ok=False, detail=str(error), advice=advice)
    if keys is None:
        return Check("encryption", ok=True, detail="off: payloads are in the clear in Temporal")
    read = f"payloads of these keys can be read: {', '.join(keys.by_id)}"
    if keys.current is None:
        advice = "take `none` out of the keys once every process has them"
        return Check("encryption", ok=True, detail=f"nothing is encrypted; {read}", advice=advice)
    return Check("encryption", ok=True, detail=f"payloads are encrypted with key {keys.current}; {read}")


def _notices(settings: Settings) -> Check:
    ways = settings.notice_ways
    told = {"procurement": ways.procurement, "suppliers": ways.supplier}
    to_the_log = [audience for audience, urls in told.items() if not urls]
    if not to_the_log:
        return Check("notices", ok=True, detail="procurement and suppliers are written to")
    variables = {"procurement": "STOCKKEEPER_NOTICE_URLS", "suppliers": "STOCKKEEPER_SUPPLIER_NOTICE_URLS"}
    return Check(
        "notices",
        ok=True,
        detail=f"nothing is set up by which {' and '.join(to_the_log)} get mail: what they should know is in the "
        "worker's log, and in the state of each document",
        advice=f"set {' and '.join(variables[audience] for audience in to_the_log)}, for the workers",
    )


def _identity(settings: Settings) -> Check:
    if not settings.requires_identity:
        return Check("identity", ok=True, detail="off: names are taken on trust, from whoever can reach Temporal")
    try:
        keys = Keys(settings.identity_keys or "").read()
    except KeysUnavailable as error:
        advice = "correct STOCKKEEPER_IDENTITY_KEYS, or let this machine reach it; until then no message is taken"
        return Check("identity", ok=False, detail=str(error), advice=advice)
    return Check("identity", ok=True, detail=f"required; keys of the identity provider: {len(keys.keys)}")
