"""What judges are measured on and by, and what that leaves behind: benchmarks, verdicts, files and tables."""
