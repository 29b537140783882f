"""Train what is not registered yet; an interrupted run goes on where it stopped."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

from benchmarks.common import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.contest.design import Network
    from benchmarks.contest.registry import Entry, Registry
    from benchmarks.contest.trained import Trained


def run(registry: Registry, networks: Sequence[Network], jobs: int = 1) -> dict[str, Entry]:
    """Register every network that is not yet; return all of them, by id."""
    done = registry.entries(networks)
    missing = [network for network in networks if network.id not in done]
    if done:
        say(f"{len(done)} of {len(networks)} networks are registered already")
    for number, (network, trained) in enumerate(_trained(missing, jobs), start=len(done) + 1):
        registry.add(network, trained)
        say(f"{number}/{len(networks)} {network.id}: test accuracy {trained.test_accuracy:.3f}")
    return registry.entries(networks)


def _trained(networks: Sequence[Network], jobs: int) -> Iterator[tuple[Network, Trained]]:
    """Yield each network trained, in order; ``jobs`` processes, or this one."""
    from benchmarks.contest.training import train  # noqa: PLC0415 - torch, which reading a table needs not

    if jobs == 1:
        yield from ((network, train(network)) for network in networks)
        return
    # A forked child would share torch's threads, which are not there any more.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from zip(networks, pool.map(train, networks), strict=True)
