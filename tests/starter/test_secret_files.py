"""Secrets from files: what a program takes from them, and what it says of a file that is none."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner

from starter.cli.app import app
from starter.secret_files import OF_TRACES, SECRETS, named_files, read_secret_files, readable_by_others
from stockkeeper.client.secret_files import secret_of
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.settings import OTHER_SETTINGS, PREFIX, WORKER_SETTINGS, require_known
from worker import Settings

URL = "postgresql://stockkeeper_worker@postgresql:5432/stockkeeper"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
@pytest.mark.parametrize("name", [*SECRETS, *OF_TRACES])
def test_a_variable_comes_from_the_file_that_is_named(tmp_path: Path, name: str, ending: str) -> None:
    (tmp_path / "secret").write_bytes(f"json://robot:p@ss@example.com/x y{ending}".encode())
    environ = {"PATH": "/bin", f"{name}_FILE": str(tmp_path / "secret")}
    require_known(environ)
    read_secret_files(environ)
    assert environ == {"PATH": "/bin", name: "json://robot:p@ss@example.com/x y"}


@pytest.mark.parametrize(
    "password", ["plain", "p@ss/w:rd", "?#%&=+", "100%41", "'\"\\", "a b", "päßwörd", "/", "@", "{[<>]}|^`~"]
)
def test_a_password_in_a_file_is_the_urls_password_whatever_it_has(tmp_path: Path, password: str) -> None:
    (tmp_path / "password").write_text(f"{password}\n", encoding="utf-8")
    environ = {"DATABASE_URL": f"{URL}?sslmode=require", "DATABASE_PASSWORD_FILE": str(tmp_path / "password")}
    read_secret_files(environ)
    assert environ.keys() == {"DATABASE_URL"}
    found = make_url(environ["DATABASE_URL"])
    assert (found.username, found.password, found.host, found.port, found.database, dict(found.query)) == (
        "stockkeeper_worker",
        password,
        "postgresql",
        5432,
        "stockkeeper",
        {"sslmode": "require"},
    )


def test_a_password_in_a_file_goes_with_a_url_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(URL)
    (tmp_path / "password").write_text("p@ss")
    environ = {"DATABASE_URL_FILE": str(tmp_path / "url"), "DATABASE_PASSWORD_FILE": str(tmp_path / "password")}
    read_secret_files(environ)
    assert environ == {"DATABASE_URL": URL.replace("@", ":p%40ss@")}


def test_an_empty_name_of_a_file_is_none() -> None:
    environ = {"DATABASE_URL": URL, "DATABASE_PASSWORD_FILE": "", "STOCKKEEPER_NOTICE_URLS_FILE": ""}
    read_secret_files(environ)
    assert environ == {"DATABASE_URL": URL}


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        (
            {"STOCKKEEPER_NOTICE_URLS_FILE": "{missing}"},
            "STOCKKEEPER_NOTICE_URLS_FILE names {missing}, which can't be read: No such file or directory",
        ),
        ({"TEMPORAL_API_KEY_FILE": "{empty}"}, "TEMPORAL_API_KEY_FILE names {empty}, which is empty"),
        (
            {"DATABASE_URL_FILE": "{binary}"},
            "DATABASE_URL_FILE names {binary}, which can't be read: it isn't text in UTF-8",
        ),
        (
            {"DATABASE_URL": URL, "DATABASE_URL_FILE": "{secret}"},
            "DATABASE_URL and DATABASE_URL_FILE are both set: keep one of them",
        ),
        (
            {"DATABASE_URL": "postgresql://a:known@b/c", "DATABASE_PASSWORD_FILE": "{secret}"},
            "DATABASE_URL has a password, and DATABASE_PASSWORD_FILE is set: keep one of them",
        ),
        *(
            (
                {"DATABASE_PASSWORD_FILE": "{secret}"} | url,
                "DATABASE_PASSWORD_FILE needs a DATABASE_URL with the user: postgresql://user@host:port/database",
            )
            for url in ({}, {"DATABASE_URL": "postgresql://host/db"}, {"DATABASE_URL": "postgresql://[a@b"})
        ),
    ],
)
def test_what_cannot_be_taken_is_told_by_the_variables_name_and_never_by_its_content(
    tmp_path: Path, environ: dict[str, str], told: str
) -> None:
    files = {name: tmp_path / name for name in ("secret", "empty", "binary", "missing")}
    files["secret"].write_text("s3cret")
    files["empty"].write_text("\n")
    files["binary"].write_bytes(b"\xff\xfe")
    environ = {name: value.format_map(files) for name, value in environ.items()}
    with pytest.raises(StockkeeperError) as refused:
        read_secret_files(environ)
    assert str(refused.value) == told.format_map(files)
    assert {"s3cret", "known"}.isdisjoint(str(refused.value).split())


def test_a_file_of_blanks_and_line_ends_is_empty(tmp_path: Path) -> None:
    (tmp_path / "blank").write_text(" \n\n")
    with pytest.raises(StockkeeperError, match=r"TEMPORAL_API_KEY_FILE names .*, which is empty"):
        secret_of({"TEMPORAL_API_KEY_FILE": str(tmp_path / "blank")}, "TEMPORAL_API_KEY")


def test_every_setting_that_is_kept_out_of_logs_may_come_from_a_file() -> None:
    hidden = {name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert {name for name in hidden if f"{PREFIX}{name}" not in SECRETS} == {"DATABASE_URL"}
    # And each variable of ours that names a file is of one that may be given without one, in the same two ways.
    files = {name.removesuffix("_FILE") for name in OTHER_SETTINGS if name.endswith("_FILE")}
    assert files <= OTHER_SETTINGS | WORKER_SETTINGS


def test_a_file_is_readable_by_others_if_they_get_to_it_too() -> None:
    # Not in pytest's directory, which is its user's alone.
    with TemporaryDirectory() as outer:
        (file := Path(outer) / "secret").write_text("s3cret")
        found = []
        for rights, of_directory in ((0o644, 0o755), (0o640, 0o755), (0o600, 0o755), (0o644, 0o750)):
            file.chmod(rights)
            Path(outer).chmod(of_directory)
            found.append(readable_by_others(str(file)))
        assert readable_by_others(str(file.with_name("missing"))) is False
    assert found == [True, False, False, False]


def test_the_doctor_is_told_every_file_that_holds_a_secret() -> None:
    named = {
        **{f"{name}_FILE": f"/{name}" for name in (*SECRETS, *OF_TRACES)},
        "DATABASE_PASSWORD_FILE": "/password",
        "STOCKKEEPER_ENCRYPTION_KEYS_FILE": "/keys",
        "TEMPORAL_TLS_CLIENT_KEY_PATH": "/tls.key",
        "PGPASSFILE": "/pgpass",
    }
    others = {
        "TEMPORAL_CONFIG_FILE": "/temporal.toml",
        "SSL_CERT_FILE": "/certificates",
        "STOCKKEEPER_NOTICE_URLS": "x",
    }
    assert named_files(named | others) == named


def test_the_command_line_takes_them_before_any_command() -> None:
    result = CliRunner().invoke(app, ["setup"], env={"DATABASE_PASSWORD_FILE": "/nowhere/password"})
    told = "DATABASE_PASSWORD_FILE names /nowhere/password, which can't be read: No such file or directory"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"StockkeeperError: {told}\n")
