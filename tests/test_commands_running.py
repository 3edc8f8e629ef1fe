"""Commands and the deployment that runs: its settings are theirs, and without one they say so."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from flinkms_sql import cli
from flinkms_sql.runtime import state
from flinkms_sql.settings import Settings

OF_A_DEPLOYMENT = [
    ["plan", "file.sql"], ["apply", "file.sql"], ["user", "list"], ["user", "remove", "ann"], ["user", "add", "ann", "--role", "reader"],
    ["user", "add", "ann", "--role", "reader", "--password-stdin"], ["evaluate", "rec", "SELECT u FROM t"],
    ["generate", "model", "big", "--users", "3", "--items", "3", "--factors", "2"],
]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory commands are given in, with a deployment file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.sql").write_text("DROP MODEL IF EXISTS rec")
    return tmp_path


@pytest.mark.parametrize("command", OF_A_DEPLOYMENT, ids=" ".join)
def test_without_a_deployment_a_command_says_what_to_do(file: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    place = file / "data"
    # What a killed server leaves is no server.
    (place / "postgres" / "socket").mkdir(parents=True)
    (place / "postgres" / "socket" / ".s.PGSQL.5432").touch()
    assert cli.main([*command, "--data-dir", str(place)]) == 1
    assert capsys.readouterr().err == (f"flinkms: error 55000: nothing runs over {place}\n"
                                       "  hint: Start it with flinkms up, or name another directory with --data-dir.\n")


@pytest.mark.parametrize("command", OF_A_DEPLOYMENT, ids=" ".join)
def test_before_the_control_database_runs_a_command_says_so(file: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with state.held(file / "data" / "run"):
        assert cli.main([*command, "--data-dir", str(file / "data"), "--password-file", "x"]) == 1
    assert "55000: the control database does not run over" in capsys.readouterr().err


def test_what_a_command_is_not_told_is_as_the_deployment_has_it(file: Path, monkeypatch: pytest.MonkeyPatch,
                                                                capsys: pytest.CaptureFixture[str]) -> None:
    dsn = f"host={file} dbname=theirs"
    run = file / "data" / "run"

    def refusal(*arguments: str) -> str:
        assert cli.main(["user", *arguments, "--data-dir", str(file / "data")]) == 1
        return capsys.readouterr().err

    with state.held(run):
        state.remember(run, Settings(control_dsn=dsn, password_file=file / "users").environment())
        assert (run / "settings.json").stat().st_mode & 0o077 == 0
        assert f'socket "{file}/.s.PGSQL' in refusal("list")
        monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
        assert f'socket "{file}/.s.PGSQL' in refusal("add", "ann", "--role", "reader", "--password-stdin")
        assert 'socket "/nowhere/.s.PGSQL' in refusal("list", "--control-dsn", "host=/nowhere")
        monkeypatch.setenv("FLINKMS_CONTROL_DSN", "host=/elsewhere")
        assert 'socket "/elsewhere/.s.PGSQL' in refusal("list")
    monkeypatch.delenv("FLINKMS_CONTROL_DSN")
    assert "nothing runs" in refusal("list")


def test_settings_may_stand_before_and_after_an_action(file: Path) -> None:
    parse = cli._parser().parse_args
    for arguments in (["user", "--password-file", "x", "list"], ["user", "list", "--password-file", "x"],
                      ["user", "--password-file", "x", "add", "ann", "--role", "reader"],
                      ["user", "add", "ann", "--password-file", "x", "--role", "reader"], ["user", "remove", "ann", "--password-file", "x"]):
        assert parse(arguments).password_file == Path("x"), arguments
    assert not {"password_file", "port"} & vars(parse(["user", "list"])).keys()


@pytest.mark.parametrize(("text", "reason"), [(None, "cannot read the password file"), ("ann", "in line 1 of"), ("ann:x:owner", "in line 1 of")])
def test_a_password_file_that_is_none_is_an_error_before_anything_starts(file: Path, text: str | None, reason: str,
                                                                         capsys: pytest.CaptureFixture[str]) -> None:
    if text is not None:
        (file / "users").write_text(text)
    assert cli.main(["up", "--password-file", "users", "--data-dir", str(file / "data")]) == 1
    assert reason in capsys.readouterr().err
    assert not (file / "data").exists()


def test_the_user_who_is_there_from_the_start_stays_a_deployer(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for role in ("reader", "writer"):
        assert cli.main(["user", "add", "flinkms", "--role", role, "--control-dsn", f"host={file}"]) == 1
        assert '22023: user "flinkms" is there from the start' in capsys.readouterr().err
