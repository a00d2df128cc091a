"""The contract that every destination keeps (`tests/contract/destination.rs`), kept by a data stream on moto.

Never judges anything itself: the test binary does, and this fails if that runs no test.
"""

import os
import subprocess
import unittest

import datastream

TEST = "contract::kinesis::data_streams_keep_the_contract"
RUN = ["cargo", "test", "--locked", "--workspace", "--test", "integration", "--", "--ignored", "--exact", TEST]


class Contract(unittest.TestCase):
    def test_a_data_stream_keeps_the_contract_of_destinations(self):
        address = self.enterContext(datastream.moto())
        datastream.create(address, 4)
        environment = os.environ | {"KINESIS_EMULATOR": f"http://{address}"}
        run = subprocess.run(RUN, env=environment, capture_output=True, text=True, timeout=900)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertIn("test result: ok. 1 passed", run.stdout)


if __name__ == "__main__":
    unittest.main()
