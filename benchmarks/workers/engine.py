"""Runs ``gate.analyze`` on tensors in memory.

Arguments: an ``.npz`` file of tensors.  Each line on stdin is a JSON list: how often to run, and the options
of ``gate.analyze``; the answer is a line with the mean wall and CPU seconds of a run.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

import gate


def main() -> None:
    """Answer until stdin ends."""
    with np.load(sys.argv[1]) as archive:
        tensors = {name: np.array(archive[name]) for name in archive.files}
    for line in sys.stdin:
        count, options = json.loads(line)
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            analysis = gate.analyze(tensors, **options)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        answer = {"wall": wall / count, "cpu": cpu / count, "layers": len(analysis.layers)}
        print(json.dumps(answer), flush=True)  # noqa: T201 - the protocol


if __name__ == "__main__":
    main()
