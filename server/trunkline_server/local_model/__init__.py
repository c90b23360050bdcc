"""llama.cpp as a child of the supervisor."""
