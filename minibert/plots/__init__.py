"""Pictures by subject: arrays in, Axes out. Nothing is imported but NumPy and Matplotlib.

    from minibert import plots
    axes = plots.position_similarity(model.bert.embeddings.position.weight.value)
    axes.figure.savefig("positions.png")

Every function takes figure=, where to draw; without it, it makes one. If an array takes more than a line
to compute from a model or its cache, minibert/course/figures.py has a function for it.
"""

from minibert.plots.attention import attention_maps, attention_over_training
from minibert.plots.cost import cost_growth
from minibert.plots.embeddings import embedding_map, pca, position_similarity
from minibert.plots.gradients import error_against_step_size, gradient_flow, gradient_flow_over_time
from minibert.plots.predictions import mask_probabilities, saliency
from minibert.plots.style import BLUE, GREEN, GREY, ORANGE, STYLES, TWO_SIDED, save
from minibert.plots.training import learning_rates, loss_curves, phenomena
