"""The few lines that the gate adds to a version's description, between two markers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.registry.failures import public_uri
from gate.text import printable

if TYPE_CHECKING:
    from gate.registry.clients import Connection

BEGIN: Final = "<!-- gate:begin -->"
END: Final = "<!-- gate:end -->"
LONGEST_BLOCK: Final = 600
LONGEST_DESCRIPTION: Final = 5000
"""Width of the column in MLflow's database; SQLite does not enforce it, MySQL does."""

_SEPARATOR: Final = "\n\n"
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()#+.!|~-])")
_PLAIN_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9._:/%~-]{1,200}\Z")
_RUN_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}\Z")
_POLICY_LENGTHS: Final = (60, 20, 0)


@dataclass(frozen=True, slots=True)
class Summary:
    """What the lines say."""

    outcome: str
    link: str
    policy: str
    alpha: float | None
    alpha_weighted: float | None
    checked_at: str


def with_block(description: str, summary: Summary) -> str:
    """Return ``description`` with the gate's lines in it, or without any where they do not fit.

    What stands outside the markers is kept byte for byte.  Lines from an earlier check are
    replaced where they stand; new ones go to the end.
    """
    block = render(summary)
    before, separator, after = _around_block(description)
    wanted = f"{before}{separator}{block}{after}"
    return wanted if len(wanted) <= LONGEST_DESCRIPTION else before + after


def render(summary: Summary) -> str:
    """Return the lines between their markers, at most ``LONGEST_BLOCK`` characters."""
    blocks = (_render(summary, length) for length in _POLICY_LENGTHS)
    return next((block for block in blocks if len(block) <= LONGEST_BLOCK), f"{BEGIN}\n{END}")


def report_link(connection: Connection, experiment_id: str, run_id: str, file: str) -> str:
    """Return the address of a report in MLflow's pages.

    Relative to the page of the version where one server is both registry and tracking server (its
    name may differ from where it is read), absolute where the tracking server is another one.
    Never with a user name or password in it.
    """
    if connection.tracking_uri == connection.registry_uri:
        return _fragment(experiment_id, run_id, file)
    return report_address(connection, experiment_id, run_id, file) or _fragment(experiment_id, run_id, file)


def report_address(connection: Connection, experiment_id: str, run_id: str, file: str) -> str | None:
    """Return the absolute address of a report, or None where the tracking server is no web page.

    Never with a user name or password in it.  ``run_id`` may come from a tag that anybody wrote: one
    that is no id has no address.
    """
    address = public_uri(connection.tracking_uri).rstrip("/")
    if not _PLAIN_ADDRESS.match(address) or not _RUN_ID.match(run_id):
        return None
    return f"{address}/{_fragment(experiment_id, run_id, file)}"


def _fragment(experiment_id: str, run_id: str, file: str) -> str:
    return f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/{file}"


def _around_block(description: str) -> tuple[str, str, str]:
    """Split into what the author wrote before the last block, its separator, and what follows it."""
    end = description.rfind(END)
    begin = description.rfind(BEGIN, 0, end) if end >= 0 else -1
    if begin < 0:
        return description, _SEPARATOR if description else "", ""
    before, after = description[:begin], description[end + len(END) :]
    separator = _SEPARATOR if before.endswith(_SEPARATOR) else ""
    return before.removesuffix(separator), separator, after


def _render(summary: Summary, policy_length: int) -> str:
    policy = _escape(printable(summary.policy, policy_length)) if policy_length else "…"
    alpha, alpha_weighted = _figure(summary.alpha), _figure(summary.alpha_weighted)
    cells = (f"[**{summary.outcome}**]({summary.link})", alpha, alpha_weighted, policy, summary.checked_at)
    row = f"| {' | '.join(cells)} |"
    table = f"| Spectral gate | alpha | AlphaHat | Policy | Checked |\n|---|---|---|---|---|\n{row}"
    return f"{BEGIN}\n\n{table}\n\n{END}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _escape(text: str) -> str:
    """Make hostile text plain in MLflow's markdown: no link, no markup, no cell of its own."""
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", plain)
