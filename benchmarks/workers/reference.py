"""Runs WeightWatcher in its own environment, where nothing of this project is installed.

Arguments: an ``.npz`` file of tensors.  Each line on stdin is a JSON list: how often to run, and the options
of ``analyze()``; the answer is a line with the mean wall and CPU seconds of a run.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # it prints; only answers may reach stdout

import numpy as np  # noqa: E402 - after stdout was set aside
import torch  # noqa: E402
import weightwatcher  # noqa: E402


def main() -> None:
    """Answer until stdin ends."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    with np.load(sys.argv[1]) as archive:
        tensors = {name: torch.from_numpy(np.array(archive[name])) for name in archive.files}
    for line in sys.stdin:
        count, options = json.loads(line)
        np.random.seed(0)  # noqa: NPY002 - the tool shuffles with numpy's global generator
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            details = weightwatcher.WeightWatcher(model=tensors).analyze(**options)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        answer = {"wall": wall / count, "cpu": cpu / count, "layers": len(details)}
        print(json.dumps(answer), file=ANSWERS, flush=True)


if __name__ == "__main__":
    main()
