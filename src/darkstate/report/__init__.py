"""What people look at: predictions, figures, tables, explanations."""
