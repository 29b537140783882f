"""Bounds on what an HDF5 file may make its reader do; generous to real models, tight to bombs."""

from __future__ import annotations

from typing import Final

MAX_STRUCTURE_BYTES: Final = 64 * 2**20
"""Bytes of headers, indices and text looked at in all, repeats included; a layer takes some 5 KB."""

MAX_OBJECTS: Final = 200_000
"""Groups and datasets reached; a group that two others hold counts twice."""

MAX_DEPTH: Final = 64
"""Groups within groups; Keras nests a model within a model by two or three."""

MAX_TREE_DEPTH: Final = 32
"""Levels of a B-tree; four of them index more than any file holds."""

MAX_NAME_BYTES: Final = 4096
"""Name of a link or an attribute, or a soft link's target."""

MAX_SOFT_LINKS: Final = 16
"""Soft links followed on the way to one object, as libhdf5 has it."""

MAX_DIMENSIONS: Final = 32
"""What HDF5 and every numpy allow."""

MAX_EXTENT: Final = 2**63 - 1
"""Bytes of the largest array that numpy can speak of, where an extent of 0 counts as 1."""

MAX_FILTERS: Final = 32

MAX_INFLATED_FILE: Final = 256 * 2**20
"""A whole file that lies compressed in a zip archive, inflated; Keras stores it as it is."""

FREE_INFLATION: Final = 256 * 2**20
MAX_INFLATION: Final = 16
"""A dataset's chunks may become so many bytes, or so many times what is stored of them.

Deflate could make a thousand bytes of one; weights that compress so well are worth no more memory
than the first bound.
"""
