"""The right to do something: one at a time has it for a subject, in both stores."""

from __future__ import annotations

import threading

import pytest

from flinkms_sql import errors
from flinkms_sql.catalog.store import Store
from tests import test_catalog_contract as contract
from tests.running import wait_for
from tests.test_catalog_contract import refused

dsn, store = contract.dsn, contract.store


def test_one_waits_for_the_other_and_says_so(store: Store) -> None:
    told, entered = [], threading.Event()

    def second() -> None:
        with store.exclusive("apply", wait_s=30, on_wait=lambda: told.append("waiting")):
            entered.set()

    with store.exclusive("apply", wait_s=0, on_wait=lambda: told.append("at once")):
        thread = threading.Thread(target=second)
        thread.start()
        wait_for(lambda: told)
        assert told == ["waiting"] and not entered.wait(0.1)
        with store.exclusive("another subject", wait_s=0, on_wait=lambda: pytest.fail("nobody has it")):
            pass
    assert entered.wait(30)
    thread.join()


def test_the_wait_has_an_end_and_the_right_is_free_after_an_error(store: Store) -> None:
    with (store.exclusive("apply", wait_s=0, on_wait=lambda: None), refused(errors.LOCK_NOT_AVAILABLE),
          store.exclusive("apply", wait_s=0.05, on_wait=lambda: None)):
        pass
    with pytest.raises(ZeroDivisionError), store.exclusive("apply", wait_s=0, on_wait=lambda: None):
        raise ZeroDivisionError
    with store.exclusive("apply", wait_s=0.05, on_wait=lambda: pytest.fail("nobody has it")):
        pass
