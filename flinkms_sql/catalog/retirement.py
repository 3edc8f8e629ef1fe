"""The errors for a version that is not kept any more, wherever it is asked for."""

from __future__ import annotations

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError


def retired(model: str, version: int) -> FlinkmsError:
    """The error for a version that is not kept any more."""
    return FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f'version {version} of model "{model}" was retired',
                        detail="Newer versions have taken its place, and its files are deleted.",
                        hint="Option 'versions.keep' of the model says how many ready versions are kept.")


def dropped(model: str, version: int) -> FlinkmsError:
    """The error for a version that went with its model, whatever has its name and number since."""
    return FlinkmsError(errors.UNDEFINED_OBJECT, f'version {version} of model "{model}" was dropped')
