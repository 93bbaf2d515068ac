"""What Batch documents about jobs, as plain rules, and a fake of its client that stands on them."""
