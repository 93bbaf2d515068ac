"""The steps of the digits pipeline: handwritten digits in, a chosen and evaluated classifier out."""
