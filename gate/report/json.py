"""The contract: an analysis or a verdict as JSON, and the way back.

Keys come in the order of the dataclass fields with ``schema`` first, keys of mappings sorted;
tuples are lists; numbers that are not finite are ``null``.  Everything else in this room is made
from the same values, so that a saved verdict renders byte for byte as the fresh one did.

The way back takes hostile bytes: their size, nesting and numbers are bounded before a value is
made, an unknown schema is refused, unknown keys are left out, and an outcome this version does
not know counts as blocked.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, get_args

from gate.errors import UsageError
from gate.text import printable

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from gate.analysis.comparison import Comparison
    from gate.analysis.interface import Analysis
    from gate.policy.interface import Verdict
    from gate.report.history.interface import History
    from gate.report.policy_tests.interface import TestReport

MAX_BYTES: Final = 128 * 1024 * 1024
"""Largest saved report read back: some 10,000 layers with their plots."""

_LARGEST_INTEGER: Final = 2**63 - 1
_HINT: Final = "give the file that gate check --format json wrote"
_INVISIBLE: Final = re.compile(r"[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
_NUMBERS: Final = re.compile(r"\[\n\s+(-?\d[\d.eE+-]*(?:,\n\s+-?\d[\d.eE+-]*)*)\n\s*\]")
_BREAK: Final = re.compile(r"\n\s+")


@dataclasses.dataclass(frozen=True, slots=True)
class JsonFormat:
    """``gate/verdict/1`` and ``gate/analysis/1``."""

    name: str = "json"
    suffix: str = ".json"

    def verdict(self, verdict: Verdict) -> str:
        """Render a verdict with its analysis inside."""
        return dumps(verdict)

    def analysis(self, analysis: Analysis) -> str:
        """Render an analysis."""
        return dumps(analysis)


def dumps(value: Analysis | Verdict | History | TestReport | Comparison) -> str:
    """Return ``value`` as indented JSON with a final newline."""
    return _readable(json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=1)) + "\n"


def plain(value: Any, *, as_float: bool = False) -> Any:
    """Return dataclasses as dicts with ``schema`` first, tuples as lists, non-finite numbers as None.

    ``as_float`` writes whole numbers as floats too, where the field is one: reading gives them back so.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = sorted(dataclasses.fields(value), key=lambda member: member.name != "schema")  # stable
        return {
            m.name: plain(getattr(value, m.name), as_float=_is_float(str(m.type)))
            for m in members
            if getattr(value, m.name) or not m.metadata.get("omit_empty")
        }
    if isinstance(value, Mapping):
        return {
            _encodable(key): plain(value[key], as_float=as_float) for key in sorted(value, key=_encodable)
        }
    if isinstance(value, (list, tuple)):
        return [plain(item, as_float=as_float) for item in value]
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, float) or (as_float and isinstance(value, int)):
        return float(value) if math.isfinite(value) else None
    return value


def _is_float(annotation: str) -> bool:
    """Tell whether a field's annotation has numbers that can only be floats."""
    return re.search(r"\bfloat\b", annotation) is not None and re.search(r"\bint\b", annotation) is None


def _encodable(text: str) -> str:
    """Spell lone surrogates out, as ``printable`` does: a pickle can hold one, UTF-8 cannot."""
    return str(text).encode("utf-8", "backslashreplace").decode()


def _readable(text: str) -> str:
    """Escape what json leaves as it is but a person cannot see; put lists of numbers on one line.

    A raw line break is always json's own indentation: inside strings it is escaped.
    """
    text = _INVISIBLE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
    return _NUMBERS.sub(lambda found: f"[{_BREAK.sub(' ', found.group(1))}]", text)


def load_verdict(text: str | bytes) -> Verdict:
    """Return the verdict that :func:`dumps` wrote.

    Raises
    ------
    gate.errors.UsageError
        The text is too large, not JSON, not a verdict, or of a schema this version does not know.
    """
    from gate.policy.interface import VERDICT_SCHEMA  # noqa: PLC0415 - rendering does not need the room

    return _verdict(_document(text, VERDICT_SCHEMA))


def load_analysis(text: str | bytes) -> Analysis:
    """Return the analysis that :func:`dumps` wrote.

    Raises
    ------
    gate.errors.UsageError
        As for :func:`load_verdict`.
    """
    from gate.analysis.interface import ANALYSIS_SCHEMA  # noqa: PLC0415 - as above

    return _analysis(_document(text, ANALYSIS_SCHEMA))


def load_report(text: str | bytes) -> Verdict | Analysis:
    """Return the verdict or the analysis that :func:`dumps` wrote, whichever it is.

    Raises
    ------
    gate.errors.UsageError
        As for :func:`load_verdict`.
    """
    from gate.analysis.interface import ANALYSIS_SCHEMA  # noqa: PLC0415 - as above
    from gate.policy.interface import VERDICT_SCHEMA  # noqa: PLC0415 - as above

    document = _document(text, VERDICT_SCHEMA, ANALYSIS_SCHEMA)
    return _verdict(document) if document["schema"] == VERDICT_SCHEMA else _analysis(document)


def _verdict(document: dict[str, Any]) -> Verdict:
    from gate.policy.interface import Verdict  # noqa: PLC0415 - as above

    analysis = document.get("analysis")
    _check_analysis(analysis)
    _mend_verdict(document)
    _restore_numbers(document)
    if isinstance(analysis, dict):
        _restore_numbers(analysis)
    verdict: Verdict = _validated(document, Verdict)
    return verdict


def _analysis(document: dict[str, Any]) -> Analysis:
    from gate.analysis.interface import Analysis  # noqa: PLC0415 - as above

    _restore_numbers(document)
    analysis: Analysis = _validated(document, Analysis)
    return analysis


def _document(text: str | bytes, *schemas: str) -> dict[str, Any]:
    """Parse within bounds and check that the schema is one of those given."""
    if len(text) > MAX_BYTES:
        raise UsageError(f"the saved report is longer than the {MAX_BYTES:,} bytes this reads", hint=_HINT)
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the saved report is not JSON: {printable(str(error))}", hint=f"{_HINT}, whole"
        ) from error
    found = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(document, dict) or found not in schemas:
        raise _unknown_schema(found, schemas[0])
    _bound(document)
    return document


def _check_analysis(analysis: object) -> None:
    """Refuse an analysis of another schema inside a verdict."""
    from gate.analysis.interface import ANALYSIS_SCHEMA  # noqa: PLC0415 - as above

    if isinstance(analysis, dict) and analysis.get("schema") != ANALYSIS_SCHEMA:
        raise _unknown_schema(analysis.get("schema"), ANALYSIS_SCHEMA)


def _unknown_schema(found: object, expected: str) -> UsageError:
    return UsageError(
        f"the saved report has schema {printable(repr(found))}, this version of the gate reads {expected!r}",
        hint="re-render it with the version of the gate that wrote it, or check the model again",
    )


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _bound(value: Any) -> None:
    """Refuse integers no writer of ours makes: formatting them could take minutes."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _bound(item)
    elif isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        raise UsageError(
            "the saved report holds an integer of more than 64 bits", hint="it was not written by the gate"
        )


def _mend_verdict(document: dict[str, Any]) -> None:
    """Read words this version does not know as their strictest meaning (docs/reference/json.md)."""
    from gate.policy.interface import (  # noqa: PLC0415 - as above
        Mode,
        Outcome,
        RuleOutcome,
        Severity,
        WaiverState,
    )

    _strictest(document, "outcome", get_args(Outcome), "blocked")
    for policy in _dicts(document, "policies"):
        _strictest(policy, "outcome", get_args(Outcome), "blocked")
        _strictest(policy, "mode", get_args(Mode), "enforce")
    for rule in _dicts(document, "rules"):
        _strictest(rule, "outcome", get_args(RuleOutcome), "failed")
        _strictest(rule, "severity", get_args(Severity), "block")
    for waiver in _dicts(document, "waivers"):
        _strictest(waiver, "state", get_args(WaiverState), "unused")
    for point in _dicts(document, "history"):
        _strictest(point, "outcome", get_args(Outcome), "blocked")


def _restore_numbers(document: dict[str, Any]) -> None:
    """Read ``null`` as NaN where a plain number has to stand: a run may log a loss that is not finite."""
    for key in ("run_metrics", "baseline_model", "baseline_alpha"):
        entry = document.get(key)
        if isinstance(entry, dict):
            document[key] = {name: _number(value) for name, value in entry.items()}
    plots = document.get("plots")
    for plot in plots.values() if isinstance(plots, dict) else ():
        for key, value in plot.items() if isinstance(plot, dict) else ():
            plot[key] = [_number(item) for item in value] if isinstance(value, list) else value


def _number(value: Any) -> Any:
    return math.nan if value is None else value


def _strictest(entry: dict[str, Any], key: str, known: tuple[str, ...], strictest: str) -> None:
    if isinstance(entry.get(key), str) and entry[key] not in known:
        entry[key] = strictest


def _dicts(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    entries = document.get(key)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _validated(document: dict[str, Any], kind: type[Any]) -> Any:
    from pydantic import ValidationError  # noqa: PLC0415 - rendering does not need it

    try:
        return _adapter(kind).validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(printable(str(part), 60) for part in first["loc"])
        raise UsageError(
            f"the saved report is not valid at {place or 'its top'}: {printable(first['msg'])}",
            hint=f"{_HINT}, unchanged",
        ) from error


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Return a validator of ``kind``.

    The interfaces import for type checking only; pydantic looks names up in this function's
    locals as well, so the ones they use are brought in here.
    """
    from collections.abc import Mapping  # noqa: F401, PLC0415 - see the docstring

    from pydantic import TypeAdapter  # noqa: PLC0415 - rendering does not need it

    from gate.analysis.interface import Analysis  # noqa: F401, PLC0415 - see the docstring
    from gate.layer import LayerKind  # noqa: F401, PLC0415 - likewise
    from gate.spectra.interface import LayerMetrics, LayerPlot, ModelSummary  # noqa: F401, PLC0415 - likewise

    return TypeAdapter(kind)
