"""Demonstration data, invented for tests: needs and results of five sectors. No real party, person or offer."""

from datetime import UTC, datetime
from typing import Any

from qianqiao_contracts import (
    Comparator,
    Constraint,
    Level,
    Maturity,
    Measured,
    MoneyRange,
    NeedChannel,
    NeedPosted,
    ResultListed,
    Sector,
)

CONFIRMED = datetime(2026, 9, 1, tzinfo=UTC)


def need(
    title: str, difficulty: str, sector: str, *keywords: str, party: str = "party-buyer", **more: Any
) -> NeedPosted:
    return NeedPosted(
        party=party,
        title=title,
        difficulty=difficulty,
        sectors=(Sector.of(sector),),
        keywords=keywords,
        channel=NeedChannel.PORTAL,
        last_confirmed=CONFIRMED,
        **more,
    )


def result(
    title: str, summary: str, sector: str, *keywords: str, party: str = "party-lab", **more: Any
) -> ResultListed:
    more.setdefault("maturity", Maturity(trl=6))
    return ResultListed(
        parties=(party,),
        title=title,
        summary=summary,
        sectors=(Sector.of(sector),),
        keywords=keywords,
        last_confirmed=CONFIRMED,
        **more,
    )


NEEDS: dict[str, NeedPosted] = {
    "need-inverter": need(
        "储能变流器并离网无缝切换控制",
        "园区微电网的储能变流器在并网转离网时母线电压跌落大，切换时间超过二十毫秒，敏感负荷停机。"
        "需要一种无缝切换控制方法，并能在孤岛运行时稳定电压和频率。",
        "new_energy_materials",
        "储能变流器",
        "微电网",
        "无缝切换",
        constraints=(
            Constraint(name="切换时间", comparator=Comparator.LE, value=10, unit="ms"),
            Constraint(name="额定功率", comparator=Comparator.GE, value=500, unit="kW", level=Level.WISH),
        ),
        trl_wanted=6,
        budget=MoneyRange(max_fen=80_000_000),
    ),
    "need-gas": need(
        "低浓度甲烷激光检测传感器",
        "燃气管网巡检需要可调谐半导体激光吸收光谱甲烷传感器，现有催化燃烧式探头易中毒、响应慢，"
        "希望检测下限达到百万分之五，并能在潮湿环境长期工作。",
        "precision_instruments",
        "甲烷传感器",
        "激光吸收光谱",
        constraints=(Constraint(name="检测下限", comparator=Comparator.LE, value=5, unit="ppm"),),
    ),
    "need-chitosan": need(
        "可吸收止血敷料用壳聚糖纤维",
        "手术止血敷料需要高脱乙酰度壳聚糖纤维，要求遇血快速成胶、可降解吸收、无细胞毒性，目前依赖进口。",
        "biomedicine",
        "壳聚糖",
        "止血敷料",
    ),
    "need-weld": need(
        "铝合金薄板激光焊接气孔抑制",
        "电池托盘铝合金薄板激光焊接时气孔率高、飞溅大，焊缝强度不足，需要摆动激光焊接工艺和在线熔池监测。",
        "advanced_manufacturing",
        "激光焊接",
        "铝合金",
        "气孔",
    ),
    "need-vision": need(
        "轴承表面缺陷小样本视觉检测",
        "轴承滚道划伤、锈斑等缺陷样本少，传统机器视觉误检率高，需要小样本深度学习缺陷检测算法，部署在产线工控机上。",
        "artificial_intelligence",
        "缺陷检测",
        "小样本学习",
        "机器视觉",
    ),
    "need-nothing": need(
        "古籍纸张脱酸加固",
        "馆藏古籍酸化严重，需要批量脱酸并加固纸张纤维，不损伤墨迹与装帧。",
        "new_energy_materials",
        "古籍",
        "脱酸",
        party="party-library",
    ),
}

RESULTS: dict[str, ResultListed] = {
    "result-inverter": result(
        "微电网储能变流器并离网无缝切换技术",
        "针对微电网储能变流器，提出虚拟同步机与预同步结合的并离网无缝切换控制方法，"
        "切换时母线电压跌落小，孤岛运行时电压频率稳定，敏感负荷不停机。",
        "new_energy_materials",
        "储能变流器",
        "并离网切换",
        "虚拟同步机",
        measured=(
            Measured(name="切换时间", value=0.008, unit="s"),
            Measured(name="额定功率", value=0.63, unit="MW"),
        ),
        maturity=Maturity(trl=7),
        price=MoneyRange(min_fen=60_000_000),
    ),
    "result-battery": result(
        "梯次利用动力电池储能柜",
        "退役动力电池快速分选与重组技术，储能柜用于园区削峰填谷，含电池管理系统与消防联动。",
        "new_energy_materials",
        "动力电池",
        "梯次利用",
        party="party-battery",
    ),
    "result-gas": result(
        "可调谐半导体激光吸收光谱甲烷传感器",
        "采用可调谐半导体激光吸收光谱的甲烷传感器，抗潮湿、不中毒、响应快，已在燃气管网巡检车上试用。",
        "precision_instruments",
        "甲烷传感器",
        "激光吸收光谱",
        measured=(Measured(name="检测下限", value=2, unit="ppm"),),
        party="party-optics",
    ),
    "result-chitosan": result(
        "高脱乙酰度壳聚糖止血纤维",
        "以湿法纺丝制得高脱乙酰度壳聚糖纤维，遇血成胶快、可降解吸收、无细胞毒性，用于手术止血敷料。",
        "biomedicine",
        "壳聚糖",
        "止血",
        party="party-medical",
    ),
    "result-weld": result(
        "铝合金摆动激光焊接与熔池在线监测",
        "面向铝合金薄板的摆动激光焊接工艺，抑制气孔和飞溅，配合熔池图像在线监测，焊缝强度达到母材的九成。",
        "advanced_manufacturing",
        "激光焊接",
        "铝合金",
        "熔池监测",
        party="party-weld",
    ),
    "result-vision": result(
        "小样本表面缺陷检测算法",
        "基于深度学习的小样本缺陷检测算法，在轴承、齿轮等零件表面划伤检测中误检率低，可部署于产线工控机。",
        "artificial_intelligence",
        "缺陷检测",
        "小样本学习",
        party="party-ai",
    ),
}

FITS = {name: name.replace("need-", "result-") for name in NEEDS if name != "need-nothing"}
"""Each need's own result."""

_BODIES = (
    "外壳为铸铝防爆结构，接口兼容常见巡检车。",
    "手持式，重量一公斤，充电一次可用一个班次。",
    "固定安装于阀井，太阳能板供电，免布线。",
    "挂载于无人机，可沿管线自动航测并回传图像。",
    "机柜式多点轮询，带屏幕与声光报警单元。",
    "采用插拔探头，现场更换不用重新标定。",
    "适配车载逆变电源，驾驶室内显示浓度曲线。",
    "双光路互为备份，镜片带自动吹扫。",
)
_TERMS = (
    "可先租后买，按月结算。",
    "供货周期六周，含安装调试培训。",
    "已取得防爆合格证，随附校准证书。",
    "提供源代码托管，支持二次开发。",
    "由高校团队与本地集成商共同交付。",
    "质保三年，备件存于华东仓库。",
    "愿以专利许可方式合作，条件面谈。",
    "样机可借用两周，往返运费自理。",
)


def variant(content: ResultListed, number: int, **more: Any) -> ResultListed:
    """The same offer made by another: up to 64 that are no near-copies of each other."""
    told = f"{content.summary}{_BODIES[number % 8]}{_TERMS[number // 8 % 8]}"
    return content.model_copy(update={"summary": told, **more})
