"""Flink's REST interface: state, failure, cancel and savepoint of a job. No pyflink, no JVM.

Paths and fields: Flink documentation, "REST API", version 2.3. Not urllib: it would ask a proxy for this machine.
"""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError

REQUEST_S_MAX = 10.0
"""Seconds one REST request may take: a busy job manager answers within a second or two."""

SAVEPOINT_S_MAX = 60.0
"""Seconds a stop with savepoint may take: bundles in flight are a few MiB."""

CANCEL_S_MAX = 70.0
"""Seconds until a canceled job has ended: Flink's own task.cancellation.timeout, and some."""

POLL_S = 0.1

TASKS_COMING = ("scheduled", "deploying", "initializing")
"""States of tasks that are to start: for some seconds in which Python workers come up and models are opened."""

ENDED_STATES = frozenset({"FINISHED", "FAILED", "CANCELED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failure of a job that Flink may have started anew: when (milliseconds since 1970), and the stack trace."""

    at_ms: int
    stacktrace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """State of a job as Flink names it, or None when the cluster does not know the job; the root failure if any."""

    state: str | None
    failure: str | None = None


class Cluster:
    """A Flink session cluster by its REST address (``host:port``).

    Every call raises FlinkmsError 08006 when the cluster does not answer.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def is_ready(self) -> bool:
        """Whether the cluster answers and has a task manager."""
        try:
            return self._request("GET", "/overview").get("taskmanagers", 0) > 0
        except FlinkmsError:
            return False

    def status(self, job_id: str) -> JobStatus:
        """State of the job; RUNNING only once its tasks are at work, Flink itself says so while they are deployed."""
        # The list, because the question about one job that is not there is answered with 500 and fills Flink's log.
        job = next((job for job in self._request("GET", "/jobs/overview")["jobs"] if job["jid"] == job_id), None)
        state = job and job["state"]
        if job and state == "RUNNING" and any(job["tasks"][coming] for coming in TASKS_COMING):
            state = "INITIALIZING"
        failure = self._failure(job_id) if state in ("FAILED", "RESTARTING", "FAILING") else None
        return JobStatus(state=state, failure=failure)

    def _failure(self, job_id: str) -> str | None:
        answer = self._request("GET", f"/jobs/{job_id}/exceptions?maxExceptions=1", missing={})
        entries = answer.get("exceptionHistory", {}).get("entries", [])
        return entries[0]["stacktrace"] if entries else None

    def failures(self, job_id: str, since_ms: int) -> list[Failure]:
        """What ended a job's attempts after a moment, newest first; Flink keeps the last sixteen."""
        answer = self._request("GET", f"/jobs/{job_id}/exceptions", missing={})
        entries = answer.get("exceptionHistory", {}).get("entries", [])
        return [Failure(at_ms=entry["timestamp"], stacktrace=entry["stacktrace"]) for entry in entries
                if entry["timestamp"] > since_ms]

    def cancel(self, job_id: str) -> None:
        """Ask for the job to be cancelled; a job that is gone or has ended is no error."""
        self._request("PATCH", f"/jobs/{job_id}?mode=cancel", missing={})

    def cancel_and_wait(self, job_id: str) -> None:
        """Cancel the job and wait until it has ended, at most CANCEL_S_MAX."""
        self.cancel(job_id)
        deadline = time.monotonic() + CANCEL_S_MAX
        while self.status(job_id).state not in (None, *ENDED_STATES) and time.monotonic() < deadline:
            time.sleep(POLL_S)

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
            time.sleep(POLL_S)
        raise FlinkmsError(errors.IO_ERROR, f"savepoint did not complete within {SAVEPOINT_S_MAX:.0f} s")

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None,
                 missing: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer; ``missing``, when it is given, where there is no such job any more.

        Raises 08006 when there is no whole answer, 58030 when the cluster refuses.
        """
        host, _, port = self.address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=REQUEST_S_MAX)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            response = connection.getresponse()
            code, text = response.status, response.read()
            if code < 300:
                return json.loads(text or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unreachable(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        if missing is not None and code in (http.client.NOT_FOUND, http.client.CONFLICT):
            return missing
        # While a job manager starts it answers 503; 500 is also how it reports that it is about to end.
        if code >= 500:
            raise self._unreachable(f"{method} {path} was answered with {code}")
        raise FlinkmsError(errors.IO_ERROR, f"Flink refused {method} {path} with {code}",
                           detail=text.decode(errors="replace")[:2000])

    def _unreachable(self, reason: str) -> FlinkmsError:
        return FlinkmsError(
            errors.CONNECTION_FAILURE, f"Flink at {self.address} does not answer", detail=reason,
            hint="flinkms status shows whether the cluster runs.",
        )
