"""Frames of a video as JPEG files."""

import fractions

import av

TICK = fractions.Fraction(1, 30)
"""Seconds; the encoder insists on a rate, JPEG files have none."""


class Encoder:
    """Encodes frames of one size."""

    def __init__(self, width: int, height: int, *, quality: int):
        """Begin.

        Args:
          width: of the frames in pixels, even, as colours have half the resolution.
          height: of the frames in pixels, even.
          quality: quantiser, 1 (best) to 31.
        """
        self._context = av.CodecContext.create("mjpeg", "w")
        self._context.width, self._context.height = width, height
        self._context.pix_fmt = "yuvj420p"
        self._context.qmin = self._context.qmax = quality
        self._context.time_base = TICK
        self._count = 0

    def __call__(self, frame: av.VideoFrame) -> bytes:
        """The JPEG file of a frame of the format yuvj420p, whose time is changed."""
        # Without a time of its own a frame of an .mp4 file would have that of the
        # first, which the encoder refuses.
        frame.pts, frame.time_base = self._count, TICK
        self._count += 1
        return b"".join(bytes(packet) for packet in self._context.encode(frame))
