"""The programs of ours in C, compiled once for each content of their source."""

import hashlib
import subprocess
from pathlib import Path

HERE = Path(__file__).parent


class CompilerError(Exception):
    """A C program of the benchmark could not be compiled."""


def build(name: str, into: Path) -> Path:
    """Compile `name`.c, static where the C library allows it. Raises CompilerError with what the compiler said."""
    source = HERE / f"{name}.c"
    target = into / f"{name}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if target.exists():
        return target
    into.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".part")
    said = ""
    for linking in (["-static"], []):
        try:
            done = subprocess.run(
                ["cc", "-O2", "-Wall", *linking, "-o", str(partial), str(source)],
                capture_output=True, text=True, check=False, timeout=120,
            )  # fmt: skip
        except FileNotFoundError:
            raise CompilerError("there is no C compiler (cc)") from None
        if done.returncode == 0:
            partial.rename(target)
            return target
        said = said or done.stderr
    raise CompilerError(f"cc {source.name} failed:\n{said}")
