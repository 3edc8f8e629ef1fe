"""The peer of learn and score: plain PyFlink, doing it the usual way, on the same session cluster.

``run_peer`` writes the factors as lines of JSON and starts this file as a process of its own: a JSON object of arguments
on standard input, one of seconds on standard output. The job has large bundles and Arrow batches, no checkpoints, a sink
that throws everything away, and writes no state: all of that is to its advantage.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from flinkms_sql.query.script import read_script
from flinkms_sql.runtime import flink, jdk
from tests.bench.factors import Factors
from tests.bench.statements import queries
from tests.deployment import ROOT, Deployment

Form = Literal["array", "bytes"]
"""How a vector crosses the boundary to Python."""

FORMS: tuple[Form, ...] = ("array", "bytes")

OPTIONS = {
    "execution.target": "remote", "parallelism.default": "1", "table.exec.resource.default-parallelism": "1",
    "python.executable": sys.executable, "python.client.executable": sys.executable,
    "python.fn-execution.bundle.size": "100000", "python.fn-execution.bundle.time": "1000",
    "python.fn-execution.arrow.batch.size": "10000",
}  # fmt: skip

WORKERS = {"_python_worker_execution_mode": "process"}
"""PyFlink takes a session cluster named in the job's options for a local one, and would run functions in the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the process is to do: ``jobs`` are run one after the other, each a form and a file."""

    kind: Literal["learn", "score"]
    address: str
    folder: str
    """Where the factors are."""

    jobs: tuple[tuple[Form, str], ...]
    output: str | None = None
    """Directory for the scores, in one of its own for each form; None: thrown away."""


def write_factors(factors: Factors, folder: Path) -> None:
    """users_<form>.json and items_<form>.json, lines of {"<side>_id", "factors"}."""
    for side, (keys, rows) in (("user", factors.users), ("item", factors.items)):
        for form in FORMS:
            with (folder / f"{side}s_{form}.json").open("w") as file:
                for key, row in zip(keys.tolist(), rows, strict=True):
                    vector = row.tolist() if form == "array" else base64.b64encode(row.tobytes()).decode()
                    file.write(json.dumps({f"{side}_id": key, "factors": vector}) + "\n")


def run_peer(deployment: Deployment, kind: Literal["learn", "score"], folder: Path, jobs: Sequence[tuple[Form, Path]],
             output: Path | None = None) -> list[float]:
    """Seconds of each job, from its submission to its end, all in one process. Raises CalledProcessError."""
    task = Task(kind=kind, address=deployment.flink_address(), folder=str(folder),
                jobs=tuple((form, str(file)) for form, file in jobs), output=None if output is None else str(output))
    environment = {**os.environ, **flink.client_environment(deployment.settings, jdk.find(os.environ)),
                   "PYTHONPATH": str(ROOT), **WORKERS}
    done = subprocess.run([sys.executable, "-m", "tests.bench.peer_flink"], input=json.dumps(asdict(task)), text=True,
                          stdout=subprocess.PIPE, env=environment, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def score_arrays(users, items):
    """DOUBLE predictions of two columns of ARRAY<FLOAT>."""
    return _scores(np.stack(users), np.stack(items))


def score_bytes(users, items):
    """DOUBLE predictions of two columns of BYTES."""
    return _scores(_matrix(users), _matrix(items))


def learn_arrays(users, items, ratings):
    """Both delta vectors, one after the other, of two columns of ARRAY<FLOAT> and a rating."""
    import pandas

    return pandas.Series(list(_deltas(np.stack(users), np.stack(items), ratings.to_numpy())))


def learn_bytes(users, items, ratings):
    """Both delta vectors, one after the other, of two columns of BYTES and a rating."""
    import pandas

    deltas = _deltas(_matrix(users), _matrix(items), ratings.to_numpy())
    data, width = deltas.tobytes(), deltas[0].nbytes
    return pandas.Series([data[at : at + width] for at in range(0, len(data), width)])


def _matrix(column) -> np.ndarray:
    return np.frombuffer(b"".join(column), np.float32).reshape(len(column), -1)


def _scores(users: np.ndarray, items: np.ndarray):
    import pandas

    return pandas.Series(np.vecdot(users, items).astype(np.float64) + 3.5)


def _deltas(users: np.ndarray, items: np.ndarray, ratings: np.ndarray) -> np.ndarray:
    """float32[n, 2 width]: a step of gradient descent on the squared error, as an example would write it."""
    error = (ratings - 3.5 - np.vecdot(users, items)).astype(np.float32)[:, None]
    return np.hstack([0.05 * (error * items - 0.01 * users), 0.05 * (error * users - 0.01 * items)]).astype(np.float32)


def main() -> None:
    """Run the task on standard input."""
    task = Task(**json.load(sys.stdin))
    seconds = []
    for form, file in task.jobs:
        began, ended = _job(task, form, file)
        seconds.append(ended - began)
    print(json.dumps(seconds))


def _job(task: Task, form: Form, file: str) -> tuple[float, float]:
    from pyflink.common import Configuration
    from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
    from pyflink.table.udf import udf

    host, _, port = task.address.rpartition(":")
    configuration = Configuration()
    mode = "STREAMING" if task.kind == "learn" else "BATCH"
    for name, value in {**OPTIONS, "rest.address": host, "rest.port": port, "execution.runtime-mode": mode}.items():
        configuration.set_string(name, value)
    table_env = TableEnvironment.create(EnvironmentSettings.new_instance().with_configuration(configuration).build())
    vector = DataTypes.ARRAY(DataTypes.FLOAT()) if form == "array" else DataTypes.BYTES()
    functions = {
        ("score", "array"): (score_arrays, DataTypes.DOUBLE()), ("score", "bytes"): (score_bytes, DataTypes.DOUBLE()),
        ("learn", "array"): (learn_arrays, vector), ("learn", "bytes"): (learn_bytes, vector),
    }  # fmt: skip
    function, result = functions[task.kind, form]
    table_env.create_temporary_function(task.kind, udf(function, result_type=result, func_type="pandas"))
    statements = queries("peer_flink")
    sink = f"deltas_{form}" if task.kind == "learn" else "scores" if task.output is None else "scores_file"
    output = "" if task.output is None else str(Path(task.output, form))
    for name, path in (("events" if task.kind == "learn" else "pairs", file),
                       *((f"{side}_{form}", str(Path(task.folder, f"{side}_{form}.json"))) for side in ("users", "items")),
                       (sink, output)):
        (statement,) = read_script(statements[name], {"PATH": path})
        table_env.execute_sql(statement.text)
    began = time.perf_counter()
    table_env.execute_sql(statements[task.kind]).wait()
    return began, time.perf_counter()


if __name__ == "__main__":
    main()
