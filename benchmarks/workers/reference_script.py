"""What a user of WeightWatcher writes: load a model file, analyze, print the table and the summary."""

from __future__ import annotations

import logging
import os
import sys
import warnings

import torch
import weightwatcher

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
if sys.argv[1].endswith(".safetensors"):
    from safetensors.torch import load_file

    weights = load_file(sys.argv[1])
    weights = {f"{name.removesuffix('.weight')}.weight": values for name, values in weights.items()}
else:
    weights = torch.load(sys.argv[1], map_location="cpu")
watcher = weightwatcher.WeightWatcher(model=weights)
print(watcher.analyze().to_csv())  # noqa: T201 - a script
print(watcher.get_summary())  # noqa: T201
