"""The reader of safetensors files, one alone or several shards listed in an index.

In: a file that ends in ``.safetensors``, or an index that ends in ``.safetensors.index.json``.  Out:
its tensors as layers, read by mapping the file.  The header is read and checked here, byte by byte as
the format demands, and not by the safetensors package: a gate must say what is wrong with a file, and
must count bytes that no tensor refers to.
"""

from gate.weights.safetensors.reader import SafetensorsReader

__all__ = ["SafetensorsReader"]
