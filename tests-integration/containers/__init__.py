"""Images, services and fixtures for the tests that need containers; nothing here needs a registry of images."""
