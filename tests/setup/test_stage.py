"""What tests/setup/stage makes of runners: one that executes no test fails its stage, whatever it says itself.

Part of `make check`. The runners are the real ones, on tests of a line each. Never builds anything of ditto.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

STAGE = pathlib.Path(__file__).with_name("stage")
PYTHON = "import unittest\nclass Some(unittest.TestCase):\n{}"
PASSES = "    def test_one(self): pass\n    @unittest.skip('not here')\n    def test_two(self): pass\n"
SKIPS = "    @unittest.skip('not here')\n    def test_one(self): pass\n"
FAILS = "    def test_one(self): self.fail()\n"
RUST = "#[test] fn one() {}\n#[test] #[ignore] fn two() {}\n"
NODE = "const test = require('node:test'); test('one', () => {}); test('two', { skip: true }, () => {});"


class Stage(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")
        return self.folder / name

    def stage(self, *command, tests="--tests", **environment):
        """Exit status, the number of tests and the result that the table gets."""
        log = self.folder / "log"
        arguments = [STAGE, "some", *([tests] if tests else []), *map(str, command)]
        done = subprocess.run(arguments, cwd=self.folder, env={**os.environ, "CI": "", "STAGE_LOG": str(log), **environment},
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        name, seconds, processor, count, result = log.read_text(encoding="utf-8").strip().split("\t")
        self.assertEqual((name, seconds.isdigit(), processor.isdigit()), ("some", True, True))
        log.unlink()
        return done.returncode, count, result

    def python(self, *arguments):
        return self.stage("python3", "-B", "-m", "unittest", *arguments)

    def test_python_counts_what_was_executed(self):
        for text, expected in (
            (PASSES, (0, "1", "ok")),
            (SKIPS, (1, "0", "FAILED (no test was executed)")),
            (FAILS, (1, "1", "FAILED (1)")),
        ):
            self.write("test_some.py", PYTHON.format(text))
            self.assertEqual(self.python("test_some"), expected, text)

    def test_python_that_finds_none_fails(self):
        # Since 3.12 unittest says so itself.
        status, count, result = self.python("discover")
        self.assertEqual(count, "0")
        self.assertNotEqual(status, 0)
        self.assertIn("FAILED", result)

    def test_rust_with_a_filter_that_matches_nothing_fails(self):
        program = self.folder / "some"
        subprocess.run(["rustc", "--test", "-o", program, self.write("some.rs", RUST)], check=True)
        self.assertEqual(self.stage(program), (0, "1", "ok"))
        self.assertEqual(self.stage(program, "nothing"), (1, "0", "FAILED (no test was executed)"))
        self.assertEqual(self.stage("sh", "-c", f"{program} nothing; {program}"), (0, "1", "ok"))

    @unittest.skipUnless(shutil.which("node"), "there is no node")
    def test_node_that_finds_none_fails(self):
        self.assertEqual(self.stage("node", "--test", self.write("some.test.cjs", NODE)), (0, "1", "ok"))
        (self.folder / "none").mkdir()
        self.assertEqual(self.stage("node", "--test", "none"), (1, "0", "FAILED (no test was executed)"))
        self.assertEqual(self.stage("node", "--test", "--test-name-pattern", "nothing", self.folder / "some.test.cjs"),
                         (1, "0", "FAILED (no test was executed)"))

    def test_other_commands_are_judged_by_their_exit_status(self):
        self.assertEqual(self.stage("true", tests=None), (0, "-", "ok"))
        self.assertEqual(self.stage("false", tests=None), (1, "-", "FAILED (1)"))
        self.assertEqual(self.stage("true"), (1, "0", "FAILED (no test was executed)"))

    def test_a_skip_is_a_failure_in_ci_only(self):
        missing = ("--needs", "no-such-program", "true")
        expected = "skipped: no-such-program is not installed"
        self.assertEqual(self.stage(*missing, tests=None), (0, "-", expected))
        self.assertEqual(self.stage(*missing, tests=None, CI="true"), (1, "-", expected))


if __name__ == "__main__":
    unittest.main()
