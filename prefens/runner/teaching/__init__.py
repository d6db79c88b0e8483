"""What teaches students: a teacher's probabilities of the pairs with votes, and of pairs without."""
