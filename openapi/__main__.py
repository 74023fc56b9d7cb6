"""`python -m openapi` writes the document to where the service reads it; `make openapi` does so."""

from pathlib import Path

from openapi.document import text
from resources.openapi import FILE

(Path(__file__).parent.parent / "resources" / FILE).write_text(text(), encoding="utf-8", newline="\n")
