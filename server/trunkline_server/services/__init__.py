"""The servicers: a few lines per RPC, free of gRPC."""
