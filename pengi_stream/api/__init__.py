"""Pengi from Python: `pengi_stream.load_model`, for arrays, files and batches of them."""

from pengi_stream.api.model import Model, load_model
from pengi_stream.api.results import Answer, AudioEmbeddings, Description, Found, PromptEmbeddings
from pengi_stream.api.table import Table
from pengi_stream.options import DecodingOptions

__all__ = [
    "Answer",
    "AudioEmbeddings",
    "DecodingOptions",
    "Description",
    "Found",
    "Model",
    "PromptEmbeddings",
    "Table",
    "load_model",
]
