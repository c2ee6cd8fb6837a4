"""What makes a CPU fast: attention in batches and by plain products, and work side by side."""
