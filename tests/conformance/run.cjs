// `make conformance`: starts a fresh development server, records its answers and compares them with the real server's:
//   node run.cjs DEVSTORE TRANSCRIPT
// DEVSTORE is the program, TRANSCRIPT the file to write. Exit status: 0 no difference but the known ones.
const { spawn, spawnSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const { devstore } = require('../setup/programs.cjs');

const [program, transcript] = process.argv.slice(2);
const beside = (name) => path.join(__dirname, name);

(async () => {
  const { address } = await devstore(program);
  const recording = spawn(process.execPath, [beside('scenarios.cjs')], {
    env: { ...process.env, ES_ADDRESS: address },
    stdio: ['ignore', fs.openSync(transcript, 'w'), 'inherit'],
  });
  const code = await new Promise((done) => recording.on('exit', done));
  if (code !== 0) process.exit(code || 1);
  const compare = [beside('compare.cjs'), beside('golden-23.10.4.json'), transcript, '--ignore', beside('known.txt')];
  process.exit(spawnSync(process.execPath, compare, { stdio: 'inherit' }).status);
})();
