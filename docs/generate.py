"""Write the pages that are made from code, or check that they are current.

    python -m docs.generate            # write
    python -m docs.generate --check    # exit 1 and say which page is stale

Pages: the commands (from the command line itself), the metrics, flags and settings (from their tables), the
policy language and its JSON schema (from the policy room).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
_MADE: Final = "<!-- Made by `python -m docs.generate`; edit the code it is made from. -->\n"
_WIDTH: Final = 100


def commands_page() -> str:
    """Return the help of every command, as a terminal of 100 columns shows it."""
    import typer  # noqa: PLC0415

    from gate.cli.main import application  # noqa: PLC0415

    lines = [_MADE, "# Commands\n"]
    for path, command in _walk(typer.main.get_command(application()), "gate"):
        context = command.make_context(
            path, [], resilient_parsing=True, terminal_width=_WIDTH, max_content_width=_WIDTH
        )
        text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        lines.append(f"## `{path}`\n\n```text\n{text}\n```\n")
    return "\n".join(lines)


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in sorted(getattr(command, "commands", {}).items()):
        yield from _walk(child, f"{path} {name}")


def metrics_page() -> str:
    """Return the table of metrics."""
    from gate.spectra import METRICS  # noqa: PLC0415

    lines = [_MADE, "# Metrics\n", _METRICS_PREFACE]
    for level, title in (("layer", "Layer metrics"), ("model", "Model metrics")):
        lines.append(f"\n## {title}\n")
        for metric in METRICS:
            if metric.level == level:
                anchor = metric.docs.partition("#")[2]
                lines += [f'\n<a id="{anchor}"></a>\n', f"### `{metric.id}`\n", f"{metric.title}\n"]
                lines += ["| | |", "|---|---|"]
                lines += [f"| {name} | {value} |" for name, value in _facts(metric)]
    return "\n".join(lines) + "\n"


_METRICS_PREFACE: Final = (
    "Eigenvalues are those of X = WᵀW (squared singular values); logarithms are to base 10. *Shape* "
    "metrics rank models when hyperparameters vary at fixed depth, *scale* metrics when architectures "
    "vary (arXiv:2106.00734). The group says what computes a metric: `default` always, the others "
    "when a policy names them or with `--full`."
)


def _facts(metric: Any) -> list[tuple[str, str]]:
    better = {"lower": "lower is better", "higher": "higher is better", None: "neither"}[metric.better]
    return [
        ("formula", metric.formula.replace("|", "\\|")),
        ("unit", metric.unit or "none"),
        ("direction", better),
        ("nature", metric.nature),
        ("group", f"`{metric.group}`"),
        ("source", metric.source),
    ]


def flags_page() -> str:
    """Return the table of flags."""
    from gate.spectra.flags import FLAGS  # noqa: PLC0415

    lines = [_MADE, "# Flags\n", "What the engine says of a layer beside its figures.\n"]
    lines += ["| flag | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in FLAGS.items()]
    return "\n".join(lines) + "\n"


def policy_page() -> str:
    """Return the reference of the policy language."""
    from gate.policy.reference import reference  # noqa: PLC0415

    return reference()


def policy_schema() -> str:
    """Return the JSON Schema of policy files."""
    import json  # noqa: PLC0415

    from gate.policy.schema import json_schema  # noqa: PLC0415

    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def settings_page() -> str:
    """Return the table of environment variables: those of flags, and those of none."""
    import typer  # noqa: PLC0415

    from gate.cli.main import application  # noqa: PLC0415
    from gate.cli.settings import GROUPS  # noqa: PLC0415

    lines = [_MADE, "# Settings\n", "Variables that are no flag's; an empty one counts as unset."]
    for title, settings in GROUPS.items():
        lines += [f"\n## {title}\n", "| variable | meaning |", "|---|---|"]
        lines += [f"| `{name}` | {meaning} |" for name, meaning in settings.items()]
    lines += ["\n## Flags\n", _FLAGS_PREFACE]
    lines += ["| variable | flag |", "|---|---|"]
    uses: dict[str, list[str]] = {}
    for path, command in _walk(typer.main.get_command(application()), "gate"):
        for parameter in command.params:
            if isinstance(getattr(parameter, "envvar", None), str):
                flag = next((name for name in parameter.opts if name.startswith("--")), "the argument")
                uses.setdefault(parameter.envvar, []).append(f"`{path}` {flag}")
    lines += [f"| `{name}` | {', '.join(flags)} |" for name, flags in sorted(uses.items())]
    return "\n".join(lines) + "\n"


_FLAGS_PREFACE: Final = """A flag on the command line goes before its variable. `GATE_...=1` (or `true`,
`yes`, `on`) sets a flag without a value.

Where a flag may repeat, its variable holds several values: paths apart by `:` (by `;` on Windows), as in
`PATH`, all else by spaces. So `GATE_FORMAT="json junit"` goes with `GATE_OUTPUT=verdict.json:junit.xml`.
"""


PAGES: Final[dict[str, Callable[[], str]]] = {
    "docs/reference/commands.md": commands_page,
    "docs/metrics.md": metrics_page,
    "docs/reference/flags.md": flags_page,
    "docs/reference/settings.md": settings_page,
    "docs/reference/policy.md": policy_page,
    "docs/reference/policy.schema.json": policy_schema,
}


def main() -> int:
    """Write or check every page; return the exit code."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, make in PAGES.items():
        text, path = make(), ROOT / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{'stale' if check else 'written'}: {name}")  # noqa: T201 - a script
    print(f"{len(PAGES)} pages, {len(stale)} {'stale' if check else 'written'}")  # noqa: T201
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
