"""Who may reach the frontend from another machine, and how: passwords, TLS, and the key's file."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from flinkms_sql import cli, errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.server.exposure import check_exposure, is_loopback, tls_context
from tests.certificate import make_pair
from tests.server_client import Client, Transport, make_frontend


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    made = make_pair(tmp_path)
    return made.certificate, made.key


def test_which_addresses_are_this_machines_alone() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1")))
    assert not any(map(is_loopback, ("10.0.0.1", "0.0.0.0", "::", "example.org", "fe80::1%eth0", "::ffff:10.0.0.1")))


@pytest.mark.parametrize(("given", "refusal"), [
    ({}, "without passwords"), ({"tls": True}, "without passwords"), ({"allow_plaintext": True}, "without passwords"),
    ({"passwords": True}, "without TLS"), ({"passwords": True, "tls": True}, None),
    ({"passwords": True, "allow_plaintext": True}, None),
])
def test_other_machines_need_passwords_and_tls(given: dict[str, bool], refusal: str | None) -> None:
    chosen = {"passwords": False, "tls": False, "allow_plaintext": False} | given
    check_exposure(("127.0.0.1", "::1"), **chosen)
    if refusal is None:
        check_exposure(("0.0.0.0",), **chosen)
        return
    with pytest.raises(FlinkmsError, match=f'will not listen on "0.0.0.0" {refusal}') as raised:
        check_exposure(("127.0.0.1", "0.0.0.0"), **chosen)
    assert raised.value.sqlstate == errors.INVALID_PARAMETER_VALUE


def test_up_says_at_once_that_tls_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    assert cli.main(["up", "--host", "0.0.0.0", "--password-file", str(passwords), "--data-dir", str(tmp_path / "d")]) == 1
    assert 'will not listen on "0.0.0.0" without TLS' in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_a_key_that_others_may_read_is_refused(pair: tuple[Path, Path]) -> None:
    certificate, key = pair
    assert tls_context(certificate, key).minimum_version is ssl.TLSVersion.TLSv1_2
    assert tls_context(None, None) is None
    key.chmod(0o640)
    with pytest.raises(FlinkmsError, match="has group or world access") as raised:
        tls_context(certificate, key)
    assert raised.value.sqlstate == errors.INSUFFICIENT_PRIVILEGE


def test_up_refuses_a_key_that_others_may_read(tmp_path: Path, pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    pair[1].chmod(0o640)
    assert cli.main(["up", "--tls-cert", str(pair[0]), "--tls-key", str(pair[1]), "--data-dir", str(tmp_path / "d")]) == 1
    said = capsys.readouterr().err
    assert f'private key file "{pair[1]}" has group or world access' in said and f"chmod 600 {pair[1]}" in said
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(("spoil", "sqlstate"), [
    (lambda certificate, key: (certificate, None), errors.INVALID_PARAMETER_VALUE),
    (lambda certificate, key: (key, key), errors.INVALID_PARAMETER_VALUE),
    (lambda certificate, key: (certificate.with_name("none"), key), errors.IO_ERROR),
    (lambda certificate, key: (certificate, key.with_name("none")), errors.IO_ERROR),
])
def test_what_is_no_certificate_and_key_is_refused(pair: tuple[Path, Path], spoil: object, sqlstate: str) -> None:
    with pytest.raises(FlinkmsError) as raised:
        tls_context(*spoil(*pair))
    assert raised.value.sqlstate == sqlstate


class Peer(Transport):
    """A connection from an address."""

    def __init__(self, host: str, ssl_object: object | None) -> None:
        super().__init__()
        self._extra = {"peername": (host, 5000), "ssl_object": ssl_object}


@pytest.mark.parametrize(("host", "encrypted", "allow", "admitted"), [
    ("192.0.2.7", False, False, False), ("::ffff:192.0.2.7", False, False, False), ("192.0.2.7", True, False, True),
    ("192.0.2.7", False, True, True), ("127.0.0.1", False, False, True),
])
def test_plain_text_from_another_machine_is_refused(host: str, encrypted: bool, allow: bool, admitted: bool) -> None:
    async def go() -> None:
        client = Client(make_frontend(allow_plaintext=allow))
        client.transport = Peer(host, object() if encrypted else None)
        client.session.connection_made(client.transport)
        answer = await client.say(m.Startup(minor=0, parameters={"user": "flinkms", "database": "flinkms"}))
        if admitted:
            assert answer[0] == m.AuthenticationOk()
        else:
            assert dict(answer[0].fields)["C"] == errors.INVALID_AUTHORIZATION
            assert dict(answer[0].fields)["M"] == f'connections from "{host}" need TLS'

    asyncio.run(go())
