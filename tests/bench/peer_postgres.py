"""The peer of predict and recommend: a PostgreSQL of its own from the wheel, with pgvector, over TCP as ours is.

It gets its best form: everything in shared buffers, vacuumed and analyzed, no fsync, no jit, no statement logging.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg

from flinkms_sql.runtime import account, postgres
from flinkms_sql.runtime.flink import free_ports
from tests.bench.statements import queries

START_S_MAX = 30.0
BUFFERS_MB = 1024
"""Shared buffers: many times what the tables take."""

SERVER_OPTIONS = (
    "listen_addresses=127.0.0.1", "max_connections=100", f"shared_buffers={BUFFERS_MB}MB", "fsync=off", "jit=off",
    "synchronous_commit=off", "autovacuum=off", "random_page_cost=1.0", "effective_cache_size=4GB",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerPostgres:
    """A server that runs; database and user ``postgres``."""

    port: int

    def connect(self) -> psycopg.Connection:
        """An autocommit connection."""
        return psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", autocommit=True)

    def load_factors(self, users: tuple[np.ndarray, np.ndarray], items: tuple[np.ndarray, np.ndarray]) -> None:
        """Make tables of (keys[n], float32[n, width]) rows, as real[] and as vector, and the functions over them."""
        statements = queries("peer_postgres")
        with self.connect() as connection:
            connection.execute(statements["extension"])
            for side, (keys, rows) in (("users", users), ("items", items)):
                width = rows.shape[1]
                # A type modifier cannot be a parameter; the width is an int of ours.
                connection.execute(statements[f"create_{side}"].replace(":width", str(int(width))))
                with connection.cursor().copy(statements[f"copy_{side}"]) as copy:
                    copy.write(_binary_copy(keys, rows))
                connection.execute(statements[f"vacuum_{side}"])
            connection.execute(statements["functions"])


@contextmanager
def peer_postgres() -> Iterator[PeerPostgres]:
    """A PostgreSQL over a temporary directory; ended on leaving."""
    folder = Path(tempfile.mkdtemp(prefix="flinkms-peer-"))
    who, port = account.for_postgres(), free_ports(1)[0]
    who.own(folder)
    account.check_reach(who, folder / "data")
    account.check_reach(who, postgres.bin_dir() / "postgres")
    server = None
    try:
        made = who.run([str(postgres.bin_dir() / "initdb"), "-D", str(folder / "data"), "-U", "postgres",
                        "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed: {made.stdout}")
        options = [part for option in SERVER_OPTIONS for part in ("-c", option)]
        as_user = {"user": who.uid, "group": who.gid, "extra_groups": []} if who.uid >= 0 else {}
        server = subprocess.Popen([str(postgres.bin_dir() / "postgres"), "-D", str(folder / "data"), "-p", str(port),
                                   "-k", str(folder), *options], cwd="/", stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_user)
        peer = PeerPostgres(port=port)
        _wait(peer, server)
        yield peer
    finally:
        if server is not None:
            # Fast shutdown: a connection that is still open does not hold it up.
            server.send_signal(signal.SIGINT)
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(peer: PeerPostgres, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S_MAX
    while True:
        try:
            peer.connect().close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.05)


def _binary_copy(keys: np.ndarray, rows: np.ndarray) -> bytes:
    """COPY data in binary form of (key, real[] of the row, vector of the row).

    Layouts: PostgreSQL documentation, COPY, "Binary Format"; array_recv; pgvector's vector_recv.
    """
    width = rows.shape[1]
    element = np.dtype([("bytes", ">i4"), ("value", ">f4")])
    data = np.zeros(len(keys), np.dtype([
        ("fields", ">i2"), ("key_bytes", ">i4"), ("key", ">i8"),
        ("list_bytes", ">i4"), ("dimensions", ">i4"), ("nulls", ">i4"), ("oid", ">i4"), ("length", ">i4"),
        ("lower", ">i4"), ("elements", element, width),
        ("vector_bytes", ">i4"), ("width", ">i2"), ("unused", ">i2"), ("values", ">f4", width),
    ]))  # fmt: skip
    constants = {"fields": 3, "key_bytes": 8, "list_bytes": 20 + 8 * width, "dimensions": 1, "oid": 700,
                 "length": width, "lower": 1, "vector_bytes": 4 + 4 * width, "width": width}
    for name, value in constants.items():
        data[name] = value
    data["key"], data["values"] = keys, rows
    data["elements"]["bytes"], data["elements"]["value"] = 4, rows
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + data.tobytes() + b"\xff\xff"
