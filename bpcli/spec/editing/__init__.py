"""How changes get into a spec's text: its layout, replacements in it, and what each change does."""
