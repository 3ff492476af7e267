"""One module a page; framework.py finds them."""
