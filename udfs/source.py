"""The hash of this folder's source: what a version records as the code that trained it.

Must not know models. Reads through importlib, so that it gives the same hash from a folder and from a zip file that was
shipped to Flink.
"""

from __future__ import annotations

import hashlib
from importlib import resources


def code_hash() -> str:
    """SHA-256, hexadecimal, over names and texts of all Python files of ``udfs``, in the order of their names."""
    digest = hashlib.sha256()
    files = [entry for entry in resources.files("udfs").iterdir() if entry.name.endswith(".py")]
    for entry in sorted(files, key=lambda file: file.name):
        text = entry.read_bytes()
        digest.update(f"{entry.name}\0{len(text)}\0".encode() + text)
    return digest.hexdigest()
