"""Secrets from files: what a program takes from them, and what it says of a file that is none."""

from pathlib import Path

import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner

from starter.cli.app import app
from starter.secret_files import SECRETS, read_secret_files
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.settings import require_known

URL = "postgresql://stockkeeper_worker@postgresql:5432/stockkeeper"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
@pytest.mark.parametrize("name", SECRETS)
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


def test_the_command_line_takes_them_before_any_command() -> None:
    result = CliRunner().invoke(app, ["setup"], env={"DATABASE_PASSWORD_FILE": "/nowhere/password"})
    told = "DATABASE_PASSWORD_FILE names /nowhere/password, which can't be read: No such file or directory"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"StockkeeperError: {told}\n")
