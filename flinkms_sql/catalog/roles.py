"""Records of roles: what a user can be, and what a role of the control database may do.

Must not know who asks, nor what is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

UserRole = Literal["reader", "writer", "deployer"]
ROLES: tuple[UserRole, ...] = ("reader", "writer", "deployer")
"""What a user can be, each with the rights of those before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRights:
    """What a role of the control database may do. ``ours``: the registry's owner or a superuser; no client may be it.

    inserts:   names of the streams it may insert into.
    relations: (schema, name) of what has the name of a Flink table, in other schemas than public that it may look into.
    functions: (schema, name) of functions of others that are named as ours, where it may look.
    settings:  what its sessions start with, as ALTER ROLE and ALTER DATABASE keep it.
    """

    ours: bool
    can_log_in: bool
    reads: bool
    deploys: bool
    inserts: frozenset[str]
    relations: frozenset[tuple[str, str]] = frozenset()
    functions: frozenset[tuple[str, str]] = frozenset()
    settings: Mapping[str, str] = field(default_factory=dict)
