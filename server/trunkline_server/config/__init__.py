"""Settings from the environment, models from a file, and the snapshot that a worker serves from."""
