"""What makes a CPU fast, each piece with what it was measured to gain; what gains less than a tenth is not here.

- `gqa`, against sdpa by CPU time in one thread: reading 1.16 times as fast up to 300 tokens a page, 1.09 times up to 60
  (float32); a training step 1.04 times in float32, and no faster in bfloat16, on a CPU that only emulates it.
- `threads`, against one batch after another on two cores: a training step 1.11 times as fast, 1.25 times by CPU time
  (float32, results/bench/train.json).
"""
