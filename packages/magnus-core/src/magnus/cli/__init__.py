"""The command line: parses, calls a use case, renders, and gives an exit code."""
