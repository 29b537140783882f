"""Operators that reach out of the graph: to files, other processes, Python functions, other libraries.

A SavedModel is a program (https://github.com/tensorflow/tensorflow/blob/master/SECURITY.md); most of
its operators only compute.  Those that do not are reported as a pickle's globals are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.weights.savedmodel.graph import GraphFile

_UNSAFE: Final = frozenset(
    {
        *("PyFunc", "PyFuncStateless", "EagerPyFunc", "Abort"),
        *("ReadFile", "WriteFile", "MatchingFiles", "WholeFileReader", "WholeFileReaderV2"),
        *("TextLineReader", "TextLineReaderV2", "FixedLengthRecordReader", "FixedLengthRecordReaderV2"),
        *("TFRecordReader", "TFRecordReaderV2", "TextLineDataset", "TFRecordDataset", "TFRecordDatasetV2"),
        *("FixedLengthRecordDataset", "FixedLengthRecordDatasetV2", "LMDBDataset", "SqlDataset"),
        *("SaveDataset", "SaveDatasetV2", "LoadDataset", "SnapshotDataset", "SnapshotDatasetV2"),
        *("CacheDataset", "CacheDatasetV2", "CreateSummaryFileWriter", "CreateSummaryDbWriter"),
        *("DebugIdentity", "DebugIdentityV2", "DebugIdentityV3", "DebugNumericSummary"),
        *("DebugNumericSummaryV2", "DebugNanCount", "RegisterDataset", "RegisterDatasetV2"),
        *("RpcCall", "RpcClient", "RpcServer", "RpcServerStart"),
    }
)
"""What calls Python, reads or writes files other than the model's own, or speaks to another process."""

SAVING: Final = frozenset({"Save", "SaveSlices", "SaveV2", "MergeV2Checkpoints"})
"""What writes files too, and stands in every SavedModel to save it again: unsafe in what is served."""

_PRINT: Final = "PrintV2"
_TO_FILE: Final = b"file://"
_NAMESPACE: Final = ">"  # operators of a library that has to be loaded carry its name


def unsafe_operators(graphs: Iterable[GraphFile], served: Iterable[str]) -> set[str]:
    """Return the unsafe operators of any graph or function, and the saving ones of ``served``."""
    found = {operator for operator in served if operator in SAVING}
    for graph in graphs:
        for operator, span in graph.operators():
            to_file = operator == _PRINT and _TO_FILE in graph.bytes_of(span)
            if operator in _UNSAFE or _NAMESPACE in operator or to_file:
                found.add(operator)
    return set(map(_global, found))


def _global(operator: str) -> str:
    module = "tensorflow.load_op_library" if _NAMESPACE in operator else "tensorflow.raw_ops"
    return f"{module}.{operator}"
