"""Sweeps: one spec under many settings, as independent jobs on an engine that exists."""
