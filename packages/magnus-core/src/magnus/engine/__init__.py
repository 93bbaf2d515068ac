"""Decides what runs next, and runs a step where it runs; knows ports, never adapters."""
