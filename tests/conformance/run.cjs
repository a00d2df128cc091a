// `make conformance`: for each generation of servers starts a fresh development server that plays it, records its answers
// and compares them with the real server's:
//   node run.cjs DEVSTORE FOLDER [VERSION …]
// DEVSTORE is the program, FOLDER takes the transcripts. Without a version: all that there is a recording of, at the same
// time, for a recording waits most of its time. Exit status: 0 no difference but the known ones.
const { spawn, spawnSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const { devstore } = require('../setup/programs.cjs');

const [program, folder, ...chosen] = process.argv.slice(2);
const beside = (name) => path.join(__dirname, name);
const golden = (version) => beside(`golden-${version}.json`);
const recorded = fs.readdirSync(__dirname).map((name) => name.match(/^golden-(.*)\.json$/)?.[1]).filter(Boolean);
const versions = chosen.length ? chosen : recorded.sort();

async function record(version) {
  const { address } = await devstore(program, '--server', version);
  const transcript = path.join(folder, `conformance-${version}.json`);
  const recording = spawn(process.execPath, [beside('scenarios.cjs')], {
    env: { ...process.env, ES_ADDRESS: address },
    stdio: ['ignore', fs.openSync(transcript, 'w'), 'inherit'],
  });
  const code = await new Promise((done) => recording.on('exit', done));
  if (code !== 0) throw new Error(`the recording of ${version} ended with ${code}`);
  return transcript;
}

function compare(version, transcript) {
  console.log(`server ${version}:`);
  const args = [beside('compare.cjs'), golden(version), transcript, '--ignore', beside('known.txt')];
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status;
}

(async () => {
  const transcripts = await Promise.all(versions.map(record));
  const outcomes = versions.map((version, i) => compare(version, transcripts[i]));
  process.exit(Math.max(...outcomes.map((status) => status ?? 1)));
})().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
