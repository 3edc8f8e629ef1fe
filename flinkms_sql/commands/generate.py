"""Generate a random model of any size, or ratings of planted rank, to measure or to try things with.

``generate model`` publishes a version without any training; ``generate ratings`` writes a CSV file or into a stream.
Everything is a function of its seed.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from flinkms_sql import errors
from flinkms_sql.app import open_deployer
from flinkms_sql.commands.generate_model import ALGORITHMS, ModelSize, publish_random
from flinkms_sql.commands.options import settings_options
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.stream import Stream, StreamWriter
from flinkms_sql.settings import Settings
from flinkms_sql.types import SqlType
from udfs.block import Column
from udfs.generate import PlantedRatings

PARTITION = "generator-0"
"""The partition of a stream that this command writes; one generator at a time per stream."""

APPEND_ROWS = 4096
"""Rows of one append under --rate: a fraction of a second's worth is due at a time anyway."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Sub-commands model and ratings."""
    what = parser.add_subparsers(dest="what", required=True, metavar="model | ratings")
    model = what.add_parser("model", help="publish a random model", description="Publish a random model.",
                            parents=[settings_options()])
    model.add_argument("name", help="of the model; declared if it is not")
    model.add_argument("--algorithm", choices=ALGORITHMS, help="default: als, or logistic with --features")
    model.add_argument("--users", type=_count, help="rows of users (als)")
    model.add_argument("--items", type=_count, help="rows of items (als)")
    model.add_argument("--factors", type=_count, help="factors of a row (als); default 32")
    model.add_argument("--features", type=_count, help="sparse features (svm, logistic, ridge)")
    model.add_argument("--seed", type=int, default=0, help="default 0")
    ratings = what.add_parser("ratings", help="write ratings of planted rank", parents=[settings_options()],
                              description="Write ratings of planted rank: the RMSE that no model can go below is --noise.")
    target = ratings.add_mutually_exclusive_group(required=True)
    target.add_argument("--csv", type=Path, metavar="FILE", help="user_id,item_id,rating,seconds; no header")
    target.add_argument("--stream", metavar="NAME", help="a declared stream (BIGINT, BIGINT, DOUBLE[, TIMESTAMP_LTZ])")
    ratings.add_argument("--rows", type=_count, default=100_000, help="default 100,000")
    ratings.add_argument("--users", type=_count, default=1000, help="default 1,000")
    ratings.add_argument("--items", type=_count, default=1000, help="default 1,000")
    ratings.add_argument("--rank", type=_count, default=8, help="planted rank; default 8")
    ratings.add_argument("--noise", type=float, default=0.5, help="irreducible RMSE; default 0.5")
    ratings.add_argument("--rate", type=float, default=0.0, metavar="ROWS/S", help="into a stream; default: at once")
    ratings.add_argument("--seed", type=int, default=0, help="default 0")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 when it is written."""
    if arguments.what == "model":
        return _run_model(arguments, settings)
    planted = PlantedRatings(users=arguments.users, items=arguments.items, rank=arguments.rank, noise=arguments.noise,
                             seed=arguments.seed)
    if arguments.csv is not None:
        write_csv(arguments.csv, planted, arguments.rows)
        print(f"{arguments.rows:,} ratings in {arguments.csv}; irreducible RMSE {planted.noise:g}")
        return 0
    with open_deployer(settings) as deployer:
        table = deployer.store.snapshot().tables.get(arguments.stream)
    if table is None or table.kind != "stream":
        raise FlinkmsError(errors.UNDEFINED_TABLE, f'stream "{arguments.stream}" does not exist',
                           hint="CREATE TABLE … WITH ('connector' = 'flinkms') declares one.")
    write_stream(Stream.open(deployer.places.stream(table.path)), planted, arguments.rows, rate=arguments.rate)
    print(f'{arguments.rows:,} ratings in stream "{arguments.stream}"; irreducible RMSE {planted.noise:g}')
    return 0


def _run_model(arguments: argparse.Namespace, settings: Settings) -> int:
    size = ModelSize(users=arguments.users, items=arguments.items, factors=arguments.factors,
                     features=arguments.features, seed=arguments.seed)
    algorithm = arguments.algorithm or ("als" if arguments.features is None else "logistic")
    with open_deployer(settings) as deployer, _bar("rows", size.rows(algorithm)) as advance:
        version = publish_random(deployer.store, deployer.places, arguments.name, algorithm, size, advance)
    print(f'model "{version.model}" version {version.version}: {size.rows(algorithm):,} rows')
    return 0


def write_csv(path: Path, planted: PlantedRatings, rows: int) -> None:
    """Write ``rows`` ratings as lines user_id,item_id,rating,seconds; row n is rated n seconds after 1970-01-01."""
    try:
        with path.open("w", newline="") as file, _bar("ratings", rows) as advance:
            writer, done = csv.writer(file), 0
            for users, items, ratings in planted.chunks(rows):
                writer.writerows(zip(users.tolist(), items.tolist(), ratings.tolist(), range(done, done + len(users)),
                                     strict=True))
                done += len(users)
                advance(len(users))
    except OSError as error:
        raise FlinkmsError(errors.IO_ERROR, f'could not write "{path}": {error.strerror}') from error


def write_stream(stream: Stream, planted: PlantedRatings, rows: int, *, rate: float = 0.0) -> None:
    """Append ``rows`` ratings to a stream, durably; ``rate`` rows a second, 0 for as fast as it goes.

    Raises FlinkmsError 42804 when the stream has other columns than two keys, a rating and timestamps.
    """
    types = [column.type for column in stream.columns]
    if types[:3] != [SqlType.BIGINT, SqlType.BIGINT, SqlType.DOUBLE] or not set(types[3:]) <= {
        SqlType.TIMESTAMP, SqlType.TIMESTAMP_LTZ,
    }:  # fmt: skip
        raise FlinkmsError(errors.DATATYPE_MISMATCH, f'stream "{stream.path.name}" cannot take ratings',
                           detail="Its columns have to be BIGINT, BIGINT, DOUBLE and any number of timestamps.")
    with closing(StreamWriter(stream, PARTITION)) as writer, _bar("ratings", rows) as advance:
        began = time.monotonic()
        for done, chunk in _pieces(planted.chunks(rows), APPEND_ROWS if rate else None):
            if rate and (early := done / rate - (time.monotonic() - began)) > 0:
                time.sleep(early)
            now = np.full(len(chunk[0]), int(time.time() * 1e6), np.int64)
            writer.append_sync([*(Column(values) for values in chunk), *(Column(now) for _ in types[3:])])
            advance(len(now))


def _pieces(chunks: Iterable[tuple[np.ndarray, ...]], size: int | None) -> Iterator[tuple[int, tuple[np.ndarray, ...]]]:
    """(rows before it, chunk), chunks cut to ``size`` rows."""
    done = 0
    for chunk in chunks:
        count = len(chunk[0])
        for first in range(0, count, size or count):
            piece = tuple(values[first : first + (size or count)] for values in chunk)
            yield done, piece
            done += len(piece[0])


@contextmanager
def _bar(noun: str, total: int) -> Iterator:
    """A function that moves a progress bar on by a number of rows; nothing is shown where there is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(noun, total=total)
        yield lambda rows: progress.advance(task, rows)


def _count(text: str) -> int:
    """A number of at least one."""
    number = int(text.replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
