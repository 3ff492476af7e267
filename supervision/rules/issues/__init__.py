"""Rules on issues of the error store: whom to tell what, gathered into few messages."""
