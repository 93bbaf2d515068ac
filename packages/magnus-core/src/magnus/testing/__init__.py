"""Contract suites, fakes and fixtures: for us, and for whoever writes an adapter."""
