"""The command line before and after Hydra reads it: what is expanded, what is refused."""
