"""Of distillation."""

COSINE = "models/distillation.py CosineDistance.backward"

EQUIVALENT = {
    (COSINE, "d_cosine = -d_loss / len(direction)"): "both have a row for each token",
}
