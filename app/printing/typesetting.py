"""Pages from a layout and plain data, by Typst.

A layout is a file in `resources/print`. The data go in as JSON through `sys.inputs`, so that what people
wrote is always a value and never markup; pictures go in as SVG text (a photo as a data URI inside one), so
that nothing is written to a temporary file. No system font, no network, no package is used: the same data
give the same pages on every machine.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pypdfium2 as pdfium
import typst

from app.errors import InputProblem
from app.printing import fonts
from app.text import RESOURCES

LAYOUTS = RESOURCES / "print"
ARCHIVE_STANDARD: typst.PDFStandard = "a-2u"
"""PDF/A-2u, ISO 19005-2: fonts inside, every glyph with its Unicode, fit for the archive (the Archives Law
asks for it)."""

Data = Mapping[str, Any]

_LARGE = 100_000
_KEPT_COMPILATIONS = 11


def pdf(layout: str, data: Data, now_ms: int) -> bytes:
    """PDF/A of `data` laid out by `resources/print/<layout>.typ`; `now_ms` is the time written into it.

    A character that no font has is shown as an empty box; such a document is an ordinary PDF, because PDF/A
    forbids it. Raises `InputProblem("print-layout")` when the layout cannot take the data.
    """
    stamp = datetime.fromtimestamp(now_ms // 1000, UTC)
    complete = not fonts.missing_characters(json.dumps(data, ensure_ascii=False))
    made = _compile(layout, data, format="pdf", timestamp=stamp, pdf_standards=ARCHIVE_STANDARD if complete else [])
    return made[0]


def pictures(layout: str, data: Data, dpi: int) -> list[bytes]:
    """The same pages as PNG pictures at `dpi`, one each."""
    return _compile(layout, data, format="png", ppi=float(dpi))


def photo(jpeg: bytes, width: int, height: int) -> str:
    """A JPEG of `width` × `height` pixels as SVG text for a layout."""
    source = base64.b64encode(jpeg).decode("ascii")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
        f'<image width="{width}" height="{height}" href="data:image/jpeg;base64,{source}"/></svg>'
    )


def joined(parts: Iterable[bytes]) -> bytes:
    """One PDF of several, pages unchanged. It is an ordinary PDF: the archive mark of the parts does
    not survive."""
    whole = pdfium.PdfDocument.new()
    for part in parts:
        piece = pdfium.PdfDocument(part)
        whole.import_pages(piece)
        piece.close()
    out = io.BytesIO()
    whole.save(out)
    whole.close()
    return out.getvalue()


def _compile(layout: str, data: Data, **options: Any) -> list[bytes]:
    inputs = json.dumps(data, ensure_ascii=False)
    compiler = typst.Compiler(
        str(LAYOUTS / f"{layout}.typ"), root=str(LAYOUTS), font_paths=fonts.for_typst(), ignore_system_fonts=True
    )
    try:
        made = compiler.compile(sys_inputs={"data": inputs}, pdf_tags=False, **options)
    except typst.TypstError:
        # Typst quotes the data in its message: it must not reach a log.
        raise InputProblem("print-layout", template=layout) from None
    if len(inputs) > _LARGE:
        _forget(compiler)
    return made if isinstance(made, list) else [made or b""]


def _forget(compiler: typst.Compiler) -> None:
    """Give back the memory of a large compilation.

    Typst keeps what it computed in its last ten compilations: 1.2 GB after ten slices of 25 sheets, 290 MB
    with this.
    """
    for _ in range(_KEPT_COMPILATIONS):
        compiler.compile(input=b"", format="svg", sys_inputs=None)
