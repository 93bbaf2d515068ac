"""Executors of magnus for one machine."""
