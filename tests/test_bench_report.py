"""What benchmarks print and write down: percentiles, hashes, goals, the JSON line, the block in the document."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.bench import report
from tests.bench.pgbench import read_latencies
from tests.bench.report import Goal, Report, Table


def a_report(**changed: object) -> Report:
    fields = {
        "name": "speed", "result_hash": "0123456789abcdef", "figures": {"ratios": {"x": 2.0}}, "errors": 1,
        "tables": (Table(title="Times", columns=("who", "us"), rows=(("ours", 12345), ("theirs", 0.5))),),
        "goals": (Goal(name="x", value=2.0, bound=4, side="at least"),),
    }  # fmt: skip
    return Report(**(fields | changed))


def test_percentiles_are_numpys() -> None:
    found = report.percentiles(np.arange(101))
    assert found == {"p50": 50.0, "p90": 90.0, "p99": 99.0, "max": 100.0}


def test_percentiles_of_nothing_are_nan() -> None:
    assert all(np.isnan(value) for value in report.percentiles([]).values())


def test_a_hash_depends_on_values_shape_and_type() -> None:
    base = np.arange(6)
    others = (base + 1, base.reshape(2, 3), base.astype(np.float64))
    assert len({report.hash_of(array) for array in (base, *others)}) == 4
    assert report.hash_of(base) == report.hash_of(base[::2].repeat(2) + np.tile([0, 1], 3))


def test_what_keeps_a_core_busy_shows() -> None:
    with ThreadPoolExecutor() as pool:
        found = pool.submit(report.busy_cores, 0.3)
        while not found.done():
            sum(range(1000))
    assert 0.3 < found.result() <= os.cpu_count()


@pytest.mark.parametrize(("side", "value", "met"), [
    ("at least", 4.0, True), ("at least", 3.9, False), ("at most", 4.0, True), ("at most", 4.1, False),
    ("at least", float("nan"), False), ("at most", float("nan"), False),
])  # fmt: skip
def test_goals(side: str, value: float, met: bool) -> None:
    assert Goal(name="x", value=value, bound=4, side=side).met is met


def test_the_last_line_is_one_json_object_with_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    report.publish(a_report(), command="make bench BENCH=speed", busy=0.0, document=None)
    *shown, last = capsys.readouterr().out.rstrip("\n").split("\n")
    found = json.loads(last)
    assert found["bench"] == "speed"
    assert found["ratios"] == {"x": 2.0}
    assert found["goals"]["x"] == {"value": 2.0, "bound": 4, "side": "at least", "met": False}
    assert found["errors"] == 1
    assert {"cpu", "cores", "memory_gib", "python", "jdk"} <= found["machine"].keys()
    assert "| ours   | 12,345 |" in shown
    assert "| theirs | 0.5    |" in shown


def test_a_figure_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        report.publish(a_report(figures={"x": float("nan")}), command="", busy=0.0, document=None)


def test_a_document_keeps_what_is_around_the_block(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    document = tmp_path / "performance.md"
    document.write_text("# Performance\n<!-- bench:speed -->\nold\n<!-- /bench:speed -->\nafter\n")
    for _ in range(2):
        report.publish(a_report(), command="make bench BENCH=speed", busy=0.0, document=document)
    text = document.read_text()
    assert text.startswith("# Performance\n<!-- bench:speed -->\n`make bench BENCH=speed`")
    assert text.endswith("<!-- /bench:speed -->\nafter\n")
    assert "old" not in text
    assert text.count("**Times**") == 1
    capsys.readouterr()


def test_a_benchmark_without_a_block_gets_one_at_the_end(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    document = tmp_path / "performance.md"
    report.publish(a_report(), command="make bench BENCH=speed", busy=0.0, document=document)
    assert document.read_text().rstrip().endswith("<!-- /bench:speed -->")
    capsys.readouterr()


def test_latencies_of_pgbench_are_the_third_column_of_all_logs(tmp_path) -> None:
    (tmp_path / "pgbench_log.7").write_text("0 1 812 0 1763800000 123456\n1 1 90 0 1763800000 123999\n")
    (tmp_path / "pgbench_log.7.1").write_text("2 1 55 0 1763800000 123456\n")
    (tmp_path / "pgbench_log.7.2").write_text("")
    assert sorted(read_latencies(tmp_path).tolist()) == [55, 90, 812]
