"""How streamed bodies are cut into frames."""
