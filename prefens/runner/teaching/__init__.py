"""Distillation: which teachers may label which rows, and the corpus that a student learns from."""
