"""Show the whole path on real ratings: deploy a file, train on Flink, ask over Postgres, learn from an INSERT.

Everything it does a user could type; it only chooses the data, the order, and a directory and ports of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path

from rich.console import Console

from flinkms_sql import errors, sqlfiles
from flinkms_sql.app import open_deployer
from flinkms_sql.commands.apply import apply_stages, read_file, say_waiting
from flinkms_sql.commands.demo_data import prepare_diagnoses, prepare_ratings
from flinkms_sql.deploy.script import applying, plan_script
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime.flink import free_ports
from flinkms_sql.server.client import connect
from flinkms_sql.settings import DATABASE, Settings

LIKED = 5.0
DISLIKED = 0.5
RATINGS_INSERTED = 10
CHANGE_WAIT_S_MAX = 30.0
"""Seconds the demo waits for an inserted rating to be learned: a thousand times what it takes."""

console = Console(highlight=False, soft_wrap=True)


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the demo."""
    parser.add_argument("--keep-up", action="store_true", help="leave the deployment running, on the default port")
    parser.add_argument("--user", type=int, default=42, help="whose top ten is shown (default: 42)")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the demo; 0 when every step did what it says."""
    if not arguments.keep_up:
        settings = replace(settings, data_dir=settings.data_dir / "demo", port=free_ports(1)[0])
        shutil.rmtree(settings.data_dir, ignore_errors=True)
    settings = replace(settings, data_roots=os.pathsep.join([settings.data_roots or "", str(settings.data_dir / "demo-data")]))
    data = Path(os.environ["FLINKMS_DATA"]) if os.environ.get("FLINKMS_DATA") else None
    ratings = prepare_ratings(settings.data_dir / "demo-data", data)
    title("Data", f"{ratings.rows:,} ratings ({ratings.source}), 80 % to train on, 20 % held out")
    with deployment(settings, keep=arguments.keep_up):
        show_ratings(settings, ratings, arguments.user)
        show_diagnoses(settings)
        if arguments.keep_up:
            console.print(f"\nStill up: psql -h {settings.host} -p {settings.port} -U {DATABASE} {DATABASE}"
                          "; flinkms down ends it.")
    return 0


@contextmanager
def deployment(settings: Settings, *, keep: bool) -> Iterator[None]:
    """``flinkms up`` around the demo, and ``flinkms down`` after it unless the deployment is to stay."""
    title("flinkms up", "control database, Flink, fork server, job runner, frontend")
    command = [sys.executable, "-m", "flinkms_sql.cli"]
    environment = {**os.environ, **settings.environment()}
    started = time.monotonic()
    subprocess.run([*command, "up", "--detach"], env=environment, check=True)
    console.print(f"ready in {time.monotonic() - started:.1f} s")
    try:
        yield
    finally:
        if not keep:
            subprocess.run([*command, "down"], env=environment, check=True)


def deploy(settings: Settings, example: str, values: dict[str, str]) -> None:
    """Print the plan of sql/examples/<example>.sql, then apply it."""
    with open_deployer(settings) as deployer, resources.as_file(
        resources.files("sql").joinpath(f"examples/{example}.sql")
    ) as file:
        text = read_file(file)
        for stage in plan_script(deployer.store, text, values):
            console.print(f"  {stage}")
        title("flinkms apply", f"{example}.sql")
        started = time.monotonic()
        with applying(deployer.store, text, values, on_wait=say_waiting) as found:
            apply_stages(found, deployer)
        console.print(f"applied in {time.monotonic() - started:.1f} s")


def show_ratings(settings: Settings, ratings, user: int) -> None:
    """Train, evaluate, recommend, insert ratings and watch the answers change."""
    title("flinkms plan", "movielens.sql")
    deploy(settings, "movielens", {"RATINGS": str(ratings.training), "HELD_OUT": str(ratings.held_out)})
    queries = sqlfiles.queries("demo/queries")
    with connect(settings) as connection:
        title("EVALUATE MODEL rec", "the served model on the held-out ratings, unknown users and items included")
        print_metrics(connection.execute(queries["evaluate_ratings"]).fetchall())
        connection.execute(queries["create_titles"])
        with connection.cursor().copy(queries["copy_titles"]) as copy:
            for item, name in ratings.titles.items():
                copy.write_row((item, name))
        title(f"recommend('rec', {user}, 10)", "through psql" if shutil.which("psql") else "through psycopg")
        ask(settings, queries["top_ten"], user, connection)
        learn_ratings(connection, queries, user)
        title(f"recommend('rec', {user}, 10)", "after these ratings")
        ask(settings, queries["top_ten"], user, connection)
        title("EVALUATE MODEL rec", "as it is served now")
        print_metrics(connection.execute(queries["evaluate_ratings"]).fetchall())


def learn_ratings(connection, queries: dict[str, str], user: int) -> None:
    """Insert ratings that contradict the model and wait until its answers have changed."""
    top = [row[0] for row in connection.execute(queries["top_items"], {"user": user})]
    item = top[0]
    before = connection.execute(queries["predict"], {"user": user, "item": item}).fetchone()[0]
    title("INSERT INTO rating_events", f"user {user} rates {RATINGS_INSERTED} films of the top ten {DISLIKED}")
    started = time.perf_counter()
    connection.execute(queries["insert_rating"], {"user": user, "item": item, "rating": DISLIKED})
    inserted = time.perf_counter()
    after = wait_for_change(connection, queries["predict"], {"user": user, "item": item}, before)
    changed = time.perf_counter()
    console.print(f"predict('rec', {user}, {item}): {before:.3f} -> {after:.3f}, "
                  f"{(changed - inserted) * 1e3:.1f} ms after the INSERT was acknowledged "
                  f"(itself {(inserted - started) * 1e3:.1f} ms)")
    for rated in top[1:RATINGS_INSERTED]:
        connection.execute(queries["insert_rating"], {"user": user, "item": rated, "rating": DISLIKED})
    last = {"user": user, "item": top[-1]}
    wait_for_change(connection, queries["predict"], last, None)


def wait_for_change(connection, query: str, arguments: dict[str, int], before: float | None) -> float:
    """The first answer that differs from ``before``; with None, the answer once it has stopped changing for 0.2 s."""
    deadline = time.monotonic() + CHANGE_WAIT_S_MAX
    last, since = before, time.monotonic()
    while time.monotonic() < deadline:
        now = connection.execute(query, arguments).fetchone()[0]
        if now != last:
            if before is not None:
                return now
            last, since = now, time.monotonic()
        elif before is None and time.monotonic() - since > 0.2:
            return now
    raise FlinkmsError(errors.INTERNAL_ERROR, f"no change within {CHANGE_WAIT_S_MAX:.0f} s",
                       hint="The learning job's state is in flinkms.jobs, its log under <data-dir>/logs.")


def show_diagnoses(settings: Settings) -> None:
    """A linear model beside scikit-learn's own score on the same split."""
    files = prepare_diagnoses(settings.data_dir / "demo-data")
    title("flinkms plan", "breast_cancer.sql")
    deploy(settings, "breast_cancer", {"TRAINING": str(files.training), "HELD_OUT": str(files.held_out)})
    with connect(settings) as connection:
        rows = connection.execute(sqlfiles.queries("demo/queries")["evaluate_diagnoses"]).fetchall()
    title("EVALUATE MODEL cancer", f"scikit-learn's logistic regression on the same split: {files.sklearn_accuracy:.4f}")
    print_metrics(rows)


def ask(settings: Settings, query: str, user: int, connection) -> None:
    """Print a query's rows as psql shows them; through psycopg where psql is not installed."""
    if shutil.which("psql"):
        # The same parameter, as a psql variable.
        subprocess.run(["psql", "-X", "-h", settings.host, "-p", str(settings.port), "-U", DATABASE, "-d", DATABASE,
                        "-v", "ON_ERROR_STOP=1", "-v", f"user={user}"],
                       input=query.replace("%(user)s", ":user") + ";", text=True, check=True)
        return
    for row in connection.execute(query, {"user": user}):
        console.print(*row, sep="  ")


def print_metrics(rows: list[tuple[str, float, int, int, int]]) -> None:
    """One metric a line."""
    for name, value, count, unknown, failed in rows:
        console.print(f"  {name} {value:.4f} over {count:,} rows ({unknown:,} with unknown ids, {failed:,} failed)")


def title(what: str, detail: str) -> None:
    """A heading."""
    console.print(f"\n[bold]{what}[/bold]  {detail}")
