"""The fields of ``onnx.proto`` as tables (version 1.23)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gate.weights.protobuf.scanner import Table

MODEL: Final[Table] = {
    1: ("ir_version", "integer"),
    2: ("producer_name", "ignored"),
    3: ("producer_version", "ignored"),
    4: ("domain", "ignored"),
    5: ("model_version", "ignored"),
    6: ("doc_string", "ignored"),
    7: ("graph", "span"),
    8: ("opset_import", "spans"),
    14: ("metadata_props", "ignored"),
    20: ("training_info", "spans"),
    25: ("functions", "spans"),
    26: ("configuration", "ignored"),
}
TRAINING: Final[Table] = {
    1: ("initialization", "span"),
    2: ("algorithm", "span"),
    3: ("initialization_binding", "ignored"),
    4: ("update_binding", "ignored"),
}
GRAPH: Final[Table] = {
    1: ("node", "spans"),
    2: ("name", "text"),
    5: ("initializer", "spans"),
    10: ("doc_string", "ignored"),
    11: ("input", "spans"),
    12: ("output", "spans"),
    13: ("value_info", "ignored"),
    14: ("quantization_annotation", "ignored"),
    15: ("sparse_initializer", "spans"),
    16: ("metadata_props", "ignored"),
}
FUNCTION: Final[Table] = {
    1: ("name", "text"),
    4: ("input", "texts"),
    5: ("output", "texts"),
    6: ("attribute", "ignored"),
    7: ("node", "spans"),
    8: ("doc_string", "ignored"),
    9: ("opset_import", "ignored"),
    10: ("domain", "text"),
    11: ("attribute_proto", "spans"),
    12: ("value_info", "ignored"),
    13: ("overload", "text"),
    14: ("metadata_props", "ignored"),
}
VALUE_INFO: Final[Table] = {
    1: ("name", "text"),
    2: ("type", "ignored"),
    3: ("doc_string", "ignored"),
    4: ("metadata_props", "ignored"),
}
NODE: Final[Table] = {
    1: ("input", "texts"),
    2: ("output", "texts"),
    3: ("name", "text"),
    4: ("op_type", "text"),
    5: ("attribute", "spans"),
    6: ("doc_string", "ignored"),
    7: ("domain", "text"),
    8: ("overload", "text"),
    9: ("metadata_props", "ignored"),
    10: ("device_configurations", "ignored"),
}
ATTRIBUTE: Final[Table] = {
    1: ("name", "text"),
    2: ("f", "ignored"),
    3: ("i", "integer"),
    4: ("s", "span"),
    5: ("t", "span"),
    6: ("g", "span"),
    7: ("floats", "values"),
    8: ("ints", "integers"),
    9: ("strings", "ignored"),
    10: ("tensors", "spans"),
    11: ("graphs", "spans"),
    13: ("doc_string", "ignored"),
    14: ("tp", "ignored"),
    15: ("type_protos", "ignored"),
    20: ("type", "integer"),
    21: ("ref_attr_name", "text"),
    22: ("sparse_tensor", "span"),
    23: ("sparse_tensors", "spans"),
}
TENSOR: Final[Table] = {
    1: ("dims", "integers"),
    2: ("data_type", "integer"),
    3: ("segment", "span"),
    4: ("float_data", "values"),
    5: ("int32_data", "values"),
    6: ("string_data", "ignored"),
    7: ("int64_data", "values"),
    8: ("name", "text"),
    9: ("raw_data", "span"),
    10: ("double_data", "values"),
    11: ("uint64_data", "values"),
    12: ("doc_string", "ignored"),
    13: ("external_data", "spans"),
    14: ("data_location", "integer"),
    16: ("metadata_props", "ignored"),
}
SPARSE_TENSOR: Final[Table] = {1: ("values", "span"), 2: ("indices", "span"), 3: ("dims", "integers")}
ENTRY: Final[Table] = {1: ("key", "text"), 2: ("value", "text")}
