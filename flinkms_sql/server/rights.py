"""May this role do this? Asked for every plan that is not PostgreSQL's own to judge, and when a client comes in.

Must not know sessions: pure functions of what roles may do and a plan. What PostgreSQL runs is checked there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from typing_extensions import assert_never

from flinkms_sql import errors
from flinkms_sql.catalog.roles import RoleRights
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.plan import (
    DeployPlan,
    ExplainPlan,
    LocalPlan,
    ModelPlan,
    Plan,
    PointPlan,
    RelayPlan,
    RewrittenPlan,
    ShowPlan,
    StreamInsertPlan,
)


class Access(Protocol):
    """What roles may do, as of a moment ago."""

    @property
    def known(self) -> Mapping[str, RoleRights]:
        """The rights of every role that has some, by name. Must not wait."""

    @property
    def readers(self) -> frozenset[str]:
        """The roles that may ask models, and for which their functions' names mean no others'. Must not wait."""

    async def refresh(self) -> None:
        """Ask again. Raises FlinkmsError 08006."""

_HINT = "Whoever runs the deployment makes a user one: flinkms user add NAME --role {}."


def refusal(rights: RoleRights | None, plan: Plan) -> FlinkmsError | None:
    """Why a role with these rights (None: with none) may not do this; None when it may."""
    match plan:
        case PointPlan() | ModelPlan() | RewrittenPlan():
            if rights is None or not rights.reads:
                return _denied("permission denied to ask a model", "flinkms_reader", "ask models")
        case StreamInsertPlan():
            if rights is None or plan.table not in rights.inserts:
                return FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f"permission denied for table {plan.table}",
                                    hint=_HINT.format("writer"))
        case DeployPlan():
            if rights is None or not rights.deploys:
                return _denied("permission denied to deploy", "flinkms_deployer",
                               "create, train, evaluate, change or drop models, tables of Flink and jobs")
        case ExplainPlan():
            return refusal(rights, plan.inner)
        case LocalPlan() | ShowPlan() | RelayPlan():
            pass
        case _:
            assert_never(plan)
    return None


def _denied(message: str, group: str, what: str) -> FlinkmsError:
    return FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, message,
                        detail=f'Only roles with privileges of the "{group}" role may {what}.',
                        hint=_HINT.format(group.removeprefix("flinkms_")))


def login_refusal(role: str, rights: RoleRights | None) -> FlinkmsError | None:
    """Why nobody may come in as this role; None when it is a client's."""
    if rights is None or rights.ours:
        # Of roles that are no client's nothing is told, not even that they exist.
        return FlinkmsError(errors.INVALID_AUTHORIZATION, f'role "{role}" does not exist',
                            hint=f"Clients are users made by: flinkms user add {role} --role reader")
    if not rights.can_log_in:
        return FlinkmsError(errors.INVALID_AUTHORIZATION, f'role "{role}" is not permitted to log in')
    return None


async def ensure(access: Access | None, role: str, plan: Plan) -> None:
    """Raise FlinkmsError 42501 when the role may not. Who seems not to is asked for again: it may have been let in since."""
    if access is None or refusal(access.known.get(role), plan) is None:
        return
    await access.refresh()
    error = refusal(access.known.get(role), plan)
    if error is not None:
        raise error
