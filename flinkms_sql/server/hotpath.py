"""The hot path: requests whose shape is known are answered without being parsed, many sessions in one prediction.

Must not know how a shape is recognised (``shapes``) nor how a batch is predicted (``engine.batcher``). What is unusual
in any way, an error above all, goes the usual way, from the same bytes: so there is one place that says what is wrong.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from flinkms_sql.engine.batcher import PreparedPoint
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.plan import PointPlan
from flinkms_sql.server.control import AS_OF
from flinkms_sql.server.evaluation import as_of
from flinkms_sql.server.shapes import SYNC, BoundShape, TextShape, bound_shape, read_series, text_key, text_shape
from flinkms_sql.server.statements import Prepared, parameter_oids

if TYPE_CHECKING:
    from flinkms_sql.server.session import Session

SESSION_SHAPES_MAX = 16
"""Shapes a session keeps: each is compared with what arrives, and an application has few hot statements."""

TEXT_SHAPES_MAX = 256
"""Shapes of texts that all sessions share."""

REQUEST_BYTES_MAX = 8192
"""Requests longer than this are no point predictions worth a look."""


class TextShapes:
    """The shapes of simple queries, shared by all sessions of a frontend."""

    def __init__(self) -> None:
        self._shapes: OrderedDict[bytes, TextShape] = OrderedDict()

    def find(self, data: bytes) -> TextShape | None:
        """The shape a Query message may have."""
        return self._shapes.get(text_key(data))

    def learn(self, data: bytes, shape: TextShape) -> None:
        """Remember a shape for messages like this one."""
        self._shapes[text_key(data)] = shape
        if len(self._shapes) > TEXT_SHAPES_MAX:
            self._shapes.popitem(last=False)


class HotPath:
    """One session's: ``take`` says whether it has taken the bytes, and answers them in this turn of the event loop."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._catalog = session.frontend.services.catalogs.current
        self._shapes: list[BoundShape] = []
        self._generation = -1
        self._as_of: str | None = None
        self._batcher = session.frontend.batcher
        self._taken: tuple[BoundShape | TextShape, bytes]
        """The request that waits."""
        self.waiting = False
        """A request was taken and is not answered yet."""

    def take(self, data: bytes) -> bool:
        """Take a whole request of a known shape. Only called when the session is at rest."""
        kind = data[0]
        if kind == 0x42 or kind == 0x50:  # Bind or Parse
            return self._take_bound(data)
        if kind == 0x51:  # Query
            return self._take_text(data)
        return False

    def _take_bound(self, data: bytes) -> bool:
        session = self._session
        for at, shape in enumerate(self._shapes):
            values = shape.values(data)
            if values is None:
                continue
            if self._generation != self._catalog().generation or self._as_of != session.control.ours.get(AS_OF):
                self._shapes = []
                return False
            if session.status == "failed":
                return False
            if at:
                self._shapes.insert(0, self._shapes.pop(at))
            if shape.head:
                session.statements[""] = shape.prepared
            elif session.statements.get(shape.prepared.name) is not shape.prepared:
                return False  # it was closed, or is another one by now
            self._submit(shape, values, data)
            return True
        if data.endswith(SYNC) and len(data) <= REQUEST_BYTES_MAX and self._may_be_a_point(data):
            self._learn_bound(data)
        return False

    def _may_be_a_point(self, data: bytes) -> bool:
        """Whether reading the request is worth it: an INSERT that is executed again and again should not be read twice."""
        if data[0] == 0x50:
            return b"predict" in data or b"PREDICT" in data
        portal_end = data.find(b"\0", 5)
        name = data[portal_end + 1 : data.find(b"\0", portal_end + 1)]
        prepared = self._session.statements.get(name.decode("utf-8", "replace"))
        return prepared is not None and isinstance(prepared.plan, PointPlan)

    def _learn_bound(self, data: bytes) -> None:
        """Learn the shape of a request, if it is a point prediction; it is answered the usual way."""
        session = self._session
        try:
            series = read_series(data)
            if series is None:
                return
            if series.parse is None:
                prepared = session.statements.get(series.bind.statement)
            else:
                plan = session.plan(series.parse.text, series.parse.oids)
                prepared = Prepared(name="", text=series.parse.text, plan=plan, declared=series.parse.oids,
                                    oids=parameter_oids(plan, series.parse.oids), generation=session.generation)  # fmt: skip
            if prepared is None or not isinstance(prepared.plan, PointPlan):
                return
            if prepared.generation != session.generation:
                return
            point = PreparedPoint(prepared.plan, as_of(session))
            shape = bound_shape(data, series, prepared, prepared.plan, point)
        except FlinkmsError:
            return
        if shape is not None:
            if self._generation != session.generation or self._as_of != session.control.ours.get(AS_OF):
                self._shapes = []
            self._generation, self._as_of = session.generation, session.control.ours.get(AS_OF)
            self._shapes = [shape, *self._shapes[: SESSION_SHAPES_MAX - 1]]

    def _take_text(self, data: bytes) -> bool:
        session, shared = self._session, self._session.frontend.text_shapes
        if len(data) != int.from_bytes(data[1:5], "big") + 1 or len(data) > REQUEST_BYTES_MAX or session.control.ours:
            return False
        shape = shared.find(data)
        if shape is not None and shape.generation == session.generation:
            values = shape.values(data)
            if values is not None and session.status != "failed":
                session.statements.pop("", None)
                self._submit(shape, values, data)
                return True
        elif b"predict" in data or b"PREDICT" in data:
            self._learn_text(data)
        return False

    def _learn_text(self, data: bytes) -> None:
        session = self._session
        try:
            text = data[5:-1].decode("utf-8")
            plan = session.plan_simple(text).plan
        except (FlinkmsError, UnicodeDecodeError):
            return
        if isinstance(plan, PointPlan):
            shape = text_shape(text, plan, session.generation)
            if shape is not None:
                session.frontend.text_shapes.learn(data, shape)

    def _submit(self, shape: BoundShape | TextShape, values: list[object], data: bytes) -> None:
        self.waiting = True
        self._taken = shape, data
        self._batcher.submit(shape.point, values, self._answer)

    def _answer(self, value: object, error: Exception | None) -> None:
        session = self._session
        shape, data = self._taken
        self.waiting = False
        if error is None:
            status = session.control.status if session.link is None else session.link.status
            if status == "idle":
                session.portals.clear()
            session.write_hot(shape.template.render(value, status))
        else:
            session.resume_with(data)
