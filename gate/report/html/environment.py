"""The template engine set up once for every page: autoescape, filters, and a policy that forbids all else."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate.report import figures, outline
from gate.text import printable

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_HERE = Path(__file__).parent
_FOLDERS = (_HERE, _HERE.parent / "history")


def render(template: str, *, folder: Path | None = None, **values: Any) -> str:
    """Render a template with our styles inlined and their digest for the content security policy.

    ``folder`` is another room's, for a template of its own with a ``styles.css`` to add to ours.
    """
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2, 40 ms that other formats do not need

    sheets = [place / "styles.css" for place in (_HERE, folder) if place is not None]
    styles = "".join(sheet.read_text(encoding="utf-8") for sheet in sheets)
    digest = base64.b64encode(hashlib.sha256(styles.encode()).digest()).decode()
    return _environment(folder).get_template(template).render(
        styles=Markup(styles),  # noqa: S704 - our own file
        style_hash=digest,
        **values,
    )  # fmt: skip


def breakable(name: str) -> Markup:
    """Escape a name, allowing a line break after each dot; one of spaces alone is quoted, to be seen."""
    from markupsafe import Markup, escape  # noqa: PLC0415 - as above

    shown = printable(name)
    quoted = shown if shown.strip() else f"“{shown}”"
    return Markup(".<wbr>").join(escape(part) for part in quoted.split("."))


@lru_cache(maxsize=4)
def _environment(folder: Path | None) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - as above

    environment = Environment(
        loader=FileSystemLoader([*_FOLDERS, *([folder] if folder else [])]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "printable": printable,
        "breakable": breakable,
        "figure": figures.figure,
        "fixed": figures.fixed,
        "signed": figures.signed,
        "shape": figures.shape,
        "count": figures.count,
        "shortened": figures.digest,
    }
    environment.filters.update(filters)
    environment.tests["known"] = figures.known
    environment.globals["outline"] = outline
    return environment
