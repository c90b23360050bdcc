"""What carries gRPC: grpc.aio behind the adapter and interceptors made of policies."""
