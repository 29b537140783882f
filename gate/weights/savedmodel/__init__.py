"""TensorFlow's SavedModels, checkpoints and frozen graphs -> named weight matrices, without TensorFlow.

In: the path of a ``.pb`` or ``.index`` file and the root that nothing may lead out of.  Out: one
:class:`gate.weights.interface.ModelWeights`.  The way through:

    sorted_table  the index of a checkpoint, a LevelDB table; crc checks its blocks
    bundle        its entries, checked against the data files; shards and slices find the values
    naming        what is the model's and not the optimizer's, and what a person calls it
    schema        TensorFlow's messages as tables, read by gate.weights.protobuf
    graph         nodes and functions; constants that stand among them; objects bound to functions
    trace         follows variables and constants, as views of the file, to the operators that use
                  them; operators says which operand is a weight; danger, which run something
    keras_metadata  what Keras would run to make its own model again
    assemble      joins what names and what uses tell

It must never know of metrics or of MLflow, import TensorFlow or Keras, or run a graph.
"""

from __future__ import annotations

from gate.weights.savedmodel.reader import CheckpointReader, FrozenGraphReader, SavedModelReader

__all__ = ["CheckpointReader", "FrozenGraphReader", "SavedModelReader"]
