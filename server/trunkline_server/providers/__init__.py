"""Wire dialects: bytes in, events out. No sockets, no clock, no await."""
