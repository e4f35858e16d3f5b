"""Independent numerical references; they share no code with what they check."""
