"""`python -m build_admin.openapi` writes the document to where the service reads it; `make openapi` does so."""

from pathlib import Path

from build_admin.openapi.document import text
from build_admin.resources.openapi import FILE

(Path(__file__).parent.parent / "resources" / FILE).write_text(text(), encoding="utf-8", newline="\n")
