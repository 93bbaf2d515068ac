"""Draws graphs: as text for other programs, and as pictures with a layout of our own."""
