"""Outputs of components: which attributes a class declares, and how they are registered."""

import inspect
from typing import get_origin

import pulumi
from tandem_contract import __version__
from tandem_contract.fields import camel
from tandem_contract.names import RELEASE


def declared(component: type[pulumi.ComponentResource]) -> list[str]:
    """The attributes that a component's class, or a class of ours below it, annotates as outputs."""
    classes = [each for each in reversed(component.__mro__) if issubclass(each, pulumi.ComponentResource)][1:]
    annotations = {name: kind for each in classes for name, kind in inspect.get_annotations(each).items()}
    return [name for name, kind in annotations.items() if get_origin(kind) is pulumi.Output]


def register(component: pulumi.ComponentResource) -> None:
    """Tell the engine a component's outputs, and its release: the last thing that a constructor does."""
    outputs = {camel(name): getattr(component, name) for name in declared(type(component))}
    component.register_outputs({**outputs, RELEASE: __version__})
