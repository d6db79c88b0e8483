"""What ratings are made from, and what they leave behind: votes and predictions, files and tables."""
