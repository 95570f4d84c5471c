"""Archive sheets per minute for a batch, against empty pages of the same number from the same engine.

The batch goes in slices of 25 as the program sends it: fold of the facts into layout data, codes drawn, pages set,
PDF written. The limit is the same number of blank A4 pages set in the same slices.
"""

from __future__ import annotations

import json
import sys
import time

import typst

from app.printing import archive_sheet, codes, fonts, spooling, typesetting
from tests.printing import households

BLANK = b'#set page("a4")\n#for _ in range(int(sys.inputs.pages) - 1) [#pagebreak()]'


def measure(sheets: int) -> dict[str, object]:
    """Sheets a minute, pages a minute, and pages a minute of the bare engine."""
    batch = archive_sheet.ordered(
        households.sheet(place, member_count=2 + place % 5, group=f"{1 + place % 8}组") for place in range(sheets)
    )
    fonts.for_typst()
    fonts.characters()
    codes.matrix.cache_clear()
    codes.svg.cache_clear()
    jobs = spooling.plan(sheets).jobs
    begun = time.perf_counter()
    written = pages = 0
    for job in jobs:
        data = archive_sheet.pages(batch, households.STAMP, first=job.first, last=job.last)
        pdf = typesetting.pdf(archive_sheet.LAYOUT, data, households.STAMP.printed_ms)
        written += len(pdf)
        pages += sum(1 for part in data["parts"] if part["kind"] == "separator") + 2 * job.count
    took = time.perf_counter() - begun

    compiler = typst.Compiler(font_paths=fonts.for_typst(), ignore_system_fonts=True)
    begun = time.perf_counter()
    for job in jobs:
        # Another number of pages each time, else the engine answers from memory.
        inputs = {"pages": str(2 * job.count + job.first % 7)}
        compiler.compile(input=BLANK, format="pdf", sys_inputs=inputs, pdf_tags=False)
    bare = time.perf_counter() - begun
    return {
        "benchmark": "printing",
        "sheets": sheets,
        "pages": pages,
        "sheets_per_minute": round(sheets / took * 60),
        "bytes_per_sheet": round(written / sheets),
        "limit": "blank pages of the same engine",
        "limit_pages_per_minute": round(pages / bare * 60),
        "ratio": round(took / bare, 1),
    }


if __name__ == "__main__":
    print(json.dumps(measure(1000 if "--full" in sys.argv else 200), ensure_ascii=False))
