"""train: ALS of rank 16, ten iterations, on 80 % of ml-latest-small; beside Spark MLlib's ALS on local[2].

Ours: CREATE MODEL in a fresh client process, over a deployment that runs; its first training is given too (cold: the
first job of a cluster loads classes), and the time of ``flinkms up`` before it. Peer: a fresh process, as Spark is used,
from its start to its trained model and written predictions; the fit alone is given too. Both read the same CSV files.
RMSE is over every held-out row: where Spark has no prediction (a user or item that is not in the training part), it gets
the mean of the training ratings; its RMSE without those rows is given too. Spark has regularization 0.1, ours its default.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from tests.bench import peer_spark, ratings
from tests.bench.ratings import Ratings, Split
from tests.bench.report import Goal, Report, Table, hash_of
from tests.bench.statements import queries, script
from tests.deployment import Deployment, deployed

SPARK_PYTHON = Path(sys.prefix) / "spark" / "bin" / "python"
"""Where ``make bench BENCH=train`` installs Spark."""

SPARK_REGULARIZATION = 0.1

CLIENT = """
import sys, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    connection.execute(sys.argv[2])
"""
"""The client process: a connection and one statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured; rank and iterations of ours are in sql/ours.sql."""

    rank: int = 16
    iterations: int = 10
    rounds: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One run of Spark: wall seconds of its process, of its fit; RMSE over every row and over those it predicts."""

    process_s: float
    fit_s: float
    rmse: float
    rmse_without_cold: float
    cold_rows: int


def run(*, small: bool) -> Report:
    """Measure both in turns."""
    scale = Scale(rounds=1) if small else Scale()
    split = ratings.split(small=small)
    with deployed() as deployment, tempfile.TemporaryDirectory(prefix="flinkms-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        ratings.write(folder / "training.csv", split.training)
        ratings.write(folder / "held_out.csv", split.held_out)
        deployment.command("apply", str(script("train_tables")), "--set", f"RATINGS={folder / 'training.csv'}")
        cold_s = train_s(deployment, "create_cold")
        warm_s, peers = [], []
        for number in range(scale.rounds):
            warm_s.append(train_s(deployment, f"create_{number}"))
            peers.append(spark(folder, split, scale))
        predictions = predict(deployment, split.held_out)
    return report(scale, split, (deployment.started_s, cold_s, warm_s), peers, predictions)


def train_s(deployment: Deployment, statement: str) -> float:
    """Wall seconds of a client process that trains a model."""
    settings = deployment.settings
    dsn = f"host={settings.host} port={settings.port} dbname=flinkms user=flinkms"
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", CLIENT, dsn, queries("ours")[statement]], check=True)
    return time.perf_counter() - began


def predict(deployment: Deployment, held_out: Ratings) -> np.ndarray:
    """float64: predictions of the served model, one per held-out row."""
    users, items = ("{" + ",".join(map(str, keys.tolist())) + "}" for keys in held_out[:2])
    with deployment.connect() as connection:
        rows = connection.execute(queries("ours")["predict_trained"], {"users": users, "items": items}).fetchall()
    return np.array(rows, np.float64)[:, 0]


def spark(folder: Path, split: Split, scale: Scale) -> Peer:
    """One run of Spark, in a process of its own."""
    output = folder / "spark.npy"
    command = [str(SPARK_PYTHON), peer_spark.__file__, str(folder / "training.csv"),
               str(folder / "held_out.csv"), str(output), str(scale.rank), str(scale.iterations),
               str(SPARK_REGULARIZATION)]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    process_s = time.perf_counter() - began
    if done.returncode != 0:
        raise RuntimeError(f"Spark failed; make bench BENCH=train installs it.\n{done.stderr[-4000:]}")
    found = np.load(output)
    truth, predicted = found[:, 2], found[:, 3]
    cold = np.isnan(predicted)
    filled = np.where(cold, split.training[2].mean(), predicted)
    if len(found) != len(split.held_out[0]):
        raise ValueError(f"Spark answered {len(found)} of {len(split.held_out[0])} held-out rows")
    return Peer(process_s=process_s, fit_s=json.loads(done.stdout.splitlines()[-1])["fit_s"], rmse=rmse(filled, truth),
                rmse_without_cold=rmse(predicted[~cold], truth[~cold]), cold_rows=int(cold.sum()))


def rmse(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Root of the mean squared error; NaN counts, as NaN."""
    return float(np.sqrt(np.mean((predicted - truth) ** 2)))


def report(scale: Scale, split: Split, ours_s: tuple[float, float, list[float]], peers: list[Peer],
           predictions: np.ndarray) -> Report:
    """Medians over rounds."""
    up_s, cold_s, warm_s = ours_s
    ours, peer = median(warm_s), median(entry.process_s for entry in peers)
    fit, own = median(entry.fit_s for entry in peers), rmse(predictions, split.held_out[2])
    last = peers[-1]
    missing = int(np.isnan(predictions).sum())
    return Report(
        name="train", result_hash=hash_of(predictions), errors=missing,
        tables=(Table(
            title=f"ALS, rank {scale.rank}, {scale.iterations} iterations, {len(split.training[0]):,} ratings of "
                  f"{split.source}; RMSE over {len(split.held_out[0]):,} held-out ratings; median of {scale.rounds} rounds",
            columns=("trainer", "seconds", "held-out RMSE"),
            rows=(("flinkms, client process over a running deployment", ours, f"{own:.4f}"),
                  ("flinkms, its first training (cold)", cold_s, f"{own:.4f}"),
                  ("flinkms, flinkms up and its first training", up_s + cold_s, f"{own:.4f}"),
                  ("Spark local[2], process", peer, f"{last.rmse:.4f}"),
                  ("Spark local[2], its fit alone", fit, f"{last.rmse:.4f}"),
                  (f"Spark, without the {last.cold_rows} rows it has no prediction for", "", f"{last.rmse_without_cold:.4f}")),
        ),),
        goals=(Goal(name="seconds / Spark's process", value=ours / peer, bound=1, side="at most"),
               Goal(name="held-out RMSE / Spark's", value=own / last.rmse, bound=1, side="at most")),
        figures={
            "seconds": {"flinkms": warm_s, "flinkms_cold": cold_s, "flinkms_up": up_s,
                        "spark_process": [entry.process_s for entry in peers], "spark_fit": [entry.fit_s for entry in peers]},
            "ratios": {"warm_over_spark_process": ours / peer, "cold_over_spark_process": cold_s / peer,
                       "up_and_cold_over_spark_process": (up_s + cold_s) / peer, "warm_over_spark_fit": ours / fit},
            "rmse": {"flinkms": own, "spark": last.rmse, "spark_without_cold": last.rmse_without_cold,
                     "spark_cold_rows": last.cold_rows},
        },
    )  # fmt: skip
