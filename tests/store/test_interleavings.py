"""Eight processes at once, in a thousand random orders of their operations: nothing needed is lost.

The processes are threads that take turns: before each operation on a file, a random one of them
goes on. So an order is a function of its seed, and any process may stop between any two operations
for as long as the others work.
"""

import os
import shutil
import threading
import time
from random import Random

from rdpipe.common.errors import RdpipeError
from rdpipe.store.cleaning import contents, remove
from rdpipe.store.leases import announced, leased
from rdpipe.store.links import publish
from rdpipe.store.objects import Store
from rdpipe.store.roots import register

from ._faults import Layer

KEYS = ["ab" + "0" * 62, "ab" + "1" * 62, "cd" + "0" * 62]
ORDERS = 1000 if os.environ.get("FAULTS") == "all" else 20


class Turns:
    """Lets one of several threads go on at a time.

    Before each operation, another thread takes its turn with a probability that each order has for
    itself. So some orders change often, and others let a thread work alone for long.
    """

    def __init__(self, random):
        self.random, self.changes = random, random.choice([0.05, 0.3, 1.0])
        self.names = threading.local()
        self.waiting: dict[int, threading.Semaphore] = {}  # of all threads that have not ended
        self.errors: list[BaseException] = []
        self.operations = 0

    def run(self, works):
        self.waiting = {i: threading.Semaphore(0) for i in range(len(works))}
        threads = [threading.Thread(target=self._work, args=pair) for pair in enumerate(works)]
        for thread in threads:
            thread.start()
        self._next()
        for thread in threads:
            thread.join()
        if self.errors:
            raise self.errors[0]

    def _work(self, i, work):
        self.names.own = i
        self.waiting[i].acquire()
        try:
            work()
        except BaseException as error:
            self.errors.append(error)
        del self.waiting[i]
        self._next()

    def _next(self):
        if self.waiting:
            self.random.choice(list(self.waiting.values())).release()

    def step(self, *_operation):
        """Perhaps let another thread go on before an operation."""
        self.operations += 1
        if hasattr(self.names, "own") and self.random.random() < self.changes:
            self._change()

    def pause(self):
        """Let the others work for long."""
        for _ in range(100):
            self._change()

    def _change(self):
        own = self.waiting[self.names.own]
        self._next()
        own.acquire()


def write(folder):
    (folder / "data.txt").write_bytes(b"hello")


def job(store, results, keys, turns):
    """What a job does with its results."""

    def work():
        register(store, results)
        with leased(store, keys):
            for key in keys:
                found = store.find(key) or store.add(key, write, dict)
                pauses = iter(range(3))
                while not publish(found, {"data.txt": results / key[:3] / "data.txt"}):
                    next(pauses)  # else an object with a lease did not come back
                    turns.pause()

    return work


def cleaner(store, results):
    """`rdpipe clean --objects --remove --days 0`."""

    def work():
        try:
            with announced(store) as now:
                found = contents(store, results, now)
                for kind in ("other", "tmp"):
                    for path in found.held[kind]:
                        remove(store, path, now)
        except RdpipeError:  # another cleaner is at work
            pass

    return work


def test_nothing_that_is_needed_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    operations = 0
    for seed in range(ORDERS):
        random = Random(seed)
        store, results = Store(tmp_path / "store"), [tmp_path / name for name in ("a", "b", "c")]
        for key in random.sample(KEYS, 2):  # objects that no link leads to yet
            store.add(key, write, dict)
        turns = Turns(random)
        works = [
            job(store, random.choice(results), random.sample(KEYS, 2), turns) for _ in range(6)
        ]
        works += [cleaner(store, results[0]), cleaner(store, results[1])]
        with Layer(tmp_path, turns.step):
            turns.run(works)
        operations += turns.operations
        for link in tmp_path.glob("[abc]/*/data.txt"):
            assert link.read_bytes() == b"hello", f"order {seed}"
        assert not list(store.root.glob("tmp/*")), f"order {seed}"
        assert not list(store.root.glob("damaged/*")), f"order {seed}"
        # a lease may be told that a cleaner is at work, and end just after that cleaner
        assert not list(store.root.glob("leases/*.[jc]*")), f"order {seed}"
        for path in tmp_path.iterdir():
            shutil.rmtree(path)
    assert operations > 100 * ORDERS
