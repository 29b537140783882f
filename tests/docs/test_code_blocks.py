"""The Python on the how-to pages runs, from top to bottom, on a small model made on the spot."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

import gate
from gate.frames import WEIGHTWATCHER_COLUMNS
from gate.spectra import CONVENTIONS, METRICS, LayerMetrics, ModelSummary
from tests.spectra.layers import pareto, with_eigenvalues
from tests.test_frames import UNMEASURED

if TYPE_CHECKING:
    from numpy.typing import NDArray

DOCS: Final = Path(__file__).parent.parent.parent / "docs"
PAGES: Final = ("how-to/python.md", "how-to/migrate-from-weightwatcher.md")
_BLOCK: Final = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW: Final = re.compile(r"^\| (.*) \|$", re.MULTILINE)


class Module:
    """What the gate asks a PyTorch module for; the pages call it ``model``."""

    def state_dict(self) -> dict[str, NDArray[np.float32]]:
        return {
            name: with_eigenvalues(pareto(columns, 2.5, seed), rows, seed).astype(np.float32)
            for seed, (name, rows, columns) in enumerate(
                [("embed.weight", 200, 90), ("encoder.0.weight", 160, 120), ("head.weight", 150, 80)]
            )
        }

    def named_parameters(self) -> list[tuple[str, Any]]:
        return list(self.state_dict().items())


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_the_python_on_the_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.numpy import save_file  # noqa: PLC0415 - only this test writes a model

    model = Module()
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"model": model}
    text = text_of(page)
    blocks = list(_BLOCK.finditer(text))
    assert blocks
    for block in blocks:
        line = text.count("\n", 0, block.start()) + 1
        code = compile("\n" * line + block[1], page, "exec")  # an error names the page's line
        exec(code, namespace)  # noqa: S102 - the page's own code


def table(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading, without its header, backticks taken off."""
    section = text_of(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in row.replace("\\|", "¦").split("|")] for row in _ROW.findall(section)]
    assert len(rows) > 2, heading
    return rows[2:] if set("".join(rows[1])) <= {"-"} else rows[1:]


def quoted(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


MIGRATION: Final = "how-to/migrate-from-weightwatcher.md"


def test_every_column_of_weightwatcher_has_its_row_and_its_counterpart_exists() -> None:
    rows = table(MIGRATION, "Columns")
    named = {name for row in rows for name in quoted(row[0])}
    assert named == {"layer_id", "name", *WEIGHTWATCHER_COLUMNS, *UNMEASURED}
    fields = set(LayerMetrics.__dataclass_fields__)
    assert {name for row in rows for name in quoted(row[1])} <= fields


def test_every_key_of_the_summary_has_its_counterpart() -> None:
    rows = table(MIGRATION, "Summary")
    assert {name for row in rows for name in quoted(row[1])} <= set(ModelSummary.__dataclass_fields__)


def test_every_convention_is_told_and_every_public_name() -> None:
    text = text_of(MIGRATION)
    assert all(f"`{convention.name}`" in text for convention in CONVENTIONS)
    python = text_of("how-to/python.md")
    assert all(f"gate.{name}" in python for name in ("analyze", "check", "to_frame", "GateError"))
    assert "gate.to_weightwatcher_frame" in text
    assert set(gate.__all__) >= {"analyze", "check", "to_frame", "to_weightwatcher_frame", "GateError"}


def test_every_metric_has_its_anchor() -> None:
    text = text_of("metrics.md")
    for metric in METRICS:
        page, _, anchor = metric.docs.partition("#")
        assert page == "docs/metrics.md"
        assert text.count(f'<a id="{anchor}"></a>\n\n### `{metric.id}`\n') == 1


def test_the_metrics_page_is_made_from_the_table() -> None:
    import importlib.util  # noqa: PLC0415 - docs is a folder of pages, no package

    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.metrics_page() == text_of("metrics.md")
