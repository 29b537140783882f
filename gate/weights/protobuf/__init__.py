"""Messages of protocol buffers, read out of a mapped file without a generated class.

In: the bytes of a file and tables of the fields that a format's messages have.  Out: the fields, with
payloads as spans of the file, so that tensors stay where they lie.  Lengths and counts are hostile.
It must never know what a message means: ONNX and TensorFlow each bring their own tables.
"""
