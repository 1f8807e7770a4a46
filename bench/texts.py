"""Demonstration texts for the latency figures: each result speaks of things of its own, each need of one result.

A result draws ten terms and one of several ways to speak of them, so a few others resemble it and most do not, as in a
market of many fields. With fewer terms every need finds its five proposals among near-copies, and the figures would
show five times as many mails as a need is worth.
"""

import random
from typing import Any

from qianqiao_contracts import Sector

_THINGS = (
    "激光干涉仪 光谱仪 流量计 层析柱 抗体 细胞株 机械臂 减速器 电解槽 隔膜 电极 涂层 轴承 "
    "传感器 显微镜 离心机 反应釜 换热器 压缩机 燃料电池 光伏板 逆变器 变压器 电机 编码器 陀螺仪 "
    "超声探头 内窥镜 支架 导管 疫苗 酶制剂 催化剂 树脂 碳纤维 陶瓷 合金 薄膜 晶圆 光刻胶 芯片 "
    "天线 滤波器 雷达 摄像头 模具 刀具 焊缝 铸件 齿轮"
)
_PROPERTIES = (
    "热漂移 杂散光 信噪比 分辨率 重复精度 磨损 疲劳寿命 腐蚀 结垢 漏率 收率 纯度 聚体 残留 "
    "转化率 选择性 循环寿命 能量密度 内阻 效率 谐波 振动 噪声 温升 变形 翘曲 孔隙率 附着力 "
    "硬度 韧性 导热率 介电常数 线宽 良率 漏检率 误报率 响应时间 滞后 零点漂移 线性度 灵敏度 "
    "稳定性 密封性 耐压 毒性 免疫原性 半衰期 载药量 渗透率 截留率"
)
_METHODS = (
    "双频稳频 分区光栅 时差建模 连续流 固定化 表面改性 等离子喷涂 激光熔覆 拓扑优化 有限元仿真 "
    "小样本学习 联邦学习 自适应控制 前馈补偿 模型预测 数字孪生 在线标定 多传感融合 微流控 冷冻干燥 "
    "静电纺丝 溶胶凝胶 磁控溅射 原子层沉积 超临界萃取 膜分离 梯度洗脱 定点突变 高通量筛选 定向进化 "
    "热等静压 增材制造 精密研磨 超声辅助 电火花 水射流"
)
_MATERIALS = (
    "钛合金 铌酸锂 碳化硅 氮化镓 氧化锆 聚酰亚胺 石墨烯 钼铜 钨铼 镍钛 硼硅酸盐 磷酸铁锂 "
    "壳聚糖 海藻酸 胶原蛋白 聚乳酸 丙烯酸 环氧 有机硅 氟橡胶 芳纶 玄武岩 竹浆 木质素 "
    "稀土永磁 非晶铁芯 硫化锌 锗硅 砷化铟 钙钛矿 沸石 膨润土 水滑石 生物炭 煤矸石 赤泥 "
    "酵母 藻类 真菌 噬菌体 大豆 油菜 水稻 柑橘 茶多酚 虾青素 透明质酸 角鲨烷"
)
_CONDITIONS = (
    "超低温 高湿 强振动 真空 深海 高盐 强辐射 高海拔 酸雾 粉尘 夜间 高速 微重力 变负荷 多批次 长周期 "
    "小样品 强磁场 高压差 冷启动 大温差 无尘 密闭 野外"
)
_SITES = (
    "城北老厂区", "临港", "高新园二期", "县经开区", "沿江码头", "大学城旁", "山区矿点", "保税区", "空港", "轨道站前",
)  # fmt: skip
MATERIALS, CONDITIONS = _MATERIALS.split(), _CONDITIONS.split()
THINGS, PROPERTIES, METHODS = _THINGS.split(), _PROPERTIES.split(), _METHODS.split()
SECTOR = Sector.of("precision_instruments").model_dump(mode="json", exclude_none=True)


_SUMMARIES = (
    "面向{a}，用{m}降低{p}，配合{n}改善{q}，已在中试装置上运行。",
    "{m}与{n}结合，解决{a}长期存在的{p}；对{b}的{q}同样有效。",
    "在{b}上验证：{q}由{n}控制，{a}的{p}不再超限，核心是{m}。",
    "以{n}处理{b}，再以{m}修正{a}，使{p}和{q}同时达标。",
    "团队五年攻关，{a}、{b}、{c}三类装备采用{m}后{p}明显下降，{r}稳定。",
)
_PROBLEMS = (
    "{c}的{r}受{p}牵制，{o}成本高。",
    "现有{a}一旦{p}失控，{c}随之停机。",
    "{b}与{c}配套时，{r}、{s}此消彼长。",
    "进口{c}昂贵，国产件{s}不过关。",
)
_DIFFICULTIES = (
    "我厂{a}投产以来{p}居高不下，连带{b}的{q}变差，试过{o}没有效果，听说{m}可行。",
    "产线上的{b}要求{q}翻一番，瓶颈在{a}的{p}；希望用{m}或{n}改造。",
    "客户退货集中在{p}，根源疑似{a}；{c}的{r}也要一并解决，倾向{n}。",
    "{a}、{b}换型频繁，{p}每次都要重新摸索，盼有{m}一类成熟做法。",
)


def _words(number: int) -> tuple[dict[str, str], random.Random]:
    # Seeded by its number: a need draws the same words as the result it is about, in every process.
    drawn = random.Random(number)
    things = [made + thing for made, thing in zip(drawn.sample(MATERIALS, 3), drawn.sample(THINGS, 3), strict=True)]
    properties = [
        f"{condition}{named}"
        for condition, named in zip(drawn.sample(CONDITIONS, 4), drawn.sample(PROPERTIES, 4), strict=True)
    ]
    terms = (*things, *properties, *drawn.sample(METHODS, 3))
    return dict(zip("abcpqrsmno", terms, strict=True)), drawn


def result(number: int, party: str) -> dict[str, Any]:
    """Body of the request that lists result ``number``."""
    words, drawn = _words(number)
    return {
        "parties": [party],
        "title": f"（演示）{words['a']}{words['p']}的{words['m']}技术 {number}",
        "summary": drawn.choice(_SUMMARIES).format(**words) + f"型号 M{number:05}。",
        "problem": drawn.choice(_PROBLEMS).format(**words),
        "keywords": [words[key] for key in "apqmn"],
        "sectors": [SECTOR],
        "maturity": {"trl": 6, "stage": "中试"},
        "modes": ["技术许可"],
        "negotiable": True,
    }


def need(number: int, about: int, party: str) -> dict[str, Any]:
    """Body of the request that posts a need which result ``about`` answers."""
    words, _ = _words(about)
    drawn = random.Random(
        number
    )  # every firm has surroundings of its own: two needs about one result are no duplicates
    difficulty = drawn.choice(_DIFFICULTIES).format(**words)
    made, thing, condition, city = (drawn.choice(kind) for kind in (MATERIALS, THINGS, CONDITIONS, _SITES))
    situation = (
        f"我们在{city}的车间{drawn.randint(3, 90)}人，做{made}{thing}，{condition}工况下每月{drawn.randint(2, 99)}批。"
    )
    return {
        "party": party,
        "title": f"（演示）求{words['a']}{words['p']}治理办法 {number}",
        "difficulty": f"{situation}{difficulty}现场型号 M{about:05}。",
        "keywords": [words[key] for key in "apqm"],
        "sectors": [SECTOR],
        "negotiable": True,
    }
