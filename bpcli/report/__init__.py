"""What is shown, as plain data first.

A command makes a :class:`~bpcli.report.document.Document`: blocks for people and `data` for
programs. `layout` turns blocks into lines of text, `terminal` puts lines on a terminal (the only
importer of rich), `json` writes the data.
"""
