// SPDX-License-Identifier: Apache-2.0
// Faults under load: engines die, stop, hang, reply nonsense and refuse requests, and clients leave. In every case each
// request ends once, nothing stays reserved, and a request is answered as long as one engine of each role can answer.
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';

import { books_agree, load, tally } from './clients.mjs';
import {
  endpoints_are,
  engine_again,
  engines,
  gateway,
  nowhere,
  own_engine,
  post,
  quiet,
  reports,
  request_text,
  text,
  time_limit,
  until,
} from './programs.mjs';

/// Starts `each` engines for each role, and a gateway with two threads.
async function world_of(t, each, config = {}, { prefill = [], decode = ['--time-scale', '0.1'] } = {}) {
  const [ps, ds] = await Promise.all([engines(t, 'prefill', each, ...prefill), engines(t, 'decode', each, ...decode)]);
  return { ps, ds, gw: await gateway(t, { threads: 2, prefill: ps, decode: ds, ...config }) };
}

const all_answered = (ends) => assert.deepEqual(tally(ends), { ...tally([]), answered: ends.length });

/// All requests are answered, except streams that broke off after their first event: at most one for each of the 16
/// connections.
function answered_unless_begun(ends) {
  const failed = ends.filter(({ how }) => how !== 'answered');
  for (const end of failed) assert.ok(end.how === 'engine_error' && end.begun && end.stream, JSON.stringify(end));
  assert.ok(failed.length <= 16, `${failed.length} streams have broken off`);
}

const failures = ['unreachable', 'timed_out', 'bad_response', 'overloaded'];
const failed_leases = (metrics, labels = {}) =>
  failures.reduce((sum, outcome) => sum + metrics.sum('pdroute_leases_ended_total', { ...labels, outcome }), 0);

const requests_of = async (list) => {
  const each = await Promise.all(list.map((at) => at.report()));
  return each.reduce((sum, { requests }) => sum + requests, 0);
};

/// Runs three loads. The victims fail during the first, are known to be unhealthy in the second, and are back in the
/// third.
async function away_and_back(t, { each = 2, config, victims_of, fail, come_back }) {
  const { ps, ds, gw } = await world_of(t, each, { 'health-check': 'every 1s after 3 failures', ...config });
  const victims = victims_of(ps, ds);
  const judge = victims.some(({ role }) => role === 'decode') ? answered_unless_begun : all_answered;
  const chosen = async () => {
    const metrics = await gw.metrics();
    return victims.map(({ role, id }) => metrics.chosen(role, id));
  };

  const first = await load(gw, 200, { after: { 60: () => victims.forEach(fail) } });
  judge(first);
  assert.ok((await gw.metrics()).sum('gateway_retries_total') > 0, 'a request has met a victim');

  for (const { role } of victims) await endpoints_are(gw, role, 'unhealthy', 1);
  const before = await chosen();
  const second = await load(gw, 100);
  all_answered(second);
  assert.deepEqual(await chosen(), before, 'an unhealthy engine is not chosen');

  const back = await Promise.all(victims.map(come_back));
  for (const { role } of victims) await endpoints_are(gw, role, 'eligible', each);
  const third = await load(gw, 100);
  all_answered(third);
  (await chosen()).forEach((count, i) => assert.ok(count >= before[i] + 20, 'an engine that is back is chosen'));

  const others = [...ps, ...ds].filter((at) => !victims.includes(at));
  await books_agree(gw, [...others, ...back], [...first, ...second, ...third]);
  for (const at of back) assert.ok((await at.report()).finished >= 20);
}

// A decode engine that finds its prefill engine dead replies 500, and the request does not ask it again. With one dead
// engine of each kind, a request may use up two decode engines, so a third one is needed for a sure answer.
for (const [name, each, victims_of] of [
  ['a prefill engine', 2, (ps) => [ps[0]]],
  ['a decode engine', 2, (_, ds) => [ds[0]]],
  ['one of each kind', 3, (ps, ds) => [ps[1], ds[1]]],
]) {
  test(`${name} is killed and started again: requests go to the others until it is healthy`, time_limit, (t) => {
    const fail = (victim) => victim.end('SIGKILL');
    return away_and_back(t, { each, victims_of, fail, come_back: (victim) => engine_again(t, victim) });
  });
}

for (const [name, victims_of] of [
  ['a prefill engine', (ps) => [ps[0]]],
  ['a decode engine', (_, ds) => [ds[0]]],
]) {
  test(`${name} is stopped and goes on: requests go to the others until it is healthy`, time_limit, (t) => {
    const config = { 'timeout first-byte': '3s', 'timeout answer': '3s', 'timeout idle': '3s' };
    const fail = (victim) => victim.signal('SIGSTOP');
    const come_back = (victim) => (victim.signal('SIGCONT'), victim);
    return away_and_back(t, { config, victims_of, fail, come_back });
  });
}

test('a prefill engine restarts at once after SIGKILL: only the prompts that it lost fail', time_limit, async (t) => {
  const { ps, ds, gw } = await world_of(t, 2);
  const again = [];
  const kill_and_start = async () => {
    await ps[0].end('SIGKILL');
    again.push(await engine_again(t, ps[0]));
  };
  const ends = await load(gw, 400, { after: { 100: kill_and_start } });
  // The new process does not know the transfers that the old one issued. A decode engine then blames the gateway.
  const lost = ends.filter(({ how }) => how === 'client_error');
  for (const { code } of lost) assert.equal(code, 'unknown-params');
  const violations = (await Promise.all(ds.map((at) => at.report()))).flatMap((report) => report.violations);
  assert.equal(violations.length, lost.length);
  for (const { rule, detail } of violations) {
    assert.equal(rule, 'unknown-params');
    assert.equal(JSON.parse(detail).remote_port, ps[0].port);
  }
  assert.ok(lost.length <= 16, 'at most one for each connection');
  assert.equal(tally(ends).answered, ends.length - lost.length);
  await books_agree(gw, [...again, ps[1], ...ds], ends, { exempt: ['unknown-params'] });
});

test('an endpoint has no listener: the others answer, and no prompt is computed twice', time_limit, async (t) => {
  const [ps, ds] = [await engines(t, 'prefill', 2), await engines(t, 'decode', 2)];
  const prefill = [{ id: 'px', address: nowhere }, ...ps];
  const gw = await gateway(t, { threads: 2, prefill, decode: [...ds, { id: 'dx', address: nowhere }] });
  const ends = await load(gw, 300);
  all_answered(ends);
  const metrics = await books_agree(gw, [...ps, ...ds], ends);
  for (const [role, endpoint] of [['prefill', 'px'], ['decode', 'dx']]) {
    const unreachable = metrics.sum('pdroute_leases_ended_total', { role, endpoint, outcome: 'unreachable' });
    assert.ok(unreachable >= 50, 'it was chosen in its turn');
    assert.equal(metrics.chosen(role, endpoint), unreachable);
  }
  assert.equal(metrics.sum('gateway_retries_total'), failed_leases(metrics));
  assert.equal(await requests_of(ps), 300);
  assert.equal(await requests_of(ds), 300);
});

/// The outcome that the gateway counts for each fault.
const kinds = {
  garbage: 'bad_response',
  'garbage-body': 'bad_response',
  cut: 'bad_response',
  'error-500': 'bad_response',
  'refuse-429': 'overloaded',
};

/// How often an engine with this fault is asked at least, of 100 requests that two engines share. One that pushes back
/// pauses; how many requests meet it between its pauses is up to the speed of the machine.
const least = (kind) => (kind === 'refuse-429' ? 1 : 21);

/// Sets a fault in the victim, loads the gateway, and returns how the counts have changed meanwhile.
async function with_fault({ ps, ds, gw }, victim, kind, every, requests = 100) {
  const look = async () => {
    const metrics = await quiet(gw, [...ps, ...ds]);
    const labels = { role: victim.role, endpoint: victim.id };
    const outcomes = failures.map((outcome) => metrics.sum('pdroute_leases_ended_total', { ...labels, outcome }));
    const retries = metrics.sum('gateway_retries_total');
    const report = await victim.report();
    return [retries, failed_leases(metrics), await requests_of(ps), report.requests, ...outcomes];
  };
  const before = await look();
  await victim.fault(kind, every);
  const ends = await load(gw, requests);
  await victim.fault('none');
  const [retries, failed, prompts, asked, ...outcomes] = (await look()).map((count, i) => count - before[i]);
  const by = Object.fromEntries(failures.map((outcome, i) => [outcome, outcomes[i]]));
  return { ends, retries, failed, prompts, asked, by };
}

test('a prefill engine replies nonsense or fails: the other one computes the prompt', time_limit, async (t) => {
  const world = await world_of(t, 2, {}, { decode: [] });
  const all = [];
  for (const [kind, outcome] of Object.entries(kinds)) {
    const { ends, retries, failed, prompts, asked, by } = await with_fault(world, world.ps[0], kind, 1);
    all_answered(ends);
    assert.ok(asked >= least(kind), `${kind}: it was chosen in its turn`);
    assert.ok(asked <= 100, `${kind}: no request comes to it twice`);
    // Each request that it fails costs one failed lease, one retry and one more prompt.
    assert.deepEqual([by[outcome], failed, retries, prompts - 100], [asked, asked, asked, asked], kind);
    all.push(...ends);
  }
  await books_agree(world.gw, [...world.ps, ...world.ds], all);
});

test('a decode engine replies nonsense or fails: a used-up prompt is computed again', time_limit, async (t) => {
  const world = await world_of(t, 2, {}, { decode: [] });
  const all = [];
  for (const [kind, outcome] of Object.entries(kinds)) {
    const { ends, retries, failed, prompts, asked, by } = await with_fault(world, world.ds[0], kind, 1);
    const begun = ends.filter((end) => end.begun).length;
    if (kind === 'cut') {
      answered_unless_cut(ends);
      assert.ok(begun > 0);
    } else {
      all_answered(ends);
    }
    assert.ok(asked >= least(kind) && asked <= 100, `${kind}: it was asked ${asked} times`);
    assert.deepEqual([by[outcome], failed, retries], [asked, asked, asked - begun], kind);
    // A request that is refused with 429 has not used up its prompt.
    assert.equal(prompts - 100, kind === 'refuse-429' ? 0 : retries, kind);
    all.push(...ends);
  }
  await books_agree(world.gw, [...world.ps, ...world.ds], all);
});
const answered_unless_cut = (ends) => {
  for (const { how, begun, stream, code } of ends)
    assert.ok(how === 'answered' || (begun && stream && code === 'engine_error'), how);
};

test('engines hang: others answer after the timeout', time_limit, async (t) => {
  const config = { 'timeout first-byte': '4s', 'timeout answer': '4s' };
  const { ps, ds, gw } = await world_of(t, 2, config, { decode: [] });
  for (const victim of [ps[0], ds[0]]) await victim.fault('hang', 10);
  const ends = await load(gw, 100);
  all_answered(ends);
  const metrics = await books_agree(gw, [...ps, ...ds], ends);
  const timed_out = (role) => metrics.sum('pdroute_leases_ended_total', { role, outcome: 'timed_out' });
  for (const { role } of [ps[0], ds[0]]) assert.ok(timed_out(role) >= 2, `${role} has hung`);
  assert.equal(metrics.sum('gateway_retries_total'), failed_leases(metrics));
  assert.equal(await requests_of(ps), 100 + failed_leases(metrics), 'a decode that hangs may have used up its prompt');
});

test('an engine is slow: no failure is counted and nothing is retried', time_limit, async (t) => {
  const world = await world_of(t, 2, {}, { decode: [] });
  const all = [];
  for (const victim of [world.ps[0], world.ds[0]]) {
    const { ends, retries, failed, prompts } = await with_fault(world, victim, 'slow', 5);
    all_answered(ends);
    assert.deepEqual([retries, failed, prompts], [0, 0, 100]);
    all.push(...ends);
  }
  await books_agree(world.gw, [...world.ps, ...world.ds], all);
});

test('all engines of a role fail: a request tries each at most once, up to `retries` more', time_limit, async (t) => {
  const [ps, ds] = [await engines(t, 'prefill', 3), await engines(t, 'decode', 3)];
  const none = [0, 0, 0];
  // The engines that fail, the fault, `retries`; the client's status and error code, the requests that each prefill and
  // each decode engine gets, and the retries.
  const cases = [
    [ps, 'error-500', 8, 502, 'engine_error', [1, 1, 1], none, 3],
    [ps, 'refuse-429', 8, 429, 'overloaded', [1, 1, 1], none, 3],
    [ps, 'error-500', 2, 502, 'engine_error', [1, 1, 1], none, 2],
    [ps, 'garbage', 1, 502, 'engine_error', [1, 1, 0], none, 1],
    [ps, 'error-500', 0, 502, 'engine_error', [1, 0, 0], none, 0],
    [ps, 'refuse-429', 0, 429, 'engine_error', [1, 0, 0], none, 0],
    [ds, 'refuse-429', 8, 429, 'overloaded', [1, 0, 0], [1, 1, 1], 3],
    [ds, 'refuse-429', 1, 429, 'engine_error', [1, 0, 0], [1, 1, 0], 1],
    [ds, 'error-500', 8, 502, 'engine_error', [1, 1, 1], [1, 1, 1], 3],
    [ds, 'error-500', 1, 502, 'engine_error', [1, 1, 0], [1, 1, 0], 1],
  ];
  for (const [victims, kind, retries, status, code, prefills, decodes, retried] of cases) {
    for (const stream of [false, true]) {
      const what = `${victims[0].role} ${kind}, ${retries} retries, ${stream ? 'streamed' : 'plain'}`;
      const gw = await gateway(t, { prefill: ps, decode: ds, retries });
      const counts = (list) => Promise.all(list.map(async (at) => (await at.report()).requests));
      const before = [await counts(ps), await counts(ds)];
      for (const at of victims) await at.fault(kind);
      const reply = await post(`${gw.url}/v1/completions`, { ...text, stream });
      const { error } = await reply.json();
      assert.deepEqual([reply.status, error.code], [status, code], what);
      assert.equal(reply.headers.get('retry-after'), status === 429 || status === 503 ? '1' : null, what);
      for (const at of victims) await at.fault('none');

      const asked = [await counts(ps), await counts(ds)].map((after, role) =>
        after.map((count, i) => count - before[role][i]).sort((a, b) => b - a),
      );
      assert.deepEqual(asked, [prefills, decodes], what);
      const metrics = await quiet(gw, [...ps, ...ds]);
      assert.equal(metrics.sum('gateway_retries_total'), retried, what);
      assert.equal(metrics.ended()[code === 'engine_error' ? 'engine_error' : 'refused'], 1, what);
    }
  }
});

test('an engine does not reply in time: the client gets 504, which names the engine', time_limit, async (t) => {
  const { ps, ds, gw } = await world_of(t, 2, { 'timeout first-byte': '2s', 'timeout answer': '2s', retries: 0 });
  for (const victims of [ps, ds]) {
    for (const at of victims) await at.fault('hang');
    const asked = [false, true].map((stream) => post(`${gw.url}/v1/completions`, { ...text, stream }));
    for (const reply of await Promise.all(asked)) {
      const { error } = await reply.json();
      assert.deepEqual([reply.status, error.code], [504, 'engine_error']);
      assert.match(error.message, new RegExp(`${victims[0].role} engine [pd][01]: `), 'the message names the engine');
    }
    for (const at of victims) await at.fault('none');
  }
  await quiet(gw, [...ps, ...ds]);
});

/// Connects to the gateway as a client, writes `bytes` and returns the socket.
async function connect(gw, bytes = '') {
  const socket = net.connect(gw.port, gw.host);
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  await new Promise((resolve) => socket.write(bytes, resolve));
  return socket;
}

test('a client leaves in any phase of its request: cancelled, and no engine is blamed', time_limit, async (t) => {
  const [[p], [d]] = [await engines(t, 'prefill', 1), await engines(t, 'decode', 1, '--time-scale', '0.5')];
  const gw = await gateway(t, { threads: 2, prefill: [p], decode: [d] });
  const ways = { close: (socket) => socket.destroy(), reset: (socket) => socket.resetAndDestroy() };
  const request = (stream) =>
    request_text('POST', '/v1/completions', JSON.stringify({ ...text, max_tokens: 100_000, stream }), '');
  const short = request_text('POST', '/v1/completions', JSON.stringify(text), '');
  let left = 0;
  let answered = 0;

  for (const [way, leave] of Object.entries(ways)) {
    // Before the request is complete: nothing has started.
    const length = request(false).length;
    for (const bytes of ['', 'P', request(false).slice(0, 30), request(false).slice(0, length - 5)])
      leave(await connect(gw, bytes));

    for (const stream of [false, true]) {
      // While the prompt is computed, and before decode's first byte: the engine at work sees the cancellation.
      for (const at of [p, d]) {
        await at.fault('hang');
        const { cancelled } = await at.report();
        const socket = await connect(gw, request(stream));
        await reports(at, { running: 1 });
        leave(socket);
        await reports(at, { running: 0, cancelled: cancelled + 1 });
        await at.fault('none');
        ++left;
      }
    }

    // In the middle of a stream.
    const { cancelled } = await d.report();
    const socket = await connect(gw, request(true));
    let seen = '';
    socket.on('data', (piece) => (seen += piece));
    await until('the stream has begun', () => seen.includes('data: '));
    leave(socket);
    await reports(d, { running: 0, cancelled: cancelled + 1 });
    ++left;

    // While the answer is on its way; the client does not read it.
    const satisfied = (await connect(gw, short)).pause();
    ++answered;
    await until('it is answered', async () => (await gw.metrics()).ended().answered === answered);
    leave(satisfied);

    const metrics = await quiet(gw, [p, d]);
    const expected = { answered, client_error: 0, refused: 0, engine_error: 0, cancelled: left };
    assert.deepEqual(metrics.ended(), expected, way);
    assert.equal(failed_leases(metrics), 0, 'no engine is blamed');
    assert.equal(metrics.sum('gateway_retries_total'), 0);
  }
});

test('clients leave under load: all other requests are answered, no engine is blamed', time_limit, async (t) => {
  const { ps, ds, gw } = await world_of(t, 2, {}, { prefill: ['--time-scale', '10'] });
  let seed = 1; // fixed, so that each run draws the same moments
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const ends = await load(gw, 500, { leave_after: () => (random() < 0.4 ? random() * 30 : undefined) });
  const { left, answered } = tally(ends);
  assert.ok(left > 20, `${left} have left`);
  assert.equal(answered, 500 - left);
  const metrics = await books_agree(gw, [...ps, ...ds], ends);
  assert.ok(metrics.ended().cancelled > 0);
  assert.equal(failed_leases(metrics), 0, 'no engine is blamed');
});

test('a client does not read its stream: the gateway gives up and has not stored it', time_limit, async (t) => {
  const [[p], [d]] = [await engines(t, 'prefill', 1), await engines(t, 'decode', 1)];
  const gw = await gateway(t, { prefill: [p], decode: [d], 'timeout idle': '3s' });
  const body = { ...text, prompt: 'x'.repeat(10_000), max_tokens: 6000, stream: true }; // 60 MB: larger than any buffer
  const socket = net.connect(gw.port, gw.host).pause();
  socket.on('error', () => {});
  socket.write(request_text('POST', '/v1/completions', JSON.stringify(body), ''));
  await until('the gateway gives up', async () => (await gw.metrics()).ended().cancelled === 1);
  socket.destroy();
  await quiet(gw, [p, d]);
  const { finished, cancelled } = await d.report();
  assert.deepEqual([finished, cancelled], [0, 1], 'the engine could not send more than the client took');
});

test('a stream breaks off: the client gets an error event and no proper end', time_limit, async (t) => {
  const event = 'data: {"choices":[{"text":"a"}]}\n\n';
  let streaming;
  const begin = () => (response) => {
    streaming = response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    streaming.write(event);
  };
  const endings = {
    'the connection is lost': () => streaming.destroy(),
    'it ends without [DONE]': () => streaming.end(event),
    'it falls silent': () => {},
  };
  for (const [name, end] of Object.entries(endings)) {
    const p = await own_engine(t, 'p0', () => ({ kv_transfer_params: {} }));
    const ds = [await own_engine(t, 'd0', begin), await own_engine(t, 'd1', begin)];
    const gw = await gateway(t, { prefill: [p], decode: ds, 'timeout idle': '2s' });
    const reply = await post(`${gw.url}/v1/completions`, { ...text, stream: true });
    assert.equal(reply.status, 200);
    let seen = '';
    await assert.rejects(async () => {
      for await (const piece of reply.body) {
        if (seen === '') end(); // only after the client has seen the beginning
        seen += Buffer.from(piece);
      }
    }, name);
    assert.ok(seen.startsWith(event), name);
    assert.match(seen, /data: \{"error":\{"code":"engine_error"[^\n]*\}\n\n$/, name);
    const metrics = await quiet(gw, []);
    assert.equal(metrics.ended().engine_error, 1);
    assert.equal(metrics.sum('gateway_retries_total'), 0, 'no retry after the client has seen the beginning');
    assert.equal(failed_leases(metrics, { role: 'decode' }), 1);
    assert.equal(ds[0].asked.length + ds[1].asked.length, 1);
  }
});

test('an engine replies no proper answer: not passed on, another engine is asked', time_limit, async (t) => {
  const reply = (status, type, body) => () => (response) =>
    response.writeHead(status, { 'Content-Type': type }).end(body);
  const json = 'application/json';
  const wrong_prefills = [
    reply(200, json, '{"choices":[]}'), // no transfer parameters
    reply(200, json, '{"kv_transfer_params":null}'),
    reply(200, json, '{"kv_transfer_params":"text"}'),
    reply(200, json, '[]'),
    reply(200, json, `{"kv_transfer_params":{"a":${'['.repeat(1000)}${']'.repeat(1000)}}}`),
    reply(302, 'text/html', ''),
    reply(204, json),
    reply(503, json, '{}'),
  ];
  const wrong_streams = [
    reply(200, json, '{"choices":[]}'),
    reply(200, 'text/event-stream', ''),
    reply(200, 'text/event-stream', '<html>'),
    reply(200, 'text/event-stream', 'data: {"half":1}\n\n'),
    reply(500, 'text/event-stream', 'data: [DONE]\n\n'),
  ];
  const wrong_answers = [reply(200, json, ''), reply(200, json, '{"half":'), reply(302, json, '{}')];
  const right = { prefill: () => ({ kv_transfer_params: {} }), plain: () => ({}), stream: () => 'data: [DONE]\n\n' };
  const cases = [
    ...wrong_prefills.map((wrong) => ['prefill', false, wrong]),
    ...wrong_streams.map((wrong) => ['decode', true, wrong]),
    ...wrong_answers.map((wrong) => ['decode', false, wrong]),
  ];
  let wrong;
  const either = (good) => (fields, n) => wrong?.() ?? good(fields, n);
  const good_decode = ({ stream }) => (stream ? right.stream() : right.plain());
  const engine_pair = async (role, good) => [
    await own_engine(t, `${role}-bad`, either(good)),
    await own_engine(t, `${role}-good`, good),
  ];
  for (const [role, stream, spoilt] of cases) {
    const ps = await engine_pair('prefill', right.prefill);
    const ds = await engine_pair('decode', good_decode);
    const only = (list) => (list[0].id.startsWith(role) ? list : [list[1]]); // of the other role only the good engine
    const gw = await gateway(t, { prefill: only(ps), decode: only(ds) });
    wrong = spoilt;
    for (let i = 0; i < 2; ++i) {
      const answered = await post(`${gw.url}/v1/completions`, { ...text, stream });
      assert.equal(answered.status, 200, await answered.clone().text());
      assert.equal(await answered.text(), stream ? right.stream() : '{}');
    }
    const metrics = await quiet(gw, []);
    const retries = metrics.sum('gateway_retries_total');
    assert.ok(retries >= 1);
    assert.equal(metrics.sum('pdroute_leases_ended_total', { role, outcome: 'bad_response' }), retries);
  }
});
