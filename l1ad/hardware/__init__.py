"""Parts, fixed-point arithmetic and budgets."""
