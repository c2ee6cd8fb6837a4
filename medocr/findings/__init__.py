"""What the experiments say: a table of runs, contrasts of their scores, verdicts on claims, and what writes them."""
