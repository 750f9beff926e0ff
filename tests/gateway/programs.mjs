// SPDX-License-Identifier: Apache-2.0
// Helpers for all gateway tests: they start engines and gateways, send them requests, and end them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after } from 'node:test';

/// The path of a program, from an environment variable.
export function program(variable) {
  if (!process.env[variable]) throw new Error(`${variable} must name a program`);
  return process.env[variable];
}

/// A test takes far less time than this unless something hangs.
export const time_limit = { timeout: 120_000 };

export const folder = mkdtempSync(join(tmpdir(), 'pdroute-'));
const started = new Set();
// A test ends the programs that it has started. The handlers below end those of a test that is interrupted.
const end_all = () => started.forEach((child) => child.kill('SIGKILL'));
process.once('exit', end_all);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
after(() => {
  end_all();
  rmSync(folder, { recursive: true, force: true });
});

let files = 0;
/// Writes the text to a new file and returns its path.
export function file(text, name = 'file') {
  const path = join(folder, `${++files}-${name}`);
  writeFileSync(path, text);
  return path;
}

/// Waits until `condition` returns something true, and returns that. Fails after a bound.
export async function until(what, condition) {
  const last = performance.now() + 30_000;
  while (performance.now() < last) {
    const result = await condition();
    if (result) return result;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`it never came about that ${what}`);
}

/// Runs a program to its end and returns its exit code and output.
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

/// Starts a program that prints `listening on ADDRESS`. At the end of the test it gets SIGTERM, and its exit code must
/// be 0. A sanitizer that has found something changes the exit code.
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
      /// Ends the program with a signal and returns how it ended, for the test to judge. Sends SIGKILL if it does not
      /// end.
      end: (signal = 'SIGTERM') => ((expected = false), end(signal)),
      signal: (name) => child.kill(name),
    };
  }
  expected = false;
  throw new Error(`${path} ended before it listened`);
}

/// Starts an emulated engine. Unless the flags say otherwise, it has a free port and is as fast as possible.
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

/// Starts engines p0, p1 ... or d0, d1 ... on ports that stay free while an engine is away: the system does not use
/// them for outgoing connections, and test files that run at the same time use other ports.
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

/// Starts an engine again with the same flags and on the same port.
export const engine_again = (t, { role, flags }) => engine(t, role, ...flags);

/// An address without a listener.
export const nowhere = '127.0.0.1:1';

/// The settings of a gateway unless a test gives others. The timeouts and the number of failures are high, so that a
/// slow machine does not look like a broken engine.
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

/// The text of a configuration. An endpoint is an engine or `{ id, address }`. Either may have `limits`.
export function configuration({ prefill = [], decode = [], ...statements }) {
  const endpoints = (role, list) =>
    list.map(({ id, address, limits = '' }) => `endpoint ${role} ${id} ${address} ${limits}`.trimEnd());
  const lines = Object.entries({ ...usual_statements, ...statements }).map(([name, value]) => `${name} ${value}`);
  return [...lines, ...endpoints('prefill', prefill), ...endpoints('decode', decode), ''].join('\n');
}

/// Starts a gateway with this configuration.
export async function gateway(t, config) {
  const path = file(configuration(config), 'gateway.conf');
  const at = await start(t, program('PDROUTE_GATEWAY'), ['--config', path]);
  const metrics = async () => new Metrics((await get(`${at.url}/metrics`)).text);
  return { ...at, metrics };
}

/// The samples of a metrics page.
export class Metrics {
  constructor(text) {
    this.text = text;
    this.samples = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels = '', value]) => ({
      name,
      labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, text]) => [label, text])),
      value: Number(value),
    }));
  }
  /// The sum of the samples with this name and these labels. Fails if there is none, since the name is then misspelt.
  sum(name, labels = {}) {
    const has = (sample) => Object.entries(labels).every(([label, text]) => sample.labels[label] === text);
    const found = this.samples.filter((sample) => sample.name === name && has(sample));
    assert.ok(found.length > 0, `there is ${name} ${JSON.stringify(labels)} in\n${this.text}`);
    return found.reduce((sum, { value }) => sum + value, 0);
  }
  /// The number of requests for each way to end.
  ended() {
    const names = ['answered', 'client_error', 'refused', 'engine_error', 'cancelled'];
    return Object.fromEntries(names.map((how) => [how, this.sum('gateway_requests_ended_total', { how })]));
  }
  /// The number of times that an endpoint was chosen.
  chosen(role, endpoint) {
    const labels = { role, endpoint };
    return this.sum('pdroute_leases_in_flight', labels) + this.sum('pdroute_leases_ended_total', labels);
  }
  /// Whether nothing runs: no request is in progress, no lease is in flight, and no tokens are held.
  quiet() {
    const held = ['pdroute_leases_in_flight', 'pdroute_tokens_held', 'pdroute_kv_tokens_held'];
    const started = this.sum('gateway_requests_started_total');
    return started === this.sum('gateway_requests_ended_total') && held.every((name) => this.sum(name) === 0);
  }
}

/// Waits until nothing runs in the gateway and in the engines. Then checks that no choice has allocated and that no
/// engine has reported a violation of the protocol. `exempt` lists rules that the test checks itself. Returns the
/// metrics.
export async function quiet(gateway, engines, { exempt = [] } = {}) {
  let metrics;
  await until('nothing runs in the gateway', async () => (metrics = await gateway.metrics()).quiet());
  assert.equal(metrics.sum('gateway_choice_allocations_total'), 0, 'no choice allocates');
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

/// Waits until this number of endpoints of a role is in this state.
export const endpoints_are = (gateway, role, state, count) =>
  until(`${count} of ${role} are ${state}`, async () => {
    return (await gateway.metrics()).sum('pdroute_endpoints', { role, state }) === count;
  });

/// Waits until an engine's report has these values.
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

/// Uses a new connection: the connection of the last request may be dead.
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
/// The words that an engine answers to these requests.
export const words = 'the quick brown fox the quick';
export const usage = { prompt_tokens: 4, completion_tokens: 6, total_tokens: 10 };
export const path_of = (body) => (body.prompt ? '/v1/completions' : '/v1/chat/completions');
/// The transfer parameters of a prefill request.
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

/// Sends bytes and returns everything that arrives until the other end closes.
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

/// Starts an engine inside the test. It keeps the requests in `asked`, and replies with what `answer` returns: an
/// object is sent as JSON, a text as a stream of events, and a function writes the reply itself. It is healthy while
/// `healthy` is true.
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
