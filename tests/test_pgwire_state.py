"""The transition table, from both ends: scripts of who says what, and what each end then knows."""

from __future__ import annotations

import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import client_messages, reports, server_messages
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.connection import ClientConnection, ServerConnection
from flinkms_sql.pgwire.state import Phase
from flinkms_sql.pgwire.wire import LocalProtocolError, ProtocolError

ERROR = reports.error_response(FlinkmsError("22012", "division by zero"))


def ready() -> tuple[ServerConnection, ClientConnection]:
    """Both ends of a connection that has started."""
    server, client = ServerConnection(), ClientConnection()
    server.receive(client.send(m.Startup(minor=2, parameters={"user": "u"})))
    assert server.next_request().message == m.Startup(minor=2, parameters={"user": "u"})
    opening = (
        m.AuthenticationOk(),
        m.ParameterStatus(name="TimeZone", value="UTC"),
        m.BackendKeyData(process_id=1, secret_key=b"abcd"),
        m.ReadyForQuery(status="idle"),
    )
    for message in opening:
        client.receive(server.send(message))
        assert client.next_answer().message() == message
    assert server.phase is client.phase is Phase.READY and server.at_rest
    return server, client


def ask(server: ServerConnection, client: ClientConnection, script: str) -> str:
    """Send one message per letter of ``script``; the letters of what the server is given."""
    say = {
        "Q": m.Query(text="q"),
        "P": m.Parse(statement="", text="q"),
        "B": m.Bind(),
        "D": m.Describe(target="portal"),
        "E": m.Execute(),
        "C": m.Close(target="portal"),
        "H": m.Flush(),
        "S": m.Sync(),
        "d": m.CopyData(data=b"x"),
        "c": m.CopyDone(),
        "f": m.CopyFail(message="no"),
        "F": m.FunctionCall(body=b""),
    }
    for letter in script:
        server.receive(client.send(say[letter], letter))
    seen = ""
    while (request := server.next_request()) is not None:
        seen += request.frame.kind.decode()
    return seen


def answer(server: ServerConnection, client: ClientConnection, script: str) -> str:
    """Answer one message per letter; the requests the client sees finished, '-' where none is, and in lower
    case those it sees dropped.
    """
    say = {
        "1": m.ParseComplete(),
        "2": m.BindComplete(),
        "3": m.CloseComplete(),
        "n": m.NoData(),
        "T": m.RowDescription(fields=()),
        "t": m.ParameterDescription(oids=()),
        "D": m.DataRow(values=()),
        "C": m.CommandComplete(tag="SELECT 0"),
        "I": m.EmptyQueryResponse(),
        "s": m.PortalSuspended(),
        "E": ERROR,
        "N": reports.notice("hello"),
        "G": m.CopyResponse(direction="in"),
        "H": m.CopyResponse(direction="out"),
        "d": m.CopyData(data=b"x"),
        "c": m.CopyDone(),
        "V": m.FunctionCallResponse(value=None),
        "Z": m.ReadyForQuery(status="idle"),
    }
    seen = ""
    for letter in script:
        client.receive(server.send(say[letter]))
        got = client.next_answer()
        seen += got.tag if got.finished else "-"
        seen += "".join(got.dropped).lower()
    return seen


SERIES = [
    # what the client says, what the server answers, which requests that completes
    ("Q", "TDDCZ", "----Q"),
    ("Q", "IZ", "-Q"),
    ("Q", "TDCTDEZ", "------Q"),
    ("Q", "NTDNCZ", "-----Q"),
    ("Q", "HddcCZ", "-----Q"),
    ("F", "VZ", "-F"),
    ("F", "EZ", "-F"),
    ("PBDES", "12TDDCZ", "PBD--ES"),
    ("PDS", "1tnZ", "P-DS"),
    ("BES", "2DsZ", "B-ES"),
    ("BCES", "23IZ", "BCES"),
    ("PBESPBES", "12CZ12CZ", "PBESPBES"),
    ("PHBES", "12CZ", "PBES"),
    ("PBES", "12CEZ", "PBE-S"),  # an error at Sync: the implicit COMMIT failed
]


@pytest.mark.parametrize(("asked", "answered", "completes"), SERIES)
def test_answers_complete_requests_in_order(asked, answered, completes):
    server, client = ready()
    assert ask(server, client, asked) == asked
    assert answer(server, client, answered) == completes
    assert server.at_rest and not client.waiting


def test_an_error_cancels_everything_up_to_the_sync():
    server, client = ready()
    assert ask(server, client, "PBESPBES") == "PBESPBES"
    assert answer(server, client, "1E") == "PBe"
    assert answer(server, client, "Z12CZ") == "SPBES"


def test_what_comes_after_an_error_is_dropped_until_sync():
    server, client = ready()
    assert ask(server, client, "P") == "P"
    answer(server, client, "E")
    assert server.skipping and client.skipping and not server.at_rest
    assert ask(server, client, "BEQF") == "", "even a simple query is skipped"
    assert ask(server, client, "S") == "S"
    assert answer(server, client, "Z") == "S"
    assert server.at_rest


def test_copy_in_ignores_the_sync_that_was_sent_with_the_statement():
    server, client = ready()
    assert ask(server, client, "PBES") == "PBES"
    assert answer(server, client, "12G") == "PB-s"
    assert server.copying_in
    assert ask(server, client, "ddHSc") == "ddc", "Sync and Flush inside the data are ignored"
    assert not server.copying_in
    assert ask(server, client, "S") == "S"
    assert answer(server, client, "CZ") == "ES"
    assert server.at_rest and not client.waiting


def test_copy_in_by_simple_query_may_fail():
    server, client = ready()
    ask(server, client, "Q")
    answer(server, client, "G")
    assert ask(server, client, "df") == "df"
    assert answer(server, client, "EZ") == "-Q"


def test_an_answer_that_fits_no_request_is_our_fault():
    server, client = ready()
    with pytest.raises(LocalProtocolError):
        server.send(m.ReadyForQuery(status="idle"))
    ask(server, client, "PS")
    with pytest.raises(LocalProtocolError):
        server.send(m.BindComplete())


def test_an_answer_that_fits_no_request_is_the_servers_fault_seen_from_the_client():
    client = ready()[1]
    client.receive(server_messages.encode(m.CommandComplete(tag="SELECT 1")))
    with pytest.raises(ProtocolError):
        client.next_answer()


def test_requests_before_authentication_are_refused():
    server, startup = ServerConnection(), m.Startup(minor=0, parameters={"user": "u"})
    server.receive(b"".join(map(client_messages.encode, [startup, m.Query(text="q")])))
    server.next_request()
    with pytest.raises(ProtocolError, match="unexpected message b'Q' while authenticating"):
        server.next_request()


def test_plain_bytes_behind_an_ssl_request_are_refused():
    server = ServerConnection()
    server.receive(client_messages.encode(m.SSLRequest()) + b"Q")
    assert server.next_request().message == m.SSLRequest()
    with pytest.raises(ProtocolError, match="received unencrypted data after SSL request"):
        server.rest_is_encrypted()


def test_a_request_that_cannot_be_decoded_can_be_answered():
    server, client = ready()
    server.receive(b"Q\0\0\0\x06\xff\0")
    client.sent_raw(b"Q", "Q")
    with pytest.raises(FlinkmsError, match="invalid byte sequence"):
        server.next_request()
    assert answer(server, client, "EZ") == "-Q"


def test_reports_round_trip():
    error = FlinkmsError("42601", "syntax error", detail="Detail.", hint="Hint.", position=8)
    report = reports.error_response(error, "FATAL")
    assert report.fields == {
        "S": "FATAL", "V": "FATAL", "C": "42601", "M": "syntax error", "D": "Detail.", "H": "Hint.", "P": "8",
    }  # fmt: skip
    again = reports.reported_error(report.fields)
    assert (again.sqlstate, again.message, again.detail, again.hint, again.position) == (
        "42601", "syntax error", "Detail.", "Hint.", 8,
    )  # fmt: skip
