"""Which release this is, alone: who only names it need not import a node."""

VERSION = "0.1.0"
