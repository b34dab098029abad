"""Makes sgen.json, the Grafana dashboard, from the few lines that say what it shows: python deployments/grafana/make.py

A dashboard in Grafana's own JSON is forty lines a panel, of which two say something. A test sees to it that sgen.json
is what this makes. Changed in Grafana? Change it here too, or it is gone with the next run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WINDOW = "[$window]"  # films are few, so that most questions need more than a moment's rate
Query = tuple[str, str]  # PromQL, and what its lines are called


def quantiles(metric: str, by: str = "", where: str = "") -> list[Query]:
    keep = f"le, {by}" if by else "le"
    name = f" {{{{{by}}}}}" if by else ""
    return [
        (f"histogram_quantile({q}, sum by ({keep}) (rate({metric}_bucket{where}{WINDOW})))", f"p{int(100 * q)}{name}")
        for q in ((0.95,) if by else (0.5, 0.95))
    ]


def rate(metric: str, by: str, where: str = "", name: str = "") -> list[Query]:
    return [(f"sum by ({by}) (rate({metric}{where}{WINDOW}))", name or f"{{{{{by}}}}}")]


def panel(title: str, about: str, queries: Sequence[Query], unit: str = "short", **more: Any) -> dict[str, Any]:
    kind, width = more.pop("kind", "timeseries"), more.pop("width", 8)
    defaults: dict[str, Any] = {"unit": unit, "min": 0, **more}
    if kind == "timeseries":
        defaults["custom"] = {"lineWidth": 2, "fillOpacity": 10, "showPoints": "never", "spanNulls": True}
        options: dict[str, Any] = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    else:
        options = {
            "colorMode": "value",
            "graphMode": "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "auto",
        }
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "gridPos": {"h": 4 if kind == "stat" else 8, "w": width, "x": 0, "y": 0},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": DATASOURCE,
                "editorMode": "code",
                "expr": expression,
                "legendFormat": name,
                "range": True,
            }
            for place, (expression, name) in enumerate(queries)
        ],
    }


def stat(title: str, about: str, expression: str, unit: str = "short", bad: float | None = None) -> dict[str, Any]:
    steps = [{"color": "green", "value": None}] + ([] if bad is None else [{"color": "red", "value": bad}])
    limits = {"mode": "absolute", "steps": steps}
    return panel(title, about, [(expression, "")], unit, kind="stat", width=4, thresholds=limits)


RUNNING = 'sum(max by (state) (sgen_jobs{state=~"planning|rendering|stitching"}))'
RENDERERS = 'sum(max by (pool) (sgen_pool_workers{kind="renderer", state="ready"}))'
ROWS: dict[str, list[dict[str, Any]]] = {
    "Demand": [
        stat("Waiting", "Jobs that no worker has taken yet.", 'max(sgen_jobs{state="queued"})'),
        stat("At work", "Jobs that a worker plans, renders or stitches.", RUNNING),
        stat("For approval", "Plans that wait for a person.", 'max(sgen_jobs{state="awaiting_approval"})'),
        stat("Longest wait", "Of the jobs that wait now.", "max(sgen_oldest_queued_seconds)", "s", 300),
        stat(
            "Films an hour", "At the rate of the last while.",
            f'3600 * sum(rate(sgen_jobs_ended_total{{state="completed"}}{WINDOW}))',
        ),
        stat("Ready", "Whether the service reaches its database.", "min(sgen_ready)", "bool_yes_no"),
        panel(
            "Jobs by state", "What is not over yet.",
            [('max by (state) (sgen_jobs{state!~"completed|failed|cancelled"})', "{{state}}")],
        ),
        panel("Queue time", "From submission to the first claim.", quantiles("sgen_queue_seconds"), "s"),
        panel("Requests", "By route.", rate("sgen_http_request_seconds_count", "route"), "reqps"),
    ],
    "Speed": [
        panel("First playable", "From submission to a film that can begin to play.",
              quantiles("sgen_first_playable_seconds"), "s"),
        panel("Films", "From a job's claim to its end.", quantiles("sgen_job_seconds"), "s"),
        panel(
            "Film made a second", "Seconds of film, in a second: 1 keeps up with one viewer.",
            [(f"sum(rate(sgen_film_seconds_total{WINDOW}))", "film")], "x",
        ),
        panel("A window", "One call of a renderer.",
              quantiles("sgen_work_seconds", where='{phase="render"}'), "s"),
        panel("Calls, by phase", "Plan, render, decode, encode.", quantiles("sgen_work_seconds", by="phase"), "s"),
        panel(
            "Windows and segments", "Rendered, encoded, or found in the store.",
            [*rate("sgen_windows_total", "how", name="windows {{how}}"),
             *rate("sgen_segments_total", "how", name="segments {{how}}")], "ops",
        ),
    ],
    "Quality": [
        panel("Seam ratio", "1: joins do not show. More: they jump.", quantiles("sgen_film_seam_ratio"), "none"),
        panel(
            "Films with seams", "Share of films whose seam ratio is above 1.5.",
            [(f'1 - sum(rate(sgen_film_seam_ratio_bucket{{le="1.5"}}{WINDOW}))'
              f" / sum(rate(sgen_film_seam_ratio_count{WINDOW}))", "above 1.5")],
            "percentunit", max=1,
        ),
        panel("Drift", "First against last 15 % of a shot.", quantiles("sgen_film_drift_ratio", by="feature"), "none"),
    ],
    "Pool": [
        panel(
            "Films at once", "How many there can be, by workers seen lately, and how many there are.",
            [("max(sgen_film_slots)", "possible"), (RUNNING, "at work")], width=6,
        ),
        panel(
            "Renderers", "Wanted by the pools, ready, and lent to jobs.",
            [('sum by (state) (max by (pool, state) (sgen_pool_workers{kind="renderer"}))', "{{state}}")], width=6,
        ),
        panel(
            "Renderers busy", "Seconds of work in a second, over renderers that are ready.",
            [(f'sum(rate(sgen_busy_seconds_total{{phase=~"render|decode|encode"}}{WINDOW})) / {RENDERERS}', "busy")],
            "percentunit", max=1, width=6,
        ),
        panel(
            "Renderers busy, film by film", "Share of their time that a film's renderers worked.",
            quantiles("sgen_film_utilisation_ratio")[:1], "percentunit", max=1, width=6,
        ),
    ],
    "Errors": [
        panel(
            "Failed films", "By the kind of error.",
            [(f'sum by (error) (increase(sgen_jobs_ended_total{{state="failed"}}{WINDOW}))', "{{error}}")],
        ),
        panel(
            "Workers lost", "Died, or their calls failed and were tried again.",
            [(f"sum by (kind) (increase(sgen_workers_lost_total{WINDOW}))", "{{kind}}")],
        ),
        panel("Webhooks", "Attempts.", rate("sgen_webhook_deliveries_total", "outcome"), "ops"),
        panel("Answers", "By status.", rate("sgen_http_request_seconds_count", "status"), "reqps"),
        panel("Slow routes", "Until the answer begins.", quantiles("sgen_http_request_seconds", by="route"), "s"),
        panel(
            "Versions", "Processes that were asked, by version.", [("count by (version) (sgen_build)", "{{version}}")]
        ),
    ],
}  # fmt: skip


def laid_out() -> list[dict[str, Any]]:
    """Rows of panels from left to right, each with an id."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        place = {"h": 1, "w": 24, "x": 0, "y": y}
        panels.append({"type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []})
        x, y, height = 0, y + 1, 0
        for item in row:
            spot = item["gridPos"]
            if x + spot["w"] > 24:
                x, y, height = 0, y + height, 0
            spot |= {"x": x, "y": y}
            x, height = x + spot["w"], max(height, spot["h"])
            panels.append(item)
        y += height
    return [{"id": number, **item} for number, item in enumerate(panels, 1)]


def dashboard() -> dict[str, Any]:
    windows = ["5m", "15m", "1h", "6h"]
    return {
        "uid": "sgen",
        "title": "sgen-ray",
        "description": "Films in demand, how fast and how good they get, and by which workers.",
        "tags": ["sgen-ray"],
        "schemaVersion": 41,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "annotations": {"list": []},
        "links": [],
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                    "current": {},
                    "hide": 0,
                    "includeAll": False,
                    "multi": False,
                    "options": [],
                    "refresh": 1,
                    "regex": "",
                },
                {
                    "name": "window",
                    "label": "Rates over",
                    "type": "interval",
                    "query": ",".join(windows),
                    "auto": False,
                    "current": {"selected": True, "text": "15m", "value": "15m"},
                    "hide": 0,
                    "options": [{"selected": span == "15m", "text": span, "value": span} for span in windows],
                    "refresh": 2,
                },
            ]
        },
        "panels": laid_out(),
    }


def text() -> str:
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("sgen.json").write_text(text())
