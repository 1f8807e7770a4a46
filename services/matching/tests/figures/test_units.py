"""Units: how they are written, what they are comparable with, and what nobody knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matching.figures.units import convert, is_difference, unit_of


@pytest.mark.parametrize(
    ("value", "unit", "there", "into"),
    [
        (1, "mm", 1000, "μm"),
        (1, "毫米", 1000, "微米"),
        (1, "丝", 10, "um"),
        (1, "道", 0.01, "mm"),
        (1, "兆帕", 10, "bar"),
        (1, "ＭＰａ", 1e6, "Pa"),
        (1, "Mpa", 1000, "KPa"),
        (1, "公斤力", 9.80665, "N"),
        (1, "kgf/cm²", 0.0980665, "MPa"),
        (1, "公斤力/平方厘米", 0.0980665, "兆帕"),
        (60, "转/分", 1, "Hz"),
        (1, "r/min", 1, "rpm"),
        (5, "万次", 50_000, "次"),
        (3, "亩", 2000, "m²"),
        (1, "公顷", 15, "亩"),
        (35, "‰", 3.5, "%"),
        (1, "%", 10_000, "ppm"),
        (1, "kWh/kg", 1000, "Wh/kg"),
        (1, "度电", 1, "kWh"),
        (1, "Ah", 1000, "mAh"),
        (1, "mg·L⁻¹", 1, "mg/L"),
        (1, "毫克/升", 1, "mg L-1"),
        (1, "g/L", 1000, "mg/L"),
        (3.6, "m³/h", 1, "L/s"),
        (1, "千克每立方米", 1, "g/L"),
        (1, "W/(m·K)", 0.01, "W/(cm·℃)"),
        (1, "Gbps", 125, "MB/s"),
        (1, "万元/吨", 10, "元/kg"),
        (1, "亿元", 100, "百万元"),
        (25, "℃", 77, "℉"),
        (25, "摄氏度", 298.15, "K"),
        (-40, "℉", -40, "°C"),
        (0, "K", -273.15, "℃"),
        (1, "°", 60, "角分"),
        (1, "furlong", 201.168, "m"),
    ],
)
def test_conversions(value: float, unit: str, there: float, into: str) -> None:
    assert convert(value, unit_of(unit), unit_of(into)) == pytest.approx(there, rel=1e-12)
    assert convert(there, unit_of(into), unit_of(unit)) == pytest.approx(value, rel=1e-12, abs=1e-12)


def test_a_difference_of_temperatures_is_no_temperature() -> None:
    assert convert(5, unit_of("℃"), unit_of("K"), difference=True) == 5
    assert convert(9, unit_of("℉"), unit_of("K"), difference=True) == pytest.approx(5)
    assert is_difference("控温精度")
    assert is_difference("Temperature difference")
    assert not is_difference("工作温度")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mPa", "MW"),
        ("dB", "%"),
        ("°", "%"),
        ("次", "个"),
        ("", "%"),
        ("bit", "个"),
        ("rad", "倍"),
        ("HRC", "HV"),
        ("wt%", "vol%"),
        ("元", "个"),
    ],
)
def test_what_is_not_the_same_quantity(one: str, other: str) -> None:
    assert unit_of(one).quantity != unit_of(other).quantity
    with pytest.raises(ValueError, match="different quantities"):
        convert(1, unit_of(one), unit_of(other))


@pytest.mark.parametrize(
    "unit", ["没有这个单位", "quux", "m^9^9", "10**9", "eval(1)", "/", "m/", "(", "k" * 500, "📏", "\x00"]
)
def test_a_unit_that_does_not_exist_is_a_quantity_of_its_own(unit: str) -> None:
    found = unit_of(unit)
    assert not found.known
    assert found == unit_of(f" {unit} ")
    assert found.quantity not in {unit_of("mm").quantity, unit_of("另一个单位").quantity}


def test_capitals_matter_except_where_nothing_else_can_be_meant() -> None:
    assert unit_of("mW").factor != unit_of("MW").factor
    assert unit_of("KW") == unit_of("kW")
    assert not unit_of("mpa").known  # a thousandth or a million


@given(st.text(max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    unit = unit_of(text)
    assert convert(1.0, unit, unit_of(text)) == 1.0
