"""Runs the OTP conformance cases against the kernel the product runs on.

`tests/data/conformance/README.md` says what a case is.

python -m supervision.conformance FILE_OR_DIR [--json]
"""
