"""GPT-2 of transformers, by its own class and with random weights, on windows of tokens: needs fbgd[transformers].

python scripts/train.py data=markov model._target_=gpt2.gpt2 optimizer=adamw regime=full_batch \\
    --module-path docs/examples
"""


def gpt2(input_shape, classes, width: int = 32, depth: int = 2, heads: int = 2, dropout: float = 0.0):
    """A language model of ``classes`` symbols on windows of the shape ``(length,)``; its outputs have ``.logits``."""
    from transformers import GPT2Config, GPT2LMHeadModel

    rates = {"resid_pdrop": dropout, "embd_pdrop": dropout, "attn_pdrop": dropout}
    sizes = {"vocab_size": classes, "n_positions": input_shape[0], "n_embd": width, "n_layer": depth, "n_head": heads}
    return GPT2LMHeadModel(GPT2Config(**sizes, **rates, bos_token_id=None, eos_token_id=None, use_cache=False))


# It takes tokens: samples of this shape, say.
gpt2.token_shape = (8,)
