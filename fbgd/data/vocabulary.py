"""A joint sub-word vocabulary of two languages."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fbgd.errors import needs

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# In the order of their numbers, padding being 0 as everywhere.
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
BEGIN, END, UNKNOWN = 1, 2, 3


def train_vocabulary(sentences: Iterable[str], size: int) -> "Tokenizer":
    """Byte-pair encoding of words, with punctuation apart, learned from ``sentences``.

    Decoding what was encoded gives the sentence back, if its words are separated by single spaces and its characters
    are known. Text that looks like a special token is text.

    Args:
        sentences: what it is learned from, of all languages together.
        size: the number of tokens, with padding 0, begin 1, end 2 and unknown 3; fewer where no pair of tokens occurs
            twice any more.

    Raises:
        ValueError: ``size`` leaves no room beside the special tokens.

    Source: Sennrich, Haddow & Birch 2016, "Neural Machine Translation of Rare Words with Subword Units", section 3.2.
    """
    if not isinstance(size, int) or size <= len(SPECIAL):
        raise ValueError(f"vocabulary = {size!r} must be a whole number larger than {len(SPECIAL)}")
    with needs("translation"):
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        limit_alphabet=size - len(SPECIAL),
        special_tokens=list(SPECIAL),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences, trainer)
    tokenizer.encode_special_tokens = True
    return tokenizer
