"""The REST edge, `/api/v1/`: parse, ask access, call one service or selector, render. It decides nothing (docs/api.md)."""
