"""The cache as executors use it: look a layer up, or measure it and keep the result."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from gate.spectra.cache.codec import decode, encode
from gate.spectra.cache.key import layer_key, process_threads
from gate.spectra.cache.tensor import digests_of
from gate.spectra.executors.cost import is_trivial
from gate.spectra.layer import Finish, start
from gate.spectra.matrices import unmeasurable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.layer import WeightLayer
    from gate.spectra.cache.folder import CacheFolder
    from gate.spectra.interface import LayerResult, Settings


class LayerCache:
    """Results of layers measured before, on this machine's kind of engine."""

    def __init__(self, folder: CacheFolder) -> None:
        self._folder = folder
        self._threads = 1
        self._lock = threading.Lock()
        self._found = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know: how much came from the cache, and whether it failed."""
        used = (
            () if not self._found else (f"{self._found} layers were measured before ({self._folder.path})",)
        )
        return used if self._folder.problem is None else (*used, self._folder.problem)

    def begin(self) -> None:
        """Take note of what enters the keys of this run; called before anything is measured."""
        self._threads = process_threads()

    def start(self, layer: WeightLayer, settings: Settings) -> Finish:
        """Find the kept result, or do as :func:`gate.spectra.layer.start` does, and keep what comes of it."""
        if is_trivial(layer, settings) or unmeasurable(layer, settings.convention) is not None:
            return start(layer, settings)
        held, digests = digests_of(layer)
        key = self.key(layer, settings, digests)
        found = self.find(key, layer)
        if found is not None:
            return lambda: found
        return partial(self._finish, key, layer, start(held, settings))

    def _finish(self, key: str, layer: WeightLayer, finish: Finish) -> LayerResult:
        result = finish()
        self.keep(key, layer, result)
        return result

    def key(self, layer: WeightLayer, settings: Settings, digests: Sequence[str]) -> str:
        """Return the layer's key in this run."""
        return layer_key(layer, settings, digests, self._threads)

    def find(self, key: str, layer: WeightLayer) -> LayerResult | None:
        """Return the result kept under ``key``, with the names of ``layer``."""
        content = self._folder.read(key)
        if content is None:
            return None
        try:
            found = decode(content, layer)
        except ValueError:
            return None
        with self._lock:
            self._found += 1
        return found

    def keep(self, key: str, layer: WeightLayer, result: LayerResult) -> None:
        """Keep a result where it can be kept exactly."""
        content = encode(result, layer)
        if content is not None:
            self._folder.write(key, content)
