"""The nouns of the gateway. They know neither gRPC nor sockets, and import nothing else of it."""
