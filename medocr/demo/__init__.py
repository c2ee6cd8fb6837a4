"""What shows the recipe without data or a GPU: synthetic pages, an embedded base, servers, seeded errors.

The recipe imports nothing of it: `medocr.BASES` and `medocr.DEMO_SOURCES` name what it adds.
"""
