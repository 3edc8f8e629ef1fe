"""May this role do this? Asked once for every plan that is not PostgreSQL's own to judge.

Must not know sessions: a pure function of a role's name and a plan. What goes to PostgreSQL is checked there.
"""

from __future__ import annotations

from flinkms_sql.query.plan import Plan


def check(role: str, plan: Plan) -> None:
    """Raise FlinkmsError 42501 where the role may not. Every role may what the frontend offers."""
