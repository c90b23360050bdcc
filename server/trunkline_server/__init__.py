"""The Trunkline gateway: a typed gRPC line between services and language models."""
