"""`python -m build_admin.openapi` (`make openapi`) writes the document to the file that the service serves."""

from pathlib import Path

from build_admin.openapi.document import text
from build_admin.resources.openapi import FILE

(Path(__file__).parent.parent / "resources" / FILE).write_text(text(), encoding="utf-8", newline="\n")
