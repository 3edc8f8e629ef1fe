"""One table of messages for both directions: each is decoded whole, byte by byte, and with the next one behind it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import client_messages, server_messages
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.frames import MESSAGE_BYTES_MAX, STARTUP_BYTES_MAX, Frame, Splitter
from flinkms_sql.pgwire.wire import LocalProtocolError, ProtocolError

STARTUP = [
    (m.SSLRequest(), "00000008 04d2162f"),
    (m.GSSENCRequest(), "00000008 04d21630"),
    (m.CancelRequest(process_id=7, secret_key=b"\1\2\3\4"), "00000010 04d2162e 00000007 01020304"),
    (m.CancelRequest(process_id=7, secret_key=b"\xaa" * 8), "00000014 04d2162e 00000007 aaaaaaaaaaaaaaaa"),
    (m.Startup(minor=0, parameters={"user": "u"}), "00000010 00030000 7573657200 7500 00"),
    (m.Startup(minor=9999, parameters={"_pq_.x": "1"}), "00000012 0003270f 5f70715f2e7800 3100 00"),
]
CLIENT = [
    (m.Password(data=b"pw\0"), "70 00000007 707700"),
    (m.Query(text="SELECT 'ä'"), "51 00000010 53454c4543542027c3a42700"),
    (m.Query(text=""), "51 00000005 00"),
    (m.Parse(statement="s", text="x", oids=(20, 0)), "50 00000012 7300 7800 0002 00000014 00000000"),
    (m.Bind(), "42 0000000c 00 00 0000 0000 0000"),
    (
        m.Bind(portal="p", statement="s", formats=(1,), values=(b"\0\1", None, b""), result_formats=(0, 1)),
        "42 00000022 7000 7300 0001 0001 0003 00000002 0001 ffffffff 00000000 0002 0000 0001",
    ),
    (m.Describe(target="statement", name="s"), "44 00000007 53 7300"),
    (m.Describe(target="portal"), "44 00000006 50 00"),
    (m.Execute(portal="p", row_limit=5), "45 0000000a 7000 00000005"),
    (m.Close(target="portal", name="p"), "43 00000007 50 7000"),
    (m.Flush(), "48 00000004"),
    (m.Sync(), "53 00000004"),
    (m.Terminate(), "58 00000004"),
    (m.FunctionCall(body=b"abc"), "46 00000007 616263"),
    (m.CopyData(data=b"1\t2\n"), "64 00000008 3109320a"),
    (m.CopyDone(), "63 00000004"),
    (m.CopyFail(message="no"), "66 00000007 6e6f00"),
]
SERVER = [
    (m.AuthenticationOk(), "52 00000008 00000000"),
    (m.AuthenticationCleartextPassword(), "52 00000008 00000003"),
    (m.AuthenticationSASL(mechanisms=("A", "B")), "52 0000000d 0000000a 4100 4200 00"),
    (m.AuthenticationSASLContinue(data=b"r=x"), "52 0000000b 0000000b 723d78"),
    (m.AuthenticationSASLFinal(data=b"v=x"), "52 0000000b 0000000c 763d78"),
    (m.AuthenticationOther(code=5, data=b"salt"), "52 0000000c 00000005 73616c74"),
    (m.NegotiateProtocolVersion(minor=2, unknown_options=("_pq_.x",)), "76 00000013 00030002 00000001 5f70715f2e7800"),
    (m.BackendKeyData(process_id=9, secret_key=b"\xff" * 4), "4b 0000000c 00000009 ffffffff"),
    (m.ParameterStatus(name="a", value="b"), "53 00000008 6100 6200"),
    (m.ReadyForQuery(status="idle"), "5a 00000005 49"),
    (m.ReadyForQuery(status="transaction"), "5a 00000005 54"),
    (m.ReadyForQuery(status="failed"), "5a 00000005 45"),
    (
        m.RowDescription(fields=(m.Field(name="a", oid=701, size=8, format=1),)),
        "54 0000001a 0001 6100 00000000 0000 000002bd 0008 ffffffff 0001",
    ),
    (m.RowDescription(fields=()), "54 00000006 0000"),
    (m.ParameterDescription(oids=(20, 4294967295)), "74 0000000e 0002 00000014 ffffffff"),
    (m.DataRow(values=(b"1", None, b"")), "44 00000013 0003 00000001 31 ffffffff 00000000"),
    (m.CommandComplete(tag="SELECT 1"), "43 0000000d 53454c454354203100"),
    (m.EmptyQueryResponse(), "49 00000004"),
    (m.ParseComplete(), "31 00000004"),
    (m.BindComplete(), "32 00000004"),
    (m.CloseComplete(), "33 00000004"),
    (m.NoData(), "6e 00000004"),
    (m.PortalSuspended(), "73 00000004"),
    (m.ErrorResponse(fields={"S": "ERROR", "C": "42601"}), "45 00000013 53 4552524f5200 43 343236303100 00"),
    (m.NoticeResponse(fields={"M": "hi"}), "4e 00000009 4d 686900 00"),
    (m.NotificationResponse(process_id=3, channel="c", payload="p"), "41 0000000c 00000003 6300 7000"),
    (m.CopyResponse(direction="in", format=1, column_formats=(1,)), "47 00000009 01 0001 0001"),
    (m.CopyResponse(direction="out"), "48 00000007 00 0000"),
    (m.CopyResponse(direction="both"), "57 00000007 00 0000"),
    (m.FunctionCallResponse(value=b"\1"), "56 00000009 00000001 01"),
    (m.FunctionCallResponse(value=None), "56 00000008 ffffffff"),
    (m.CopyData(data=b""), "64 00000004"),
    (m.CopyDone(), "63 00000004"),
]
CASES = (
    [(client_messages, True, message, text) for message, text in STARTUP]
    + [(client_messages, False, message, text) for message, text in CLIENT]
    + [(server_messages, False, message, text) for message, text in SERVER]
)
NAMES = [f"{codec.__name__.rpartition('.')[2]}-{type(message).__name__}" for codec, _, message, _ in CASES]


@pytest.mark.parametrize(("codec", "startup", "message", "text"), CASES, ids=NAMES)
class TestEveryMessage:
    def test_encodes_to_these_bytes(self, codec, startup, message, text):
        assert codec.encode(message).hex() == text.replace(" ", "")

    def test_decodes_whole(self, codec, startup, message, text):
        splitter = Splitter(startup=startup)
        splitter.feed(bytes.fromhex(text))
        assert codec.decode(splitter.next_frame()) == message
        assert splitter.next_frame() is None and splitter.buffered == 0

    def test_decodes_byte_by_byte(self, codec, startup, message, text):
        splitter, data = Splitter(startup=startup), bytes.fromhex(text)
        for byte in data[:-1]:
            splitter.feed(bytes((byte,)))
            assert splitter.next_frame() is None
        splitter.feed(data[-1:])
        assert codec.decode(splitter.next_frame()) == message

    def test_leaves_what_follows(self, codec, startup, message, text):
        splitter, data = Splitter(startup=startup), bytes.fromhex(text)
        splitter.feed(data + data[:3])
        assert codec.decode(splitter.next_frame()) == message
        assert splitter.next_frame() is None
        assert splitter.take_rest() == data[:3]

    def test_a_body_cut_short_is_the_peers_fault(self, codec, startup, message, text):
        frame = Frame(b"" if startup else bytes.fromhex(text)[:1], bytes.fromhex(text)[:-1])
        # These hold whatever bytes they are given.
        free_form = m.Password | m.CopyData | m.FunctionCall | m.AuthenticationSASLContinue | m.AuthenticationSASLFinal
        if isinstance(message, free_form | m.AuthenticationOther | m.BackendKeyData) or len(frame.body) == 0:
            return
        if isinstance(message, m.CancelRequest) and len(message.secret_key) > 4:
            return
        with pytest.raises(ProtocolError):
            codec.decode(frame)


def test_every_message_of_the_protocol_has_a_case():
    cases = {type(message) for _, _, message, _ in CASES}
    assert cases == set(m.ClientMessage.__args__) | set(m.ServerMessage.__args__)


MALFORMED = [
    (b"Z", b"", "invalid frontend message type 90"),
    (b"Q", b"SELECT 1", "invalid string in message"),
    (b"Q", b"SELECT 1\0x", "invalid message format"),
    (b"D", b"X\0", "invalid DESCRIBE or CLOSE message subtype 88"),
    (b"B", b"\0\0\0\1\0\2\0\0\0\0", "unsupported format code: 2"),
    (b"B", b"\0\0\0\0\0\1\0\0\0\5x", "insufficient data left in message"),
    (b"B", b"\0\0\0\0\0\1\xff\xff\xff\xfe", "insufficient data left in message"),
    (b"B", b"\0\0\0\2\0\0\0\1\0\0\0\0", "bind message has 2 parameter formats but 0 parameters"),
    (b"S", b"x", "invalid message format"),
]


@pytest.mark.parametrize(("kind", "body", "error"), MALFORMED)
def test_malformed_bodies_are_named(kind, body, error):
    with pytest.raises(ProtocolError) as caught:
        client_messages.decode(Frame(kind, kind + (len(body) + 4).to_bytes(4, "big") + body))
    assert caught.value.message == error and caught.value.sqlstate == "08P01"


def test_text_that_is_not_utf8_is_an_error_of_the_request_only():
    with pytest.raises(FlinkmsError) as caught:
        client_messages.decode(Frame(b"Q", b"Q\0\0\0\x06\xff\0"))
    assert caught.value.sqlstate == "22021" and not isinstance(caught.value, ProtocolError)
    assert caught.value.message == 'invalid byte sequence for encoding "UTF8": 0xff'


@pytest.mark.parametrize("length", [0, 3, MESSAGE_BYTES_MAX + 1, 2**32 - 1])
def test_a_forbidden_length_is_refused_before_its_bytes_arrive(length):
    splitter = Splitter(startup=False)
    splitter.feed(b"Q" + length.to_bytes(4, "big"))
    with pytest.raises(ProtocolError, match="invalid message length"):
        splitter.next_frame()


@pytest.mark.parametrize("length", [0, 7, STARTUP_BYTES_MAX + 1])
def test_a_startup_packet_has_a_limit_of_its_own(length):
    splitter = Splitter(startup=True)
    splitter.feed(length.to_bytes(4, "big"))
    with pytest.raises(ProtocolError, match="invalid length of startup packet"):
        splitter.next_frame()


def test_a_zero_byte_cannot_be_sent_inside_a_string():
    with pytest.raises(LocalProtocolError):
        client_messages.encode(m.Query(text="a\0b"))


def test_a_zero_byte_in_a_report_does_not_cut_it_short():
    data = server_messages.encode(m.ErrorResponse(fields={"M": "a\0b", "C": "XX000"}))
    assert server_messages.decode(Frame(b"E", data)) == m.ErrorResponse(fields={"M": "a\ufffdb", "C": "XX000"})


@given(st.lists(st.sampled_from(range(len(SERVER))), max_size=12), st.data())
def test_merged_runs_keep_every_byte_in_order(choice, data):
    """Any sequence of messages, cut anywhere: runs of rows come together, nothing is lost or reordered."""
    stream = b"".join(bytes.fromhex(SERVER[index][1]) for index in choice)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    splitter, seen = Splitter(startup=False, merged=b"Dd"), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)]):
        splitter.feed(stream[start:end])
        while (frame := splitter.next_frame()) is not None:
            seen.append(frame)
    assert b"".join(frame.raw for frame in seen) == stream
    if not cuts:
        assert all(a.kind != b.kind or a.kind not in (b"D", b"d") for a, b in pairwise(seen))
