"""What a pretraining costs, on paper: products, bytes, days, and machines.

A FLOP is a multiplication or an addition of two numbers, and only matrix products are counted: (N, K) by
(K, M) takes 2 N K M of them. What is done number by number (LayerNorm, GELU, softmax, dropout, the optimizer)
takes time, too, but few FLOPs. A configuration is a BertConfig or an AlbertConfig, unless a function says
otherwise; where embedding_size, E, is missing, it is H.
"""

import functools
import statistics
import time
from typing import NamedTuple

import numpy as np

from minibert.benchmarks import bert as benchmark
from minibert.benchmarks.harness import take_turns
from minibert.models.albert import AlbertConfig
from minibert.models.bert import BertConfig

BERT_BASE = BertConfig(30522, 768, 12, 12, 3072, max_position_embeddings=512)
LAYERS = ("projections", "attention", "feed-forward")  # the parts that a recomputed layer does again
FLOAT32 = 4  # bytes
LARGE = 1536  # rows and columns of a product that is large enough to show the processor's speed


# --- the products of a step ---


def forward_flops(config, batch_size, num_tokens, num_predicted):
    """Return the FLOPs of a forward pass, part by part.

    Args:
        config: of a BertForPreTraining or an AlbertForPreTraining.
        batch_size, num_tokens, num_predicted: B, T, and M, the predicted tokens of the whole batch.

    Returns:
        {part: FLOPs}:
        "embeddings": looking up is no product; ALBERT has one from E to H, 2 B T E H.
        "projections": four from H to H, 8 B T H² a layer.
        "attention": scores and weighted values, 4 B T² H a layer.
        "feed-forward": H to F and back, 4 B T H F a layer.
        "mlm head": H to E and E to V, 2 M E (H + V).
        "sentence head": the pooler and two classes, 2 B H (H + 2).

    Example:
        >>> flops = forward_flops(BERT_BASE, batch_size=1, num_tokens=512, num_predicted=77)
        >>> {part: f"{count / 1e9:.1f} GFLOP" for part, count in flops.items() if count > 1e9}
        ... # doctest: +NORMALIZE_WHITESPACE
        {'projections': '29.0 GFLOP', 'attention': '9.7 GFLOP', 'feed-forward': '58.0 GFLOP',
         'mlm head': '3.7 GFLOP'}
    """
    hidden, vectors = config.hidden_size, _vector_size(config)
    projected = 0 if vectors == hidden and not isinstance(config, AlbertConfig) else vectors * hidden
    return {
        "embeddings": 2 * batch_size * num_tokens * projected,
        **encoder_flops(config, batch_size, num_tokens),
        "mlm head": 2 * num_predicted * vectors * (hidden + config.vocab_size),
        "sentence head": 2 * batch_size * hidden * (hidden + 2),
    }


def encoder_flops(config, batch_size, num_tokens):
    """Return the FLOPs of a forward pass through all layers, {part: FLOPs}, for the parts of LAYERS.

    config may be of any model with layers of this kind: of a GPT, too. A causal mask saves no product here.
    """
    rows, hidden = batch_size * num_tokens, config.hidden_size
    of_a_layer = {
        "projections": 4 * 2 * rows * hidden * hidden,
        "attention": 2 * 2 * rows * num_tokens * hidden,
        "feed-forward": 2 * 2 * rows * hidden * config.intermediate_size,
    }
    return {part: config.num_hidden_layers * count for part, count in of_a_layer.items()}


def step_flops(config, batch_size, num_tokens, num_predicted, recompute=False):
    """Return the FLOPs of forward and backward, part by part: three times those of forward.

    Every product y = a b has two in backward, d_a = d_y bᵀ and d_b = aᵀ d_y, each as large as itself. Layers
    that are recomputed go forward once more.

    Args:
        config, batch_size, num_tokens, num_predicted: as in forward_flops.
        recompute: the layers are RecomputedEncoderLayers.

    Example:
        >>> mini = BertConfig(8000, 256, 4, 8, 1024)
        >>> plain, again = (sum(step_flops(mini, 16, 128, 307, recompute).values()) for recompute in (0, 1))
        >>> f"{plain / 1e9:.1f} GFLOP, recomputed {again / plain:.2f} times as many"
        '45.8 GFLOP, recomputed 1.30 times as many'
    """
    forward = forward_flops(config, batch_size, num_tokens, num_predicted)
    return {part: count * (4 if recompute and part in LAYERS else 3) for part, count in forward.items()}


def electra_flops(generator, discriminator, batch_size, num_tokens, num_predicted):
    """Return the FLOPs of a step of ElectraPair without padding, {"generator", "discriminator"}.

    The discriminator has no head of V columns, and answers for each token: (H, H) and (H, 1) on B T rows.

    Args:
        generator, discriminator: ElectraConfigs.
        batch_size, num_tokens, num_predicted: as in forward_flops.
    """
    rows, flops = batch_size * num_tokens, {}
    for name, config in (("generator", generator), ("discriminator", discriminator)):
        hidden, vectors = config.hidden_size, _vector_size(config)
        head = 2 * rows * hidden * (hidden + 1)
        if name == "generator":
            head = 2 * num_predicted * vectors * (hidden + config.vocab_size)
        projected = 0 if vectors == hidden else 2 * rows * vectors * hidden
        flops[name] = 3 * (projected + sum(encoder_flops(config, batch_size, num_tokens).values()) + head)
    return flops


def _vector_size(config):
    return getattr(config, "embedding_size", config.hidden_size)


# --- parameters, and the rule of thumb ---


def num_parameters(config):
    """Return the number of parameters of a BertForPreTraining or an AlbertForPreTraining, without making it.

    Returns:
        {"embeddings", "layers", "heads"}: number.

    Example:
        >>> num_parameters(BERT_BASE)
        {'embeddings': 23837184, 'layers': 85054464, 'heads': 1214780}
    """
    hidden, inner, vectors = config.hidden_size, config.intermediate_size, _vector_size(config)
    rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
    embeddings, num_layers = (rows + 2) * vectors, config.num_hidden_layers             # 2: gamma, beta
    if isinstance(config, AlbertConfig):
        embeddings, num_layers = embeddings + (vectors + 1) * hidden, 1
    attention = 4 * (hidden + 1) * hidden + 2 * hidden
    feed_forward = (hidden + 1) * inner + (inner + 1) * hidden + 2 * hidden
    mlm_head = (hidden + 1) * vectors + 2 * vectors + config.vocab_size                 # the table is tied
    sentence_head = (hidden + 1) * hidden + (hidden + 1) * 2
    return {
        "embeddings": embeddings,
        "layers": num_layers * (attention + feed_forward),
        "heads": mlm_head + sentence_head,
    }


def rule_of_thumb(num_parameters, num_tokens):
    """Return 6 N tokens, the usual estimate of a training's FLOPs (Kaplan et al. 2020, section 2.1).

    Each weight is multiplied once for each token, 2 FLOPs, and backward takes twice as many. That is too much
    where a large part of N is a table, which is looked up, and multiplied for the predicted tokens alone. It
    is too little where T is large, because attention's T² is not in N, and where layers share weights.

    Example:
        >>> rule_of_thumb(174.6e9, 300e9)                            # GPT-3
        3.1428e+23
        >>> N = sum(num_parameters(BERT_BASE).values())
        >>> flops = sum(step_flops(BERT_BASE, batch_size=1, num_tokens=128, num_predicted=20).values())
        >>> f"{rule_of_thumb(N, 128) / flops:.2f} times the products of BERT-base"
        '1.21 times the products of BERT-base'
    """
    return 6 * num_parameters * num_tokens


# --- published trainings ---


class Published(NamedTuple):
    """A training as a paper tells it."""

    parameters: float
    tokens: float
    flops: float  # as the source says
    source: str


GPT3_PAPER = "https://arxiv.org/abs/2005.14165"  # Brown et al. 2020, table D.1
ELECTRA_PAPER = "https://arxiv.org/abs/2003.10555"  # Clark et al. 2020, table 1
PUBLISHED = {
    "BERT-base (GPT-3 paper)": Published(109e6, 250e9, 1.64e20, GPT3_PAPER),
    "BERT-base (ELECTRA paper)": Published(110e6, 1e6 * 256 * 512, 6.4e19, ELECTRA_PAPER),
    "BERT-large (GPT-3 paper)": Published(355e6, 250e9, 5.33e20, GPT3_PAPER),
    "GPT-3": Published(174.6e9, 300e9, 3.14e23, GPT3_PAPER),
}


def bert_base_pretraining(all_at_512=False):
    """Return the FLOPs and the tokens of BERT-base's training (Devlin et al. 2018, section A.2).

    A million steps of 256 sequences: 128 tokens, 20 of them predicted, in nine tenths of the steps, and 512
    tokens, 77 of them predicted, in the last tenth.

    Args:
        all_at_512: count 512 tokens in all steps, as the ELECTRA paper does.

    Example:
        >>> trainings = map(bert_base_pretraining, (False, True))
        >>> [f"{flops:.2g} for {tokens:.2g} tokens" for flops, tokens in trainings]
        ['2.4e+19 for 4.3e+10 tokens', '7.7e+19 for 1.3e+11 tokens']
    """
    short = 0 if all_at_512 else 900_000
    flops = tokens = 0
    for num_steps, num_tokens, num_predicted in ((short, 128, 20), (1_000_000 - short, 512, 77)):
        flops += num_steps * sum(step_flops(BERT_BASE, 256, num_tokens, 256 * num_predicted).values())
        tokens += num_steps * 256 * num_tokens
    return flops, tokens


def days(flops, flops_per_second):
    """Return how many days FLOPs take at a speed.

    Example:
        >>> round(days(3.14e23, 3.14e14))                            # GPT-3 at 314 TFLOP/s
        11574
    """
    return flops / flops_per_second / 86_400


# --- memory ---


def memory(config, batch_size, num_tokens, num_predicted, recompute=False):
    """Return the bytes of a training step with AdamW in float32, without padding.

    Args:
        config: a BertConfig with GELU, and dropout everywhere or nowhere.
        batch_size, num_tokens, num_predicted: as in forward_flops.
        recompute: the layers are RecomputedEncoderLayers.

    Returns:
        {"weights", "gradients", "moments", "record"}: bytes. The record is the cache at its peak, but for its
        integers: it is complete when forward ends. With recomputed layers it holds their inputs and, while
        backward goes through a layer, all of that layer. Backward's own arrays come on top.

    Example:
        >>> mini = BertConfig(8000, 256, 4, 8, 1024)
        >>> plain, again = (memory(mini, 16, 128, 307, recompute)["record"] for recompute in (False, True))
        >>> f"{plain / 1e6:.0f} MB, recomputed {again / 1e6:.0f} MB"
        '264 MB, recomputed 84 MB'
    """
    weights = FLOAT32 * sum(num_parameters(config).values())
    layer = layer_record(config, batch_size, num_tokens)
    layer_input = FLOAT32 * batch_size * num_tokens * config.hidden_size
    rest = _rest_of_record(config, batch_size, num_tokens, num_predicted)
    if recompute:
        record = config.num_hidden_layers * layer_input + (layer - layer_input) + rest
    else:
        record = config.num_hidden_layers * layer + rest
    return {"weights": weights, "gradients": weights, "moments": 2 * weights, "record": record}


def layer_record(config, batch_size, num_tokens):
    """Return the bytes that an encoder layer's record holds in float32, its input included.

    For each token these are 8 H + 3 F + A T numbers, and two of the LayerNorms. Of H: the input, three
    projections, the joined heads, what both LayerNorms normalised, and what feed-forward reads; of F: GELU's
    input, Φ, and its output; of A T: the probabilities. With dropout there are A T more, the dropped
    probabilities, and the masks: A T + 2 H of one byte each.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    maps = config.num_attention_heads * num_tokens                                      # A T
    of_a_token = FLOAT32 * (8 * hidden + 3 * inner + maps + 2)
    if config.hidden_dropout_prob:
        of_a_token += FLOAT32 * maps + (maps + 2 * hidden)
    return batch_size * num_tokens * of_a_token


def _rest_of_record(config, batch_size, num_tokens, num_predicted):
    """Embeddings (their output is a layer's input), the last states, MLM head and sentence head."""
    hidden, rows = config.hidden_size, batch_size * num_tokens
    embeddings = rows * (FLOAT32 * (hidden + 1) + (hidden if config.hidden_dropout_prob else 0))
    states = FLOAT32 * rows * hidden
    mlm_head = FLOAT32 * num_predicted * (5 * hidden + 1 + config.vocab_size)
    sentence_head = FLOAT32 * batch_size * (hidden + 2)
    return embeddings + states + mlm_head + sentence_head


# --- many machines ---


def parallel_seconds(num_machines, seconds, num_bytes, bandwidth, latency=0.0):
    """Return the seconds of a step whose batch is cut among K machines, which then add up their gradients.

        seconds / K  +  2 (K − 1)/K · bytes / bandwidth  +  2 (K − 1) · latency

    In a ring each machine has two neighbours. The gradients are cut in K pieces; in K − 1 rounds every piece
    goes once around and collects its sum, in K − 1 more the sums go around, and in each round a machine sends
    bytes / K (Patarasuk & Yuan 2009). So a machine sends less than twice the gradients, however many there
    are. Computing and sending one after the other is the worst case: sending can begin while backward runs.

    Args:
        num_machines: K, a number or an array.
        seconds: of the step on one machine.  num_bytes: of the gradients.
        bandwidth: bytes a second that a machine sends; a network of 1 Gbit/s has 125e6.
        latency: seconds until a message begins to arrive.

    Example:
        >>> parallel_seconds(np.array([1, 2, 4]), seconds=8.0, num_bytes=440e6, bandwidth=125e6).tolist()
        [8.0, 7.52, 7.28]
    """
    sent = 2 * (num_machines - 1) / num_machines * num_bytes / bandwidth
    return seconds / num_machines + sent + 2 * (num_machines - 1) * latency


def machines_that_pay(seconds, num_bytes, bandwidth, latency=0.0, efficiency=0.5):
    """Return how many machines may work before each is worth less than `efficiency` of the first.

    The efficiency of K machines is seconds / (K · parallel_seconds); 1 is K times as fast as one. Without
    latency K machines are less than seconds · bandwidth / (2 bytes) times as fast, however many there are.

    Args:
        seconds, num_bytes, bandwidth, latency: as in parallel_seconds.
        efficiency: above 0 and below 1.

    Returns:
        the largest such K, at least 1.

    Example:
        >>> machines_that_pay(seconds=8.0, num_bytes=440e6, bandwidth=125e6)
        2
        >>> machines_that_pay(seconds=8.0, num_bytes=440e6, bandwidth=12.5e9)
        114
    """
    # seconds / efficiency >= seconds + 2 (K - 1) bytes / bandwidth + 2 K (K - 1) latency, solved for K.
    transfer, spare = 2 * num_bytes / bandwidth, seconds * (1 / efficiency - 1)
    if latency == 0:
        return 1 + int(spare / transfer)
    linear = transfer - 2 * latency
    root = np.sqrt(linear * linear + 8 * latency * (transfer + spare))
    return max(1, int((root - linear) / (4 * latency)))


# --- measured ---


class Speed(NamedTuple):
    """FLOPs a second: of a training step, of its products alone, and of one large product."""

    step: float
    products: float
    large: float


def measure_speed(config, batch_size, num_tokens, num_rounds=5):
    """Return the Speed of one thread, by medians; step, products and large product take turns.

    Processor time counts, so that other programs on the machine change little. A step is forward, backward
    and AdamW on random tokens, 15 % of them predicted, as in `minibert bench bert`. Its products alone are
    done in arrays that are there before.

    Args:
        config: a BertConfig.  batch_size, num_tokens: B and T.  num_rounds: steps that are timed.
    """
    from threadpoolctl import threadpool_limits

    batch = benchmark.random_batch(config, batch_size, num_tokens)
    num_predicted = round(benchmark.MLM_PROBABILITY * batch_size * num_tokens)
    flops = sum(step_flops(config, batch_size, num_tokens, num_predicted).values())
    square = np.random.default_rng(0).standard_normal((LARGE, LARGE), np.float32)
    works = {
        "step": functools.partial(benchmark.minibert_step(config, 1), batch),
        "products": functools.partial(benchmark.products_step(config, 1), batch),
        "large": functools.partial(np.matmul, square, square, out=np.empty_like(square)),
    }
    turns = {name: functools.partial(_processor_seconds, work) for name, work in works.items()}
    with threadpool_limits(1, "blas"):
        seconds = take_turns(turns, num_rounds, num_warm_up=1)
    counts = {"step": flops, "products": flops, "large": 2 * LARGE**3}
    return Speed(**{name: counts[name] / statistics.median(times) for name, times in seconds.items()})


def _processor_seconds(work, _number):
    start = time.process_time()
    work()
    return time.process_time() - start
