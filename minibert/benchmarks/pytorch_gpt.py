"""GPT-2 under PyTorch: Hugging Face's, and a loop that generates with every shortcut.

Imported only where torch is installed.
"""

import tempfile

import torch
from torch.nn import functional

from minibert.benchmarks.pytorch import step_of


def training_step(config, num_threads):
    """Return a function that makes one step of transformers' GPT2LMHeadModel, eager, with plain AdamW."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(num_threads)
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=config.vocab_size, n_embd=config.hidden_size, n_layer=config.num_hidden_layers,
        n_head=config.num_attention_heads, n_positions=config.max_position_embeddings,
        bos_token_id=None, eos_token_id=None, attn_implementation="eager")).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
    return step_of(lambda batch: model(**batch).loss, optimizer, num_threads)


def hugging_face_writer(model):
    """Return transformers' generate, greedy and eager, with the weights of our model."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        theirs = transformers.GPT2LMHeadModel.from_pretrained(folder, attn_implementation="eager").eval()
    theirs.generation_config.eos_token_id, theirs.generation_config.pad_token_id = None, 0

    def write(prompts, number):
        ids = torch.from_numpy(prompts)
        return theirs.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=number, do_sample=False).numpy()

    return write


def lean_writer(model):
    """Return a greedy loop over functions of PyTorch, with the weights of our model.

    One product for query, key and value, fused attention, keys and values in arrays of the final length, no
    gradients.
    """
    config = model.config
    values = {name: torch.from_numpy(parameter.value) for name, parameter in model.parameters().items()}
    eps, num_heads = config.layer_norm_eps, config.num_attention_heads
    layers = []
    for k in range(config.num_hidden_layers):
        of = {name.removeprefix(f"blocks.{k}."): value for name, value in values.items()
              if name.startswith(f"blocks.{k}.")}
        projections = [
            torch.cat([of[f"attention.{part}.{kind}"] for part in ("query", "key", "value")], dim=-1)
            for kind in ("weight", "bias")
        ]
        products = [
            (of[f"{part}.weight"].T.contiguous(), of[f"{part}.bias"])
            for part in ("attention.output", "feed_forward.intermediate", "feed_forward.output")
        ]
        norms = [(of[f"{norm}.gamma"], of[f"{norm}.beta"]) for norm in ("attention_norm", "output_norm")]
        layers.append((norms, (projections[0].T.contiguous(), projections[1]), products))
    token, position = values["embeddings.token.weight"], values["embeddings.position.weight"]
    shape = (config.hidden_size,)

    @torch.inference_mode()
    def write(prompts, number):
        new = torch.from_numpy(prompts)
        found, past, batch_size = [new], 0, len(new)
        keys, kept_values = torch.empty(
            2, len(layers), batch_size, num_heads, new.shape[1] + number, config.hidden_size // num_heads)
        for _ in range(number):
            num_tokens = new.shape[1]
            end = past + num_tokens
            x = functional.embedding(new, token) + position[past:end]                   # (B, T, H)
            for k, ((norm_1, norm_2), projection, (out, up, down)) in enumerate(layers):
                normed = functional.layer_norm(x, shape, *norm_1, eps)
                heads = functional.linear(normed, *projection).view(batch_size, num_tokens, 3, num_heads, -1)
                query, key, value = heads.permute(2, 0, 3, 1, 4)                        # (B, A, T, D) each
                keys[k, :, :, past:end], kept_values[k, :, :, past:end] = key, value
                attended = functional.scaled_dot_product_attention(
                    query, keys[k, :, :, :end], kept_values[k, :, :, :end], is_causal=num_tokens > 1)
                x = x + functional.linear(attended.transpose(1, 2).reshape(x.shape), *out)
                normed = functional.layer_norm(x, shape, *norm_2, eps)
                hidden = functional.gelu(functional.linear(normed, *up), approximate="tanh")
                x = x + functional.linear(hidden, *down)
            last = functional.layer_norm(
                x[:, -1], shape, values["final_norm.gamma"], values["final_norm.beta"], eps)
            new = functional.linear(last, token).argmax(dim=-1, keepdim=True)           # (B, 1)
            found.append(new)
            past = end
        return torch.cat(found, dim=1).numpy()

    return write
