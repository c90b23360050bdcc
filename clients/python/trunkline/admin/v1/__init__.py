"""The contract `trunkline.admin.v1`: keys and limits, for operators. Messages and stubs are in the `*_pb2` modules."""
