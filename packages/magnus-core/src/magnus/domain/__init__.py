"""Values and rules of pipelines and runs: no input or output, and nothing but the standard library."""
