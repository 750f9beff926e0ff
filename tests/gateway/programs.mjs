// SPDX-License-Identifier: Apache-2.0
// What the tests share: they start engines and gateways, ask them things, and end what they have started.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after } from 'node:test';

/// The program that an environment variable names.
export function program(variable) {
  if (!process.env[variable]) throw new Error(`${variable} must name a program`);
  return process.env[variable];
}

/// No test takes nearly as long, unless something hangs.
export const time_limit = { timeout: 120_000 };

export const folder = mkdtempSync(join(tmpdir(), 'pdroute-'));
const started = new Set();
// A test ends what it has started. This is for those that did not come that far.
const end_all = () => started.forEach((child) => child.kill('SIGKILL'));
process.once('exit', end_all);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
after(() => {
  end_all();
  rmSync(folder, { recursive: true, force: true });
});

let files = 0;
/// The path of a new file with this text.
export function file(text, name = 'file') {
  const path = join(folder, `${++files}-${name}`);
  writeFileSync(path, text);
  return path;
}

/// Waits until `condition` returns something, and returns that. The bound is for tests that fail.
export async function until(what, condition) {
  const last = performance.now() + 30_000;
  while (performance.now() < last) {
    const result = await condition();
    if (result) return result;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`it never came about that ${what}`);
}

/// Runs a program to its end.
export async function run(path, args, options = {}) {
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  started.add(child);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (piece) => (stdout += piece));
  child.stderr.on('data', (piece) => (stderr += piece));
  const { code, signal } = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  started.delete(child);
  return { code, signal, stdout, stderr };
}

/// Starts a program that says `listening on ADDRESS`. At the end of the test it is asked to end, and must do so well: a
/// sanitizer that has found something turns the exit code.
async function start(t, path, args) {
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  started.add(child);
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  ended.then(() => started.delete(child));
  let expected = true;
  const end = (signal) => {
    child.kill(signal);
    const patience = setTimeout(() => child.kill('SIGKILL'), 30_000);
    return ended.finally(() => clearTimeout(patience));
  };
  t.after(async () => {
    if (!expected) return child.kill('SIGKILL');
    assert.deepEqual(await end('SIGTERM'), { code: 0, signal: null }, `${path} ends well`);
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const address = /^listening on (.+)$/.exec(line)?.[1];
    assert.ok(address, `the first line is ${line}`);
    const [, host, port] = /^(.+):(\d+)$/.exec(address);
    const url = `http://${address}`;
    return {
      address,
      url,
      host,
      port: Number(port),
      pid: child.pid,
      ended,
      page: async (path) => JSON.parse((await get(url + path)).text),
      /// Ends it as the test wants it, and how it ends is the test's to judge: by SIGKILL if it does not want to.
      end: (signal = 'SIGTERM') => ((expected = false), end(signal)),
      signal: (name) => child.kill(name),
    };
  }
  expected = false;
  throw new Error(`${path} ended before it listened`);
}

/// Starts an emulated engine, on a free port and as fast as possible if the flags do not say otherwise.
export async function engine(t, role, ...flags) {
  const usual = { '--listen': '127.0.0.1:0', '--id': role, '--time-scale': '0' };
  for (const flag of Object.keys(usual)) if (flags.includes(flag)) delete usual[flag];
  const args = ['--role', role, ...Object.entries(usual).flat(), ...flags];
  const at = await start(t, program('PDROUTE_ENGINE'), args);
  return {
    ...at,
    id: args[args.indexOf('--id') + 1],
    role,
    flags,
    report: () => at.page('/admin/report'),
    fault: async (kind, every = 1) =>
      assert.equal((await post(`${at.url}/admin/fault`, { kind, every })).status, 200, kind),
  };
}

/// Engines p0, p1 ... or d0, d1 ..., on ports that nobody else takes while an engine is away: the system gives them to
/// no outgoing connection, and test files that run at the same time have others.
export function engines(t, role, count, ...flags) {
  const each = async (_, i) =>
    engine(t, role, '--id', `${role[0]}${i}`, '--listen', `127.0.0.1:${await free_port()}`, ...flags);
  return Promise.all(Array.from({ length: count }, each));
}

const ports = { first: 12_000 + (process.pid % 36) * 500, count: 500, next: 0 };
async function free_port() {
  for (let tries = 0; tries < ports.count; ++tries) {
    const port = ports.first + (ports.next++ % ports.count);
    if (await is_free(port)) return port;
  }
  throw new Error(`all ports from ${ports.first} are taken`);
}

const is_free = (port) =>
  new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

/// Starts an engine again, with the flags it had, on the port it had.
export const engine_again = (t, { role, flags }) => engine(t, role, ...flags);

/// An address at which nobody listens.
export const nowhere = '127.0.0.1:1';

/// What a gateway of these tests is told where a test does not say otherwise. Times are so long, and failures so many,
/// that a slow machine is not taken for a broken engine.
const usual_statements = {
  listen: '127.0.0.1:0',
  model: 'm',
  'policy prefill': 'round-robin',
  'policy decode': 'round-robin',
  'timeout connect': '30s',
  'timeout first-byte': '60s',
  'timeout answer': '60s',
  'timeout idle': '60s',
  'timeout request': '60s',
  drain: '60s',
  'health-check': 'every 500ms after 1000 failures',
};

/// The text of a configuration. An endpoint is an engine or `{ id, address }`; `limits` may be added to either.
export function configuration({ prefill = [], decode = [], ...statements }) {
  const endpoints = (role, list) =>
    list.map(({ id, address, limits = '' }) => `endpoint ${role} ${id} ${address} ${limits}`.trimEnd());
  const lines = Object.entries({ ...usual_statements, ...statements }).map(([name, value]) => `${name} ${value}`);
  return [...lines, ...endpoints('prefill', prefill), ...endpoints('decode', decode), ''].join('\n');
}

/// Starts a gateway.
export async function gateway(t, config) {
  const path = file(configuration(config), 'gateway.conf');
  const at = await start(t, program('PDROUTE_GATEWAY'), ['--config', path]);
  const metrics = async () => new Metrics((await get(`${at.url}/metrics`)).text);
  return { ...at, metrics };
}

/// What a page of metrics says.
export class Metrics {
  constructor(text) {
    this.text = text;
    this.samples = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels = '', value]) => ({
      name,
      labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, text]) => [label, text])),
      value: Number(value),
    }));
  }
  /// The sum of the samples with this name and these labels. There must be one, or the name is misspelt.
  sum(name, labels = {}) {
    const has = (sample) => Object.entries(labels).every(([label, text]) => sample.labels[label] === text);
    const found = this.samples.filter((sample) => sample.name === name && has(sample));
    assert.ok(found.length > 0, `there is ${name} ${JSON.stringify(labels)} in\n${this.text}`);
    return found.reduce((sum, { value }) => sum + value, 0);
  }
  /// How requests have ended.
  ended() {
    const names = ['answered', 'client_error', 'refused', 'engine_error', 'cancelled'];
    return Object.fromEntries(names.map((how) => [how, this.sum('gateway_requests_ended_total', { how })]));
  }
  /// How often an endpoint was chosen.
  chosen(role, endpoint) {
    const labels = { role, endpoint };
    return this.sum('pdroute_leases_in_flight', labels) + this.sum('pdroute_leases_ended_total', labels);
  }
  /// Whether nothing runs: no request, no lease, and no token is held.
  quiet() {
    const held = ['pdroute_leases_in_flight', 'pdroute_tokens_held', 'pdroute_kv_tokens_held'];
    const started = this.sum('gateway_requests_started_total');
    return started === this.sum('gateway_requests_ended_total') && held.every((name) => this.sum(name) === 0);
  }
}

/// Waits until nothing runs in the gateway and in the engines, and looks at what they have to say: choosing has
/// allocated nothing, and no engine saw the protocol violated. `exempt` are rules that the test looks at itself.
export async function quiet(gateway, engines, { exempt = [] } = {}) {
  let metrics;
  await until('nothing runs in the gateway', async () => (metrics = await gateway.metrics()).quiet());
  assert.equal(metrics.sum('gateway_choice_allocations_total'), 0, 'no choice has allocated');
  for (const at of engines) {
    const report = await until(`nothing runs in ${at.id}`, async () => {
      const now = await at.report();
      return now.running === 0 && now;
    });
    const { requests, finished, cancelled, failed, refused, violations } = report;
    assert.equal(finished + cancelled + failed + refused, requests);
    assert.deepEqual(violations.filter(({ rule }) => !exempt.includes(rule)), [], at.id);
  }
  return metrics;
}

/// Waits until so many endpoints of a role are in this state.
export const endpoints_are = (gateway, role, state, count) =>
  until(`${count} of ${role} are ${state}`, async () => {
    return (await gateway.metrics()).sum('pdroute_endpoints', { role, state }) === count;
  });

/// Waits until an engine's report says so.
export async function reports(at, expected) {
  let report;
  const agrees = async () => {
    report = await at.report();
    return Object.entries(expected).every(([name, value]) => report[name] === value);
  };
  await until(`${at.id} reports ${JSON.stringify(expected)}`, agrees).catch((error) => {
    throw new Error(`${error.message}; the last was ${JSON.stringify(report)}`);
  });
}

/// Over a connection of its own: the one of the last request may have lost its other end.
export const get = (url, { method = 'GET', headers } = {}) =>
  new Promise((resolve, reject) => {
    const request = http.request(url, { agent: false, method, headers }, async (reply) => {
      let text = '';
      for await (const piece of reply.setEncoding('utf8')) text += piece;
      resolve({ status: reply.statusCode, headers: reply.headers, text });
    });
    request.once('error', reject).end();
  });

export const post = (url, body, { id, signal, headers } = {}) =>
  fetch(url, {
    method: 'POST',
    body: typeof body === 'string' || body instanceof Buffer ? body : JSON.stringify(body),
    headers: { 'Content-Type': 'application/json', ...(id && { 'X-Request-Id': id }), ...headers },
    signal,
  });

export const text = { model: 'm', prompt: 'the quick brown fox', max_tokens: 6 };
export const chat = {
  model: 'm',
  messages: [{ role: 'user', content: 'the quick brown fox' }],
  max_completion_tokens: 6,
};
/// What an engine answers to these.
export const words = 'the quick brown fox the quick';
export const usage = { prompt_tokens: 4, completion_tokens: 6, total_tokens: 10 };
export const path_of = (body) => (body.prompt ? '/v1/completions' : '/v1/chat/completions');
/// The parameters with which a gateway asks for a prefill.
export const prefill_params = {
  do_remote_decode: true,
  do_remote_prefill: false,
  remote_engine_id: null,
  remote_block_ids: null,
  remote_host: null,
  remote_port: null,
};

/// The events of a whole stream.
export function events_in(stream) {
  const parts = stream.split('\n\n');
  assert.equal(parts.pop(), '');
  assert.equal(parts.pop(), 'data: [DONE]');
  return parts.map((part) => JSON.parse(part.replace(/^data: /, '')));
}
export async function events(reply) {
  assert.equal(reply.status, 200);
  assert.match(reply.headers.get('content-type'), /^text\/event-stream/);
  return events_in(await reply.text());
}
/// The words in a stream's events.
export const words_of = (events) =>
  events.map(({ choices: [choice] }) => (choice ? (choice.text ?? choice.delta.content ?? '') : '')).join('');

/// Sends bytes and returns all that comes back until the other end closes.
export async function raw({ host, port }, bytes) {
  const socket = net.connect(port, host);
  socket.write(bytes);
  let got = '';
  for await (const piece of socket) got += piece;
  return got;
}

/// An HTTP request as bytes.
export function request_text(method, path, body = '', more = 'Connection: close\r\n', version = '1.1') {
  const length = `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  return `${method} ${path} HTTP/${version}\r\nHost: gateway\r\n${length}${more}\r\n${body}`;
}

/// An engine of the test's own, which keeps what it was asked, and replies as `answer` says: an object is JSON, a text
/// is a stream of events; a function writes the reply itself. It is healthy while `healthy` is true.
export async function own_engine(t, id, answer) {
  const at = { id, asked: [], healthy: true, connections: new Set() };
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    if (request.url === '/health') return response.writeHead(at.healthy ? 200 : 500).end();
    const fields = JSON.parse(body);
    at.asked.push({ path: request.url, headers: request.headers, body, fields });
    const reply = answer(fields, at.asked.length);
    if (typeof reply === 'function') return reply(response);
    const type = typeof reply === 'string' ? 'text/event-stream' : 'application/json';
    response.writeHead(200, { 'Content-Type': type }).end(typeof reply === 'string' ? reply : JSON.stringify(reply));
  });
  server.on('connection', (socket) => {
    at.connections.add(socket);
    socket.once('close', () => at.connections.delete(socket));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  at.address = `127.0.0.1:${server.address().port}`;
  return at;
}
