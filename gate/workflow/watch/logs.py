"""Log lines that people read and machines parse: ``key=value``, hostile text quoted."""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, TypeAlias

from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

Field: TypeAlias = "str | float | bool | None"
LOGGER: Final = logging.getLogger("gate.watch")
_PLAIN: Final = re.compile(r"[\w./:@%+-]+\Z", re.ASCII)


def event(
    name: str,
    about: Mapping[str, Field] | None = None,
    /,
    *,
    level: int = logging.INFO,
    **circumstances: Field,
) -> None:
    """Log that something happened, to what, and how; what is None is left out."""
    LOGGER.log(level, name, extra={"fields": {**(about or {}), **circumstances}})


class KeyValueFormatter(logging.Formatter):
    """``time=… level=… event=… key=value …``, one event a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        when = datetime.fromtimestamp(record.created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        head = {"time": f"{when}Z", "level": record.levelname.lower(), "event": record.getMessage()}
        fields = {**head, **getattr(record, "fields", {})}
        return " ".join(f"{key}={_value(value)}" for key, value in fields.items() if value is not None)


def _value(value: str | float | bool) -> str:  # noqa: FBT001 - a value, no switch
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value).lower() if isinstance(value, bool) else printable(str(value), None)
    return text if _PLAIN.match(text) else json.dumps(text, ensure_ascii=False)
