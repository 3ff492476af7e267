"""Rows of the error store: what came in, the issues it makes, and what people say of them."""
