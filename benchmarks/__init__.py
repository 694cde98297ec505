"""What the recorder costs, measured: see README.md."""
