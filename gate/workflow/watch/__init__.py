"""What ``gate watch`` does: keep every governed version judged, whatever happens meanwhile.

In: a registry, policies, how often to look and how much may run at once.  Out: decisions in that
registry, log lines, and figures for monitoring.  Nothing else is kept anywhere, so a watcher that
was killed loses nothing: the next one looks at the same registry and finds the same work.

The way of a version: ``plan`` finds in a listing what has no current decision and why → ``agenda``
orders it, the most recent first, and holds failed work back → ``crew`` hands it to ``worker``
processes, which call :mod:`gate.workflow.check` and may be lost without losing the watcher →
``watcher`` looks again.  ``webhook`` only says where to look sooner; nothing it is told is believed.

It must never print, and never decide anything itself: judging is the check's.
"""

from gate.workflow.watch.interface import WatchRequest, WebhookRequest
from gate.workflow.watch.watcher import watch

__all__ = ["WatchRequest", "WebhookRequest", "watch"]
