"""The mini-contest: ``python -m benchmarks.contest`` (``make contest``) runs it and writes its pages."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common import ROOT
from benchmarks.contest.design import networks
from benchmarks.contest.registry import Registry
from benchmarks.contest.run import run


def main() -> int:
    """Run the parts that were asked for."""
    arguments = _arguments()
    run(Registry(arguments.directory), networks(), arguments.jobs)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contest", description=__doc__)
    parser.add_argument("--directory", type=Path, default=ROOT / ".contest", help="the registry's folder")
    parser.add_argument("--jobs", type=int, default=1, help="processes that train")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
