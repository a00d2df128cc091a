// Starts the programs of this workspace on free ports for tests that run in Node, and ends them with those.
// Takes their folder from the variable PROGRAMS where it is not given one. Never leaves one running: they are killed
// when this process ends, by whatever.
const { spawn } = require('child_process');
const { once } = require('events');
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const readline = require('readline');

const START = 15000; // ms that it may take until it listens
const END = 20000; // ms that it may take to end after SIGTERM

// A fresh server; gives its address and `end()`. That it ends by itself is an error that ends this process.
async function devstore(program, ...options) {
  const { process: server, end } = start(program, ['--listen', '127.0.0.1:0', ...options], 'pipe');
  return { address: (await firstLine(server.stdout)).split(' ').pop(), end };
}

// `ditto run` with this configuration; gives `end()`, which kills it, and `stop()`, which asks it to end and waits.
function ditto(config) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ditto-'));
  const file = path.join(folder, 'ditto.toml');
  fs.writeFileSync(file, config);
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  const program = path.join(process.env.PROGRAMS, 'ditto');
  const running = start(program, ['run', '--config', file], 'ignore');
  const stop = async () => {
    running.process.removeAllListeners('exit');
    running.process.kill('SIGTERM');
    const [code] = await once(running.process, 'exit', { signal: AbortSignal.timeout(END) });
    if (code !== 0) throw new Error(`ditto ended with ${code} after SIGTERM`);
  };
  return { end: running.end, stop };
}

// For a program that has to come back to the same port: one below those that the system gives to clients and to port 0,
// and not one of the chaos test's, so that nobody takes it between two starts.
async function freePort() {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = 10000 + Math.floor(Math.random() * 10000);
    const server = net.createServer().listen(port, '127.0.0.1');
    const isFree = await new Promise((found) => server.on('listening', () => found(true)).on('error', () => found(false)));
    if (isFree) {
      server.close();
      await once(server, 'close');
      return port;
    }
  }
  throw new Error('a hundred ports are taken');
}

function start(program, options, output) {
  const child = spawn(program, options, { stdio: ['ignore', output, 'inherit'] });
  child.on('exit', (code, signal) => {
    console.error(`${path.basename(program)} ended by itself: ${signal || code}`);
    process.exit(1);
  });
  const end = () => { child.removeAllListeners('exit'); child.kill('SIGKILL'); };
  process.on('exit', end);
  return { process: child, end };
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

// The line in which a program says where it listens.
async function firstLine(output) {
  const lines = readline.createInterface({ input: output });
  const [line] = await once(lines, 'line', { signal: AbortSignal.timeout(START) });
  return line;
}

module.exports = { devstore, ditto, freePort };
