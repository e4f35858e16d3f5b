"""The files of a fit: a labelled dataset with covariance, points and curves, and the same numbers as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from darkstate.errors import Outcome

if TYPE_CHECKING:
    import xarray as xr

    from darkstate.report.fit import Fit


def dataset(fit: Fit) -> xr.Dataset:
    """Parameters, covariance, points and curves; parameters are in SI, each with its own unit in `unit`."""
    import xarray as xr

    m = fit.minimum
    names = [e.free.name for e in m.estimates]
    si = {"units": "see unit"}
    nothing = float("nan")

    def of(values: list[Any], text: str) -> Any:
        found = np.array([nothing if v is None else v for v in values], float)
        return ("parameter", found, {**si, "long_name": text})

    data = xr.Dataset(
        {
            "value": of([e.value for e in m.estimates], "best value"),
            "error": of([e.error for e in m.estimates], "standard error by the curvature of chi^2"),
            "lower": of([e.lower for e in m.estimates], "lower end of the MINOS interval minus best value"),
            "upper": of([e.upper for e in m.estimates], "upper end of the MINOS interval minus best value"),
            "low": of([e.free.low for e in m.estimates], "lower limit"),
            "high": of([e.free.high for e in m.estimates], "upper limit"),
            "unit": ("parameter", [e.free.spec.unit for e in m.estimates], {"long_name": "unit of the parameter"}),
            "covariance": (("parameter", "parameter_2"), m.covariance, {**si, "long_name": "covariance"}),
            "correlation": (
                ("parameter", "parameter_2"),
                m.correlation,
                {"units": "1", "long_name": "correlation"},
            ),
            "chi_squared": ((), m.chi_squared, {"units": "1", "long_name": "chi^2 at the best values"}),
            "degrees_of_freedom": ((), m.degrees, {"units": "1", "long_name": "points minus parameters"}),
            "p_value": ((), m.chance, {"units": "1", "long_name": "chance of at least this chi^2"}),
            "outcome": ((), int(m.outcome), {"flag_meanings": " ".join(o.name for o in Outcome)}),
        },
        coords={"parameter": names, "parameter_2": names},
    )
    data = data.merge(_points(fit)).merge(_curves(fit))
    if m.solved:
        keys = list(m.solved)
        data = data.assign_coords(solved=keys)
        for name, k, text in (("solved_value", 0, "from a slope"), ("solved_error", 1, "its standard error")):
            data[name] = ("solved", [m.solved[key][k] for key in keys], {**si, "long_name": text})
    return data


def _points(fit: Fit) -> xr.Dataset:
    import xarray as xr

    m = fit.minimum
    pieces = m.likelihood.pieces
    times = [np.full(len(p.data.values), np.nan) if p.data.times is None else p.data.times for p in pieces]
    one = {"units": "1"}
    found = {
        "measured": ("point", m.likelihood.values, {**one, "long_name": "measured values"}),
        "measured_err": ("point", m.likelihood.errors, {**one, "long_name": "their standard errors"}),
        "predicted": ("point", m.predicted, {**one, "long_name": "at the best values"}),
        "pull": ("point", m.pulls, {**one, "long_name": "(measured - predicted)/standard error"}),
        "point_t": ("point", np.concatenate(times), {"units": "s", "long_name": "time of the point"}),
        "data_set": ("point", [p.label for p in pieces for _ in p.data.values], {"long_name": "data set"}),
        "observable": (
            "point",
            [p.data.observable for p in pieces for _ in p.data.values],
            {"long_name": "observable"},
        ),
    }
    for key in dict.fromkeys(k for p in pieces for k in p.data.varied):
        values = [p.data.varied.get(key, np.full(len(p.data.values), np.nan)) for p in pieces]
        found[f"point_{key}"] = ("point", np.concatenate(values), {"units": "SI", "long_name": key})
    return xr.Dataset(found)


def _curves(fit: Fit) -> xr.Dataset:
    import xarray as xr

    if not fit.bands:
        return xr.Dataset()
    stacked = {name: np.stack([getattr(b, name) for b in fit.bands]) for name in ("times", "values", "errors")}
    one = {"units": "1"}
    return xr.Dataset(
        {
            "curve_t": (("curve", "step"), stacked["times"], {"units": "s", "long_name": "time"}),
            "curve_value": (("curve", "step"), stacked["values"], {**one, "long_name": "fitted or predicted course"}),
            "curve_err": (
                ("curve", "step"),
                stacked["errors"],
                {**one, "long_name": "standard error by the covariance"},
            ),
            "curve_observable": ("curve", [b.observable for b in fit.bands], {"long_name": "observable"}),
            "curve_outcome": ("curve", [int(b.outcome) for b in fit.bands], {"long_name": "outcome code"}),
            "curve_is_prediction": ("curve", [int(b.data is None) for b in fit.bands], {"long_name": "1: no data"}),
        },
        coords={"curve": [b.label for b in fit.bands]},
    )


def csv(fit: Fit) -> str:
    """Every point and every plotted line as rows."""
    m, lines, k = fit.minimum, ["kind,label,observable,t_ms,value,error,pull"], 0
    for p in m.likelihood.pieces:
        for n, (value, error) in enumerate(zip(p.data.values, p.data.errors, strict=True)):
            t = "" if p.data.times is None else f"{p.data.times[n] * 1e3:.9g}"
            label = p.label.replace(",", ";")
            lines.append(f"data,{label},{p.data.observable},{t},{value:.9g},{error:.9g},{m.pulls[k]:.6g}")
            k += 1
    for b in fit.bands:
        kind, label = "prediction" if b.data is None else "fit", b.label.replace(",", ";")
        for t, value, error in zip(b.times, b.values, b.errors, strict=True):
            lines.append(f"{kind},{label},{b.observable},{t * 1e3:.9g},{value:.12g},{error:.9g},")
    return "\n".join(lines) + "\n"
