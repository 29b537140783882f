"""Flags that several verbs share; each also has an environment variable ``GATE_...``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A file or folder, models:/NAME/V, models:/NAME@alias, models:/m-ID or runs:/RUN/path.",
        show_default=False,
    ),
]
Convention = Annotated[
    str,
    typer.Option(
        "--convention",
        envvar="GATE_CONVENTION",
        help="gate-1, paper, weightwatcher-0.7 or weightwatcher-0.2.",
    ),
]
Full = Annotated[
    bool,
    typer.Option(
        "--full", envvar="GATE_FULL", help="Add Marchenko-Pastur, shuffles and other tails to the metrics."
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", min=1, envvar="GATE_JOBS", help="Worker threads.  [default: one per core]"),
]
Seed = Annotated[
    int, typer.Option("--seed", envvar="GATE_SEED", help="Seed of every shuffle and simulation.")
]
Float32 = Annotated[
    bool,
    typer.Option(
        "--float32", envvar="GATE_FLOAT32", help="Single precision: faster, alpha to about 3e-5; flagged."
    ),
]
Executor = Annotated[
    str,
    typer.Option(
        "--executor",
        envvar="GATE_EXECUTOR",
        metavar="local|dask://HOST:PORT",
        help="Where layers are measured: threads of this process, or the workers of a Dask cluster.",
    ),
]
Cache = Annotated[
    bool,
    typer.Option(
        "--cache/--no-cache",
        help="Reuse layers measured before, kept in the folder GATE_CACHE (off: none).",
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", envvar="GATE_QUIET", help="No progress bars and no notes on stderr.")
]
TrackingUri = Annotated[
    str | None,
    typer.Option("--tracking-uri", envvar="GATE_TRACKING_URI", help="Else MLFLOW_TRACKING_URI."),
]
RegistryUri = Annotated[
    str | None,
    typer.Option("--registry-uri", envvar="GATE_REGISTRY_URI", help="Else MLFLOW_REGISTRY_URI."),
]
Policies = Annotated[
    list[Path] | None,
    typer.Option(
        "--policy",
        "-p",
        envvar="GATE_POLICY",
        help="A policy file, or a packaged one by name (default, strict, llm); may repeat, all must pass.  "
        "[default: default]",
    ),
]
Baselines = Annotated[
    list[str] | None,
    typer.Option(
        "--baseline",
        "-b",
        envvar="GATE_BASELINE",
        help="alias:NAME, previous, version:N, any SOURCE, or none; may repeat, tried in order.  "
        "[default: what the policy says]",
    ),
]


def formats(known: str) -> Any:
    """Return the flag of a verb's formats, which ``known`` lists; it takes a list."""
    return typer.Option(
        "--format",
        "-f",
        envvar="GATE_FORMAT",
        help=f"{known}; repeats in pairs with -o.  [default: text]",
        show_default=False,
    )


Outputs = Annotated[
    list[Path] | None,
    typer.Option(
        "--output", "-o", envvar="GATE_OUTPUT", help="Write the format of the same place here; - is stdout."
    ),
]
WaiversFile = Annotated[
    Path | None,
    typer.Option(
        "--waivers",
        envvar="GATE_WAIVERS",
        help="A file of waivers (gate waive writes it): rules that may fail, for this model and digest.",
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URI",
        envvar="GATE_DATABASE",
        help="The registry's database, with or without gate:; the variable keeps its password out of the "
        "list of processes.",
        show_default=False,
    ),
]
Output = Annotated[
    list[Path] | None,
    typer.Option("--output", "-o", envvar="GATE_OUTPUT", help="Write here, once; - is stdout."),
]
