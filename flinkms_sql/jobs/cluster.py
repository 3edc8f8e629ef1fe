"""Flink's REST interface: state, failure, cancel and savepoint of a job. No pyflink, no JVM.

Paths and fields: Flink documentation, "REST API", version 2.3.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError

REQUEST_S_MAX = 10.0
"""Seconds one REST request may take: a busy job manager answers within a second or two."""

SAVEPOINT_S_MAX = 60.0
"""Seconds a stop with savepoint may take: bundles in flight are a few MiB."""

ENDED_STATES = frozenset({"FINISHED", "FAILED", "CANCELED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """State of a job as Flink names it, or None when the cluster does not know the job; the root failure if any."""

    state: str | None
    failure: str | None = None


class Cluster:
    """A Flink session cluster by its REST address (``host:port``)."""

    def __init__(self, address: str) -> None:
        self.address = address

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            f"http://{self.address}{path}", data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=REQUEST_S_MAX) as response:
            return json.loads(response.read() or b"{}")

    def is_ready(self) -> bool:
        """Whether the cluster answers and has a task manager."""
        try:
            return self._request("GET", "/overview").get("taskmanagers", 0) > 0
        except (OSError, ValueError):
            return False

    def status(self, job_id: str) -> JobStatus:
        """State of the job. Raises FlinkmsError 08006 when the cluster does not answer."""
        try:
            state = self._request("GET", f"/jobs/{job_id}/status")["status"]
            failure = self._failure(job_id) if state in ("FAILED", "RESTARTING", "FAILING") else None
            return JobStatus(state=state, failure=failure)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return JobStatus(state=None)
            raise self._unreachable(error) from error
        except (OSError, ValueError) as error:
            raise self._unreachable(error) from error

    def _failure(self, job_id: str) -> str | None:
        history = self._request("GET", f"/jobs/{job_id}/exceptions?maxExceptions=1").get("exceptionHistory", {})
        entries = history.get("entries", [])
        return entries[0]["stacktrace"] if entries else None

    def cancel(self, job_id: str) -> None:
        """Ask for the job to be cancelled; a job that is gone is no error."""
        try:
            self._request("PATCH", f"/jobs/{job_id}?mode=cancel")
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in (404, 409):
                raise self._unreachable(error) from error
        except OSError as error:
            raise self._unreachable(error) from error

    def stop_with_savepoint(self, job_id: str, directory: str) -> str:
        """Stop the job at a savepoint and return the savepoint's path.

        Raises FlinkmsError 58030 when the savepoint fails or takes longer than SAVEPOINT_S_MAX.
        """
        trigger = self._request("POST", f"/jobs/{job_id}/stop", {"targetDirectory": directory, "drain": False})
        deadline = time.monotonic() + SAVEPOINT_S_MAX
        while time.monotonic() < deadline:
            answer = self._request("GET", f"/jobs/{job_id}/savepoints/{trigger['request-id']}")
            if answer["status"]["id"] == "COMPLETED":
                operation = answer["operation"]
                if "location" in operation:
                    return operation["location"]
                raise FlinkmsError(errors.IO_ERROR, "savepoint failed", detail=str(operation.get("failure-cause"))[:2000])
            time.sleep(0.1)
        raise FlinkmsError(errors.IO_ERROR, f"savepoint did not complete within {SAVEPOINT_S_MAX:.0f} s")

    def _unreachable(self, error: Exception) -> FlinkmsError:
        return FlinkmsError(
            errors.CONNECTION_FAILURE, f"Flink at {self.address} does not answer", detail=str(error),
            hint="flinkms status shows whether the cluster runs.",
        )


def root_cause(stacktrace: str) -> str:
    """The innermost cause of a Java stack trace in one line: of a Python failure, its last line."""
    lines = stacktrace.splitlines()
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")] or lines[:1]
    python = [line for line in lines if line and not line.startswith(("\t", " ", "Caused by", "Traceback"))]
    text = python[-1] if "Traceback (most recent call last)" in stacktrace and python else causes[-1]
    return text.strip()[:500]
