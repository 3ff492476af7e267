"""Local PostgreSQL and Redis for `make run`: ordinary supervised children, reached over Unix sockets only."""
