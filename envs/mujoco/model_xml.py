"""Gymnasium's MuJoCo models as documents: what a feature changes in the XML before it is compiled.

A family declares one edit a feature. An edit leaves every number as it was at the feature's default, so that the
default task compiles to Gymnasium's own model.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

import gymnasium
import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float64]


class ModelXml:
    """The XML of one of Gymnasium's models, to be edited; each has a document of its own.

    file: its name among Gymnasium's assets, such as "hopper.xml".
    """

    def __init__(self, file: str):
        self.file = file
        self.root = ET.fromstring(_text_of(file))

    def one(self, path: str) -> ET.Element:
        """Give the first element of ``path``; RuntimeError where Gymnasium's file has none."""
        element = self.root.find(path)
        if element is None:
            raise RuntimeError(
                f"Gymnasium's {self.file} has no {path!r}: this family needs a Gymnasium that ships the v5 models."
            )
        return element

    def geom(self, name: str) -> ET.Element:
        """Give the shape of this name."""
        return self.one(f".//geom[@name='{name}']")

    def body(self, name: str) -> ET.Element:
        """Give the body of this name."""
        return self.one(f".//body[@name='{name}']")

    def add(self, parent: str, tag: str, **attributes: str) -> ET.Element:
        """Put an element of these attributes into the one at the path ``parent``, and give it."""
        return ET.SubElement(self.one(parent), tag, attributes)

    def text(self) -> str:
        """Give the document."""
        return ET.tostring(self.root, encoding="unicode")


Edit: TypeAlias = Callable[[ModelXml, float], None]
"""Writes a feature's value into a document."""


def gravity(xml: ModelXml, strength: float) -> None:
    """Set the strength of gravity, downwards, in m/s^2."""
    xml.one("option").set("gravity", f"0 0 {-strength!r}")


def friction(xml: ModelXml, factor: float) -> None:
    """Scale the sliding friction of every shape, the floor included."""
    usual = xml.one("default/geom")
    usual.attrib.setdefault("friction", "1 0.005 0.0001")  # MuJoCo's own
    for geom in xml.root.iter("geom"):
        if "friction" in geom.attrib:
            sliding, *others = numbers(geom, "friction")
            write(geom, "friction", [factor * sliding, *others])


def density(*geoms: str) -> Edit:
    """Give the edit that sets the density of shapes, in kg/m^3."""

    def edit(xml: ModelXml, value: float) -> None:
        for name in geoms:
            xml.geom(name).set("density", repr(value))

    return edit


def gear(*joints: str) -> Edit:
    """Give the edit that scales the motors of joints."""

    def edit(xml: ModelXml, factor: float) -> None:
        for name in joints:
            motor = xml.one(f"actuator/motor[@joint='{name}']")
            write(motor, "gear", [factor * size for size in numbers(motor, "gear")])

    return edit


def every_joint(attribute: str) -> Edit:
    """Give the edit that sets an attribute which joints have unless they say otherwise."""

    def edit(xml: ModelXml, value: float) -> None:
        xml.one("default/joint").set(attribute, repr(value))

    return edit


def size(*geoms: str) -> Edit:
    """Give the edit that scales radius and half length of shapes about their centres; joints stay."""

    def edit(xml: ModelXml, factor: float) -> None:
        for name in geoms:
            geom = xml.geom(name)
            write(geom, "size", [factor * number for number in numbers(geom, "size")])

    return edit


def length(*bodies: str, of: float = 1.0) -> Edit:
    """Give the edit that makes bodies longer, away from the joint that each hangs from, at the same thickness.

    Everything that hangs on a body moves along with its end. bodies: paths. of: the value at which a body is as
    Gymnasium has it.
    """

    def edit(xml: ModelXml, value: float) -> None:
        if value != of:  # sums and differences would round
            for path in bodies:
                _stretch(xml.one(path), value / of)

    return edit


def _stretch(body: ET.Element, factor: float) -> None:
    hinge, children = _hinge(body), body.findall("body")
    hangs_at = _position(body) + hinge
    ends = [_position(child) + _hinge(child) for child in children]
    for element in (*body.findall("joint"), *body.findall("geom")):
        for attribute in ("pos", "fromto"):
            if attribute in element.attrib and element.get("type") != "slide":
                write(element, attribute, factor * np.array(numbers(element, attribute)))
        if element.tag == "geom" and element.get("type") == "capsule" and "fromto" not in element.attrib:
            radius, half_length = numbers(element, "size")
            write(element, "size", [radius, factor * half_length])
    for child, end in zip(children, ends, strict=True):
        write(child, "pos", factor * end - _hinge(child))
    write(body, "pos", hangs_at - factor * hinge)


def _hinge(body: ET.Element) -> Vector:
    """Where in its own frame a body turns: at its first hinge, and at the origin where it has none."""
    hinges = [joint for joint in body.findall("joint") if joint.get("type", "hinge") == "hinge"]
    return _position(hinges[0]) if hinges else np.zeros(3)


def _position(element: ET.Element) -> Vector:
    return np.array(numbers(element, "pos") if "pos" in element.attrib else (0.0, 0.0, 0.0))


def numbers(element: ET.Element, attribute: str) -> list[float]:
    """Read an attribute of numbers."""
    return [float(number) for number in element.attrib[attribute].split()]


def write(element: ET.Element, attribute: str, values: Sequence[float] | Vector) -> None:
    """Write an attribute of numbers, in full precision."""
    element.set(attribute, " ".join(repr(float(value)) for value in values))


@cache
def _text_of(file: str) -> str:
    return (Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / file).read_text()
