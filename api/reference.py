"""The settings of the service as a table of the documentation; `scripts/gen` puts it there."""

from __future__ import annotations

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from api.settings import PREFIX, ServiceSettings


def settings_table() -> str:
    """A row for each setting: its variable, its default, what it is."""
    rows = ["| variable | default | is |", "| --- | --- | --- |"]
    for name, field in ServiceSettings.model_fields.items():
        rows.append(f"| `{PREFIX}{name.upper()}` | {_default(field)} | {field.description} |")
    return "\n".join(rows) + "\n"


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "`service` in the state folder"
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    return f"`{value}`"
