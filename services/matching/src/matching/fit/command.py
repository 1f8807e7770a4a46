"""`python -m matching fit`: learn the calibration, report what it is worth, write it only if it is not worse.

    python -m matching fit --store                                  the service's own results and answers
    python -m matching fit --results R.jsonl [--verdicts V.jsonl]   the same from files
    python -m matching fit --pack PACK.jsonl.xz                     records with their problem statements

`--table` also writes the calibration as the service is shipped with it: data/bands_learnt.toml, or with `--background`
data/bands.toml, for the fixed background in place of statistics learnt from the results.

Exit code 0: written; 1: refused, the present model stays; 2: the input or the settings are wrong.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from qianqiao_chassis.errors import Problem

from matching.bilingual.lexicon import Lexicon
from matching.engine.implied import Implied
from matching.engine.model import Model
from matching.engine.statistics import Statistics
from matching.engine.tables import table
from matching.fit import record, sources, store
from matching.fit.examples import Known, chinese_only, translated_pairs
from matching.fit.fitting import Outcome, learn
from matching.fit.lexicons import Lexicons
from matching.fit.measuring import Case, Market, known_cases, verdict_cases
from matching.fit.problem import FitError
from matching.fit.sources import Material
from matching.fit.telling import refusal, say, told
from matching.settings import MatchingSettings

_FIT: Final = table("fit")
_EVERY: Final = 250


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        return asyncio.run(_run(asked))
    except FitError as problem:
        say(problem.zh, problem.en, code=problem.code)
        return 1 if problem.code in {"too-few-pairs", "one-sided", "no-threshold"} else 2
    except ValidationError as error:
        for each in error.errors(include_input=False, include_url=False):
            say(f"配置有误：{each['loc']}", f"the settings are not valid: {each['loc']}: {each['msg']}")
        return 2
    except Problem as problem:
        say(problem.zh, problem.en, code=problem.code)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m matching fit",
        description="拟合匹配的概率模型 / learn the calibration of matching",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=__doc__,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--store", action="store_true", help="读本服务的库 / read the service's own store")
    source.add_argument("--results", type=Path, metavar="PATH", help="成果，JSON Lines / results as JSON lines")
    source.add_argument("--pack", type=Path, metavar="PATH", help="带问题陈述的数据包 / a pack with its needs")
    parser.add_argument("--verdicts", type=Path, metavar="PATH", help="答复，JSON Lines / answers as JSON lines")
    parser.add_argument("--present", type=Path, metavar="PATH", help="现行模型，默认随服务所带 / the present model")
    parser.add_argument("--out", type=Path, default=Path("matching-model.bin"), help="写到哪里 / where to write it")
    parser.add_argument("--background", action="store_true", help="用固定词频 / with the fixed background")
    parser.add_argument("--table", type=Path, metavar="PATH", help="另写成 TOML / also write the calibration as TOML")
    parser.add_argument(
        "--most", type=int, default=_FIT["pairs"]["most_needs"], help="最多量多少条需求 / needs at most"
    )
    return parser


async def _run(asked: argparse.Namespace) -> int:
    if asked.verdicts and not asked.results:
        raise FitError("input-invalid", "--verdicts 须与 --results 同用。", "--verdicts needs --results.")
    present = record.read(asked.present) if asked.present else Model.shipped()
    say("读取数据", "reading what is to be learnt from")
    material = await _material(asked)
    say(
        f"{material.name}：成果 {len(material.results)}，已知或自造的供需 {len(material.known)}，"
        f"答复 {len(material.verdicts)}",
        f"{material.name}: {len(material.results)} results, {len(material.known)} known or made pairs, "
        f"{len(material.verdicts)} answers",
    )
    # Without a lexicon: it is learnt from the very pairs that are measured, and would look better than it is.
    learnt = Statistics() if asked.background else await asyncio.to_thread(Statistics.learn, material.results)
    implied = None if asked.background else await asyncio.to_thread(Implied.learn, material.unasked, learnt)
    model = replace(present, statistics=learnt, lexicon=None, implied=implied)
    lexicons = Lexicons({} if asked.background else material.pairs)
    cases = await measured(material, model, asked.most, lexicons)
    before = cases
    if present.statistics.version != learnt.version:
        say("以现行模型的词频再量一遍，以便比较", "measuring once more with the present model's statistics, to compare")
        before = await measured(material, replace(present, lexicon=None), asked.most, lexicons)
    version = record.version_of(datetime.now(UTC).date())
    outcome = await asyncio.to_thread(
        learn, cases, present.calibration, version, say, statistics=learnt.version, before=before
    )
    sys.stdout.write(told(outcome) + "\n")
    if (why := refusal(outcome)) is not None:
        say(*why, code="worse")
        return 1
    if implied is not None:
        implied = await asyncio.to_thread(Implied.learn, material.results, learnt)
    lexicon = await _lexicon(lexicons)
    fitted = replace(model, calibration=outcome.calibration, lexicon=lexicon, implied=implied)
    origin = _origin(material, fitted, outcome)
    record.write(asked.out, fitted, origin)
    if asked.table:
        record.write_table(asked.table, outcome.calibration, origin)
    say(
        f"已写入 {asked.out}。接下来：把它交给服务（见 services/matching/README.md“重新拟合”），"
        "各进程随后重新评估需求。",
        f"Written to {asked.out}. Next: give it to the service (services/matching/README.md, “Fitting anew”); its "
        "processes then look at every need again.",
    )
    return 0


async def _lexicon(lexicons: Lexicons) -> Lexicon | None:
    if not lexicons.are_enough:
        say(
            f"中英对照只有 {lexicons.count} 对：不学词典",
            f"only {lexicons.count} texts in both languages: no lexicon is learnt",
        )
        return None
    say(f"由 {lexicons.count} 对中英文学词典", f"learning the lexicon from {lexicons.count} texts in both languages")
    return await asyncio.to_thread(lexicons.whole)


async def _material(asked: argparse.Namespace) -> Material:
    if asked.pack:
        return sources.pack(asked.pack)
    if asked.results:
        return sources.files(asked.results, asked.verdicts)
    return await store.read(MatchingSettings())


async def measured(material: Material, model: Model, most: int, lexicons: Lexicons) -> list[Case]:
    """Measure a material: at most so many needs of known pairs (the same ones every time), and every verdict."""
    known = _some(material.known, most)
    market = await Market.of(material.results, model)
    cases: list[Case] = []
    async for case in known_cases(market, known):
        cases.append(case)
        if len(cases) % _EVERY == 0:
            say(f"已量 {len(cases)}/{len(known)} 条需求", f"measured {len(cases)} of {len(known)} needs")
    async for case in verdict_cases(market, material.verdicts):
        cases.append(case)
    return cases + await _translated(material, model, lexicons)


async def _translated(material: Material, model: Model, lexicons: Lexicons) -> list[Case]:
    """Measure needs in another language, each with a lexicon that was learnt without its result."""
    if not lexicons.are_enough:
        return []
    known = _some(tuple(translated_pairs(material.results, material.pairs)), _FIT["pairs"]["most_translated"])
    say(f"再量 {len(known)} 条英文需求", f"measuring {len(known)} needs in English")
    market = await Market.of(map(chinese_only, material.results), model)
    cases: list[Case] = []
    for fold in range(lexicons.folds):
        asked = [each for each in known if lexicons.fold_of(each.right) == fold]
        if asked:
            lexicon = await asyncio.to_thread(lexicons.without, fold)
            reading = market.read_by(replace(model, lexicon=lexicon))
            cases += [case async for case in known_cases(reading, asked)]
    return cases


def _some(known: Sequence[Known], most: int) -> Sequence[Known]:
    if len(known) <= most:
        return known
    chance = random.Random(1)  # noqa: S311 - a repeatable choice, no secret
    return [known[at] for at in sorted(chance.sample(range(len(known)), most))]


def _origin(material: Material, model: Model, outcome: Outcome) -> dict[str, object]:
    return {
        "source": material.name,
        "date": datetime.now(UTC).date().isoformat(),
        "results": len(material.results),
        "needs_learnt_from": outcome.learnt_from,
        "needs_held_back": outcome.held_back,
        "verdicts": len(material.verdicts),
        "statistics": model.statistics.version,
        "lexicon": model.lexicon.version if model.lexicon else None,
        "implied": model.implied.version if model.implied else None,
        "texts_in_both_languages": sum(map(len, material.pairs.values())),
        "fit": _FIT["version"],
        "held_back_log_loss": round(outcome.new.log_loss, 5),
        "held_back_precision": round(outcome.new.whole().precision, 4),
    }
