"""Data: sources to arrays to batches."""

from bpcli.data.codes import first_layer, takes_codes
from bpcli.data.dataset import Dataset, decides_reading, describe, files_of, load_data, read_part
from bpcli.data.part import Batch, Part
from bpcli.data.preparation import Description, Preparation
from bpcli.data.sources import OptionError
from bpcli.data.targets import Decoded

__all__ = [
    "Batch",
    "Dataset",
    "Decoded",
    "Description",
    "OptionError",
    "Part",
    "Preparation",
    "decides_reading",
    "describe",
    "files_of",
    "first_layer",
    "load_data",
    "read_part",
    "takes_codes",
]
