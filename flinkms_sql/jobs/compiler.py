"""Submissions to Flink by PyFlink's Table API: the one file that makes Workspaces. Must not know jobs, nor the registry."""

from __future__ import annotations

import json
import threading

from flinkms_sql.jobs.environment import BULK, STANDING, FlinkTarget, Workspace, checkpoint_positions
from flinkms_sql.jobs.labels import training_label
from flinkms_sql.jobs.submissions import (
    CheckpointPositions,
    EvaluationSubmission,
    LearnerPlanned,
    LearnerSubmission,
    Planned,
    Rows,
    ScoringSubmission,
    Submission,
    TrainingSubmission,
)
from flinkms_sql.jobs.worker import evaluate_function, learn_function, predict_function
from flinkms_sql.types import SqlType
from udfs.flink import fit_function
from udfs.training import TrainConfig

PUSH = {"merge": "add", "sink.flush-interval": "0 ms"}
"""A bundle holds what a whole batch adds to each key: waiting for another one to be written with it only costs time."""


class Compiler:
    """See submissions.Flink."""

    def __init__(self, target: FlinkTarget) -> None:
        self._target = target
        self._compiling = threading.Lock()
        """Held while a job is compiled: PyFlink's client keeps one thread-bound context per JVM."""

    def warm(self) -> None:
        """See Flink: the client's JVM, and the planner's classes."""
        with self._compiling:
            Workspace(self._target, BULK, name="warm").warm()

    def positions(self, uri: str) -> CheckpointPositions:
        """See Flink."""
        with self._compiling:
            return checkpoint_positions(uri)

    def submit_learner(self, wanted: LearnerSubmission, planned: LearnerPlanned) -> None:
        """See Flink."""
        with self._compiling:
            workspace = self._workspace(wanted, standing=True)
            workspace.create_function("learn", learn_function(wanted.version, wanted.columns[-1][1], wanted.job))
            observations = workspace.queried(wanted.query, [name for name, _ in wanted.columns])
            operators = workspace.operators(observations)
            observations = workspace.with_wake_row(workspace.typed(observations, wanted.columns))
            workspace.create_view("deltas", workspace.applied("learn", observations, "bundle"))
            logs = {table: {partition: list(at) for partition, at in partitions.items()}
                    for table, partitions in wanted.logs.items()}
            workspace.create_table("model_push", [("bundle", SqlType.BYTES)],
                                   {"path": wanted.version, **PUSH, "sink.start-positions": json.dumps(logs)})
            planned(operators)
            workspace.submit("learn")

    def submit_training(self, wanted: TrainingSubmission, planned: Planned) -> None:
        """See Flink."""
        model = wanted.model
        tables = [{"name": spec.name, "key": spec.key, "width": spec.width} for spec in model.tables()]
        with self._compiling:
            workspace = self._workspace(wanted, standing=False)
            observations = workspace.queried(wanted.query, wanted.names)
            label = training_label(model, wanted.output, is_text=workspace.gives_text(observations))
            observations = workspace.typed(observations, list(zip(wanted.names, (*wanted.types, label), strict=True)))
            config = TrainConfig(algorithm=model.algorithm, options=wanted.options, names=wanted.names,
                                 input_types=[kind.name for kind in wanted.types], label_type=label.name)
            workspace.create_function("fit", fit_function(config, str(wanted.progress)))
            workspace.create_view("packed", workspace.packed(observations))
            workspace.create_table("model_base", [("bundle", SqlType.BYTES)], {
                "path": str(wanted.directory), "sink.mode": "base", "sink.tables": json.dumps(tables),
            })
            planned()
            workspace.submit("train")

    def submit_evaluation(self, wanted: EvaluationSubmission, planned: Planned) -> Rows:
        """See Flink."""
        with self._compiling:
            workspace = self._workspace(wanted, standing=False)
            workspace.create_function("evaluate", evaluate_function(wanted.version, wanted.output))
            observations = workspace.queried(wanted.query, [name for name, _ in wanted.columns])
            workspace.create_view("packed", workspace.packed(workspace.typed(observations, wanted.columns)))
            planned()
            _, result = workspace.select("evaluate")
        return result.rows

    def submit_scoring(self, wanted: ScoringSubmission, planned: Planned) -> None:
        """See Flink."""
        with self._compiling:
            workspace = self._workspace(wanted, standing=wanted.standing)
            for name, (version, output) in wanted.functions.items():
                workspace.create_function(name, predict_function(version, output))
            planned()
            workspace.submit_text(wanted.query)

    def _workspace(self, wanted: Submission, *, standing: bool) -> Workspace:
        workspace = Workspace(self._target, STANDING if standing else BULK, name=wanted.name,
                              parallelism=wanted.parallelism, flink_job_id=wanted.flink_job_id, restore_from=wanted.restore)
        for table in wanted.tables:
            workspace.declare(table)
        return workspace
