"""Documents and live views on a terminal; rich is imported nowhere else."""
