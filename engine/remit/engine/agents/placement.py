"""Where what can be stopped stands: in a domain that an estate can stop, and never moved from under a hold.

Law: no verb puts anything beyond every kill switch, or takes it out of a domain that is held."""

from __future__ import annotations

from remit.engine.agents.scene import Scene
from remit.errors import DomainNotPlaced, DomainStopped
from remit.model import ObjectRef, SubjectRef


def require_placed(scene: Scene, object: ObjectRef, domain: ObjectRef) -> None:
    """That the domain belongs to an estate, so that the object may stand in it. Raises DomainNotPlaced."""
    if not scene.asks(domain, "placed", SubjectRef(*object)):
        raise DomainNotPlaced(
            f"`{domain}` belongs to no estate, so nobody could stop what is in it: write `{domain}#estate@estate:…` "
            "first, or look at how it is spelt",
            field="domain",
            domain=domain,
        )


def require_movable(scene: Scene, object: ObjectRef, domain: ObjectRef) -> None:
    """That the object is in no other domain that is held, or may be: who moves it may not release. Raises
    DomainStopped."""
    for each in scene.related(object, "domain"):
        before = each.subject.object
        if before != domain and not scene.rules_out(before, "stopped", SubjectRef(*object)):
            raise DomainStopped(
                f"`{object}` stands in `{before}`, which is held, or may be: release that first, or leave it there",
                field="domain",
                object=object,
                domain=before,
            )
