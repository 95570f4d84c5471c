"""Makes a clean picture of a printed code look like a worn one, the same way every time.

Origin: `tools/degrade.py`, handed to this project with its task; only typed and formatted here. Input: a greyscale
or RGB picture of the code with its quiet zone, at 300 dpi. Worn means: turned by up to 5 degrees, blurred (sigma
1.6 px), specked (round specks of 0.8 to 2.8 % of the width, dark and light, together 0.5 % of the area), faded
contrast, uneven light, sensor noise.
"""

from __future__ import annotations

import math
import random

from PIL import Image, ImageChops, ImageDraw, ImageFilter


def worn(
    image: Image.Image, seed: int, blur: float = 1.6, stain: float = 0.005, turn: float = 5.0, noise: float = 0.08
) -> Image.Image:
    """A worn copy of `image` (mode L). `stain` is the share of the area covered, `blur` in pixels, `turn` in degrees,
    `noise` the share of uniform grain mixed in."""
    r = random.Random(seed)
    page = image.convert("L")
    w, h = page.size
    draw, left = ImageDraw.Draw(page), stain * w * h
    while left > 0:
        radius = r.uniform(0.004, 0.014) * w
        x, y, shade = r.uniform(0, w), r.uniform(0, h), r.choice([r.randrange(0, 60), r.randrange(200, 256)])
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=shade)
        left -= math.pi * radius * radius
    page = page.rotate(r.uniform(-turn, turn), resample=Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    page = page.filter(ImageFilter.GaussianBlur(blur))
    low, high = r.randrange(20, 70), r.randrange(190, 250)
    page = page.point([low + (high - low) * v // 255 for v in range(256)])
    light = Image.linear_gradient("L").resize(page.size).rotate(r.choice([0, 90, 180, 270])).resize(page.size)
    depth = r.randrange(5, 12)
    page = ImageChops.subtract(page, light.point([v // depth for v in range(256)]))
    grain = Image.frombytes("L", page.size, r.randbytes(page.width * page.height))
    return Image.blend(page, grain, noise)
