"""Paper: which printers there are, and a job on one of them.

Where CUPS is, its queues are offered and get the PDF as it is (`app.printing.spooling`). Elsewhere Qt's printers are
offered and get the same pages as pictures at 300 dpi, one at a time, so that a batch never fills the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QMarginsF, QRect
from PySide6.QtGui import QImage, QPageLayout, QPageSize, QPainter
from PySide6.QtPrintSupport import QPrinter, QPrinterInfo

from app.errors import InputProblem
from app.printing import spooling
from app.views.batch import PRINT_DPI, Raster


@dataclass(frozen=True, slots=True, kw_only=True)
class PrinterChoice:
    """A printer: its name, whether CUPS has it (else Qt), a file it writes to instead of paper (for trials)."""

    name: str
    cups: bool
    file: Path | None = None


def from_cups() -> tuple[PrinterChoice, ...]:
    """The queues of CUPS; may take a while, so it is asked on a lane."""
    return tuple(PrinterChoice(name=name, cups=True) for name in spooling.cups_queues())


def from_qt() -> tuple[PrinterChoice, ...]:
    """The printers that the platform offers through Qt, the usual one first."""
    usual = QPrinterInfo.defaultPrinterName()
    names = sorted(QPrinterInfo.availablePrinterNames(), key=lambda name: (name != usual, name))
    return tuple(PrinterChoice(name=name, cups=False) for name in names)


class PaperJob:
    """One job on a printer of Qt: pages are painted as they come. InputProblem("print-queue") when it does not take
    them."""

    def __init__(self, choice: PrinterChoice, *, title: str, copies: int, duplex: bool) -> None:
        self._name = choice.name
        self._printer = QPrinter(QPrinter.PrinterMode.HighResolution)
        if choice.file is not None:
            self._printer.setOutputFormat(QPrinter.OutputFormat.PdfFormat)
            self._printer.setOutputFileName(str(choice.file))
        else:
            self._printer.setPrinterName(choice.name)
        self._printer.setDocName(title)
        self._printer.setResolution(PRINT_DPI)
        self._printer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
        self._printer.setPageMargins(QMarginsF(0, 0, 0, 0), QPageLayout.Unit.Millimeter)
        self._printer.setFullPage(True)
        self._printer.setCopyCount(copies)
        sides = QPrinter.DuplexMode.DuplexLongSide if duplex else QPrinter.DuplexMode.DuplexNone
        self._printer.setDuplex(sides)
        self._painter = QPainter()
        self._pages = 0
        if not self._painter.begin(self._printer):
            raise InputProblem("print-queue", queue=choice.name)

    def paint(self, page: Raster) -> None:
        """Put one page on paper."""
        if self._pages and not self._printer.newPage():
            raise InputProblem("print-queue", queue=self._name)
        image = QImage(page.data, page.width, page.height, page.stride, QImage.Format.Format_RGB32)
        paper = self._printer.paperRect(QPrinter.Unit.DevicePixel).toRect()
        self._painter.drawImage(QRect(0, 0, paper.width(), paper.height()), image)
        self._pages += 1

    def finish(self) -> None:
        """Hand the job over."""
        self._painter.end()

    def abandon(self) -> None:
        """Throw away what was not handed over."""
        self._printer.abort()
        self._painter.end()
