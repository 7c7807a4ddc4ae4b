"""References of lesson 11, BERT's backward pass."""

import numpy as np

from minibert.course.exercises.variants import Reference
from minibert.layers.softmax import softmax


def rebuilt_pooler(x, weight, bias):
    return np.tanh(x[:, 0] @ weight + bias)


def encoder_output_gradient(d_predicted_states, predicted, d_first_states, num_tokens):
    batch_size, hidden_size = d_first_states.shape
    d_states = np.zeros((batch_size, num_tokens, hidden_size))
    d_states.reshape(-1, hidden_size)[predicted] += d_predicted_states
    d_states[:, 0] += d_first_states
    return d_states


def draw_gradients(rng):
    predicted = np.append(5, rng.choice([1, 3, 4, 7, 8, 12, 14], 3, replace=False))  # 5 is a first token
    return [(rng.standard_normal((4, 2)), np.sort(predicted), rng.standard_normal((3, 2)), 5)]


def albert_tied_decoder(ids, predicted, table, projection, dense):
    states = np.tanh(table[ids] @ projection)
    return states.reshape(-1, states.shape[-1])[predicted] @ dense @ table.T


def shared_stack(x, weight, bias, num_layers):
    for _ in range(num_layers):
        x = x + np.tanh(x @ weight + bias)
    return x


def uncertainty_weights(mlm_logits, mlm_labels, nsp_logits, nsp_labels, log_variances):
    loss = log_variances.sum() / 2
    for log_variance, logits, labels in zip(
        log_variances, (mlm_logits, nsp_logits), (mlm_labels, nsp_labels), strict=True
    ):
        loss += np.exp(-log_variance) * -np.log(softmax(logits)[np.arange(len(labels)), labels]).mean()
    return loss


REFERENCES = {
    "rebuilt_pooler": Reference(rebuilt_pooler),
    "encoder_output_gradient": Reference(encoder_output_gradient, draw_gradients),
    "albert_tied_decoder": Reference(albert_tied_decoder),
    "shared_stack": Reference(shared_stack),
    "uncertainty_weights": Reference(uncertainty_weights),
}
