"""What a CUDA machine shows that a CPU cannot: memory, speed, Unsloth. `python -m tests.gpu` runs every part."""
