"""Back ends of one port, one to a file."""
