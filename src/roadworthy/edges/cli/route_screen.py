"""What `roadworthy route` shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roadworthy.core.model_gateway.routing.curve import Curve
from roadworthy.core.model_gateway.routing.report import Judged, Report
from roadworthy.core.model_gateway.routing.trained import ALWAYS, NEVER
from roadworthy.core.model_gateway.routing.training import Trained
from roadworthy.domain.money import dollars
from roadworthy.domain.route import TIERS
from roadworthy.edges.cli.table import columns

_WIDTH = 20
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LINES = ("simple or harder", "complex or not")


def trained_shown(trained: Trained, source: str, examples: int, keep: float, out: Path) -> dict[str, Any]:
    lines = [
        {
            "line": name,
            "known": curve is not None,
            "apgr": None if curve is None else round(curve.apgr, 4),
            "harder_share": None if curve is None else round(_share_above(curve, cut), 4),
            "quality_kept": None if curve is None else round(_kept(curve, _share_above(curve, cut)), 4),
        }
        for name, curve, cut in zip(_LINES, trained.curves, trained.router.cuts, strict=True)
    ]
    return {"source": source, "examples": examples, "keep": keep, "lines": lines, "file": str(out)}


def trained_lines(answer: Mapping[str, Any]) -> list[str]:
    lines = [f"{answer['source']}; {answer['examples']:,} say how hard they were."]
    lines += [f"{line['line']}: {_line_in_words(line)}" for line in answer["lines"]]
    return [*lines, f"Wrote {answer['file']}. Use it: AgentService(…, router=TrainedRouter.load({answer['file']!r}))"]


def _line_in_words(line: Mapping[str, Any]) -> str:
    share = line["harder_share"]
    if not share:
        return "as far as is known the cheaper side is enough, so nothing goes to the harder one."
    if share == 1:
        return "as far as is known the cheaper side is not enough, so everything goes to the harder one."
    return (
        f"{_percent(share)} go to the harder side, which keeps {_percent(line['quality_kept'])} of its quality "
        f"(APGR {line['apgr']:.3f}; 0.5 is chance)."
    )


def report_shown(report: Report) -> dict[str, Any]:
    return {
        "requests": report.examples,
        "compares_models": report.compares_models,
        "keep": report.keep,
        "weak_quality": round(report.weak, 4),
        "strong_quality": round(report.strong, 4),
        "choices": [_judged_shown(one, report.keep) for one in (*report.fixed, *report.routers)],
        "not_trained": report.not_trained,
    }


def report_lines(report: Report) -> list[str]:
    what = "model" if report.compares_models else "tier"
    head = f"{report.examples:,} requests. The weak {what} has {_percent(report.weak)} quality, the strong one "
    lines = [f"{head}{_percent(report.strong)}.", "", *_order_lines(report), "", *_choice_lines(report), ""]
    lines += _picture(report)
    if report.not_trained:
        lines += ["", f"No router was trained: {report.not_trained}."]
    return lines


def _order_lines(report: Report) -> list[str]:
    """How well each puts requests in order, wherever its line is drawn."""
    kept = f"STRONG CALLS FOR {_percent(report.keep, 0)} OF THE STRONG QUALITY"
    rows: list[tuple[object, ...]] = [("ROUTER", "APGR", kept)]
    chance = _chance(report.routers[0].curve, report.keep)
    rows.append(("chance", "0.500", _percent(chance)))
    rows += [
        (one.name, f"{one.curve.apgr:.3f}", _percent(one.curve.share_for(report.keep)))
        for one in report.routers
        if one.curve is not None
    ]
    return columns(rows, right=(1, 2))


def _choice_lines(report: Report) -> list[str]:
    """What each comes to with the lines that it draws itself."""
    rows: list[tuple[object, ...]] = [("CHOICE", "SIMPLE", "MODERATE", "COMPLEX", "QUALITY", "COST OF 1,000")]
    for one in (*report.fixed, *report.routers):
        cost = "" if one.cost_per_1000 is None else f"${_rounded(one.cost_per_1000)}"
        rows.append((one.name, *(_percent(one.shares[tier], 0) for tier in TIERS), _percent(one.quality), cost))
    return columns(rows, right=range(1, 6))


def _picture(report: Report) -> list[str]:
    """Quality over the share of strong calls; the bars go from the weak side's quality to the strong one's."""
    curves = [(one.name, one.curve) for one in report.routers if one.curve is not None]
    rows: list[tuple[object, ...]] = [("STRONG CALLS", "CHANCE", *(name.upper() for name, _ in curves))]
    for tenth in range(11):
        share = tenth / 10
        cells = [_with_bar(curve.quality_at(share), report) for _, curve in curves]
        chance = report.weak + share * (report.strong - report.weak)
        rows.append((_percent(share, 0), _percent(chance), *cells))
    return columns(rows, right=(0, 1))


def _with_bar(quality: float, report: Report) -> str:
    gap = report.strong - report.weak
    part = 0.0 if gap <= 0 else min(max((quality - report.weak) / gap, 0), 1)
    whole, eighths = divmod(round(part * _WIDTH * 8), 8)
    bar = "█" * whole + (_EIGHTHS[eighths] if eighths else "")
    return f"{_percent(quality)} {bar.ljust(_WIDTH)}"


def _chance(curve: Curve | None, keep: float) -> float:
    if curve is None or curve.strong <= curve.weak:
        return 0.0
    return min(max((keep * curve.strong - curve.weak) / (curve.strong - curve.weak), 0), 1)


def _judged_shown(one: Judged, keep: float) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "choice": one.name,
        "shares": {tier: round(share, 4) for tier, share in one.shares.items()},
        "quality": round(one.quality, 4),
        "cost_per_1000_usd": None if one.cost_per_1000 is None else dollars(one.cost_per_1000),
    }
    if one.curve is not None:
        shown |= {"apgr": round(one.curve.apgr, 4), "strong_share": round(one.curve.share_for(keep), 4)}
    return shown


def _share_above(curve: Curve, cut: float) -> float:
    if cut == ALWAYS:
        return 1.0
    return 0.0 if cut == NEVER else max((share for share, _, score in curve.points if score >= cut), default=0.0)


def _kept(curve: Curve, share: float) -> float:
    return curve.quality_at(share) / curve.strong if curve.strong else 1.0


def _percent(part: float, places: int = 1) -> str:
    return f"{part * 100:.{places}f} %"


def _rounded(cost: int) -> str:
    return f"{cost / 1e6:,.2f}"
