"""A market made of our own words, for demonstration: results of many subjects, some of them close to each other."""

import random

from matching.engine.items import Item

_THINGS = """
轴承 阀门 电机 焊缝 涂层 齿轮 泵体 传感器 激光器 电解槽 隔膜 催化剂 酶制剂 培养基 反应釜 蒸发器 换热器 压缩机 叶片 模具
铸件 丝杠 导轨 机床 光栅 透镜 显微镜 质谱仪 色谱柱 芯片 晶圆 靶材 电容 变压器 逆变器 电池 正极 电解液 光伏板 风机
"""
_TROUBLES = """
磨损 泄漏 振动 噪声 腐蚀 开裂 变形 结垢 过热 漂移 老化 气孔 团聚 失活 堵塞 短路 析锂 枝晶 疲劳 毛刺 污染 衰减 干扰 脱落
"""
_WAYS = """
微弧氧化 激光熔覆 超声清洗 真空镀膜 等离子喷涂 振动时效 磁流变抛光 电子束焊接 原子层沉积 喷雾干燥 膜分离 超临界萃取
定向进化 机器视觉 声发射监测 数字孪生 强化学习 红外热成像 电化学阻抗 拓扑优化 增材制造 粉末冶金 热等静压 冷冻干燥
"""


def market(count: int, seed: int = 1) -> list[Item]:
    """Return results: what troubles which thing, and in which ways it was solved."""
    chance = random.Random(seed)
    made, things, troubles, ways = [], _THINGS.split(), _TROUBLES.split(), _WAYS.split()
    for number in range(count):
        thing, part = chance.sample(things, 2)
        trouble, other = chance.sample(troubles, 2)
        way, second = chance.sample(ways, 2)
        body = (
            f"{thing}在长期运行中常见{trouble}，与{part}配合处的{other}尤其突出，停机检修代价很大，备件也常常等不到。"
            f"用户希望不更换{thing}就能消除{trouble}。"
            f"本成果以{way}处理{thing}表面，再用{second}控制{part}的装配与检验，使{trouble}明显减轻，工序没有增加。"
            f"已在{chance.randint(2, 30)}条产线试用，{other}的返修减少{chance.randint(20, 90)}%。"
        )
        title = f"抑制{thing}{trouble}的{way}工艺"
        made.append(Item(f"r{number:04d}", title, (thing, trouble, way), (body,)))
    return made
