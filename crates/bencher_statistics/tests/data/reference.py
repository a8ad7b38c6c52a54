"""Writes reference.json: what NumPy, SciPy and Apache Otava make of some samples.

    python3 -m venv venv
    venv/bin/pip install numpy==2.2.0 scipy==1.16.3 apache-otava==0.8.0
    venv/bin/python reference.py > reference.json

None of what is computed here is computed by this project's code.
"""

import json
from importlib.metadata import version

import numpy
from otava.analysis import compute_change_points
from scipy import stats

random = numpy.random.default_rng(20240229)


def rounded(values):
    """Values that JSON holds exactly, with few digits."""
    return [round(float(value), 6) for value in values]


SAMPLES = {
    "normal": rounded(random.normal(100, 2, 25)),
    "few": rounded(random.normal(100, 2, 5)),
    "log-normal": rounded(random.lognormal(0, 0.4, 40)),
    "ties": rounded(numpy.round(random.normal(20, 2, 30))),
    "large": rounded(random.normal(1e9, 1e3, 101)),
    "two": [3.25, 4.75],
    "autocorrelated": rounded(10 + numpy.cumsum(random.normal(0, 1, 60)) * 0.1),
}


def describe(name, values):
    values = numpy.array(values)
    centered = values - values.mean()
    found = {
        "name": name,
        "values": values.tolist(),
        "mean": values.mean(),
        "median": numpy.median(values),
        "standard_deviation": values.std(ddof=1),
        "variation": stats.variation(values, ddof=1),
        "median_deviation": stats.median_abs_deviation(values),
        "quantiles": [[part, numpy.quantile(values, part)] for part in (0, 0.05, 0.25, 0.5, 0.9, 1)],
    }
    if len(values) >= 4:
        trend = stats.spearmanr(numpy.arange(len(values)), values)
        found["lag_one"] = (centered[1:] * centered[:-1]).sum() / (centered**2).sum()
        found["trend"] = trend.statistic
        found["trend_p_value"] = trend.pvalue
    return found


def ranks(name, first, second, exact):
    test = stats.mannwhitneyu(second, first, method="exact" if exact else "asymptotic")
    differences = numpy.subtract.outer(numpy.array(second), numpy.array(first)).ravel()
    greater, less = (differences > 0).sum(), (differences < 0).sum()
    return {
        "name": name,
        "first": list(first),
        "second": list(second),
        "exact": exact,
        "u": test.statistic,
        "p_value": test.pvalue,
        "cliffs_delta": (greater - less) / len(differences),
        "shift": numpy.median(differences),
    }


def welch(name, first, second):
    """The ratio of means of independent values: what the bootstrap has to come to for means, where
    the delta method gives the standard error of the logarithm of a mean."""
    first, second = numpy.array(first), numpy.array(second)
    squares = [values.var(ddof=1) / len(values) / values.mean() ** 2 for values in (first, second)]
    error = numpy.sqrt(sum(squares))
    degrees = error**4 / sum(s**2 / (len(v) - 1) for s, v in zip(squares, (first, second)))
    ratio = second.mean() / first.mean()
    reach = stats.t.ppf(0.975, degrees) * error
    return {
        "name": name,
        "first": first.tolist(),
        "second": second.tolist(),
        "ratio": ratio,
        "low": ratio * numpy.exp(-reach),
        "high": ratio * numpy.exp(reach),
        "p_value": 2 * stats.t.sf(abs(numpy.log(ratio)) / error, degrees),
    }


def series(name, noise, *levels):
    values = numpy.concatenate([level * (1 + noise * random.normal(size=length)) for level, length in levels])
    values = rounded(values)
    points, _ = compute_change_points(values, window_len=50, max_pvalue=0.001)
    return {
        "name": name,
        "values": values,
        "made": numpy.cumsum([length for _, length in levels])[:-1].tolist(),
        "found": [int(point.index) for point in points],
    }


normal = SAMPLES["normal"]
shifted = rounded(random.normal(103, 2, 20))
p_values = rounded(random.uniform(0, 1, 20) ** 3)

json.dump(
    {
        "origin": {
            "script": "reference.py",
            "numpy": version("numpy"),
            "scipy": version("scipy"),
            "apache-otava": version("apache-otava"),
        },
        "normal_below": [[x, stats.norm.cdf(x)] for x in (-8.0, -3.0, -1.0, 0.0, 0.5, 1.96, 5.0)],
        "student_beyond": [
            [x, v, 2 * stats.t.sf(x, v)] for v in (1, 2.5, 4, 9, 30, 1000) for x in (0.0, 0.3, 1.0, 2.5, 12.0)
        ],
        "student_quantile": [
            [p, v, stats.t.isf(p / 2, v)] for v in (1, 2.5, 4, 9, 30, 1000) for p in (1e-6, 0.01, 0.05, 0.4)
        ],
        "samples": [describe(name, values) for name, values in SAMPLES.items()],
        "ranks": [
            ranks("both normal", normal, shifted, exact=True),
            ranks("few", SAMPLES["few"], shifted[:4], exact=True),
            ranks("one of each", [1.0], [2.0], exact=True),
            ranks("ties", SAMPLES["ties"], rounded(numpy.round(random.normal(21, 2, 25))), exact=False),
            ranks("many", rounded(random.normal(5, 1, 80)), rounded(random.normal(5.2, 1, 90)), exact=False),
            ranks("log-normal", SAMPLES["log-normal"], rounded(random.lognormal(0.2, 0.4, 30)), exact=False),
        ],
        "welch": [
            welch("normal", normal, shifted),
            welch("few", SAMPLES["few"], shifted[:4]),
            welch("unlike", rounded(random.normal(50, 1, 8)), rounded(random.normal(55, 5, 16))),
        ],
        "discovery": {
            "p_values": p_values,
            "adjusted": stats.false_discovery_control(p_values, method="bh").tolist(),
        },
        "series": [
            series("steady", 0.01, (100, 40)),
            series("one step", 0.01, (100, 20), (110, 20)),
            series("there and back", 0.01, (100, 25), (120, 8), (100, 17)),
            series("stairs", 0.005, (100, 30), (105, 30), (110, 30), (104, 30)),
            series("the last three", 0.005, (100, 40), (108, 3)),
            series("long", 0.01, (100, 150), (106, 150), (95, 100)),
            series("no noise", 0.0, (100, 10), (100.1, 10)),
        ],
    },
    __import__("sys").stdout,
    indent=1,
    default=float,
)
print()
