"""Keras models: archives of Keras 3 (``.keras``) and HDF5 files of every Keras (``.h5``, ``.weights.h5``).

In: one file.  Out: its weights under the names that the model itself would give them, in the shapes
that :mod:`gate.weights.state_dict` knows.  The model's configuration is read as data: it says what the
arrays of a layer are, and which code loading the model would run, which is reported and never run.
This room knows no bytes of HDF5 (:mod:`gate.weights.hdf5`) nor of zip.
"""

from gate.weights.keras.reader import KerasArchiveReader, KerasHdf5Reader

__all__ = ["KerasArchiveReader", "KerasHdf5Reader"]
