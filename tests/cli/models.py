"""A small model, and policies that let it pass, block it, or would if they were enforced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file

if TYPE_CHECKING:
    from pathlib import Path

_POLICY = """version: 1
name: {name}
mode: {mode}
rules:
  - id: few-layers
    description: As many layers as wanted
    metric: model.layers
    {limit}
"""


def small_model(folder: Path) -> Path:
    """Write three layers and ``passes.yaml``, ``blocks.yaml`` and ``audits.yaml`` beside them."""
    draw = np.random.default_rng(0)
    model = folder / "model.safetensors"
    save_file({f"l{index}.weight": draw.standard_normal((60, 40), np.float32) for index in range(3)}, model)
    for name, mode, limit in (
        ("passes", "enforce", "at_most: 1000"),
        ("blocks", "enforce", "at_least: 1000"),
        ("audits", "audit", "at_least: 1000"),
    ):
        (folder / f"{name}.yaml").write_text(_POLICY.format(name=name, mode=mode, limit=limit))
    return model
