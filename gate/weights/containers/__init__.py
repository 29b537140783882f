"""What a file's bytes can be taken for, whatever the file is called.

In: the bytes of a file.  Out: which containers a framework could find in them.  One file can be several
at once: a zip archive is found from its end, a pickle runs from the first byte, the header of a
safetensors file is free text.  Whoever judges one of them while a framework loads another judges
nothing.  So each of these looks for what a framework would accept, not for what a format's own writer
makes; it errs towards finding.  This room knows nothing of the tensors within.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from gate.weights.containers.pickles import begins_as_pickle
from gate.weights.containers.simple import (
    begins_as_ort,
    begins_as_safetensors,
    begins_as_tar,
    holds_hdf5,
    is_protobuf,
)
from gate.weights.containers.zips import holds_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Container", "containers_in"]


class Container(Enum):
    """A way to lay out a file that some framework looks for; its value is what messages call it."""

    SAFETENSORS = "safetensors"
    ORT = "a model in ONNX Runtime's own format"
    PROTOBUF = "a protocol-buffers message"
    ZIP = "a zip archive"
    TAR = "a tar archive"
    PICKLE = "a pickle"
    HDF5 = "HDF5"


_FOUND_BY: Final[dict[Container, Callable[[memoryview], bool]]] = {
    Container.SAFETENSORS: begins_as_safetensors,
    Container.ORT: begins_as_ort,
    Container.PROTOBUF: is_protobuf,
    Container.ZIP: holds_zip,
    Container.TAR: begins_as_tar,
    Container.PICKLE: begins_as_pickle,
    Container.HDF5: holds_hdf5,
}


def containers_in(data: memoryview, among: Iterable[Container] = tuple(Container)) -> Iterator[Container]:
    """Yield the containers that ``data`` can be taken for, in the order of ``among``."""
    return (container for container in among if _FOUND_BY[container](data))
