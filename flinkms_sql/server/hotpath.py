"""The hot path: requests whose shape is known are answered without being parsed, many sessions in one prediction.

Must not know how a shape is recognised (``shapes``) nor how a batch is predicted (``engine.batcher``). What is unusual
in any way, an error above all, goes the usual way, from the same bytes: so there is one place that says what is wrong.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from flinkms_sql.engine.batcher import Batcher, PreparedPoint
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.plan import PointPlan
from flinkms_sql.server.binding import parameter_oids
from flinkms_sql.server.context import Context
from flinkms_sql.server.names import Prepared
from flinkms_sql.server.parameters import AS_OF
from flinkms_sql.server.shapes import SYNC, BoundShape, TextShape, bound_shape, read_series, text_key, text_shape

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
    """One session's: ``take`` says whether it has taken the bytes, and answers them in this turn of the event loop.

    done: told the whole answer and the request; or None and the request, when that is to go the usual way after all.
    """

    __slots__ = ("_access", "_as_of", "_batcher", "_catalog", "_context", "_done", "_key", "_portals", "_shapes",
                 "_shared", "_statements", "_taken", "_transaction")  # fmt: skip

    def __init__(self, context: Context, batcher: Batcher, shared: TextShapes,
                 done: Callable[[bytes | None, bytes], None]) -> None:  # fmt: skip
        self._context, self._batcher, self._shared, self._done = context, batcher, shared, done
        self._transaction = context.transaction
        self._access = context.services.access
        self._statements, self._portals = context.names.statements, context.names.portals
        self._catalog = context.services.catalogs.current
        self._shapes: list[BoundShape] = []
        self._key = -1
        self._as_of: str | None = None
        self._taken: tuple[BoundShape | TextShape, bytes]
        """The request that waits."""

    def take(self, data: bytes) -> bool:
        """Take a whole request of a known shape. Only called when the session is at rest."""
        if self._access is not None and self._transaction.role not in self._access.readers:
            return False
        kind = data[0]
        if kind == 0x42 or kind == 0x50:  # Bind or Parse
            return self._take_bound(data)
        if kind == 0x51:  # Query
            return self._take_text(data)
        return False

    def _take_bound(self, data: bytes) -> bool:
        for at, shape in enumerate(self._shapes):
            values = shape.values(data)
            if values is None:
                continue
            transaction = self._transaction
            if self._key != self._catalog().generation or self._as_of != transaction.local.ours.get(AS_OF):
                self._shapes = []
                return False
            # What the session wants, or is in, may have to be looked at first.
            if transaction.stale or transaction.unrenderable or transaction.status == "failed" or not transaction.plain:
                return False
            if at:
                self._shapes.insert(0, self._shapes.pop(at))
            if shape.head:
                self._statements[""] = shape.prepared
            elif self._statements.get(shape.prepared.name) is not shape.prepared:
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
        prepared = self._statements.get(name.decode("utf-8", "replace"))
        return prepared is not None and isinstance(prepared.plan, PointPlan)

    def _learn_bound(self, data: bytes) -> None:
        """Learn the shape of a request, if it is a point prediction; it is answered the usual way."""
        context, transaction = self._context, self._transaction
        try:
            series = read_series(data)
            if series is None:
                return
            if series.parse is None:
                prepared = self._statements.get(series.bind.statement)
            else:
                plan = context.plan(series.parse.text, series.parse.oids)
                prepared = Prepared(name="", text=series.parse.text, plan=plan, declared=series.parse.oids,
                                    oids=parameter_oids(plan, series.parse.oids), key=context.key)  # fmt: skip
            if prepared is None or not isinstance(prepared.plan, PointPlan):
                return
            if prepared.key != context.key:
                return
            point = PreparedPoint(prepared.plan, transaction.as_of)
            shape = bound_shape(data, series, prepared, prepared.plan, point)
        except FlinkmsError:
            return
        if shape is not None:
            now = context.key, transaction.local.ours.get(AS_OF)
            if (self._key, self._as_of) != now:
                self._shapes = []
            self._key, self._as_of = now
            self._shapes = [shape, *self._shapes[: SESSION_SHAPES_MAX - 1]]

    def _take_text(self, data: bytes) -> bool:
        transaction = self._transaction
        if len(data) != int.from_bytes(data[1:5], "big") + 1 or len(data) > REQUEST_BYTES_MAX or transaction.local.ours:
            return False
        shape = self._shared.find(data)
        if shape is not None and shape.key == self._catalog().generation:
            values = shape.values(data)
            usual = not (transaction.stale or transaction.unrenderable or transaction.status == "failed")
            if values is not None and usual and transaction.plain:
                self._statements.pop("", None)
                self._submit(shape, values, data)
                return True
        elif b"predict" in data or b"PREDICT" in data:
            self._learn_text(data)
        return False

    def _learn_text(self, data: bytes) -> None:
        context = self._context
        try:
            text = data[5:-1].decode("utf-8")
            plan = context.plan_simple(text).plan
            if not isinstance(plan, PointPlan):
                return
        except (FlinkmsError, UnicodeDecodeError):
            return
        shape = text_shape(text, plan, context.key)
        if shape is not None:
            self._shared.learn(data, shape)

    def _submit(self, shape: BoundShape | TextShape, values: list[object], data: bytes) -> None:
        self._taken = shape, data
        self._batcher.submit(shape.point, values, self._answer)

    def _answer(self, value: object, error: Exception | None) -> None:
        shape, data = self._taken
        if error is not None:
            self._done(None, data)
            return
        status = self._transaction.status
        if status == "idle":
            self._portals.clear()
        self._done(shape.template.render(value, status), data)
