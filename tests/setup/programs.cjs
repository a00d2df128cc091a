// Starts a development server on a free port for tests that run in Node, and ends it with them.
// Never leaves one running: it is killed when this process ends, by whatever.
const { spawn } = require('child_process');
const { once } = require('events');
const readline = require('readline');

const START = 15000; // ms that it may take until it listens

// A fresh server; gives its address and `end()`. That it ends by itself is an error that ends this process.
async function devstore(program, ...options) {
  const server = spawn(program, ['--listen', '127.0.0.1:0', ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  server.on('exit', (code, signal) => {
    console.error(`the development server ended by itself: ${signal || code}`);
    process.exit(1);
  });
  const end = () => { server.removeAllListeners('exit'); server.kill('SIGKILL'); };
  process.on('exit', end);
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
  return { address: (await firstLine(server.stdout)).split(' ').pop(), end };
}

// The line in which a program says where it listens.
async function firstLine(output) {
  const lines = readline.createInterface({ input: output });
  const [line] = await once(lines, 'line', { signal: AbortSignal.timeout(START) });
  return line;
}

module.exports = { devstore };
