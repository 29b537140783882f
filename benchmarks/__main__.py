"""Measure speed and memory, side by side in one run: ``python -m benchmarks`` (``make bench``).

Everything takes about fifty minutes on two cores, and writes docs/benchmarks.md with its drawings.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks.common import ROOT, Options, Section, load, now, say
from benchmarks.page import Page, measured_now, table
from benchmarks.reference_venv import PINNED, reference_python

BENCHMARKS: Final = (
    "models",
    "large",
    "full",
    "process",
    "floor",
    "scan",
    "memory",
    "growth",
    "executors",
    "scaling",
    "watch",
    "promotion",
)
"""Modules of this package, in the order of the page."""


def main() -> int:
    """Run the benchmarks that were asked for; exit 1 where a target was missed."""
    arguments = _arguments()
    options = Options(
        arguments.quick,
        None if arguments.without_reference else reference_python(),
    )
    folder = arguments.output or (None if arguments.quick else ROOT / "docs")
    page = None if folder is None else Page(folder, BENCHMARKS, ", ".join(PINNED), "make bench")
    missed = 0
    for name in arguments.only or BENCHMARKS:
        say(name)
        before, date = load(), now()
        section = _run(name, options)
        if page is not None:
            page.put(name, measured_now(section, date, f"{before} to {load()}"))
        say(f"{table(section.header, section.rows)}\n" if section.rows else section.text)
        for target in section.targets:
            say(f"  {target.promise}: {target.measured} {'MISSED' if target.met is False else ''}")
            missed += target.met is False
    say(f"{missed} targets missed" if missed else "no target missed")
    return int(missed > 0 and not arguments.quick)


def _run(name: str, options: Options) -> Section:
    section: Section = import_module(f"benchmarks.{name}").run(options)
    return section


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS)
    )
    parser.add_argument("--quick", action="store_true", help="a smoke test: tiny subjects, writes no page")
    parser.add_argument(
        "--without-reference", action="store_true", help="measure this engine alone, install nothing"
    )
    parser.add_argument("--output", type=Path, help="folder for benchmarks.md (default: docs)")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
