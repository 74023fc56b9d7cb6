"""`python -m build_admin.openapi` (`make openapi`) writes the document to the file that the service serves."""

from pathlib import Path

from build_admin.openapi.document import text
from build_admin.resources.operations import OPENAPI

(Path(__file__).parent.parent / "resources" / OPENAPI.name).write_text(text(), encoding="utf-8", newline="\n")
