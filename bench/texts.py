"""Demonstration texts for the latency figures: each result speaks of things of its own, each need of one result."""

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
THINGS, PROPERTIES, METHODS = _THINGS.split(), _PROPERTIES.split(), _METHODS.split()
SECTOR = Sector.of("precision_instruments").model_dump(mode="json", exclude_none=True)


def _words(number: int) -> tuple[str, str, str, str]:
    # Seeded by its number: a need draws the same words as the result it is about, in every process.
    drawn = random.Random(number)
    one, other = drawn.sample(PROPERTIES, 2)
    return drawn.choice(THINGS), one, other, drawn.choice(METHODS)


def result(number: int, party: str) -> dict[str, Any]:
    """Body of the request that lists result ``number``."""
    thing, one, other, method = _words(number)
    return {
        "parties": [party],
        "title": f"（演示）{method}改善{thing}{one}的方法 {number}",
        "summary": f"用{method}降低{thing}的{one}，同时改善{other}，已在中试装置上运行。型号 M{number:05}。",
        "problem": f"{thing}的{one}与{other}难以兼顾。",
        "keywords": [thing, one, other, method],
        "sectors": [SECTOR],
        "maturity": {"trl": 6, "stage": "中试"},
        "modes": ["技术许可"],
        "negotiable": True,
    }


def need(number: int, about: int, party: str) -> dict[str, Any]:
    """Body of the request that posts a need which result ``about`` answers."""
    thing, one, other, method = _words(about)
    return {
        "party": party,
        "title": f"（演示）{thing}{one}改善 {number}",
        "difficulty": f"{thing}的{one}偏大，影响{other}，希望以{method}一类手段解决。现场型号 M{about:05}。",
        "keywords": [thing, one, other, method],
        "sectors": [SECTOR],
        "negotiable": True,
    }
