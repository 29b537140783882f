"""Bounds on what a file may make the readers do; generous to real models, tight to bombs.

Reading is charged against these before anything is allocated, so that the memory a hostile file
can take is set here and not by what its headers claim.
"""

from __future__ import annotations

from typing import Final

MAX_OPERATIONS: Final = 2_000_000
"""Steps of one pickle.  A tensor takes about 36, so this holds 55,000 of them; a pickle of nothing but
empty containers, the costliest steps there are, stays near 500 MB."""

MAX_GLOBAL_LENGTH: Final = 512
"""Characters of a global's module and name together."""

MAX_UNKNOWN_GLOBALS: Final = 10_000
"""Globals reported by name; models that hold foreign objects name a few dozen."""

MAX_TEXT_BYTES: Final = 64 * 2**20
"""Text one pickle may have decoded in all; names and hyper-parameters of real models take a few MB."""

MAX_STRING_BYTES: Final = 4096
"""Longer strings and byte strings stay in the file: no tensor, key or global has a name that long."""

MAX_INTEGER_BYTES: Final = 64
"""Sizes, counts and torch's magic number fit into 10; longer integers cost quadratic time."""

MAX_DIMENSIONS: Final = 32
"""What every numpy can view."""

MAX_EXTENT: Final = 2**63 - 1
"""An extent, stride or offset is a signed 64-bit integer in torch."""

MAX_DEPTH: Final = 200
"""Modules within modules; torch itself walks them by recursion and stops at 1,000."""

MAX_VISITS: Final = 500_000
"""Places visited while names are given: shared references let a small file spell out 2**n of them."""

MAX_NAME_LENGTH: Final = 512
"""Characters of a dotted name; together with the visits it bounds what the names take."""

MAX_JSON_BYTES: Final = 64 * 2**20
"""A weights table takes some 500 bytes a tensor."""
