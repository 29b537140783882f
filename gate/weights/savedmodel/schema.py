"""The fields of TensorFlow's messages as tables (version 2.21); what has no use here is ignored by name.

Sources: ``tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph,
trackable_object_graph,tensor_bundle}.proto`` and ``tensorflow/core/framework/{graph,node_def,
function,op_def,attr_value,tensor,tensor_shape,tensor_slice}.proto``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gate.weights.protobuf.scanner import Table

SAVED_MODEL: Final[Table] = {1: ("schema_version", "integer"), 2: ("meta_graphs", "spans")}
META_GRAPH: Final[Table] = {
    1: ("info", "span"),
    2: ("graph", "span"),
    3: ("saver", "ignored"),
    4: ("collections", "ignored"),
    5: ("signatures", "ignored"),
    6: ("assets", "ignored"),
    7: ("objects", "span"),
}
META_INFO: Final[Table] = {
    **dict.fromkeys((1, 2, 3, 5, 6, 7, 8), ("", "ignored")),
    4: ("tags", "texts"),
}

SAVED_OBJECTS: Final[Table] = {1: ("nodes", "spans"), 2: ("functions", "spans")}
SAVED_OBJECT: Final[Table] = {
    **dict.fromkeys((3, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16), ("", "ignored")),
    1: ("children", "spans"),
    4: ("user_object", "span"),
    7: ("variable", "span"),
    9: ("constant", "span"),
}
USER_OBJECT: Final[Table] = {1: ("identifier", "ignored"), 2: ("version", "ignored"), 3: ("metadata", "span")}
CHILD: Final[Table] = {1: ("node", "integer"), 2: ("name", "text")}
SAVED_VARIABLE: Final[Table] = {
    **dict.fromkeys((1, 2, 3, 4, 5, 7, 8), ("", "ignored")),
    6: ("name", "text"),
}
SAVED_CONSTANT: Final[Table] = {1: ("operation", "text")}
SAVED_FUNCTION: Final[Table] = {
    2: ("bound_inputs", "integers"),
    3: ("input_signature", "ignored"),
    4: ("output_signature", "ignored"),
}

KERAS_METADATA: Final[Table] = {1: ("nodes", "spans")}
KERAS_NODE: Final[Table] = {
    **dict.fromkeys((1, 2, 3, 4, 6), ("", "ignored")),
    5: ("metadata", "span"),
}

CHECKPOINT_OBJECTS: Final[Table] = {1: ("nodes", "spans")}
CHECKPOINT_OBJECT: Final[Table] = {
    1: ("children", "spans"),
    2: ("attributes", "spans"),
    3: ("slots", "ignored"),
    4: ("saver", "ignored"),
    5: ("has_values", "ignored"),
}
CHECKPOINT_ATTRIBUTE: Final[Table] = {
    1: ("name", "ignored"),
    2: ("full_name", "text"),
    3: ("key", "text"),
    4: ("optional", "ignored"),
}

GRAPH: Final[Table] = {
    1: ("nodes", "spans"),
    2: ("library", "span"),
    3: ("version", "ignored"),
    4: ("versions", "ignored"),
    5: ("debug_info", "ignored"),
}
LIBRARY: Final[Table] = {1: ("functions", "spans"), 2: ("gradients", "ignored"), 3: ("registered", "ignored")}
FUNCTION: Final[Table] = {
    **dict.fromkeys((5, 6, 7, 8), ("", "ignored")),
    1: ("signature", "span"),
    3: ("nodes", "spans"),
    4: ("results", "spans"),
}
SIGNATURE: Final[Table] = {
    **dict.fromkeys((4, 5, 6, 8, 16, 17, 18, 19, 20, 21), ("", "ignored")),
    1: ("name", "text"),
    2: ("inputs", "spans"),
    3: ("outputs", "spans"),
}
ARGUMENT: Final[Table] = {
    **dict.fromkeys((2, 3, 4, 5, 6, 7, 16, 17), ("", "ignored")),
    1: ("name", "text"),
}
NODE: Final[Table] = {
    1: ("name", "text"),
    2: ("operator", "text"),
    3: ("inputs", "texts"),
    4: ("device", "ignored"),
    5: ("attributes", "spans"),
    6: ("debug_info", "ignored"),
    7: ("full_type", "ignored"),
}
MAP_ENTRY: Final[Table] = {1: ("key", "text"), 2: ("value", "span")}
TEXT_ENTRY: Final[Table] = {1: ("key", "text"), 2: ("value", "text")}
ATTRIBUTE: Final[Table] = {
    **dict.fromkeys((1, 4, 7, 9), ("", "ignored")),
    2: ("bytes", "span"),
    3: ("integer", "integer"),
    5: ("truth", "integer"),
    6: ("type", "integer"),
    8: ("tensor", "span"),
    10: ("function", "span"),
}
LIST: Final[Table] = {
    **dict.fromkeys((2, 4, 5, 6, 7, 8, 9), ("", "ignored")),
    3: ("integers", "integers"),
}
FUNCTION_NAME: Final[Table] = {1: ("name", "text"), 2: ("attributes", "ignored")}

TENSOR: Final[Table] = {
    **dict.fromkeys((3, 8, 9, 11, 12, 14, 15, 16, 17, 18), ("", "ignored")),
    1: ("data_type", "integer"),
    2: ("shape", "span"),
    4: ("content", "span"),
    5: ("float_val", "values"),
    6: ("double_val", "values"),
    7: ("int_val", "values"),
    10: ("int64_val", "values"),
    13: ("half_val", "values"),
}
SHAPE: Final[Table] = {2: ("dimensions", "spans"), 3: ("unknown_rank", "integer")}
DIMENSION: Final[Table] = {1: ("size", "integer"), 2: ("name", "ignored")}

BUNDLE_HEADER: Final[Table] = {
    1: ("shards", "integer"),
    2: ("endianness", "integer"),
    3: ("version", "ignored"),
}
BUNDLE_ENTRY: Final[Table] = {
    1: ("data_type", "integer"),
    2: ("shape", "span"),
    3: ("shard", "integer"),
    4: ("offset", "integer"),
    5: ("size", "integer"),
    6: ("crc32c", "ignored"),
    7: ("slices", "spans"),
}
SLICE: Final[Table] = {1: ("extents", "spans")}
EXTENT: Final[Table] = {1: ("start", "integer"), 2: ("length", "integer")}
