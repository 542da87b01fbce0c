"""The byte-level BPE vocabulary of the language model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from pengi_stream.errors import ConfigError

END = "<|endoftext|>"


def train_vocabulary(texts: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer of `size` entries; any text can be encoded, and a leading space makes no difference."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=True)
    tokenizer.decoder = ByteLevelDecoder()
    alphabet = ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=size, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def load_vocabulary(path: Path) -> Tokenizer:
    """The tokenizer in `path`, which `train_vocabulary` made and `save` wrote."""
    return Tokenizer.from_file(str(path))


def end_id(tokenizer: Tokenizer) -> int:
    """Id of the token that ends a text. Raises ValueError where the vocabulary has none."""
    found = tokenizer.token_to_id(END)
    if found is None:
        raise ConfigError(f"the tokenizer has no {END}; make it with `train_vocabulary`")
    return int(found)
