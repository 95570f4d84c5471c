"""Colours, measures, fonts and the one style sheet of the desktop.

The style sheet stands in `resources/style.qss` and takes its colours from a `Palette`; nothing else in the
views sets a colour, a font size or a margin of its own. Fonts come with the program (they are locked
dependencies), because a laptop in a township may have none that draws every name. All sizes are pixels at
100 %; Qt scales them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from string import Template

from PySide6.QtCore import QByteArray, QLibraryInfo, QLocale, QRectF, QSize, Qt, QTranslator
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QImage, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from app.printing.fonts import SANS, SANS_FILE
from app.text import RESOURCES, language

# The 4 px grid of the visual language.
NEAR = 4
INSIDE = 8
BETWEEN = 16
MARGIN = 24
FIELD_HEIGHT = 32
ROW_HEIGHT = 36
# From this width on a form has two columns.
TWO_COLUMNS_FROM = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The colours of one appearance, `#RRGGBB`; every text on its ground has a contrast of at least 4.5:1."""

    name: str
    ground: str
    surface: str
    raised: str
    line: str
    strong_line: str
    text: str
    second: str
    faint: str
    accent: str
    accent_hover: str
    accent_ground: str
    on_accent: str
    info: str
    info_ground: str
    warning: str
    warning_ground: str
    danger: str
    danger_ground: str
    hover: str
    selected: str


LIGHT = Palette(
    name="light",
    ground="#F5F6F4",
    surface="#FFFFFF",
    raised="#FFFFFF",
    line="#DCE1DC",
    strong_line="#8A968D",
    text="#1B2420",
    second="#5A655D",
    faint="#667069",
    accent="#1F7A4D",
    accent_hover="#19663F",
    accent_ground="#E6F2EB",
    on_accent="#FFFFFF",
    info="#2563A8",
    info_ground="#E7EFF8",
    warning="#8A5C00",
    warning_ground="#FAF1DC",
    danger="#B3261E",
    danger_ground="#FBEAE8",
    hover="#EEF1EE",
    selected="#E6F2EB",
)

DARK = Palette(
    name="dark",
    ground="#151A17",
    surface="#1D2420",
    raised="#252D28",
    line="#313A34",
    strong_line="#75837A",
    text="#E6EBE7",
    second="#9DAAA1",
    faint="#93A097",
    accent="#57B98A",
    accent_hover="#6CC79B",
    accent_ground="#1F3529",
    on_accent="#0E1511",
    info="#7FB2E8",
    info_ground="#1D2C3C",
    warning="#DDB45A",
    warning_ground="#352C17",
    danger="#F08A82",
    danger_ground="#3B2220",
    hover="#262E29",
    selected="#20382B",
)

PALETTES = {palette.name: palette for palette in (LIGHT, DARK)}


def active() -> Palette:
    """The palette that `dress` applied last, for parts that paint themselves."""
    application = QApplication.instance()
    name = application.property("appearance") if application is not None else None
    return PALETTES.get(name or LIGHT.name, LIGHT)


def load_fonts() -> None:
    """Give Qt the fonts that come with the program; a missing font is a broken installation."""
    if QFontDatabase.addApplicationFont(str(SANS_FILE)) < 0:
        raise FileNotFoundError(SANS_FILE.name)


def body_font() -> QFont:
    """14 px, digits of one width, so that columns of numbers stand under each other."""
    font = QFont()
    font.setFamily(SANS)
    font.setPixelSize(14)
    font.setFeature(QFont.Tag("tnum"), 1)
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return font


def system_palette() -> Palette:
    """The palette that follows the system's appearance."""
    return DARK if QApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark else LIGHT


def style_sheet(palette: Palette) -> str:
    """`resources/style.qss` with the colours of `palette` and the address of the icons filled in."""
    values = {field.name: getattr(palette, field.name) for field in fields(palette)}
    values["icons"] = (RESOURCES / "icons").as_posix()
    return Template((RESOURCES / "style.qss").read_text(encoding="utf-8")).substitute(values)


def dress(application: QApplication, palette: Palette) -> None:
    """Give the whole program its fonts, colours and style; may be called again to change the appearance."""
    application.setProperty("appearance", palette.name)
    if SANS not in QFontDatabase.families():
        load_fonts()
    application.setStyle("Fusion")
    application.setFont(body_font())
    application.setPalette(_qt_palette(palette))
    application.setStyleSheet(style_sheet(palette))


def speak_chinese(application: QApplication) -> QTranslator | None:
    """Put Qt's own words (dialogs, menus of fields) into Chinese; None when the program speaks English."""
    if language() != "zh":
        return None
    translator = QTranslator(application)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if translator.load(QLocale("zh_CN"), "qtbase", "_", folder):
        application.installTranslator(translator)
    return translator


def _qt_palette(palette: Palette) -> QPalette:
    roles = {
        QPalette.ColorRole.Window: palette.ground,
        QPalette.ColorRole.WindowText: palette.text,
        QPalette.ColorRole.Base: palette.surface,
        QPalette.ColorRole.AlternateBase: palette.ground,
        QPalette.ColorRole.Text: palette.text,
        QPalette.ColorRole.Button: palette.surface,
        QPalette.ColorRole.ButtonText: palette.text,
        QPalette.ColorRole.BrightText: palette.danger,
        QPalette.ColorRole.Highlight: palette.accent,
        QPalette.ColorRole.HighlightedText: palette.on_accent,
        QPalette.ColorRole.ToolTipBase: palette.raised,
        QPalette.ColorRole.ToolTipText: palette.text,
        QPalette.ColorRole.PlaceholderText: palette.faint,
        QPalette.ColorRole.Link: palette.info,
        QPalette.ColorRole.Light: palette.surface,
        QPalette.ColorRole.Mid: palette.line,
        QPalette.ColorRole.Dark: palette.strong_line,
        QPalette.ColorRole.Shadow: palette.line,
    }
    result = QPalette()
    for role, colour in roles.items():
        result.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.WindowText, QPalette.ColorRole.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, role, QColor(palette.faint))
    return result


@cache
def picture(name: str, colour: str, size: int = 20, ratio: float = 2.0) -> QPixmap:
    """The line drawing `resources/icons/<name>.svg` in `colour`, `size` pixels wide, sharp up to `ratio`."""
    drawing = (RESOURCES / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    drawing = drawing.replace("currentColor", colour)
    renderer = QSvgRenderer(QByteArray(drawing.encode()))
    image = QImage(QSize(round(size * ratio), round(size * ratio)), QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    renderer.render(painter, QRectF(0, 0, image.width(), image.height()))
    painter.end()
    image.setDevicePixelRatio(ratio)
    return QPixmap.fromImage(image)


def icon(name: str) -> QIcon:
    """The drawing `name` as an icon: second text colour when off, accent when on, faint when disabled."""
    palette = active()
    result = QIcon()
    for ratio in (1.0, 1.5, 2.0):
        result.addPixmap(picture(name, palette.second, 20, ratio), QIcon.Mode.Normal, QIcon.State.Off)
        result.addPixmap(picture(name, palette.accent, 20, ratio), QIcon.Mode.Normal, QIcon.State.On)
        result.addPixmap(picture(name, palette.strong_line, 20, ratio), QIcon.Mode.Disabled, QIcon.State.Off)
    return result
