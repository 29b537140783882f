"""Shares and their intervals: exact for counts, distribution-free for limits taken from a sample."""

from __future__ import annotations

from typing import Final

from gate.study.calibrate.interface import Share

CONFIDENCE: Final = 0.95
"""Of every interval here, two-sided, half of the rest on each side."""


def share(count: int, of: int) -> Share:
    """Return ``count`` of ``of`` with the interval of Clopper & Pearson (1934), Biometrika 26, 404.

    The interval holds the true share with a probability of at least 95 %, whatever that share is;
    it is None for nothing out of nothing.
    """
    if of == 0:
        return Share(0, 0, None, None, None)
    low = _quantile((1 - CONFIDENCE) / 2, count, of - count + 1) if count else 0.0
    high = _quantile((1 + CONFIDENCE) / 2, count + 1, of - count) if count < of else 1.0
    return Share(count, of, count / of, low, high)


def beyond(blocks: int, n: int) -> tuple[float, float, float]:
    """Return the expected share beyond limits that cut ``blocks`` off a sample of ``n``, and its interval.

    The limit at the k-th largest of n exchangeable values leaves a share beyond it that follows
    Beta(k, n + 1 - k), whatever the distribution of the values (Wilks 1941, Ann. Math. Stat. 12,
    91).  Limits on several statistics, each taken among the versions that earlier cuts left, cut
    off blocks that add up in the same law (Tukey 1947, Ann. Math. Stat. 18, 529).  With ties the
    share is at most that.

    Parameters
    ----------
    blocks:
        1 to ``n``.
    n:
        Size of the sample.

    Returns
    -------
    expected, low, high:
        ``blocks / (n + 1)`` and the 95 % interval.
    """
    rest = n + 1 - blocks
    low, high = (_quantile((1 + side * CONFIDENCE) / 2, blocks, rest) for side in (-1, 1))
    return blocks / (n + 1), low, high


def needed(target: float) -> int:
    """Return the smallest sample in which one block is no more than ``target``."""
    size = max(1, int(1 / target) - 1)
    while 1 / (size + 1) > target:
        size += 1
    return size


def _quantile(probability: float, a: float, b: float) -> float:
    from scipy.special import betaincinv  # noqa: PLC0415 - 0.1 s that `gate --help` does not need

    return float(betaincinv(a, b, probability))
