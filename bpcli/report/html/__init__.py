"""Reports as one self-contained HTML file: it works offline and asks no server for anything.

The pictures are small SVGs of our own rather than a charting library's: a page stays some hundred
kilobytes, prints, follows the reader's colour scheme, and each mark can be read by keyboard and
screen reader, with its numbers in a table below it.
"""
