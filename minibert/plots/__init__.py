"""Pictures by subject: arrays in, Axes out. Only NumPy, Matplotlib and Python's own library are imported.

    from minibert import plots
    axes = plots.position_similarity(model.bert.embeddings.position.weight.value)
    axes.figure.savefig("positions.png")
    plots.show(plots.attention_maps, [cache.probs[0]], tokens)      # opens the picture, at a breakpoint, too

Every function takes figure=, where to draw; without it, it makes one. If an array takes more than a line
to compute from a model or its cache, minibert/course/figures.py has a function for it.
"""

from minibert.plots.attention import (
    attention_maps,
    attention_of_one_token,
    attention_over_training,
    named_maps,
    query_key_value,
)
from minibert.plots.checkpoints import folder_to_model
from minibert.plots.cost import cost_growth, loss_by_time
from minibert.plots.embeddings import embedding_map, pca, position_similarity
from minibert.plots.gradients import (
    error_against_step_size,
    gradient_flow,
    gradient_flow_over_time,
    gradient_path,
    step_errors,
)
from minibert.plots.predictions import mask_probabilities, saliency
from minibert.plots.recurrent import against_distance, gate_traces, unrolled
from minibert.plots.style import BLUE, GREEN, GREY, ORANGE, STYLES, TWO_SIDED, save, show
from minibert.plots.training import (
    learning_curves,
    learning_rates,
    loss_curves,
    next_token_loss,
    phenomena,
    runs_beside,
    seed_curves,
    seed_dots,
)
from minibert.plots.transfer import accuracy_by_labels, four_ways, meanings, runs, two_ways
from minibert.plots.word_vectors import counts_and_vectors, skip_gram
