"""Is everything here that the gate needs?  One finding for each thing looked at."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

from gate.errors import GateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.workflow.sources import RegistryAddress

_PACKAGES: Final = ("mlflow", "onnx", "onnxruntime", "numpy", "scipy", "pydantic", "typer", "safetensors")
_FULL_ONLY: Final = ("mlflow", "onnx", "onnxruntime")
_LITTLE_DISK: Final = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do where it is not well."""

    subject: str
    state: Literal["ok", "note", "failed"]
    detail: str
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the finding as plain values."""
        return asdict(self)


def examine(address: RegistryAddress) -> tuple[Finding, ...]:
    """Examine this machine; never raises, a failed examination is a finding."""
    checks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("python", _python),
        ("packages", _packages),
        ("processors", _processors),
        ("eigenvalue solver", _solver),
        ("policies", _policies),
        ("temporary disk", _disk),
        ("registry", lambda: _registry(address)),
    )
    return tuple(_guarded(subject, check) for subject, check in checks)


def _guarded(subject: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except GateError as error:
        return Finding(subject, "failed", str(error), error.hint or "")
    except (OSError, ImportError) as error:
        return Finding(subject, "failed", f"{type(error).__name__}: {error}")


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")


def _packages() -> Finding:
    found: dict[str, str | None] = {package: _version(package) for package in _PACKAGES}
    if found["mlflow"] is None and (skinny := _version("mlflow-skinny")):
        # Enough for a registry over HTTP (ci/requirements-skinny.txt), where onnx is not needed either.
        rest = {name: version for name, version in found.items() if name not in _FULL_ONLY}
        found = {"mlflow-skinny": skinny, **rest}
    missing = [package for package, version in found.items() if version is None]
    if missing:
        hint = "Install the gate again: pip install mlflow-spectral-gate"
        return Finding("packages", "failed", f"missing: {', '.join(missing)}", hint)
    return Finding("packages", "ok", ", ".join(f"{package} {version}" for package, version in found.items()))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processors() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding("processors", "ok", f"{cores} usable, {platform.machine()}")


def _solver() -> Finding:
    from gate.spectra.lapack import Portable, backend  # noqa: PLC0415 - loads numpy's BLAS

    chosen = backend()
    if not isinstance(chosen, Portable):
        return Finding("eigenvalue solver", "ok", chosen.name)
    return Finding(
        "eigenvalue solver", "note", chosen.name, "Results are the same; large layers take longer."
    )


def _policies() -> Finding:
    from gate.policy import PACKAGED, load_policies, packaged_policy  # noqa: PLC0415 - pydantic and YAML

    load_policies([packaged_policy(name) for name in PACKAGED])
    return Finding("policies", "ok", f"the packaged ones load: {', '.join(PACKAGED)}")


def _disk() -> Finding:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1024**3:.1f} GiB free in {folder}"
    if free < _LITTLE_DISK:
        return Finding(
            "temporary disk", "note", detail, "Models are pulled there: set TMPDIR to a roomier folder."
        )
    return Finding("temporary disk", "ok", detail)


def _registry(address: RegistryAddress) -> Finding:
    configured = address.registry_uri or address.tracking_uri
    configured = configured or os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI")
    if not configured:
        hint = "Set MLFLOW_TRACKING_URI, or pass --tracking-uri, to judge registered models."
        return Finding("registry", "note", "none configured", hint)
    from gate.workflow.sources import connect  # noqa: PLC0415 - imports mlflow

    return Finding("registry", "ok", connect(address).describe())
