"""SCRAM-SHA-256: the RFC's example, both sides against each other, and everything that must be refused."""

from __future__ import annotations

import base64

import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import scram
from flinkms_sql.pgwire.wire import ProtocolError

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")


def exchange(password: str, verifier: scram.Verifier) -> bytes | None:
    client, server = scram.ClientExchange(password, b"c" * 18), scram.ServerExchange(verifier, b"s" * 18)
    final = server.finish(client.respond(server.start(client.start())))
    if final is not None:
        client.verify(final)
    return final


def test_the_example_of_rfc_7677():
    server = scram.ServerExchange(scram.make_verifier("pencil", SALT), b"")
    server._nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"  # the RFC's nonce is not base64
    first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    challenge = server.start(b"SCRAM-SHA-256\0" + len(first).to_bytes(4, "big") + first)
    assert challenge == b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    final = server.finish(
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert final == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_both_sides_agree_on_the_password_and_on_nothing_else():
    verifier = scram.make_verifier("pencil", SALT, 1)
    assert exchange("pencil", verifier)
    assert exchange("Pencil", verifier) is None
    assert exchange("pencil", scram.decoy_verifier("nobody", b"secret")) is None


def test_the_client_refuses_a_server_that_does_not_know_the_password():
    client, server = scram.ClientExchange("p", b"c"), scram.ServerExchange(scram.make_verifier("p", SALT, 1), b"s")
    client.respond(server.start(client.start()))
    with pytest.raises(FlinkmsError, match="does not know the password"):
        client.verify(b"v=" + base64.b64encode(b"x" * 32))


def test_verifiers_are_written_as_postgresql_does():
    verifier = scram.make_verifier("pencil", SALT)
    text = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    assert verifier.text().startswith(text)
    assert scram.parse_verifier(verifier.text()) == verifier


@pytest.mark.parametrize("text", ["", "md5abc", "SCRAM-SHA-256$0:YQ==$YQ==:YQ==", "SCRAM-SHA-256$1:!$x:y"])
def test_a_malformed_verifier_is_refused(text):
    with pytest.raises(FlinkmsError, match="invalid SCRAM verifier"):
        scram.parse_verifier(text)


@pytest.mark.parametrize(
    ("password", "prepared"),
    [("a b", "a b"), ("a\u00adb", "ab"), ("\u00a0", " "), ("\u2168", "IX"), ("\u0007", "\u0007"), ("", "")],
)
def test_passwords_are_prepared_by_rfc_4013(password, prepared):
    assert scram.prepare_password(password) == prepared


@pytest.mark.parametrize("first", [b"", b"n,,", b"n,,n=u", b"x,,n=,r=a", b"n,,n=,r=", b"n,,n=,r=\xff"])
def test_a_malformed_first_message_is_refused(first):
    server = scram.ServerExchange(scram.make_verifier("p", SALT, 1), b"s")
    with pytest.raises(ProtocolError):
        server.start(b"SCRAM-SHA-256\0" + len(first).to_bytes(4, "big") + first)


def test_channel_binding_and_other_mechanisms_are_refused():
    verifier = scram.make_verifier("p", SALT, 1)
    with pytest.raises(ProtocolError, match="invalid SASL authentication mechanism"):
        scram.ServerExchange(verifier, b"s").start(b"PLAIN\0\0\0\0\0")
    first = b"p=tls-unique,,n=,r=abc"
    with pytest.raises(FlinkmsError, match="channel binding"):
        scram.ServerExchange(verifier, b"s").start(b"SCRAM-SHA-256\0" + len(first).to_bytes(4, "big") + first)


@pytest.mark.parametrize("change", ["c=eSws", "r=other", "p=", "p=YQ=="])
def test_a_final_message_that_does_not_fit_is_refused(change):
    client = scram.ClientExchange("p", b"c")
    server = scram.ServerExchange(scram.make_verifier("p", SALT, 1), b"s")
    final = client.respond(server.start(client.start())).decode()
    fields = [change if part[:2] == change[:2] else part for part in final.split(",")]
    with pytest.raises(ProtocolError):
        server.finish(",".join(fields).encode())


@pytest.mark.parametrize("challenge", [b"", b"r=x,s=YQ==,i=1", b"r=Yw==s,s=YQ==,i=0", b"r=Yw==s,s=YQ==,i=99999999"])
def test_the_client_refuses_a_challenge_that_does_not_fit(challenge):
    client = scram.ClientExchange("p", b"c")
    client.start()
    with pytest.raises(ProtocolError):
        client.respond(challenge)
