// Compares a transcript with the golden one:
//   node compare.cjs GOLDEN OTHER [--ignore FILE]
// FILE names known differences, one per line: "scenario" or "scenario: answer", then " # " and the reason.
// The last line counts scenarios. Exit status: 0 no difference, 1 some, 2 wrong use.
const fs = require('fs');

const args = process.argv.slice(2);
const at = args.indexOf('--ignore');
const ignoreFile = at < 0 ? null : args.splice(at, 2)[1];
if (args.length !== 2 || (at >= 0 && !ignoreFile)) {
  console.error('usage: node compare.cjs GOLDEN OTHER [--ignore FILE]');
  process.exit(2);
}
const [golden, other] = args.map((file) => JSON.parse(fs.readFileSync(file, 'utf8')));
const ignored = knownDifferences(ignoreFile);

// How often each known difference was met, by its name. One without a reason is a mistake.
function knownDifferences(file) {
  const lines = file ? fs.readFileSync(file, 'utf8').split('\n').filter((line) => line.trim() && !line.startsWith('#')) : [];
  return new Map(lines.map((line) => {
    const [, name, reason] = line.match(/^(.*?)\s+#\s*(.*)$/) || [null, line, ''];
    if (!reason) {
      console.error(`${file}: no reason given for: ${name}`);
      process.exit(2);
    }
    return [name.trim(), 0];
  }));
}

// Answers by name; a name that comes again gets a number: "… from 9 (2)".
function byName(answers) {
  const seen = {};
  return new Map(answers.map(({ what, got }) => {
    seen[what] = (seen[what] || 0) + 1;
    return [seen[what] === 1 ? what : `${what} (${seen[what]})`, got];
  }));
}

// The places where two values differ, as "path: golden -> other".
function differences(a, b, path = '') {
  if (JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))) return [];
  const both = (test) => test(a) && test(b);
  if (both(Array.isArray) && a.length === b.length) return a.flatMap((x, i) => differences(x, b[i], `${path}[${i}]`));
  const plain = (x) => x !== null && typeof x === 'object' && !Array.isArray(x);
  if (both(plain)) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    return keys.flatMap((k) => differences(a[k], b[k], path ? `${path}.${k}` : k));
  }
  return [`${path ? path + ': ' : ''}${short(a)}  ->  ${short(b)}`];
}
function sorted(x) {
  if (Array.isArray(x)) return x.map(sorted);
  if (x === null || typeof x !== 'object') return x === undefined ? null : x;
  return Object.fromEntries(Object.keys(x).sort().map((k) => [k, sorted(x[k])]));
}
function short(x) {
  const text = x === undefined ? 'nothing' : JSON.stringify(x);
  return text.length > 160 ? `${text.slice(0, 157)}...` : text;
}
function isIgnored(scenario, name) {
  const bare = name && name.replace(/ \(\d+\)$/, '');
  for (const key of [scenario, `${scenario}: ${name}`, `${scenario}: ${bare}`]) {
    if (ignored.has(key)) { ignored.set(key, ignored.get(key) + 1); return true; }
  }
  return false;
}

const count = { same: 0, differ: 0, ignored: 0 };
const scenarios = new Set([...Object.keys(golden), ...Object.keys(other)]);
let equal = 0;
for (const scenario of scenarios) {
  const before = { ...count };
  const [want, have] = [golden, other].map((t) => byName(t[scenario] || []));
  const lines = [];
  for (const name of new Set([...want.keys(), ...have.keys()])) {
    const found = !have.has(name) ? ['not answered'] : !want.has(name) ? ['not in the golden transcript'] : differences(want.get(name), have.get(name));
    if (!found.length) count.same += 1;
    else if (isIgnored(scenario, name)) count.ignored += 1;
    else {
      count.differ += 1;
      lines.push(`  ${name}`, ...found.slice(0, 4).map((d) => `      ${d}`));
      if (found.length > 4) lines.push(`      … ${found.length - 4} more`);
    }
  }
  if (count.differ === before.differ && count.ignored === before.ignored) equal += 1;
  if (!have.size && lines.length) console.log(`${scenario}: missing`);
  else if (lines.length) console.log([`${scenario}:`, ...lines].join('\n'));
}
for (const [key, uses] of ignored) if (!uses) console.log(`ignored, but no difference: ${key}`);
console.log(`answers: ${count.same} equal, ${count.differ} different, ${count.ignored} ignored`);
console.log(`${scenarios.size} scenarios: ${equal} equal, ${scenarios.size - equal} with differences, ${count.ignored} answers ignored`);
process.exit(count.differ ? 1 : 0);
