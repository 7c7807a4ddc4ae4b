"""The same training step under PyTorch: Hugging Face's model, and a lean one with every shortcut of minibert.

Imported only where torch is installed. Both have the sizes, dropout, exact GELU and optimizer settings of the
minibert model.
"""

import math
import tempfile

import torch
from torch import nn
from torch.nn import functional


class LeanLayer(nn.Module):
    """A post-norm encoder layer: one product for query, key and value, and PyTorch's fused attention."""

    def __init__(self, config):
        super().__init__()
        size, self.num_heads = config.hidden_size, config.num_attention_heads
        self.dropout = config.hidden_dropout_prob
        self.projections = nn.Linear(size, 3 * size)
        self.attention_output = nn.Linear(size, size)
        self.attention_norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.intermediate = nn.Linear(size, config.intermediate_size)
        self.output = nn.Linear(config.intermediate_size, size)
        self.output_norm = nn.LayerNorm(size, eps=config.layer_norm_eps)

    def forward(self, x, mask):
        batch_size, num_tokens, size = x.shape
        heads = self.projections(x).view(batch_size, num_tokens, 3, self.num_heads, size // self.num_heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)                                # (B, A, T, D) each
        attended = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=self.dropout
        )
        attended = self.attention_output(attended.transpose(1, 2).reshape(batch_size, num_tokens, size))
        x = self.attention_norm(x + functional.dropout(attended, self.dropout))
        hidden = self.output(functional.gelu(self.intermediate(x)))
        return self.output_norm(x + functional.dropout(hidden, self.dropout))


class LeanBert(nn.Module):
    """BERT for pretraining: the MLM head runs on predicted positions only, tied to the token embedding."""

    def __init__(self, config):
        super().__init__()
        size, self.dropout = config.hidden_size, config.hidden_dropout_prob
        self.token = nn.Embedding(config.vocab_size, size)
        self.position = nn.Embedding(config.max_position_embeddings, size)
        self.segment = nn.Embedding(config.type_vocab_size, size)
        self.norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.encoder = nn.ModuleList(LeanLayer(config) for _ in range(config.num_hidden_layers))
        self.pooler = nn.Linear(size, size)
        self.transform = nn.Linear(size, size)
        self.transform_norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.decoder_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.next_sentence = nn.Linear(size, 2)

    def forward(self, input_ids, token_type_ids, attention_mask, labels, next_sentence_label):
        positions = torch.arange(input_ids.shape[1])
        x = self.token(input_ids) + self.position(positions) + self.segment(token_type_ids)  # (B, T, H)
        x = functional.dropout(self.norm(x), self.dropout)
        mask = attention_mask.bool()[:, None, None, :]
        for layer in self.encoder:
            x = layer(x, mask)
        pooled = torch.tanh(self.pooler(x[:, 0]))                                           # (B, H)
        predicted = (labels.view(-1) != -100).nonzero().squeeze(1)                          # (M,)
        states = x.reshape(-1, x.shape[-1])[predicted]                                      # (M, H)
        transformed = self.transform_norm(functional.gelu(self.transform(states)))
        logits = functional.linear(transformed, self.token.weight, self.decoder_bias)       # (M, V)
        mlm_loss = functional.cross_entropy(logits, labels.view(-1)[predicted])
        return mlm_loss + functional.cross_entropy(self.next_sentence(pooled), next_sentence_label)


def hugging_face(config, num_threads):
    """Return a function that makes one step of transformers' BertForPreTraining, eager, with plain AdamW."""
    import transformers

    torch.set_num_threads(num_threads)
    torch.manual_seed(0)
    config = transformers.BertConfig(**vars(config), attn_implementation="eager")
    model = transformers.BertForPreTraining(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
    return step_of(lambda batch: model(**batch).loss, optimizer, num_threads)


def classifier(config, num_threads, fused):
    """Return a function that makes one step of transformers' BertForSequenceClassification, eager.

    Args:
        fused: of torch.optim.AdamW; None is PyTorch's choice.
    """
    import transformers

    torch.set_num_threads(num_threads)
    torch.manual_seed(0)
    config = transformers.BertConfig(**vars(config), attn_implementation="eager")
    model = transformers.BertForSequenceClassification(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.01, fused=fused)
    return step_of(lambda batch: model(**batch).loss, optimizer, num_threads)


def lean(config, num_threads):
    """Return a function that makes one training step of LeanBert, with the fused AdamW."""
    torch.manual_seed(0)
    model = LeanBert(config)
    spread = config.initializer_range
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.trunc_normal_(parameter, std=spread, a=-2 * spread, b=2 * spread)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    return step_of(lambda batch: model(**batch), optimizer, num_threads)


class RecurrentLanguageModel(nn.Module):
    """Embeddings, nn.LSTM and a decoder that shares the embeddings, as LSTMLanguageModel."""

    def __init__(self, config):
        super().__init__()
        size = config.hidden_size
        self.embedding = nn.Embedding(config.vocab_size, size)
        self.layers = nn.LSTM(size, size, config.num_hidden_layers, batch_first=True)
        self.decoder_bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, input_ids, labels):
        states, _ = self.layers(self.embedding(input_ids))                                  # (B, T, H)
        rows = states.reshape(-1, states.shape[-1])                                         # (B·T, H)
        logits = functional.linear(rows, self.embedding.weight, self.decoder_bias)          # (B·T, V)
        return functional.cross_entropy(logits, labels.reshape(-1))


def language_model(config, num_threads):
    """Return a function that makes one training step of RecurrentLanguageModel, with the fused AdamW."""
    torch.set_num_threads(num_threads)
    torch.manual_seed(0)
    model = RecurrentLanguageModel(config)
    nn.init.normal_(model.embedding.weight, std=config.initializer_range)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    return step_of(lambda batch: model(**batch), optimizer, num_threads)


def convolutions(recipe, num_threads):
    """Return a function that goes forward and back with nn.Conv1d, a maximum over places behind each.

    It takes a Batch of benchmarks/elmo.py and returns the gradient of its x, a tensor (N, C, D).
    """
    torch.manual_seed(0)
    size = recipe.character_size
    layers = nn.ModuleList(nn.Conv1d(size, number, width) for width, number in recipe.filters)

    def step(batch):
        torch.set_num_threads(num_threads)
        layers.zero_grad()
        x = torch.from_numpy(batch.x).requires_grad_()
        channels = x.transpose(1, 2)                                                        # (N, D, C)
        y = torch.cat([layer(channels).max(dim=2).values for layer in layers], dim=1)       # (N, F)
        y.backward(torch.from_numpy(batch.d_y))
        return x.grad

    return step


def step_of(loss_of, optimizer, num_threads):
    """Return a function that makes one step on a batch, a dict of arrays."""
    def step(batch):
        torch.set_num_threads(num_threads)
        loss = loss_of({name: torch.from_numpy(array) for name, array in batch.items()})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        value = loss.item()
        if not math.isfinite(value):
            raise FloatingPointError(f"the loss under PyTorch is {value}")

    return step


class Race:
    """transformers' BertForPreTraining, eager, trained as a Pretraining trains ours.

    It starts from the same weights and follows the same rules.

    Args:
        run: a Training of a MaskedLM, before its first step.
    """

    def __init__(self, run):
        import transformers

        self.recipe = run.recipe
        self.held_out = [batch for stream in run.objective.held_out for batch in stream]
        torch.manual_seed(run.recipe.seed)
        with tempfile.TemporaryDirectory() as folder:
            run.model.save_pretrained(folder)
            self.model = transformers.BertForPreTraining.from_pretrained(folder, attn_implementation="eager")
        self.model.train()
        decayed = [parameter for parameter in self.model.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in self.model.parameters() if parameter.ndim == 1]
        groups = [
            {"params": decayed, "weight_decay": run.recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, run.recipe.beta2), eps=1e-6)

    def step(self, batch, learning_rate):
        """Do a training step on a batch of numpy arrays."""
        loss = self.model(**_tensors(batch)).loss
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.max_gradient_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()

    def evaluate(self):
        """Return the MLM loss on the held-out text, nats per masked word piece, without dropout."""
        self.model.eval()
        total, count = 0.0, 0
        with torch.no_grad():
            for batch in map(_tensors, self.held_out):
                labels = batch.pop("labels")
                batch.pop("next_sentence_label")
                masked = labels >= 0
                logits = self.model(**batch).prediction_logits[masked]
                total += functional.cross_entropy(logits, labels[masked], reduction="sum").item()
                count += int(masked.sum())
        self.model.train()
        return total / count


def _tensors(batch):
    return {name: torch.from_numpy(array) for name, array in batch._asdict().items()}
