"""What others wrote to check files of the orchestrators: asked about what we render."""
