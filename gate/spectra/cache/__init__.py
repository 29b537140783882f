"""Finished layers, kept on disk: a run that was cut off resumes, an unchanged layer is free.

Comes in: a layer, its tensor's exact bytes and the settings.  Goes out: the result that measuring
them gave, bit for bit.  Must never change a number, fail a run, or execute what it reads: entries are
JSON with a checksum, and whatever is not exactly what was written is measured again.

:mod:`.tensor` says what makes two readings the same, :mod:`.engine` what makes two engines the same,
:mod:`.key` joins them; :mod:`.codec` turns results into text and back; :mod:`.folder` keeps the files;
:mod:`.layers` is what executors use.

Whoever can write the folder can change verdicts: it belongs to one user and is refused otherwise
(docs/explanation/scaling.md, "Whom the cache trusts").
"""

from __future__ import annotations

from gate.spectra.cache.engine import EngineIdentity, identity
from gate.spectra.cache.folder import CacheFolder
from gate.spectra.cache.layers import LayerCache

__all__ = ["CacheFolder", "EngineIdentity", "LayerCache", "identity"]
