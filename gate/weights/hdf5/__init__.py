"""HDF5 files as Keras and h5py write them: read-only, without libhdf5.

In: a file, or a window of one (the member of a zip archive).  Out: its groups, text attributes and
datasets as frozen values; a dataset's numbers stay in the file until its reader is called.  This room
knows nothing of Keras.  Every address, length and count is hostile: what it claims is compared with the
bytes present before it is used, structures that contain themselves are refused, and the bytes looked at
in all are bounded (:mod:`gate.weights.hdf5.limits`).  Nothing outside the file is ever followed.

The format: The HDF Group, "HDF5 File Format Specification Version 3.0".  Read are superblocks 0 to 3,
groups by symbol table, link messages and dense storage, attributes likewise, and datasets that are
compact, contiguous or chunked, the latter filtered by deflate, shuffle and fletcher32.  What is
not read is refused by its name.
"""

from gate.weights.hdf5.fields import is_hdf5
from gate.weights.hdf5.places import InflatedPlace, MappedPlace, Place
from gate.weights.hdf5.tree import Dataset, Group, Hdf5File, read_file

__all__ = [
    "Dataset",
    "Group",
    "Hdf5File",
    "InflatedPlace",
    "MappedPlace",
    "Place",
    "is_hdf5",
    "read_file",
]
