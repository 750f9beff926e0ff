// SPDX-License-Identifier: Apache-2.0
// The gateway's messages about a configuration that it cannot use. Run with PDROUTE_GATEWAY.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { file, program, run, time_limit } from './programs.mjs';

const gateway = (...args) => run(program('PDROUTE_GATEWAY'), args);

const endpoint = 'endpoint prefill p0 127.0.0.1:8100';
const both = `${endpoint}\nendpoint decode d0 127.0.0.1:8200\n`;
const duration = 'a duration is a number of ms, s or min, such as 500ms';
const size = 'a size is a number of B, KiB or MiB, such as 4MiB';
const address = 'an address is IP:PORT, such as 127.0.0.1:8000 or [::1]:8000';
const limit = 'a limit is requests=NUMBER, tokens=NUMBER or kv_tokens=NUMBER';
const capacity = 'a capacity must be at least 1, and for requests at most 4,194,303; leave it out for no limit';
const form = (text) => `this statement is \`${text}\``;
const endpoint_form = form('endpoint prefill|decode ID ADDRESS:PORT [LIMIT=NUMBER]...');
const health_form = form('health-check every DURATION after NUMBER failures');

/// Lines of a configuration, each with the rule that it breaks and the value that breaks it.
const mistakes = [
  ['port 8000', 'there is no such statement', 'port'],
  ['Listen 127.0.0.1:8000', 'there is no such statement', 'Listen'],
  ['listen', form('listen ADDRESS:PORT'), 'listen'],
  ['listen 127.0.0.1:8000 127.0.0.1:8001', form('listen ADDRESS:PORT'), 'listen 127.0.0.1:8000 127.0.0.1:8001'],
  ['listen 8000', address, '8000'],
  ['listen localhost:8000', address, 'localhost:8000'],
  ['listen 127.0.0.1:65536', address, '127.0.0.1:65536'],
  ['listen 127.0.0.1:', address, '127.0.0.1:'],
  ['listen 127.0.0.1:-1', address, '127.0.0.1:-1'],
  ['listen 127.0.0.1:80a', address, '127.0.0.1:80a'],
  ['threads', form('threads NUMBER'), 'threads'],
  ['threads 0', 'this is a number from 1 to 256', '0'],
  ['threads 257', 'this is a number from 1 to 256', '257'],
  ['threads two', 'this is a number from 1 to 256', 'two'],
  ['threads 99999999999999999999', 'this is a number from 1 to 256', '99999999999999999999'],
  ['model', form('model NAME'), 'model'],
  ['model two words', form('model NAME'), 'model two words'],
  ['policy prefill', form('policy prefill|decode NAME'), 'policy prefill'],
  ['policy prefill best', 'a policy is one of round-robin, random, qps, least-requests, two-choices, least-tokens, least-kv, peak-ewma, weighted-random, weighted-two-choices, weighted-round-robin, rendezvous', 'best'],
  ['policy both random', 'a role is prefill or decode', 'both'],
  ['endpoint prefill p1', endpoint_form, 'endpoint prefill p1'],
  ['endpoint both p1 127.0.0.1:8101', 'a role is prefill or decode', 'both'],
  ['endpoint prefill p1 nowhere', address, 'nowhere'],
  ['endpoint prefill p1 127.0.0.1:0', "an endpoint's port is from 1 to 65535", '127.0.0.1:0'],
  ['endpoint prefill p1 127.0.0.1:8101 requests', limit, 'requests'],
  ['endpoint prefill p1 127.0.0.1:8101 requests=', limit, 'requests='],
  ['endpoint prefill p1 127.0.0.1:8101 requests=many', limit, 'requests=many'],
  ['endpoint prefill p1 127.0.0.1:8101 blocks=4', 'a limit is of requests, tokens or kv_tokens', 'blocks=4'],
  ['endpoint decode p0 127.0.0.1:8101', 'an id has the same address in both roles', '127.0.0.1:8101'],
  ['timeout connect', form('timeout WHAT DURATION'), 'timeout connect'],
  ['timeout lunch 1s', 'a timeout is one of connect, first-byte, answer, idle, request', 'lunch'],
  ['timeout connect 500', duration, '500'],
  ['timeout first-byte 0s', duration, '0s'],
  ['timeout answer ms', duration, 'ms'],
  ['timeout idle 1h', duration, '1h'],
  ['timeout request 1.5s', duration, '1.5s'],
  ['timeout request -1s', duration, '-1s'],
  ['timeout request 71583min', duration, '71583min'], // overflows; the message shows the whole value
  ['drain', form('drain DURATION'), 'drain'],
  ['drain never', duration, 'never'],
  ['body-limit', form('body-limit SIZE'), 'body-limit'],
  ['body-limit 0', size, '0'],
  ['body-limit 4GiB', size, '4GiB'],
  ['body-limit MiB', size, 'MiB'],
  ['body-limit 4096MiB', size, '4096MiB'],
  ['retries', form('retries NUMBER'), 'retries'],
  ['retries 9', 'this is a number from 0 to 8', '9'],
  ['retries -1', 'this is a number from 0 to 8', '-1'],
  ['health-check', health_form, 'health-check'],
  ['health-check each 1s after 2 failures', health_form, 'each'],
  ['health-check every 1 after 2 failures', duration, '1'],
  ['health-check every 1s after 0 failures', 'this is a number from 1 to 1000', '0'],
  ['health-check every 1s after 1001 failures', 'this is a number from 1 to 1000', '1001'],
];
/// Mistakes that only the router finds, after the whole file is read.
const router_mistakes = [
  ['endpoint prefill p1 127.0.0.1:8101 requests=0', capacity, 'p1: 0 requests'],
  ['endpoint prefill p1 127.0.0.1:8101 requests=4194304', capacity, 'p1: 4194304 requests'],
  ['endpoint prefill p1 127.0.0.1:8101 tokens=0', capacity, 'p1: 0 tokens'],
  ['endpoint prefill p1 127.0.0.1:8101 kv_tokens=0', capacity, 'p1: 0 KV tokens'],
  ['endpoint prefill p0 127.0.0.1:8100', 'an id must be unique within its role', 'p0'],
];

test('a line has a mistake: the program ends and says the line, the rule and the value', time_limit, async (t) => {
  for (const [line, rule, value] of mistakes) {
    await t.test(line, async () => {
      const path = file(`# a comment\n\n${endpoint}   # another\n${line}\nport 8000 # a later mistake\n`);
      const { code, stdout, stderr } = await gateway('--config', path);
      assert.equal(stderr, `${path}:4: ${rule}: ${value}\n`);
      assert.deepEqual([code, stdout], [2, '']);
    });
  }
});

test('the router refuses a line: the program ends and says the line, the rule and the value', time_limit, async () => {
  for (const [line, rule, value] of router_mistakes) {
    for (const role of ['prefill', 'decode']) {
      const [first, second] = [endpoint, line].map((each) => each.replace('prefill', role));
      const path = file(`endpoint prefill p9 127.0.0.1:8109\nendpoint decode d9 127.0.0.1:8209\n${first}\n${second}\n`);
      const { code, stdout, stderr } = await gateway('--config', path);
      assert.equal(stderr, `${path}:4: ${rule}: ${value}\n`);
      assert.deepEqual([code, stdout], [2, '']);
    }
  }
});

test('a role has no endpoint: the program ends with a message', time_limit, async () => {
  for (const text of ['', '# nothing\n', 'threads 2\n']) {
    const path = file(text);
    const { code, stderr } = await gateway('--config', path);
    assert.equal(code, 2);
    assert.match(stderr, /:\d+: each role needs an endpoint: prefill\n$/);
    assert.ok(stderr.startsWith(`${path}:`));
  }
  const { code, stderr } = await gateway('--config', file(`${endpoint}\n`));
  assert.equal(code, 2);
  assert.match(stderr, /:\d+: each role needs an endpoint: decode\n$/);
});

test('--check with a good configuration: exit code 0, no output, and no listening', time_limit, async () => {
  const limits = ['requests=1', 'requests=4194303 tokens=1 kv_tokens=1', ''];
  const right = [
    'listen 0.0.0.0:0',
    'listen [::1]:8000',
    'threads 256',
    'retries 0',
    'retries 8',
    'timeout connect 1ms',
    'timeout request 71582min',
    'drain 3min',
    'body-limit 1',
    'body-limit 17B',
    'body-limit 4095MiB',
    'health-check every 1ms after 1000 failures',
    'policy decode random',
    ...limits.map((some) => `endpoint prefill p1 127.0.0.1:8101 ${some}`),
    'endpoint decode p0 127.0.0.1:8100 # an engine for both roles',
    '\tretries\t1\r', // a line end of Windows
  ];
  for (const line of right) {
    const { code, stdout, stderr } = await gateway('--check', '--config', file(`${both}${line}\n`));
    assert.deepEqual({ line, code, stdout, stderr }, { line, code: 0, stdout: '', stderr: '' });
  }
});

test('an endpoint has the address of the gateway: refused', time_limit, async () => {
  const path = file(`listen 127.0.0.1:8200\n${both}`);
  const { code, stderr } = await gateway('--check', '--config', path);
  assert.deepEqual([code, stderr], [2, `${path}:3: an endpoint must not be the gateway itself: 127.0.0.1:8200\n`]);
  const elsewhere = await gateway('--check', '--config', path, '--listen', '127.0.0.1:8300');
  assert.equal(elsewhere.code, 0);
  const here = await gateway('--check', '--config', path, '--listen', '127.0.0.1:8100');
  assert.equal(here.stderr, `${path}:2: an endpoint must not be the gateway itself: 127.0.0.1:8100\n`);
});

test('--check with a mistake: the message is printed, exit code 2', time_limit, async () => {
  const { code, stderr } = await gateway('--check', '--config', file(`${endpoint}\nretries 9\n`));
  assert.equal(code, 2);
  assert.match(stderr, /:2: this is a number from 0 to 8: 9\n$/);
});

test('the shipped gateway.conf: it is good, and shows every setting', time_limit, async () => {
  const path = fileURLToPath(new URL('../../examples/gateway/gateway.conf', import.meta.url));
  assert.deepEqual(await gateway('--check', '--config', path), { code: 0, signal: null, stdout: '', stderr: '' });
  const statements = readFileSync(path, 'utf8').match(/^\S+/gm);
  for (const [line] of mistakes.slice(2)) assert.ok(statements.includes(line.split(' ')[0]), `it shows ${line}`);
});

test('--listen without a valid address: refused, and the configured address is not used', time_limit, async () => {
  const path = file(`listen 127.0.0.1:1\n${both}`);
  for (const value of ['nowhere', '127.0.0.1', 'localhost:0', '127.0.0.1:65536']) {
    const { code, stderr } = await gateway('--config', path, '--listen', value);
    assert.equal(stderr, `--listen: an address is IP:PORT, such as 127.0.0.1:8000: ${value}\n`);
    assert.equal(code, 2);
  }
});

test('the file is missing: the message names it', time_limit, async () => {
  const { code, stderr } = await gateway('--config', '/nowhere/gateway.conf');
  assert.deepEqual([code, stderr], [2, '/nowhere/gateway.conf: cannot be read\n']);
});

test('a missing or unknown flag: the program ends with a message that names a flag', time_limit, async () => {
  for (const args of [[], ['--check'], ['--config'], ['--config', 'a', '--nothing']]) {
    const { code, stdout, stderr } = await gateway(...args);
    assert.ok(code > 0, args.join(' '));
    assert.match(stdout + stderr, /--config|--nothing/);
  }
  const help = await gateway('--help');
  assert.equal(help.code, 0);
  for (const flag of ['--config', '--listen', '--check']) assert.ok(help.stdout.includes(flag));
});

test('the port is taken: the message says so', time_limit, async (t) => {
  const server = net.createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const taken = `127.0.0.1:${server.address().port}`;
  for (const threads of [1, 2]) {
    const path = file(`listen ${taken}\nthreads ${threads}\n${both}`);
    const { code, stdout, stderr } = await gateway('--config', path);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /Address already in use/);
  }
});
