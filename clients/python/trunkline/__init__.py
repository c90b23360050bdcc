"""Client of the Trunkline gateway."""
