"""Runs the tests named in a list out of the kurrentdbclient suite against one server and compares how they end:

    python_suite.py SUITE_DIR HOST:PORT LIST

LIST has a line "passed NAME" or "skipped NAME" for each test. Never writes into the suite.
"""

import signal
import sys
import unittest
from collections import Counter

LIMIT = 60  # seconds for one test


class TooSlow(Exception):
    """A test did not end in time."""


class Outcomes(unittest.TestResult):
    """How each test ended, with the text of what went wrong."""

    def __init__(self):
        super().__init__()
        self.ended = {}
        self.texts = {}

    def startTest(self, test):
        super().startTest(test)
        signal.setitimer(signal.ITIMER_REAL, LIMIT)

    def stopTest(self, test):
        signal.setitimer(signal.ITIMER_REAL, 0)
        super().stopTest(test)

    def note(self, test, how, text=""):
        # A failing subtest or tearDown comes after a success or before another failure: the first trouble stays.
        name = getattr(test, "test_case", test)._testMethodName
        if self.ended.get(name, "passed") == "passed":
            self.ended[name], self.texts[name] = how, text

    def addSuccess(self, test):
        self.note(test, "passed")

    def addSkip(self, test, reason):
        self.note(test, "skipped", reason)

    def addFailure(self, test, err):
        self.note(test, "failed", self._exc_info_to_string(err, test))

    def addError(self, test, err):
        self.note(test, "failed", self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.note(test, "failed", self._exc_info_to_string(err, test))


def too_slow(_signal, _frame):
    raise TooSlow(f"no end within {LIMIT} s")


def main(suite_dir, target, list_file):
    with open(list_file, encoding="utf-8") as lines:
        rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    expected = {name: how for how, name in rows}

    sys.path.insert(0, suite_dir)
    from tests.test_client import TestKurrentDBClientWithInsecureConnection as Insecure

    case = type("Case", (Insecure,), {"KDB_TARGET": target})
    known = [name for name in unittest.defaultTestLoader.getTestCaseNames(case) if "projection" not in name]
    signal.signal(signal.SIGALRM, too_slow)
    outcomes = Outcomes()
    sys.stdout = open("/dev/null", "w", encoding="utf-8")  # the suite prints how long each test took
    for name in expected:
        if name in known:
            unittest.TestSuite([case(name)]).run(outcomes)
    sys.stdout = sys.__stdout__

    wrong = 0
    for name in sorted(set(expected) | set(known)):
        want, have = expected.get(name, "not in the list"), outcomes.ended.get(name, "not run")
        if want != have:
            wrong += 1
            print(f"{name}: {have}, expected: {want}\n{outcomes.texts.get(name, '')}")
    count = Counter(outcomes.ended.values())
    print(f"{len(known)} tests: {count['passed']} passed, {count['skipped']} skipped, {count['failed']} failed;",
          f"{wrong} not as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
