"""Containers on this machine for magnus: the images that steps run in."""
