"""Who may come in, and what a page may do once it is shown."""
