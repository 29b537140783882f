"""Deliveries: which were seen before, and what one is about."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

TOLERANCE: Final = 300.0
"""Seconds that a delivery's timestamp may differ from the clock here, as in Standard Webhooks."""

_REMEMBERED: Final = 10_000
_LONGEST_NAME: Final = 256

EVENTS: Final = ("model_version.created", "model_version_alias.created")
"""What the watcher subscribes to: a version to check, and one that somebody begins to use.

Anything else is ignored, and with it the events of the tags that the gate itself writes.
"""


@dataclass
class Seen:
    """Remembers deliveries for as long as their timestamps are accepted.

    Bounded: one forgotten early and sent again costs a look at the registry, and nothing else.
    """

    _times: OrderedDict[bytes, float] = field(default_factory=OrderedDict)

    def before(self, delivery: bytes, now: float) -> bool:
        """Tell whether ``delivery`` came before, and remember it."""
        while self._times and next(iter(self._times.values())) < now - 2 * TOLERANCE:
            self._times.popitem(last=False)
        if delivery in self._times:
            return True
        if len(self._times) >= _REMEMBERED:
            self._times.popitem(last=False)
        self._times[delivery] = now
        return False


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a delivery is about, as far as the watcher cares."""

    event: str
    model: str


def parse(body: bytes) -> Delivery | None:
    """Return what a signed body says, None where it is none of MLflow's."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    data = document.get("data")
    entity, action = document.get("entity"), document.get("action")
    if not isinstance(data, dict) or not isinstance(entity, str) or not isinstance(action, str):
        return None
    model = data.get("name")
    if not isinstance(model, str) or not 0 < len(model) <= _LONGEST_NAME:
        return None
    return Delivery(f"{entity}.{action}", model)
