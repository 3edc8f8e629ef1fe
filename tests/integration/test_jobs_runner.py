"""How the runner ends jobs: whatever happens, their rows say it. Beside it only a server that answers as an idle Flink."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flinkms_sql import errors
from flinkms_sql.catalog.memory import MemoryStore
from flinkms_sql.catalog.records import Column, NewJob
from flinkms_sql.catalog.store import Store
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.places import Places
from flinkms_sql.types import SqlType

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TRAINING = NewJob(kind="train", statement="REFRESH MODEL rec", query="SELECT 1", model="rec", version=1,
                  options={"tables": []})


class IdleFlink(BaseHTTPRequestHandler):
    """A cluster with a task manager that has never heard of any job."""

    def do_GET(self) -> None:
        self._answer({"taskmanagers": 1, "jobs": []})

    def do_PATCH(self) -> None:
        self._answer({})

    def log_message(self, *_: object) -> None:
        """Nothing to standard error."""

    def _answer(self, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Refusing(MemoryStore):
    """A registry that refuses the first ends it is given."""

    refusals = 2

    def finish_job(self, job: int, state: str, **given: object) -> None:
        if self.refusals:
            self.refusals -= 1
            raise FlinkmsError(errors.INVALID_TEXT_REPRESENTATION, "invalid input syntax for type json")
        super().finish_job(job, state, **given)


@pytest.fixture
def flink() -> Iterator[str]:
    with idle_flink() as address:
        yield address


@contextmanager
def idle_flink() -> Iterator[str]:
    """host:port of an idle cluster."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), IdleFlink)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def run(store: Store, job: int, flink: str, folder: Path, places: Places | None = None) -> None:
    """Let the runner run one job."""
    from flinkms_sql.jobs.clock import Clock
    from flinkms_sql.jobs.cluster import Cluster
    from flinkms_sql.jobs.compiler import Compiler
    from flinkms_sql.jobs.context import JobContext
    from flinkms_sql.jobs.environment import FlinkTarget
    from flinkms_sql.jobs.runner import run_job

    places = places or Places(warehouse=folder, roots=(Path("/"),))
    checkpoints = folder / "checkpoints"
    run_job(job, JobContext(
        store=store, cluster=Cluster(flink), places=places, clock=Clock(threading.Event()), checkpoints=checkpoints,
        flink=Compiler(FlinkTarget(address=flink, checkpoints=checkpoints, python=folder / "python"))))


def with_model(store: MemoryStore) -> MemoryStore:
    store.create_model(name="rec", algorithm="als", inputs=(Column(name="u", type=SqlType.BIGINT),
                                                          Column(name="i", type=SqlType.BIGINT)),
                       outputs=(Column(name="r", type=SqlType.DOUBLE),), options={}, training_query="SELECT 1",
                       definition="CREATE MODEL …", recommends=True)
    store.begin_version("rec", directory="/m", options={})
    return store


def test_an_end_that_cannot_be_recorded_is_tried_again_and_said(flink: str, tmp_path: Path) -> None:
    store = with_model(Refusing())
    job = store.enqueue_job(TRAINING).id
    store.claim_job()
    store.set_desired(job, "canceled")
    run(store, job, flink, tmp_path)
    ended = store.job(job)
    assert ended.state == "failed" and ended.sqlstate == errors.INTERNAL_ERROR
    assert "its end could not be recorded: invalid input syntax for type json" in ended.error
    assert store.version("rec", 1).state == "failed"


def test_a_training_whose_model_was_dropped_ends_when_it_is_taken_up(flink: str, tmp_path: Path) -> None:
    store = with_model(MemoryStore())
    job = store.enqueue_job(TRAINING).id
    store.claim_job()
    store.drop_models(["rec"])
    run(store, job, flink, tmp_path)
    assert store.job(job).state == "canceled"


def test_a_batch_insert_that_the_cluster_forgot_is_not_run_again_silently(flink: str, tmp_path: Path) -> None:
    store = MemoryStore()
    store.create_table(name="out", kind="flink", columns=(Column(name="n", type=SqlType.BIGINT),),
                       options={"connector": "filesystem"}, definition="CREATE TABLE …", path=None)
    job = store.enqueue_job(NewJob(kind="score", statement="INSERT INTO out", query="INSERT INTO out", options={
        "tables": [], "targets": ["out"], "calls": []})).id
    store.claim_job()
    store.update_job(job, state="running", flink_job_id="f" * 32)
    run(store, job, flink, tmp_path)
    assert (store.job(job).state, store.job(job).sqlstate) == ("failed", errors.TRANSACTION_RESOLUTION_UNKNOWN)
