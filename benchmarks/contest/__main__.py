"""The mini-contest: ``python -m benchmarks.contest`` (``make contest``) runs it and writes its pages.

An interrupted run goes on where it stopped.  Parts: ``contest`` (the networks and their table),
``collapse`` (the anti-grokking run), ``significance`` (copies judged against each other), ``pages`` (written
anew from the tables, in a second).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.common import ROOT
from benchmarks.contest.design import FAMILIES, contest, copies
from benchmarks.contest.measure import measured
from benchmarks.contest.tables import read_records, read_table, write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.contest.significance import Rate, SeededLayer

NETWORKS: Final = "networks.csv"
COLLAPSE: Final = "collapse.csv"
SIGNIFICANCE: Final = "significance.csv"
LAYERS: Final = "copies.csv"


def main() -> int:
    """Run the parts that were asked for, all of them by default."""
    arguments = _arguments()
    tables = arguments.docs / "assets" / "contest"
    for part in arguments.parts or PARTS:
        PARTS[part](arguments, tables)
    return 0


def _contest(arguments: argparse.Namespace, tables: Path) -> None:
    from benchmarks.contest.networks import rows_of  # noqa: PLC0415 - each part imports what it needs
    from benchmarks.contest.registry import Registry  # noqa: PLC0415
    from benchmarks.contest.run import run  # noqa: PLC0415

    registry = Registry(arguments.directory)
    entries = run(registry, contest(), arguments.jobs)
    analyses = measured(registry, entries.values(), full=True)
    write_table(tables / NETWORKS, rows_of(contest(), entries, analyses))


def _collapse(arguments: argparse.Namespace, tables: Path) -> None:
    from benchmarks.contest.collapse import all_looks  # noqa: PLC0415

    del arguments
    write_table(tables / COLLAPSE, [asdict(look) for look in all_looks()])


def _significance(arguments: argparse.Namespace, tables: Path) -> None:
    from benchmarks.contest.registry import Registry  # noqa: PLC0415
    from benchmarks.contest.run import run  # noqa: PLC0415
    from benchmarks.contest.significance import rates, seeded_layers  # noqa: PLC0415

    registry = Registry(arguments.directory)
    entries = run(registry, copies(), arguments.jobs)
    found: list[Rate] = []
    layers: list[SeededLayer] = []
    for family in FAMILIES:
        own = [entries[network.id] for network in copies() if network.family == family]
        analyses = list(measured(registry, own).values())
        layers += seeded_layers(family, analyses)
        found += rates(family, analyses)
    write_table(tables / LAYERS, [asdict(layer) for layer in layers])
    write_table(tables / SIGNIFICANCE, [asdict(rate) for rate in found])


def _pages(arguments: argparse.Namespace, tables: Path) -> None:
    from benchmarks.contest.drift import walk  # noqa: PLC0415
    from benchmarks.contest.looks import Look  # noqa: PLC0415
    from benchmarks.contest.page import write_page  # noqa: PLC0415
    from benchmarks.contest.significance import Rate, SeededLayer  # noqa: PLC0415
    from benchmarks.contest.significance_page import write_significance  # noqa: PLC0415

    looks = read_records(tables / COLLAPSE, Look)
    write_page(arguments.docs, read_table(tables / NETWORKS), looks)
    layers = read_records(tables / LAYERS, SeededLayer)
    write_significance(arguments.docs, read_records(tables / SIGNIFICANCE, Rate), layers, walk())


PARTS: Final[Mapping[str, Callable[[argparse.Namespace, Path], None]]] = {
    "contest": _contest,
    "collapse": _collapse,
    "significance": _significance,
    "pages": _pages,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contest", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--directory", type=Path, default=ROOT / ".contest", help="the registry's folder")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where tables and pages go")
    parser.add_argument("--jobs", type=int, default=1, help="processes that train")
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part is called {unknown[0]!r}; there are {', '.join(PARTS)}")
    if arguments.jobs < 1:
        parser.error("--jobs is at least 1")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
