"""Right answers to the exercises, written as students write them who have not read about complex steps.

For each exercise with a gradient: loops that fill np.zeros (real numbers, whatever comes in), np.abs and
np.linalg.norm where the formula has a size, math.exp and a running float(loss) where it has a number. The
vectorised style is that of notebooks/solutions. The forwards of four exercises are given. All other caches
are the inputs; each backward computes again what it needs.
"""

import math
from typing import NamedTuple

import numpy as np

from minibert.course.exercises.lesson_03 import coupled_forward, three_steps_forward
from minibert.course.exercises.lesson_11 import gated_forward, small_bert
from minibert.layers import FeedForward, Layer, LayerNorm, MultiHeadAttention


def softmax(scores):
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def through_softmax(d_probs, probs):
    return probs * (d_probs - (probs * d_probs).sum(axis=-1, keepdims=True))


def flat(array):
    return array.reshape(-1, array.shape[-1])


# --- lesson 00 ---


def fan_out_loops(x, weight):
    y = np.zeros(x.shape)
    for b, t in np.ndindex(x.shape[:2]):
        y[b, t] += x[b, t] + np.tanh(x[b, t] @ weight)
        y[b] -= x[b, t] / x.shape[1]
    return y, (x, weight)


def fan_out_back(d_y, cache):
    x, weight = cache
    d_x, d_weight = np.zeros(x.shape), np.zeros(weight.shape)
    for b, t in np.ndindex(x.shape[:2]):
        d_sum = d_y[b, t] * (1 - np.tanh(x[b, t] @ weight) ** 2)
        d_weight += np.outer(x[b, t], d_sum)
        d_x[b, t] += d_y[b, t] + weight @ d_sum
        d_x[b] -= d_y[b, t] / x.shape[1]
    return d_x, d_weight


def label_smoothing_loops(logits, labels, epsilon):
    log_probs = np.zeros(logits.shape)
    for n, row in enumerate(logits):
        shifted = row - np.max(row)
        log_probs[n] = shifted - np.log(np.sum(np.exp(shifted)))
    targets = np.full(logits.shape, epsilon / logits.shape[1])
    targets[np.arange(len(labels)), labels] += 1 - epsilon
    return -np.sum(targets * log_probs) / len(labels), (logits, labels, epsilon)


def label_smoothing_running(logits, labels, epsilon):
    loss, num_classes = 0.0, logits.shape[1]
    for row, label in zip(logits, labels):
        largest = max(map(float, row))
        log_z = math.log(sum(math.exp(entry - largest) for entry in row)) + largest
        for c in range(num_classes):
            loss -= float(row[c] - log_z) * ((1 - epsilon) * (c == label) + epsilon / num_classes)
    return loss / len(labels), (logits, labels, epsilon)


def label_smoothing_back(d_loss, cache):
    logits, labels, epsilon = cache
    d_logits = np.zeros(logits.shape)
    for n, label in enumerate(labels):
        d_logits[n] = softmax(logits[n]) - epsilon / logits.shape[1]
        d_logits[n, label] -= 1 - epsilon
    return d_loss * d_logits / len(labels)


def soft_pooling_loops(x, sharpness):
    y = np.zeros((len(x), x.shape[2]))
    for b, h in np.ndindex(y.shape):
        scaled = sharpness[h] * x[b, :, h]
        y[b, h] = (np.log(np.mean(np.exp(scaled - np.max(scaled)))) + np.max(scaled)) / sharpness[h]
    return y, (x, sharpness)


def soft_pooling_running(x, sharpness):
    y = np.zeros((len(x), x.shape[2]))
    for b, h in np.ndindex(y.shape):
        total, largest = 0.0, float(np.max(x[b, :, h]))
        for t in range(x.shape[1]):
            total += math.exp(float(sharpness[h]) * (float(x[b, t, h]) - largest))
        y[b, h] = math.log(total / x.shape[1]) / float(sharpness[h]) + largest
    return y, (x, sharpness)


def soft_pooling_back(d_y, cache):
    x, sharpness = cache
    d_x, d_sharpness = np.zeros(x.shape), np.zeros(sharpness.shape)
    for b, h in np.ndindex(d_y.shape):
        g = sharpness[h]
        weights = softmax(g * x[b, :, h])
        d_x[b, :, h] = d_y[b, h] * weights
        d_sharpness[h] += d_y[b, h] * (weights @ x[b, :, h] - np.log(np.mean(np.exp(g * x[b, :, h]))) / g) / g
    return d_x, d_sharpness


# --- lesson 01 ---


def cbow_loops(vectors, output_vectors, context_ids, target, negatives):
    hidden = np.zeros(vectors.shape[1])
    for word in context_ids:
        hidden += vectors[word] / len(context_ids)
    scores = np.zeros(1 + len(negatives))
    scores[0] = output_vectors[target] @ hidden
    for k, word in enumerate(negatives):
        scores[k + 1] = -(output_vectors[word] @ hidden)
    return -np.log(sigmoid(scores)).sum(), (vectors, output_vectors, context_ids, target, negatives)


def cbow_running(vectors, output_vectors, context_ids, target, negatives):
    hidden = vectors[context_ids].mean(axis=0)
    loss = math.log(1 + math.exp(-float(output_vectors[target] @ hidden)))
    for word in negatives:
        loss += math.log(1 + math.exp(float(output_vectors[word] @ hidden)))
    return loss, (vectors, output_vectors, context_ids, target, negatives)


def cbow_back(d_loss, cache):
    vectors, output_vectors, context_ids, target, negatives = cache
    hidden = vectors[context_ids].mean(axis=0)
    d_vectors, d_output_vectors = np.zeros(vectors.shape), np.zeros(output_vectors.shape)
    d_hidden = np.zeros(hidden.shape)
    for k, word in enumerate([target, *negatives]):
        d_score = d_loss * (sigmoid(output_vectors[word] @ hidden) - (k == 0))
        d_output_vectors[word] += d_score * hidden
        d_hidden += d_score * output_vectors[word]
    for word in context_ids:
        d_vectors[word] += d_hidden / len(context_ids)
    return d_vectors, d_output_vectors


def margin_loops(vectors, output_vectors, word, target, negatives, margin):
    gaps = np.zeros(len(negatives))
    for k, negative in enumerate(negatives):
        gaps[k] = margin + (output_vectors[negative] - output_vectors[target]) @ vectors[word]
    return np.maximum(0, gaps).sum(), (vectors, output_vectors, word, target, negatives, margin)


def margin_running(vectors, output_vectors, word, target, negatives, margin):
    loss = 0.0
    for negative in negatives:
        loss += max(0.0, float(margin + (output_vectors[negative] - output_vectors[target]) @ vectors[word]))
    return loss, (vectors, output_vectors, word, target, negatives, margin)


def margin_abs(vectors, output_vectors, word, target, negatives, margin):
    gaps = margin + (output_vectors[negatives] - output_vectors[target]) @ vectors[word]
    return ((gaps + np.abs(gaps)) / 2).sum(), (vectors, output_vectors, word, target, negatives, margin)


def margin_back(d_loss, cache):
    vectors, output_vectors, word, target, negatives, margin = cache
    d_vectors, d_output_vectors = np.zeros(vectors.shape), np.zeros(output_vectors.shape)
    for negative in negatives:
        difference = output_vectors[negative] - output_vectors[target]
        if margin + difference @ vectors[word] > 0:
            d_vectors[word] += d_loss * difference
            d_output_vectors[negative] += d_loss * vectors[word]
            d_output_vectors[target] -= d_loss * vectors[word]
    return d_vectors, d_output_vectors


# --- lesson 02 ---


def glove_weight(count, x_max):
    return min(1.0, (count / x_max) ** 0.75)


def one_table_loops(vectors, bias, rows, columns, counts, x_max):
    difference, weight = np.zeros(len(rows)), np.zeros(len(rows))
    for k, (i, j) in enumerate(zip(rows, columns)):
        difference[k] = vectors[i] @ vectors[j] + bias[i] + bias[j] - np.log(counts[k])
        weight[k] = glove_weight(counts[k], x_max)
    return (weight * difference**2).sum() / 2, (vectors, bias, rows, columns, counts, x_max)


def one_table_norm(vectors, bias, rows, columns, counts, x_max):
    difference = (vectors[rows] * vectors[columns]).sum(1) + bias[rows] + bias[columns] - np.log(counts)
    weight = np.array([glove_weight(count, x_max) for count in counts])
    loss = np.linalg.norm(np.sqrt(weight) * np.abs(difference)) ** 2 / 2
    return loss, (vectors, bias, rows, columns, counts, x_max)


def one_table_running(vectors, bias, rows, columns, counts, x_max):
    loss = 0.0
    for i, j, count in zip(rows, columns, counts):
        difference = float(vectors[i] @ vectors[j]) + float(bias[i]) + float(bias[j]) - math.log(count)
        loss += glove_weight(count, x_max) * difference**2 / 2
    return loss, (vectors, bias, rows, columns, counts, x_max)


def one_table_back(d_loss, cache):
    vectors, bias, rows, columns, counts, x_max = cache
    d_vectors, d_bias = np.zeros(vectors.shape), np.zeros(bias.shape)
    for i, j, count in zip(rows, columns, counts):
        difference = vectors[i] @ vectors[j] + bias[i] + bias[j] - np.log(count)
        d_difference = d_loss * glove_weight(count, x_max) * difference
        d_vectors[i] += d_difference * vectors[j]
        d_vectors[j] += d_difference * vectors[i]
        d_bias[i] += d_difference
        d_bias[j] += d_difference
    return d_vectors, d_bias


def huber_loops(words, contexts, word_bias, context_bias, rows, columns, counts, x_max, kappa):
    costs = np.zeros(len(rows))
    for k, (i, j) in enumerate(zip(rows, columns)):
        distance = abs(words[i] @ contexts[j] + word_bias[i] + context_bias[j] - np.log(counts[k]))
        huber = distance**2 / 2 if distance <= kappa else kappa * (distance - kappa / 2)
        costs[k] = glove_weight(counts[k], x_max) * huber
    return costs.sum(), (words, contexts, word_bias, context_bias, rows, columns, counts, x_max, kappa)


def huber_abs(words, contexts, word_bias, context_bias, rows, columns, counts, x_max, kappa):
    score = (words[rows] * contexts[columns]).sum(axis=1) + word_bias[rows] + context_bias[columns]
    distance = np.abs(score - np.log(counts))
    huber = np.where(distance <= kappa, distance**2 / 2, kappa * (distance - kappa / 2))
    loss = np.sum(np.minimum(1, (counts / x_max) ** 0.75) * huber)
    return loss, (words, contexts, word_bias, context_bias, rows, columns, counts, x_max, kappa)


def huber_running(words, contexts, word_bias, context_bias, rows, columns, counts, x_max, kappa):
    loss = 0.0
    for i, j, count in zip(rows, columns, counts):
        distance = abs(float(words[i] @ contexts[j] + word_bias[i] + context_bias[j]) - math.log(count))
        huber = distance**2 / 2 if distance <= kappa else kappa * (distance - kappa / 2)
        loss += glove_weight(count, x_max) * huber
    return loss, (words, contexts, word_bias, context_bias, rows, columns, counts, x_max, kappa)


def huber_back(d_loss, cache):
    words, contexts, word_bias, context_bias, rows, columns, counts, x_max, kappa = cache
    d_words, d_contexts = np.zeros(words.shape), np.zeros(contexts.shape)
    d_word_bias, d_context_bias = np.zeros(word_bias.shape), np.zeros(context_bias.shape)
    for i, j, count in zip(rows, columns, counts):
        difference = words[i] @ contexts[j] + word_bias[i] + context_bias[j] - np.log(count)
        d_difference = d_loss * glove_weight(count, x_max) * min(kappa, max(-kappa, difference))
        d_words[i] += d_difference * contexts[j]
        d_contexts[j] += d_difference * words[i]
        d_word_bias[i] += d_difference
        d_context_bias[j] += d_difference
    return d_words, d_contexts, d_word_bias, d_context_bias


# --- lesson 03 ---


def three_steps_back(d_y, cache):
    x, weight_in, weight_hh, weight_out, *hiddens = cache
    d_x, d_first = np.zeros(x.shape), np.zeros(hiddens[0].shape)
    d_in, d_hh, d_out = (np.zeros(weight.shape) for weight in (weight_in, weight_hh, weight_out))
    for b in range(len(x)):
        d_hidden = np.zeros(len(weight_hh))
        for t in (2, 1, 0):
            before, after = hiddens[t][b], hiddens[t + 1][b]
            d_out += np.outer(after, d_y[b, t])
            d_sum = (d_hidden + weight_out @ d_y[b, t]) * (1 - after**2)
            d_in += np.outer(x[b, t], d_sum)
            d_hh += np.outer(before, d_sum)
            d_x[b, t] = weight_in @ d_sum
            d_hidden = weight_hh @ d_sum
        d_first[b] = d_hidden
    return d_x, d_first, d_in, d_hh, d_out


def gru_loops(x, hidden, weight_x, weight_h):
    y, size = np.zeros(hidden.shape), hidden.shape[1]
    for b, k in np.ndindex(y.shape):
        from_x = [x[b] @ weight_x[:, gate * size + k] for gate in range(3)]
        from_h = [hidden[b] @ weight_h[:, gate * size + k] for gate in range(3)]
        reset, update = (sigmoid(from_x[gate] + from_h[gate]) for gate in (0, 1))
        y[b, k] = (1 - update) * np.tanh(from_x[2] + reset * from_h[2]) + update * hidden[b, k]
    return y, (x, hidden, weight_x, weight_h)


def gru_back(d_y, cache):
    x, hidden, weight_x, weight_h = cache
    d_x, d_hidden = np.zeros(x.shape), np.zeros(hidden.shape)
    d_weight_x, d_weight_h, size = np.zeros(weight_x.shape), np.zeros(weight_h.shape), hidden.shape[1]
    for b, k in np.ndindex(hidden.shape):
        columns = [gate * size + k for gate in range(3)]
        from_x, from_h = x[b] @ weight_x[:, columns], hidden[b] @ weight_h[:, columns]
        reset, update = sigmoid(from_x[:2] + from_h[:2])
        new = np.tanh(from_x[2] + reset * from_h[2])
        d_new = d_y[b, k] * (1 - update) * (1 - new**2)
        d_update = d_y[b, k] * (hidden[b, k] - new) * update * (1 - update)
        d_reset = d_new * from_h[2] * reset * (1 - reset)
        d_hidden[b, k] += d_y[b, k] * update
        for column, from_input, from_state in zip(
            columns, (d_reset, d_update, d_new), (d_reset, d_update, d_new * reset)
        ):
            d_x[b] += from_input * weight_x[:, column]
            d_hidden[b] += from_state * weight_h[:, column]
            d_weight_x[:, column] += from_input * x[b]
            d_weight_h[:, column] += from_state * hidden[b]
    return d_x, d_hidden, d_weight_x, d_weight_h


def coupled_back(d_y, cache):
    x, weight_f, weight_g, gates, candidates, cells = cache
    d_x, d_weight_f, d_weight_g = (np.zeros(array.shape) for array in (x, weight_f, weight_g))
    for b, k in np.ndindex(len(x), weight_f.shape[1]):
        d_cell = 0.0
        for t in range(x.shape[1] - 1, -1, -1):
            d_cell += d_y[b, t, k]
            gate, new = gates[b, t, k], candidates[b, t, k]
            d_f_sum = d_cell * (cells[t][b, k] - new) * gate * (1 - gate)
            d_g_sum = d_cell * (1 - gate) * (1 - new**2)
            d_x[b, t] += d_f_sum * weight_f[:, k] + d_g_sum * weight_g[:, k]
            d_weight_f[:, k] += d_f_sum * x[b, t]
            d_weight_g[:, k] += d_g_sum * x[b, t]
            d_cell *= gate
    return d_x, d_weight_f, d_weight_g


# --- lesson 04 ---


def letters_loops(ids, table, weight):
    y = np.zeros((len(ids), weight.shape[2]))
    for n, f in np.ndindex(y.shape):
        scores = []
        for first, second in zip(ids[n], ids[n, 1:]):
            if first > 0 and second > 0:
                scores.append(table[first] @ weight[0, :, f] + table[second] @ weight[1, :, f])
        y[n, f] = max(np.real(scores))
    return y, (ids, table, weight)


def letters_back(d_y, cache):
    ids, table, weight = cache
    d_table, d_weight = np.zeros(table.shape), np.zeros(weight.shape)
    for n, f in np.ndindex(d_y.shape):
        length = int((ids[n] > 0).sum())
        scores = [
            table[ids[n, t]] @ weight[0, :, f] + table[ids[n, t + 1]] @ weight[1, :, f]
            for t in range(length - 1)
        ]
        t = int(np.argmax(scores))
        for k, letter in enumerate(ids[n, t : t + 2]):
            d_table[letter] += d_y[n, f] * weight[k, :, f]
            d_weight[k, :, f] += d_y[n, f] * table[letter]
    return None, d_table, d_weight


def highway_loops(x, weight, weight_gate, weight_carry):
    y = np.zeros(x.shape)
    for b, t, h in np.ndindex(x.shape):
        gate, carry = sigmoid(x[b, t] @ weight_gate[:, h]), sigmoid(x[b, t] @ weight_carry[:, h])
        y[b, t, h] = gate * np.tanh(x[b, t] @ weight[:, h]) + carry * x[b, t, h]
    return y, (x, weight, weight_gate, weight_carry)


def highway_back(d_y, cache):
    x, *weights = cache
    d_x, d_weights = np.zeros(x.shape), [np.zeros(weight.shape) for weight in weights]
    for b, t, h in np.ndindex(x.shape):
        new = np.tanh(x[b, t] @ weights[0][:, h])
        gate, carry = (sigmoid(x[b, t] @ weight[:, h]) for weight in weights[1:])
        d_sums = d_y[b, t, h] * np.array(
            [gate * (1 - new**2), new * gate * (1 - gate), x[b, t, h] * carry * (1 - carry)])
        d_x[b, t, h] += d_y[b, t, h] * carry
        for d_sum, weight, d_weight in zip(d_sums, weights, d_weights):
            d_x[b, t] += d_sum * weight[:, h]
            d_weight[:, h] += d_sum * x[b, t]
    return d_x, *d_weights


def mix_loops(layers, weight, gamma):
    probs, half = softmax(weight), layers.shape[3] // 2
    y = np.zeros(layers.shape[1:])
    for j, b, t, h in np.ndindex(layers.shape):
        y[b, t, h] += gamma[h // half] * probs[j] * layers[j, b, t, h]
    return y, (layers, weight, gamma)


def mix_back(d_y, cache):
    layers, weight, gamma = cache
    probs, half = softmax(weight), layers.shape[3] // 2
    d_layers, d_probs, d_gamma = np.zeros(layers.shape), np.zeros(weight.shape), np.zeros(gamma.shape)
    for j, b, t, h in np.ndindex(layers.shape):
        d_layers[j, b, t, h] = d_y[b, t, h] * gamma[h // half] * probs[j]
        d_probs[j] += d_y[b, t, h] * gamma[h // half] * layers[j, b, t, h]
        d_gamma[h // half] += d_y[b, t, h] * probs[j] * layers[j, b, t, h]
    return d_layers, through_softmax(d_probs, probs), d_gamma


def attention_pooling_loops(states, query, mask):
    size = states.shape[2]
    y = np.zeros((len(states), 2 * size))
    for b, row in enumerate(states):
        tokens = [token for token, real in zip(row, mask[b]) if real]
        probs = softmax(np.array([token @ query for token in tokens]))
        for prob, token in zip(probs, tokens):
            y[b, :size] += prob * token
        for h in range(size):
            y[b, size + h] = max(np.real(token[h]) for token in tokens)
    return y, (states, query, mask)


def attention_pooling_back(d_y, cache):
    states, query, mask = cache
    size = len(query)
    d_states, d_query = np.zeros(states.shape), np.zeros(query.shape)
    for b, row in enumerate(states):
        length = int(mask[b].sum())
        probs = softmax(row[:length] @ query)
        d_scores = through_softmax(row[:length] @ d_y[b, :size], probs)
        for t in range(length):
            d_states[b, t] += probs[t] * d_y[b, :size] + d_scores[t] * query
            d_query += d_scores[t] * row[t]
        for h in range(size):
            d_states[b, int(np.argmax(row[:length, h])), h] += d_y[b, size + h]
    return d_states, d_query, None


# --- lesson 05 ---


def row_softmax_loops(scores):
    probs = np.zeros(scores.shape)
    for place in np.ndindex(scores.shape[:-1]):
        exponentials = np.exp(scores[place] - np.max(scores[place]))
        probs[place] = exponentials / np.sum(exponentials)
    return probs, probs


def row_softmax_running(scores):
    probs = np.zeros(scores.shape)
    for place in np.ndindex(scores.shape[:-1]):
        total, largest = 0.0, max(float(entry) for entry in scores[place])
        for entry in scores[place]:
            total += math.exp(float(entry) - largest)
        for k, entry in enumerate(scores[place]):
            probs[place][k] = math.exp(float(entry) - largest) / total
    return probs, probs


def row_softmax_abs(scores):
    """exp is positive, so that the sum of its sizes is its sum."""
    exponentials = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    probs = exponentials / np.linalg.norm(exponentials, ord=1, axis=-1, keepdims=True)
    return probs, probs


def row_softmax_back(d_probs, probs):
    d_scores = np.zeros(probs.shape)
    for place in np.ndindex(probs.shape[:-1]):
        jacobian = np.diag(probs[place]) - np.outer(probs[place], probs[place])
        d_scores[place] = jacobian @ d_probs[place]
    return d_scores


def additive_loops(query, states, query_weight, state_weight, score_weight):
    context = np.zeros((*query.shape[:2], states.shape[2]))
    for b, i in np.ndindex(query.shape[:2]):
        scores = np.zeros(states.shape[1])
        for j in range(states.shape[1]):
            hidden = np.tanh(query[b, i] @ query_weight + states[b, j] @ state_weight)
            scores[j] = hidden @ score_weight
        probs = softmax(scores)
        for j in range(states.shape[1]):
            context[b, i] += probs[j] * states[b, j]
    return context, (query, states, query_weight, state_weight, score_weight)


def additive_back(d_context, cache):
    query, states, query_weight, state_weight, score_weight = cache
    d_query, d_states = np.zeros(query.shape), np.zeros(states.shape)
    d_query_weight, d_state_weight = np.zeros(query_weight.shape), np.zeros(state_weight.shape)
    d_score_weight = np.zeros(score_weight.shape)
    for b, i in np.ndindex(query.shape[:2]):
        hidden = np.tanh(query[b, i] @ query_weight + states[b] @ state_weight)
        probs = softmax(hidden @ score_weight)
        d_scores = through_softmax(states[b] @ d_context[b, i], probs)
        for j, d_score in enumerate(d_scores):
            d_sum = d_score * score_weight * (1 - hidden[j] ** 2)
            d_score_weight += d_score * hidden[j]
            d_query_weight += np.outer(query[b, i], d_sum)
            d_state_weight += np.outer(states[b, j], d_sum)
            d_query[b, i] += query_weight @ d_sum
            d_states[b, j] += state_weight @ d_sum + probs[j] * d_context[b, i]
    return d_query, d_states, d_query_weight, d_state_weight, d_score_weight


def relative_places(num_tokens, max_distance):
    places = np.zeros((num_tokens, num_tokens), int)
    for i, j in np.ndindex(places.shape):
        places[i, j] = max(-max_distance, min(max_distance, j - i)) + max_distance
    return places


def relative_bias_loops(query, key, value, table, max_distance):
    y, places = np.zeros(query.shape), relative_places(query.shape[2], max_distance)
    for b, a in np.ndindex(query.shape[:2]):
        scores = query[b, a] @ key[b, a].T / math.sqrt(query.shape[3]) + table[a][places]
        y[b, a] = softmax(scores) @ value[b, a]
    return y, (query, key, value, table, places)


def relative_bias_back(d_y, cache):
    query, key, value, table, places = cache
    d_query, d_key, d_value = np.zeros(query.shape), np.zeros(key.shape), np.zeros(value.shape)
    d_table, root = np.zeros(table.shape), math.sqrt(query.shape[3])
    for b, a, i in np.ndindex(query.shape[:3]):
        probs = softmax(key[b, a] @ query[b, a, i] / root + table[a][places[i]])
        d_scores = through_softmax(value[b, a] @ d_y[b, a, i], probs)
        for j, place in enumerate(places[i]):
            d_query[b, a, i] += d_scores[j] * key[b, a, j] / root
            d_key[b, a, j] += d_scores[j] * query[b, a, i] / root
            d_value[b, a, j] += probs[j] * d_y[b, a, i]
            d_table[a, place] += d_scores[j]
    return d_query, d_key, d_value, d_table


# --- lesson 06 ---


def scaled_residual_loops(x, scale):
    y = np.zeros(x.shape)
    for b, t, h in np.ndindex(x.shape):
        y[b, t, h] = x[b, t, h] + scale[h] * math.tanh(x[b, t, h])
    return y, (x, scale)


def scaled_residual_back(d_y, cache):
    x, scale = cache
    d_x, d_scale = np.zeros(x.shape), np.zeros(scale.shape)
    for b, t, h in np.ndindex(x.shape):
        branch = math.tanh(x[b, t, h])
        d_scale[h] += d_y[b, t, h] * branch
        d_x[b, t, h] = d_y[b, t, h] * (1 + scale[h] * (1 - branch**2))
    return d_x, d_scale


def tanh_gelu_loops(x):
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        u = math.sqrt(2 / math.pi) * (x[place] + 0.044715 * x[place] ** 3)
        y[place] = 0.5 * x[place] * (1 + math.tanh(u))
    return y, x


def tanh_gelu_abs(x):
    """It is x/2 and an even function, which may be written with the size of x."""
    size = np.abs(x)
    return 0.5 * x + 0.5 * size * np.tanh(np.sqrt(2 / np.pi) * (size + 0.044715 * size**3)), x


def tanh_gelu_back(d_y, x):
    d_x = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        tanh = math.tanh(math.sqrt(2 / math.pi) * (x[place] + 0.044715 * x[place] ** 3))
        slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x[place] ** 2)
        d_x[place] = d_y[place] * 0.5 * (1 + tanh + x[place] * (1 - tanh**2) * slope)
    return d_x


def rms_norm_loops(x, gamma, eps):
    y = np.zeros(x.shape)
    for b, t in np.ndindex(x.shape[:2]):
        y[b, t] = gamma * x[b, t] / np.sqrt(np.mean(x[b, t] ** 2) + eps)
    return y, (x, gamma, eps)


def rms_norm_norm(x, gamma, eps):
    size = np.linalg.norm(x, axis=-1, keepdims=True)
    return gamma * x / np.sqrt(size**2 / x.shape[-1] + eps), (x, gamma, eps)


def rms_norm_running(x, gamma, eps):
    y = np.zeros(x.shape)
    for b, t in np.ndindex(x.shape[:2]):
        total = 0.0
        for entry in x[b, t]:
            total += float(entry) ** 2
        y[b, t] = gamma * x[b, t] / math.sqrt(total / x.shape[2] + eps)
    return y, (x, gamma, eps)


def rms_norm_back(d_y, cache):
    x, gamma, eps = cache
    d_x, d_gamma = np.zeros(x.shape), np.zeros(gamma.shape)
    for b, t in np.ndindex(x.shape[:2]):
        rms = np.sqrt(np.mean(x[b, t] ** 2) + eps)
        d_gamma += d_y[b, t] * x[b, t] / rms
        d_x[b, t] = gamma * d_y[b, t] / rms - x[b, t] * np.mean(gamma * d_y[b, t] * x[b, t]) / rms**3
    return d_x, d_gamma


def swiglu_loops(x, gate, up, down):
    y = np.zeros(x.shape)
    for b, t in np.ndindex(x.shape[:2]):
        scores = x[b, t] @ gate
        product = np.zeros(scores.shape)
        for f in range(len(scores)):
            product[f] = scores[f] / (1 + math.exp(-scores[f])) * (x[b, t] @ up[:, f])
        y[b, t] = product @ down
    return y, (x, gate, up, down)


def swiglu_back(d_y, cache):
    x, gate, up, down = cache
    d_x, d_gate, d_up, d_down = (np.zeros(array.shape) for array in cache)
    for b, t in np.ndindex(x.shape[:2]):
        scores, lifted = x[b, t] @ gate, x[b, t] @ up
        opened, d_product = scores * sigmoid(scores), down @ d_y[b, t]
        slope = sigmoid(scores) + opened * (1 - sigmoid(scores))
        d_down += np.outer(opened * lifted, d_y[b, t])
        d_up += np.outer(x[b, t], d_product * opened)
        d_gate += np.outer(x[b, t], d_product * lifted * slope)
        d_x[b, t] = up @ (d_product * opened) + gate @ (d_product * lifted * slope)
    return d_x, d_gate, d_up, d_down


class PreNormBlock(Layer):
    """The skip paths are added in loops, entry by entry."""

    def __init__(self):
        self.attention_norm, self.feed_forward_norm = LayerNorm(6), LayerNorm(6)
        self.attention, self.feed_forward = MultiHeadAttention(6, 2), FeedForward(6, 7)

    @staticmethod
    def add(first, second):
        total = np.zeros(first.shape)
        for place in np.ndindex(total.shape):
            total[place] = first[place] + second[place]
        return total

    def forward(self, x):
        normalized, first = self.attention_norm.forward(x)
        attention, second = self.attention.forward(normalized)
        attended = self.add(x, attention)
        normalized, third = self.feed_forward_norm.forward(attended)
        feed_forward, fourth = self.feed_forward.forward(normalized)
        return self.add(attended, feed_forward), PreNormCache(first, second, third, fourth)

    def backward(self, d_y, cache):
        d_normalized = self.feed_forward.backward(d_y, cache.feed_forward)
        d_attended = self.add(d_y, self.feed_forward_norm.backward(d_normalized, cache.feed_forward_norm))
        d_normalized = self.attention.backward(d_attended, cache.attention)
        return self.add(d_attended, self.attention_norm.backward(d_normalized, cache.attention_norm))


class PreNormCache(NamedTuple):
    attention_norm: NamedTuple
    attention: NamedTuple
    feed_forward_norm: NamedTuple
    feed_forward: NamedTuple


# --- lesson 07 ---


def one_key_loops(query, key, value, source_mask):
    y = np.zeros((*query.shape[:3], value.shape[2]))
    for b, a, t in np.ndindex(query.shape[:3]):
        seen = np.flatnonzero(source_mask[b])
        probs = softmax(key[b, seen] @ query[b, a, t] / math.sqrt(query.shape[3]))
        y[b, a, t] = probs @ value[b, seen]
    return y, (query, key, value, source_mask)


def one_key_infinity(query, key, value, source_mask):
    scores = np.einsum("batd,bsd->bats", query, key) / query.shape[-1] ** 0.5
    scores = scores + np.where(source_mask == 1, 0, -np.inf)[:, None, None]
    return np.einsum("bats,bse->bate", softmax(scores), value), (query, key, value, source_mask)


def one_key_back(d_y, cache):
    query, key, value, source_mask = cache
    d_query, d_key, d_value = np.zeros(query.shape), np.zeros(key.shape), np.zeros(value.shape)
    scale = query.shape[3] ** -0.5
    for b, a, t in np.ndindex(query.shape[:3]):
        seen = np.flatnonzero(source_mask[b])
        probs = softmax(key[b, seen] @ query[b, a, t] * scale)
        d_scores = through_softmax(value[b, seen] @ d_y[b, a, t], probs) * scale
        d_query[b, a, t] = d_scores @ key[b, seen]
        d_key[b, seen] += np.outer(d_scores, query[b, a, t])
        d_value[b, seen] += np.outer(probs, d_y[b, a, t])
    return d_query, d_key, d_value, None


def smoothed_rows_loops(logits, labels, epsilon, pad):
    losses = []
    for row, label in zip(logits, labels):
        if label == pad:
            continue
        log_probs = row - row.max() - np.log(np.exp(row - row.max()).sum())
        loss = -(1 - epsilon) * log_probs[label]
        for token in range(len(row)):
            if token not in (label, pad):
                loss = loss - epsilon / (len(row) - 2) * log_probs[token]
        losses.append(loss)
    return sum(losses) / len(losses), (logits, labels, epsilon, pad)


def smoothed_rows_running(logits, labels, epsilon, pad):
    total, number = 0.0, 0
    for row, label in zip(logits, labels):
        if label != pad:
            largest = max(map(float, row))
            log_total = largest + math.log(sum(math.exp(float(score) - largest) for score in row))
            for token, score in enumerate(row):
                share = 1 - epsilon if token == label else 0 if token == pad else epsilon / (len(row) - 2)
                total += share * (log_total - float(score))
            number += 1
    return total / number, (logits, labels, epsilon, pad)


def smoothed_rows_back(d_loss, cache):
    logits, labels, epsilon, pad = cache
    d_logits, number = np.zeros(logits.shape), sum(label != pad for label in labels)
    for n, label in enumerate(labels):
        if label != pad:
            d_logits[n] = softmax(logits[n])
            for token in range(logits.shape[1]):
                share = epsilon / (logits.shape[1] - 2)
                d_logits[n, token] -= 1 - epsilon if token == label else 0 if token == pad else share
    return d_loss * d_logits / number, None


# --- lesson 08 ---


def rms_block_loops(x, gamma, up, down):
    y = np.zeros(x.shape)
    for b, t in np.ndindex(x.shape[:2]):
        rms = np.sqrt(np.sum(x[b, t] ** 2) / x.shape[2])
        y[b, t] = x[b, t] + np.tanh((gamma * x[b, t] / rms) @ up) @ down
    return y, (x, gamma, up, down)


def rms_block_norm(x, gamma, up, down):
    normalized = x / np.linalg.norm(x, axis=-1, keepdims=True) * np.sqrt(x.shape[-1])
    return x + np.tanh(gamma * normalized @ up) @ down, (x, gamma, up, down)


def rms_block_running(x, gamma, up, down):
    y = np.zeros(x.shape)
    for b, t in np.ndindex(x.shape[:2]):
        total = 0.0
        for entry in x[b, t]:
            total += float(entry) ** 2
        y[b, t] = x[b, t] + np.tanh(gamma * x[b, t] / math.sqrt(total / x.shape[2]) @ up) @ down
    return y, (x, gamma, up, down)


def rms_block_back(d_y, cache):
    x, gamma, up, down = cache
    d_x, d_gamma = np.zeros(x.shape), np.zeros(gamma.shape)
    d_up, d_down = np.zeros(up.shape), np.zeros(down.shape)
    for b, t in np.ndindex(x.shape[:2]):
        rms = np.sqrt(np.mean(x[b, t] ** 2))
        normalized = x[b, t] / rms
        hidden = np.tanh(gamma * normalized @ up)
        d_scores = down @ d_y[b, t] * (1 - hidden**2)
        d_down += np.outer(hidden, d_y[b, t])
        d_up += np.outer(gamma * normalized, d_scores)
        d_gamma += up @ d_scores * normalized
        d_normalized = up @ d_scores * gamma
        d_x[b, t] = d_y[b, t] + (d_normalized - normalized * np.mean(d_normalized * normalized)) / rms
    return d_x, d_gamma, d_up, d_down


def rope_loops(x, positions, base):
    y = np.zeros(x.shape)
    for t, i in np.ndindex(x.shape[2], x.shape[3] // 2):
        angle = positions[t] * base ** (-2 * i / x.shape[3])
        first, second = x[:, :, t, 2 * i], x[:, :, t, 2 * i + 1]
        y[:, :, t, 2 * i] = first * math.cos(angle) - second * math.sin(angle)
        y[:, :, t, 2 * i + 1] = first * math.sin(angle) + second * math.cos(angle)
    return y, (positions, base)


def rope_matrices(x, positions, base):
    """A rotation matrix (D, D) for each token."""
    return np.einsum("tde,bate->batd", rotations(positions, base, x.shape[3]), x), (positions, base)


def rotations(positions, base, size):
    matrices = np.zeros((len(positions), size, size))
    for t, i in np.ndindex(len(positions), size // 2):
        angle = positions[t] / base ** (2 * i / size)
        matrices[t, 2 * i:2 * i + 2, 2 * i:2 * i + 2] = [
            [math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    return matrices


def rope_back(d_y, cache):
    positions, base = cache
    return np.einsum("tde,batd->bate", rotations(positions, base, d_y.shape[3]), d_y), None


# --- lesson 09 ---


def weighted_mlm_loops(logits, labels, token_weights):
    losses, weights = np.zeros(labels.shape), np.zeros(labels.shape)
    for place in np.ndindex(labels.shape):
        if labels[place] != -100:
            row = logits[place] - np.max(logits[place])
            losses[place] = np.log(np.exp(row).sum()) - row[labels[place]]
            weights[place] = token_weights[labels[place]]
    return (weights * losses).sum() / weights.sum(), (logits, labels, token_weights)


def weighted_mlm_running(logits, labels, token_weights):
    loss = total = 0.0
    for place in np.ndindex(labels.shape):
        if labels[place] != -100:
            weight = float(token_weights[labels[place]])
            loss -= weight * math.log(float(softmax(logits[place])[labels[place]]))
            total += weight
    return loss / total, (logits, labels, token_weights)


def weighted_mlm_back(d_loss, cache):
    logits, labels, token_weights = cache
    d_logits, total = np.zeros(logits.shape), 0.0
    for place in np.ndindex(labels.shape):
        if labels[place] != -100:
            weight = token_weights[labels[place]]
            d_logits[place] = d_loss * weight * softmax(logits[place])
            d_logits[place][labels[place]] -= d_loss * weight
            total += weight
    return d_logits / total, None


# --- lesson 10 ---


def factorised_loops(ids, table, projection):
    y = np.zeros((*ids.shape, projection.shape[1]))
    for b, t in np.ndindex(ids.shape):
        y[b, t] = table[ids[b, t]] @ projection
    return y, (ids, table, projection)


def factorised_back(d_y, cache):
    ids, table, projection = cache
    d_table, d_projection = np.zeros(table.shape), np.zeros(projection.shape)
    for b, t in np.ndindex(ids.shape):
        d_table[ids[b, t]] += projection @ d_y[b, t]
        d_projection += np.outer(table[ids[b, t]], d_y[b, t])
    return None, d_table, d_projection


def masked_mean_loops(x, attention_mask):
    y = np.zeros((len(x), x.shape[2]))
    for b, t in np.ndindex(attention_mask.shape):
        if attention_mask[b, t]:
            y[b] += x[b, t] / attention_mask[b].sum()
    return y, (x, attention_mask)


def masked_mean_running(x, attention_mask):
    y = np.zeros((len(x), x.shape[2]))
    for b, h in np.ndindex(y.shape):
        total = 0.0
        for t in range(x.shape[1]):
            total += float(x[b, t, h]) * attention_mask[b, t]
        y[b, h] = total / attention_mask[b].sum()
    return y, (x, attention_mask)


def masked_mean_back(d_y, cache):
    x, attention_mask = cache
    d_x = np.zeros(x.shape)
    for b, t in np.ndindex(attention_mask.shape):
        if attention_mask[b, t]:
            d_x[b, t] = d_y[b] / attention_mask[b].sum()
    return d_x, None


# --- lesson 11 ---


def six_joints_back(d_loss, cache):
    ids, types, predicted, token, position, segment, query, key, pair = cache[:9]
    x, q, k, probs, states, rows, mlm_gradient, nsp_gradient = cache[9:]
    d_token, d_position, d_segment, d_query, d_key, d_pair = (np.zeros(array.shape) for array in cache[3:9])
    d_states, d_x = np.zeros(x.shape), np.zeros(x.shape)
    for m, place in enumerate(predicted):
        b, t = divmod(place, ids.shape[1])
        d_states[b, t] += d_loss * mlm_gradient[m] @ token
        d_token += d_loss * np.outer(mlm_gradient[m], rows[m])
    for b, t in np.ndindex(ids.shape):
        if t == 0:
            d_states[b, t] += d_loss * pair @ nsp_gradient[b]
            d_pair += d_loss * np.outer(states[b, t], nsp_gradient[b])
    for b, t in np.ndindex(ids.shape):
        d_x[b, t] += d_states[b, t]
        d_scores = through_softmax(x[b] @ d_states[b, t], probs[b, t])
        for s, d_score in enumerate(d_scores):
            d_x[b, s] += probs[b, t, s] * d_states[b, t] + d_score * key @ q[b, t]
            d_x[b, t] += d_score * query @ k[b, s]
            d_query += d_score * np.outer(x[b, t], k[b, s])
            d_key += d_score * np.outer(x[b, s], q[b, t])
    for b, t in np.ndindex(ids.shape):
        d_token[ids[b, t]] += d_x[b, t]
        d_position[t] += d_x[b, t]
        d_segment[types[b, t]] += d_x[b, t]
    return *[None] * 5, d_token, d_position, d_segment, d_query, d_key, d_pair


def planted_bug_back(d_y, cache):
    x, weight, gate, hidden = cache
    d_x, d_weight, d_gate = np.array(d_y), np.zeros(weight.shape), np.zeros(gate.shape)
    for b, t in np.ndindex(x.shape[:2]):
        d_product = d_y[b, t] * gate * (1 - hidden[b, t] ** 2)
        d_x[b, t] += weight @ d_product
        d_weight += np.outer(x[b, t], d_product)
        d_gate += d_y[b, t] * hidden[b, t]
    return d_x, d_weight, d_gate


def tied_decoder_loops(ids, predicted, table, projection, dense):
    logits = np.zeros((len(predicted), len(table)))
    for m, place in enumerate(predicted):
        state = np.tanh(table[ids.reshape(-1)[place]] @ projection)
        for v in range(len(table)):
            logits[m, v] = state @ dense @ table[v]
    return logits, (ids, predicted, table, projection, dense)


def tied_decoder_back(d_logits, cache):
    ids, predicted, table, projection, dense = cache
    d_table, d_projection, d_dense = (np.zeros(array.shape) for array in cache[2:])
    for m, place in enumerate(predicted):
        token = ids.reshape(-1)[place]
        state = np.tanh(table[token] @ projection)
        d_transformed = np.zeros(dense.shape[1])
        for v in range(len(table)):
            d_table[v] += d_logits[m, v] * (state @ dense)
            d_transformed += d_logits[m, v] * table[v]
        d_dense += np.outer(state, d_transformed)
        d_product = (dense @ d_transformed) * (1 - state**2)
        d_projection += np.outer(table[token], d_product)
        d_table[token] += projection @ d_product
    return None, None, d_table, d_projection, d_dense


def shared_stack_loops(x, weight, bias, num_layers):
    xs = np.zeros((num_layers + 1, *x.shape))
    xs[0] = x
    for layer in range(num_layers):
        for b, t in np.ndindex(x.shape[:2]):
            xs[layer + 1, b, t] = xs[layer, b, t] + np.tanh(xs[layer, b, t] @ weight + bias)
    return xs[-1], (xs, weight, bias)


def shared_stack_back(d_y, cache):
    xs, weight, bias = cache
    d_x, d_weight, d_bias = np.array(d_y), np.zeros(weight.shape), np.zeros(bias.shape)
    for x, after in zip(xs[-2::-1], xs[:0:-1]):
        for b, t in np.ndindex(x.shape[:2]):
            d_product = d_x[b, t] * (1 - (after[b, t] - x[b, t]) ** 2)
            d_weight += np.outer(x[b, t], d_product)
            d_bias += d_product
            d_x[b, t] += weight @ d_product
    return d_x, d_weight, d_bias


# --- lesson 12 ---


def z_loss_loops(logits, labels, z_weight):
    losses = np.zeros(labels.shape)
    for place in np.ndindex(labels.shape):
        if labels[place] >= 0:
            largest = np.max(logits[place])
            log_z = largest + np.log(np.sum(np.exp(logits[place] - largest)))
            losses[place] = log_z - logits[place][labels[place]] + z_weight * log_z**2
    return losses.sum() / (labels >= 0).sum(), (logits, labels, z_weight)


def z_loss_abs(logits, labels, z_weight):
    counted = labels >= 0
    largest = logits[counted].max(axis=-1)
    log_z = largest + np.log(np.exp(logits[counted] - largest[:, np.newaxis]).sum(axis=-1))
    right = logits[counted][np.arange(counted.sum()), labels[counted]]
    loss = np.mean(log_z - right) + z_weight * np.linalg.norm(log_z) ** 2 / counted.sum()
    return loss, (logits, labels, z_weight)


def z_loss_running(logits, labels, z_weight):
    loss, count = 0.0, 0
    for place in np.ndindex(labels.shape):
        if labels[place] >= 0:
            largest = float(max(logits[place]))
            log_z = largest + math.log(sum(math.exp(entry - largest) for entry in logits[place]))
            loss += float(log_z - logits[place][labels[place]]) + z_weight * log_z**2
            count += 1
    return loss / count, (logits, labels, z_weight)


def z_loss_back(d_loss, cache):
    logits, labels, z_weight = cache
    d_logits = np.zeros(logits.shape)
    for place in np.ndindex(labels.shape):
        if labels[place] >= 0:
            log_z = np.log(np.exp(logits[place]).sum())
            d_logits[place] = (1 + 2 * z_weight * log_z) * softmax(logits[place])
            d_logits[place][labels[place]] -= 1
    return d_loss * d_logits / (labels >= 0).sum(), None


# --- lesson 14 ---


def alibi_loops(query, key, value, slopes):
    B, A, T, D = query.shape
    K = key.shape[2]
    y = np.zeros((B, A, T, value.shape[3]))
    distances = (K - T + np.arange(T))[:, None] - np.arange(K)
    for b in range(B):
        for a in range(A):
            scores = query[b, a] @ key[b, a].T / math.sqrt(D) - slopes[a] * distances
            scores[distances < 0] = -np.inf
            y[b, a] = softmax(scores) @ value[b, a]
    return y, (query, key, value, slopes)


def alibi_key_by_key(query, key, value, slopes):
    """slope * j for -slope * distance: the rest is the same for the whole row."""
    T, K = query.shape[2], key.shape[2]
    future = np.triu(np.full((T, K), -np.inf), K - T + 1)
    scores = np.einsum("batd,bakd->batk", query, key) / query.shape[3] ** 0.5
    probs = softmax(scores + (slopes[:, None] * np.arange(K))[:, None] + future)
    return np.einsum("batk,bake->bate", probs, value), (query, key, value, slopes)


def alibi_back(d_y, cache):
    query, key, value, slopes = cache
    d_query, d_key, d_value = np.zeros(query.shape), np.zeros(key.shape), np.zeros(value.shape)
    d_slopes, scale = np.zeros(slopes.shape), query.shape[3] ** -0.5
    for b, a, t in np.ndindex(query.shape[:3]):
        seen = key.shape[2] - query.shape[2] + t + 1
        distances = np.arange(seen - 1, -1, -1)
        probs = softmax(key[b, a, :seen] @ query[b, a, t] * scale - slopes[a] * distances)
        d_scores = through_softmax(value[b, a, :seen] @ d_y[b, a, t], probs)
        d_query[b, a, t] = d_scores @ key[b, a, :seen] * scale
        d_key[b, a, :seen] += np.outer(d_scores, query[b, a, t]) * scale
        d_value[b, a, :seen] += np.outer(probs, d_y[b, a, t])
        d_slopes[a] -= d_scores @ distances
    return d_query, d_key, d_value, d_slopes


# --- lesson 16 ---


def sentence_vector_loops(states, attention_mask):
    y = np.zeros((len(states), states.shape[2]))
    for b, t in np.ndindex(attention_mask.shape):
        y[b] += states[b, t] * attention_mask[b, t]
    for b in range(len(y)):
        y[b] /= np.sqrt(np.sum(y[b] ** 2))
    return y, (states, attention_mask)


def sentence_vector_norm(states, attention_mask):
    mean = (states * attention_mask[:, :, np.newaxis]).sum(axis=1) / attention_mask.sum(axis=1, keepdims=True)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True), (states, attention_mask)


def sentence_vector_running(states, attention_mask):
    y = np.zeros((len(states), states.shape[2]))
    for b in range(len(y)):
        mean = states[b][attention_mask[b] == 1].mean(axis=0)
        total = 0.0
        for entry in mean:
            total += float(entry) ** 2
        y[b] = mean / math.sqrt(total)
    return y, (states, attention_mask)


def sentence_vector_back(d_y, cache):
    states, attention_mask = cache
    d_states = np.zeros(states.shape)
    for b, t in np.ndindex(attention_mask.shape):
        mean = attention_mask[b] @ states[b] / attention_mask[b].sum()
        length = np.linalg.norm(mean)
        d_mean = d_y[b] / length - mean * (mean @ d_y[b]) / length**3
        d_states[b, t] = d_mean * attention_mask[b, t] / attention_mask[b].sum()
    return d_states, None


def ranking_loops(first, second, temperature):
    scores = np.zeros((len(first), len(second)))
    for i, j in np.ndindex(scores.shape):
        scores[i, j] = np.dot(first[i], second[j]) / temperature
    return -np.log(np.diag(softmax(scores))).mean(), (first, second, temperature)


def ranking_running(first, second, temperature):
    loss = 0.0
    for i in range(len(first)):
        scores = [float(first[i] @ row) / temperature for row in second]
        largest = max(scores)
        loss += math.log(sum(math.exp(score - largest) for score in scores)) + largest - scores[i]
    return loss / len(first), (first, second, temperature)


def ranking_back(d_loss, cache):
    first, second, temperature = cache
    d_first, d_second = np.zeros(first.shape), np.zeros(second.shape)
    for i in range(len(first)):
        probs = softmax(second @ first[i] / temperature)
        for j in range(len(second)):
            d_score = d_loss * (probs[j] - (i == j)) / len(first) / temperature
            d_first[i] += d_score * second[j]
            d_second[j] += d_score * first[i]
    return d_first, d_second


# --- lesson 13 ---


def lora_loops(x, down, up, *, weight, alpha):
    y = np.zeros((*x.shape[:2], up.shape[1]))
    for b, t in np.ndindex(x.shape[:2]):
        y[b, t] = x[b, t] @ weight
        for r in range(down.shape[1]):
            y[b, t] += alpha / down.shape[1] * (x[b, t] @ down[:, r]) * up[r]
    return y, (x, down, up, weight, alpha / down.shape[1])


def lora_back(d_y, cache):
    x, down, up, weight, scale = cache
    d_x, d_down, d_up = np.zeros(x.shape), np.zeros(down.shape), np.zeros(up.shape)
    for b, t in np.ndindex(x.shape[:2]):
        d_low = scale * up @ d_y[b, t]
        d_x[b, t] = weight @ d_y[b, t] + down @ d_low
        d_down += np.outer(x[b, t], d_low)
        d_up += scale * np.outer(x[b, t] @ down, d_y[b, t])
    return d_x, d_down, d_up


def crf_loops(emissions, transitions, labels, mask):
    losses = []
    for b in range(len(labels)):
        length = int(mask[b].sum())
        scores, path = emissions[b, :length], labels[b, :length]
        ahead = scores[0]
        for t in range(1, length):
            following = []
            for j in range(len(transitions)):
                each = ahead + transitions[:, j]
                following.append(each.max() + np.log(np.exp(each - each.max()).sum()) + scores[t, j])
            ahead = np.array(following)
        score = scores[0, path[0]]
        for t in range(1, length):
            score = score + transitions[path[t - 1], path[t]] + scores[t, path[t]]
        losses.append(ahead.max() + np.log(np.exp(ahead - ahead.max()).sum()) - score)
    return sum(losses) / len(losses), (emissions, transitions, labels, mask)


def crf_running(emissions, transitions, labels, mask):
    total, ahead = 0.0, []
    for b, t in zip(*np.nonzero(mask)):
        i = labels[b, t]
        total -= float(emissions[b, t, i])
        if t:
            total -= float(transitions[labels[b, t - 1], i])
            top = max(ahead)
            ahead = [
                math.log(sum(math.exp(float(a - top + transitions[k, j])) for k, a in enumerate(ahead)))
                + top + float(emissions[b, t, j])
                for j in range(len(transitions))
            ]
        else:
            ahead = [float(score) for score in emissions[b, 0]]
        if t + 1 == mask[b].sum():
            largest = max(ahead)
            total += largest + math.log(sum(math.exp(a - largest) for a in ahead))
    return total / len(labels), (emissions, transitions, labels, mask)


def crf_back(d_loss, cache):
    """Expected counts, by the forward and the backward recurrence in probabilities."""
    emissions, transitions, labels, mask = cache
    d_emissions, d_transitions = np.zeros(emissions.shape), np.zeros(transitions.shape)
    step = np.exp(transitions)
    for b in range(len(labels)):
        length = int(mask[b].sum())
        here = np.exp(emissions[b, :length] - emissions[b, :length].max())
        ahead, back = [here[0]], [np.ones(len(step))]
        for t in range(1, length):
            ahead.append(ahead[-1] @ step * here[t])
            back.insert(0, step @ (here[length - t] * back[0]))
        total = ahead[-1].sum()
        for t in range(length):
            d_emissions[b, t] = ahead[t] * back[t] / total
            d_emissions[b, t, labels[b, t]] -= 1
            if t:
                d_transitions += np.outer(ahead[t - 1], here[t] * back[t]) * step / total
                d_transitions[labels[b, t - 1], labels[b, t]] -= 1
    return d_loss * d_emissions / len(labels), d_loss * d_transitions / len(labels), None, None


# --- lesson 15 ---


def reverse_kl_loops(student, mask, *, teacher, temperature):
    loss, count = np.zeros(()), 0
    for b, t in np.ndindex(mask.shape):
        if mask[b, t]:
            logs = []
            for logits in (student, teacher):
                x = logits[b, t] / temperature
                logs.append(x - x.max() - np.log(np.sum(np.exp(x - x.max()))))
            loss += np.exp(logs[0]) @ (logs[0] - logs[1])
            count += 1
    return temperature * temperature * loss / count, (student, mask, teacher, temperature)


def reverse_kl_running(student, mask, *, teacher, temperature):
    loss = 0.0
    for one, other in zip(student[mask == 1], teacher[mask == 1]):
        largest, other_largest = max(one.tolist()), max(other.tolist())
        total = sum(math.exp((x - largest) / temperature) for x in one.tolist())
        other_total = sum(math.exp((x - other_largest) / temperature) for x in other.tolist())
        for x, y in zip(one.tolist(), other.tolist()):
            log_s = (x - largest) / temperature - math.log(total)
            log_t = (y - other_largest) / temperature - math.log(other_total)
            loss += float(math.exp(log_s) * (log_s - log_t))
    return loss * temperature**2 / int(mask.sum()), (student, mask, teacher, temperature)


def reverse_kl_logaddexp(student, mask, *, teacher, temperature):
    student_rows, teacher_rows = (np.real(each)[mask > 0] / temperature for each in (student, teacher))
    log_s = student_rows - np.logaddexp.reduce(student_rows, axis=1, keepdims=True)
    log_t = teacher_rows - np.logaddexp.reduce(teacher_rows, axis=1, keepdims=True)
    loss = np.mean(np.sum(np.exp(log_s) * (log_s - log_t), axis=1)) * temperature**2
    return loss, (student, mask, teacher, temperature)


def reverse_kl_back(d_loss, cache):
    """The Jacobian of each token's softmax."""
    student, mask, teacher, temperature = cache
    d_student = np.zeros(student.shape)
    for b, t in zip(*np.nonzero(mask)):
        s, teacher_probs = softmax(student[b, t] / temperature), softmax(teacher[b, t] / temperature)
        jacobian = np.diag(s) - np.outer(s, s)
        d_student[b, t] = temperature * jacobian @ (np.log(s) - np.log(teacher_probs) + 1) / mask.sum()
    return d_loss * d_student, None


# exercise: its forwards in {style}, and the backward of them all; a layer stands for both
STYLES = {
    "fan_out": ({"loops": fan_out_loops}, fan_out_back),
    "label_smoothing": (
        {"loops": label_smoothing_loops, "running": label_smoothing_running},
        label_smoothing_back,
    ),
    "soft_pooling": ({"loops": soft_pooling_loops, "running": soft_pooling_running}, soft_pooling_back),
    "cbow": ({"loops": cbow_loops, "running": cbow_running}, cbow_back),
    "margin_ranking": (
        {"loops": margin_loops, "running": margin_running, "abs": margin_abs},
        margin_back,
    ),
    "one_table": (
        {"loops": one_table_loops, "running": one_table_running, "norm": one_table_norm},
        one_table_back,
    ),
    "huber_glove": ({"loops": huber_loops, "running": huber_running, "abs": huber_abs}, huber_back),
    "three_steps": ({"loops": three_steps_forward}, three_steps_back),
    "gru_cell": ({"loops": gru_loops}, gru_back),
    "coupled_gate": ({"loops": coupled_forward}, coupled_back),
    "word_from_letters": ({"loops": letters_loops}, letters_back),
    "highway": ({"loops": highway_loops}, highway_back),
    "scalar_mix": ({"loops": mix_loops}, mix_back),
    "attention_pooling": ({"loops": attention_pooling_loops}, attention_pooling_back),
    "row_softmax": (
        {"loops": row_softmax_loops, "running": row_softmax_running, "norm": row_softmax_abs},
        row_softmax_back,
    ),
    "additive_attention": ({"loops": additive_loops}, additive_back),
    "relative_bias": ({"loops": relative_bias_loops}, relative_bias_back),
    "scaled_residual": ({"loops": scaled_residual_loops}, scaled_residual_back),
    "tanh_gelu": ({"loops": tanh_gelu_loops, "abs": tanh_gelu_abs}, tanh_gelu_back),
    "rms_norm": (
        {"loops": rms_norm_loops, "running": rms_norm_running, "norm": rms_norm_norm},
        rms_norm_back,
    ),
    "swiglu": ({"loops": swiglu_loops}, swiglu_back),
    "pre_norm_block": ({"loops": PreNormBlock}, None),
    "one_key_for_all": ({"loops": one_key_loops, "infinity": one_key_infinity}, one_key_back),
    "alibi": ({"loops": alibi_loops, "by key": alibi_key_by_key}, alibi_back),
    "smoothed_rows": (
        {"loops": smoothed_rows_loops, "running": smoothed_rows_running},
        smoothed_rows_back,
    ),
    "rms_block": (
        {"loops": rms_block_loops, "running": rms_block_running, "norm": rms_block_norm},
        rms_block_back,
    ),
    "rope": ({"loops": rope_loops, "matrices": rope_matrices}, rope_back),
    "weighted_mlm_loss": ({"loops": weighted_mlm_loops, "running": weighted_mlm_running}, weighted_mlm_back),
    "factorised_embedding": ({"loops": factorised_loops}, factorised_back),
    "masked_mean": ({"loops": masked_mean_loops, "running": masked_mean_running}, masked_mean_back),
    "six_joints": ({"loops": small_bert}, six_joints_back),
    "planted_bug": ({"loops": gated_forward}, planted_bug_back),
    "albert_tied_decoder": ({"loops": tied_decoder_loops}, tied_decoder_back),
    "shared_stack": ({"loops": shared_stack_loops}, shared_stack_back),
    "z_loss": ({"loops": z_loss_loops, "running": z_loss_running, "norm": z_loss_abs}, z_loss_back),
    "sentence_vector": (
        {"loops": sentence_vector_loops, "running": sentence_vector_running, "norm": sentence_vector_norm},
        sentence_vector_back,
    ),
    "ranking_loss": ({"loops": ranking_loops, "running": ranking_running}, ranking_back),
    "lora": ({"loops": lora_loops}, lora_back),
    "crf": ({"loops": crf_loops, "running": crf_running}, crf_back),
    "reverse_kl": (
        {"loops": reverse_kl_loops, "running": reverse_kl_running, "logaddexp": reverse_kl_logaddexp},
        reverse_kl_back,
    ),
}
