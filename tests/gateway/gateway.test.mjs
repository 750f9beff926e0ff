// SPDX-License-Identifier: Apache-2.0
// The gateway towards its clients and its engines when nothing fails. Run with PDROUTE_GATEWAY and PDROUTE_ENGINE.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';

import {
  chat,
  configuration,
  endpoints_are,
  engine,
  engines,
  events,
  events_in,
  file,
  gateway,
  get,
  nowhere,
  own_engine,
  path_of,
  post,
  prefill_params,
  program,
  quiet,
  raw,
  reports,
  request_text,
  run,
  text,
  time_limit,
  until,
  usage,
  words,
  words_of,
} from './programs.mjs';

const ask = (at, body, options) => post(at.url + path_of(body), body, options);

async function is_error(reply, status, code, param = null) {
  const { error } = await reply.json();
  assert.deepEqual([reply.status, error.code, error.param], [status, code, param], error.message);
  assert.equal(reply.headers.get('content-type'), 'application/json');
  const type = status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error';
  assert.equal(error.type, type);
  return error.message;
}

const statuses = (replies) => [...replies.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
const answer = { object: 'text_completion', choices: [{ index: 0, text: 'an answer', finish_reason: 'stop' }] };
/// An endpoint for a configuration in which no request goes to it.
const unused = (role) => ({ id: role, address: nowhere });

/// Starts a gateway with one emulated engine for each role.
async function pair(t, config = {}, flags = []) {
  const [[p], [d]] = [await engines(t, 'prefill', 1, ...flags), await engines(t, 'decode', 1, ...flags)];
  return { p, d, gw: await gateway(t, { prefill: [p], decode: [d], ...config }) };
}

/// Starts a gateway with one engine inside the test for each role. The replies of each may be given.
async function own_pair(t, { prefilled, decoded = () => answer, ...config } = {}) {
  const p = await own_engine(t, 'p0', prefilled ?? (() => ({ ...answer, kv_transfer_params: { n: 1 } })));
  const d = await own_engine(t, 'd0', decoded);
  return { p, d, gw: await gateway(t, { prefill: [p], decode: [d], ...config }) };
}

test('a completion, plain or streamed, text or chat: two engines compute it', time_limit, async (t) => {
  const { p, d, gw } = await pair(t);
  for (const body of [text, chat]) {
    const reply = await ask(gw, body);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.get('content-type'), 'application/json');
    const whole = await reply.json();
    assert.equal(whole.choices[0].text ?? whole.choices[0].message.content, words);
    assert.deepEqual(whole.usage, usage);
    assert.equal(whole.kv_transfer_params, undefined);

    for (const include_usage of [false, true]) {
      const got = await events(await ask(gw, { ...body, stream: true, stream_options: { include_usage } }));
      assert.equal(words_of(got), words);
      assert.deepEqual(got.at(-1).usage, include_usage ? usage : undefined);
      assert.equal(got.length, include_usage ? 7 : 6);
    }
  }
  const metrics = await quiet(gw, [p, d]);
  assert.deepEqual(metrics.ended(), { answered: 6, client_error: 0, refused: 0, engine_error: 0, cancelled: 0 });
  assert.equal(metrics.sum('gateway_choices_total'), 6);
  assert.equal(metrics.sum('gateway_retries_total'), 0);
  for (const [role, at] of [['prefill', p], ['decode', d]]) {
    const labels = { role, endpoint: at.id, outcome: 'completed' };
    assert.equal(metrics.sum('pdroute_leases_ended_total', labels), 6);
    assert.equal((await at.report()).finished, 6);
  }
  assert.equal((await p.report()).unclaimed, 0);
});

test('one engine has both roles: it computes prompt and answer', time_limit, async (t) => {
  const e = await engine(t, 'both');
  const gw = await gateway(t, { prefill: [e], decode: [e] });
  assert.equal((await (await ask(gw, text)).json()).choices[0].text, words);
  assert.equal(words_of(await events(await ask(gw, { ...chat, stream: true }))), words);
  await quiet(gw, [e]);
  assert.equal((await e.report()).finished, 4);
});

test('any request: prefill is asked for one token, decode for what the client wants', time_limit, async (t) => {
  const { p, d, gw } = await own_pair(t);
  const seed = 9007199254740993n;
  const more = { temperature: 0.1, user: 'Zoë 🦊', stop: ['\n\u0000'], nested: { stream: true } };
  const prompts = [{ prompt: 'a' }, { messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }] }] }];
  const own = [
    {},
    { max_tokens: 7 },
    { max_completion_tokens: 7 },
    { max_tokens: 7, max_completion_tokens: 8, min_tokens: 3, stream: false, stream_options: null },
    { stream: null, max_tokens: null },
  ];
  for (const fields of own) {
    for (const base of prompts) {
      const body = { model: 'm', ...base, ...more, seed: 1, ...fields };
      // JSON.stringify cannot write a number this large.
      const sent = JSON.stringify(body).replace('"seed":1', `"seed":${seed}`);
      assert.equal((await post(gw.url + path_of(body), sent)).status, 200);

      const prefill = p.asked.at(-1);
      const { max_tokens: _1, max_completion_tokens: most, min_tokens: _2, stream_options: _3, ...rest } = body;
      assert.deepEqual(prefill.fields, {
        ...rest,
        seed: Number(seed),
        stream: false,
        max_tokens: 1,
        ...(most && { max_completion_tokens: 1 }),
        kv_transfer_params: prefill_params,
      });
      const decode = d.asked.at(-1);
      assert.deepEqual(decode.fields, { ...body, seed: Number(seed), kv_transfer_params: { n: 1 } });
      for (const leg of [prefill, decode]) {
        assert.equal(leg.path, path_of(body));
        assert.match(leg.body, /"seed":9007199254740993\b/);
      }
    }
  }
});

test('prefill returns transfer parameters: decode gets them unchanged', time_limit, async (t) => {
  const params =
    '{"do_remote_prefill":true,"remote_block_ids":[[1,2],[],[18446744073709551615,-9223372036854775808]],' +
    '"remote_engine_id":"Zoë \\"\\\\ \\u0000 🦊","remote_host":"::1","ratio":0.1,"tp_size":null,"a":{"b":{"c":[]}}}';
  const prefilled = () => (response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(`{"choices":[{"text":"a"}],"kv_transfer_params": ${params} }`);
  };
  const { d, gw } = await own_pair(t, { prefilled });
  assert.equal((await ask(gw, text)).status, 200);
  assert.deepEqual(d.asked[0].fields.kv_transfer_params, JSON.parse(params));
  for (const number of ['18446744073709551615', '-9223372036854775808', '0.1,'])
    assert.ok(d.asked[0].body.includes(number), number); // JSON.parse would round it
});

test('a client sends a request id: engines and reply have the gateway’s id instead', time_limit, async (t) => {
  const { p, d, gw } = await own_pair(t);
  const ids = new Set();
  for (let i = 0; i < 3; ++i) {
    const reply = await ask(gw, text, { id: 'mine' });
    const id = reply.headers.get('x-request-id');
    assert.ok(id.length > 0 && !id.includes('mine'));
    assert.equal(p.asked[i].headers['x-request-id'], id);
    assert.equal(d.asked[i].headers['x-request-id'], id);
    ids.add(id);
  }
  assert.equal(ids.size, 3);
});

test('a client sends headers for engines: they are not passed on', time_limit, async (t) => {
  const { p, d, gw } = await own_pair(t);
  const headers = {
    Authorization: 'Bearer key',
    'X-Request-Id': 'forged',
    'x-prefiller-host-port': '10.0.0.1:80',
    'x-encoder-hosts-ports': '10.0.0.1:80',
    'x-data-parallel-host-port': '10.0.0.1:80',
    'x-data-parallel-rank': '7',
    'x-gateway-destination-endpoint': '10.0.0.1:80',
    'X-Forwarded-For': '10.0.0.1',
    Cookie: 'a=b',
  };
  assert.equal((await ask(gw, text, { headers })).status, 200);
  for (const { asked } of [p, d]) {
    const { 'x-request-id': id, ...others } = asked[0].headers;
    assert.notEqual(id, 'forged');
    const names = ['authorization', 'content-length', 'content-type', 'host'];
    assert.deepEqual(Object.keys(others).sort(), names);
    assert.equal(others.authorization, 'Bearer key');
  }
  assert.equal(p.asked[0].headers.host, p.address);
  assert.equal(d.asked[0].headers.host, d.address);
});

test('a client sends fields for engines: they are not passed on', time_limit, async (t) => {
  const { p, d, gw } = await own_pair(t);
  const forged = { do_remote_prefill: true, remote_host: '10.0.0.1', remote_port: 80 };
  const reserved = {
    kv_transfer_params: forged,
    disaggregated_params: forged,
    disagg_prefill_resp: forged,
    bootstrap_host: '10.0.0.1',
    bootstrap_port: 80,
    bootstrap_room: 7,
    transfer_id: 'forged',
    data_parallel_rank: 7,
    cache_hit_threshold: 0,
    request_id: 'forged',
  };
  assert.equal((await ask(gw, { ...reserved, ...text, ...reserved })).status, 200);
  assert.deepEqual(p.asked[0].fields, { ...text, stream: false, max_tokens: 1, kv_transfer_params: prefill_params });
  assert.deepEqual(d.asked[0].fields, { ...text, kv_transfer_params: { n: 1 } });

  // A forbidden name with escapes, and twice.
  const body = `{"kv_transfer_param\\u0073":{"forged":1},"model":"m","prompt":"a","kv_transfer_params":{"forged":2}}`;
  assert.equal((await post(`${gw.url}/v1/completions`, body)).status, 200);
  for (const { asked } of [p, d]) assert.doesNotMatch(asked[1].body, /forged/);

  // Deeper in the body, the names are the client's own data.
  const metadata = { kv_transfer_params: 'mine', stream: true, max_tokens: 9 };
  assert.equal((await ask(gw, { ...text, metadata })).status, 200);
  for (const { asked } of [p, d]) assert.deepEqual(asked[2].fields.metadata, metadata);
});

test('a field is there twice: the gateway and both engines read the same value', time_limit, async (t) => {
  const { p, d, gw } = await own_pair(t);
  const body = '{"model":"m","prompt":"a","stream":true,"max_tokens":9,"stream":false,"max_tokens":5}';
  const reply = await post(`${gw.url}/v1/completions`, body);
  assert.equal(reply.headers.get('content-type'), 'application/json');
  for (const { asked } of [p, d]) {
    assert.equal(asked[0].body.match(/"stream"/g).length, 1);
    assert.equal(asked[0].body.match(/"max_tokens"/g).length, 1);
  }
  const { stream, max_tokens } = d.asked[0].fields;
  assert.deepEqual([stream, max_tokens], [false, 5]);
});

test('an invalid request: refused with the name of its field, and no engine gets it', time_limit, async (t) => {
  const { p, d, gw } = await own_pair(t);
  const prompt = { model: 'm', prompt: 'a' };
  const messages = { model: 'm', messages: [{ role: 'user', content: 'a' }] };
  const mistakes = [
    ['body', ''],
    ['body', 'no JSON'],
    ['body', '{"model":"m","prompt":"a"'],
    ['body', '{"model":"m","prompt":"a"} and more'],
    ['body', '{"model":"m","prompt":"\xff"}'],
    ['body', '{"model":"m","prompt":"\\ud800"}'],
    ['body', '{"model":"m","prompt":"a","top_p":1e999}'],
    ['body', '[]'],
    ['body', 'null'],
    ['body', '"text"'],
    ['model', { prompt: 'a' }],
    ['model', { prompt: 'a', model: null }],
    ['model', { prompt: 'a', model: 7 }],
    ['prompt', { model: 'm' }],
    ['prompt', { model: 'm', messages: messages.messages }],
    ['prompt', { model: 'm', prompt: null }],
    ['prompt', { model: 'm', prompt: 7 }],
    ['prompt', { model: 'm', prompt: {} }],
    ['prompt', { model: 'm', prompt: [] }],
    ['prompt', { model: 'm', prompt: ['a', null] }],
    ['prompt', { model: 'm', prompt: [1, -1] }],
    ['prompt', { model: 'm', prompt: [[1], [1.5]] }],
    ['messages', prompt],
    ['messages', { model: 'm', messages: 'a' }],
    ['messages', { model: 'm', messages: [] }],
    ['messages', { model: 'm', messages: {} }],
    ['messages', { model: 'm', messages: ['a'] }],
    ['messages', { model: 'm', messages: [{ role: 'user', content: 7 }] }],
    ['stream', { ...prompt, stream: 'yes' }],
    ['stream', { ...messages, stream: 1 }],
    ['stream_options', { ...prompt, stream: true, stream_options: true }],
    ['max_tokens', { ...prompt, max_tokens: 0 }],
    ['max_tokens', { ...prompt, max_tokens: -1 }],
    ['max_tokens', { ...prompt, max_tokens: 1.5 }],
    ['max_tokens', { ...prompt, max_tokens: '5' }],
    ['max_completion_tokens', { ...messages, max_completion_tokens: 0 }],
    ['max_completion_tokens', { ...messages, max_completion_tokens: [] }],
  ];
  for (const [field, body] of mistakes) {
    const chat = field === 'messages' || (field !== 'prompt' && body.messages);
    const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : JSON.stringify(body);
    const reply = await post(`${gw.url}/v1/${chat ? 'chat/' : ''}completions`, bytes);
    const message = await is_error(reply, 400, 'invalid_value', field);
    assert.ok(message.includes(`'${field}'`), message);
  }
  const metrics = await quiet(gw, []);
  assert.equal(metrics.ended().client_error, mistakes.length);
  assert.equal(metrics.sum('gateway_choices_total'), 0);
  assert.equal(p.asked.length + d.asked.length, 0);
});

test('a prompt in each allowed form: taken', time_limit, async (t) => {
  const { p, d, gw } = await own_pair(t);
  for (const prompt of ['', ['a', 'b'], [1, 2, 3], [[1, 2], [3]]]) {
    assert.equal((await post(`${gw.url}/v1/completions`, { model: 'm', prompt })).status, 200, JSON.stringify(prompt));
    for (const { asked } of [p, d]) assert.deepEqual(asked.at(-1).fields.prompt, prompt);
  }
  const parts = [{ type: 'text', text: 'a' }, { type: 'image_url', image_url: { url: 'data:,' } }];
  for (const content of ['a', parts, null]) {
    const messages = [{ role: 'assistant', content }];
    assert.equal((await ask(gw, { model: 'm', messages })).status, 200, JSON.stringify(content));
    for (const { asked } of [p, d]) assert.deepEqual(asked.at(-1).fields.messages, messages);
  }
});

test('a body nests too deep: refused, at any depth', time_limit, async (t) => {
  const { d, gw } = await own_pair(t);
  const nested = (depth) => `{"model":"m","prompt":"[[[{","x":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
  const send = (body) => post(`${gw.url}/v1/completions`, body);
  assert.equal((await send(nested(64))).status, 200);
  assert.equal(JSON.stringify(d.asked[0].fields.x), '['.repeat(63) + ']'.repeat(63));
  await is_error(await send(nested(65)), 400, 'invalid_value', 'body');
  await is_error(await send(nested(1_000_000)), 400, 'invalid_value', 'body');
  await is_error(await send('{"a":'.repeat(500_000)), 400, 'invalid_value', 'body');
  assert.equal((await send(text)).status, 200);
});

test('a model that is not served: not found', time_limit, async (t) => {
  const gw = await gateway(t, { prefill: [unused('p')], decode: [unused('d')], model: 'served' });
  const message = await is_error(await ask(gw, { ...text, model: 'other' }), 404, 'model_not_found', 'model');
  assert.match(message, /'other'/);
  const { object, data } = JSON.parse((await get(`${gw.url}/v1/models`)).text);
  assert.deepEqual([object, data.length, data[0].id, data[0].object], ['list', 1, 'served', 'model']);
});

test('a page with a wrong method: 405; an unknown page: 404', time_limit, async (t) => {
  const gw = await gateway(t, { prefill: [unused('p')], decode: [unused('d')] });
  for (const path of ['/v1/models', '/health', '/metrics', '/health?why=because']) {
    assert.equal((await get(gw.url + path)).status, 200, path);
    const wrong = await post(gw.url + path, '{}');
    assert.equal(wrong.headers.get('allow'), 'GET');
    await is_error(wrong, 405, 'method_not_allowed');
  }
  for (const path of ['/v1/completions', '/v1/chat/completions']) {
    const wrong = await fetch(gw.url + path);
    assert.equal(wrong.headers.get('allow'), 'POST');
    await is_error(wrong, 405, 'method_not_allowed');
  }
  for (const path of ['/', '/v1', '/v1/completions/', '/v1/embeddings', '/admin/report', '//health'])
    await is_error(await fetch(gw.url + path), 404, 'not_found');
});

test('a HEAD request: the reply has no body, and the next reply follows it', time_limit, async (t) => {
  const gw = await gateway(t, { prefill: [unused('p')], decode: [unused('d')] });
  for (const path of ['/health', '/v1/completions', '/nothing']) {
    const replies = await raw(gw, request_text('HEAD', path, '', '') + request_text('GET', '/health'));
    const [head, ...rest] = replies.split('\r\n\r\n');
    assert.match(head, /^HTTP\/1\.1 \d+/);
    assert.match(rest[0], /^HTTP\/1\.1 200/, `after HEAD ${path} comes the next reply`);
  }
});

const quick_health_check = { 'health-check': 'every 500ms after 3 failures' };

test('/ready: 200 only while each role has an endpoint that can be chosen', time_limit, async (t) => {
  const { p, d, gw } = await own_pair(t, quick_health_check);
  const ready = () => get(`${gw.url}/ready`);
  const is_ready = () => until('it is ready', async () => (await ready()).status === 200);
  await is_ready();
  for (const [role, at] of [['prefill', p], ['decode', d]]) {
    at.healthy = false;
    await endpoints_are(gw, role, 'unhealthy', 1);
    const { status, text } = await ready();
    const { error } = JSON.parse(text);
    assert.deepEqual([status, error.code], [503, 'no_endpoint']);
    assert.ok(error.message.includes(role), error.message);
    assert.equal((await get(`${gw.url}/health`)).status, 200, 'the gateway itself is healthy');
    at.healthy = true;
    await is_ready();
  }
});

const promtool = spawnSync('promtool', ['--version']).error ? 'there is no promtool' : false;
test('promtool checks /metrics: no complaint', { ...time_limit, skip: promtool }, async (t) => {
  const { p, d, gw } = await pair(t, { threads: 2 });
  await (await ask(gw, text)).text();
  await quiet(gw, [p, d]);
  const { status, headers, text: page } = await get(`${gw.url}/metrics`);
  assert.deepEqual([status, headers['content-type']], [200, 'text/plain; version=0.0.4']);
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' });
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  assert.equal(checked.stderr, '');
});

test('a body or headers are too large: 413 or 431', time_limit, async (t) => {
  const { gw, d } = await own_pair(t, { 'body-limit': '1KiB' });
  const body = (size) => JSON.stringify({ model: 'm', prompt: '' }).replace('""', `"${'x'.repeat(size - 25)}"`);
  assert.equal(body(1024).length, 1024);
  const send = (body, more = 'Connection: close\r\n') => raw(gw, request_text('POST', '/v1/completions', body, more));
  assert.deepEqual(statuses(await send(body(1024))), [200]);
  assert.equal(d.asked[0].fields.prompt.length, 999);

  const too_large = await send(body(1025), '');
  assert.deepEqual(statuses(too_large), [413]);
  assert.match(too_large, /"body_too_large"/);
  assert.match(too_large, /^Connection: close\r$/m);
  const chunk = `400\r\n${'x'.repeat(1024)}\r\n`;
  const chunked = `POST /v1/completions HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}${chunk}`;
  assert.deepEqual(statuses(await raw(gw, chunked)), [413]);

  assert.deepEqual(statuses(await send(body(100), `X: ${'x'.repeat(15_000)}\r\nConnection: close\r\n`)), [200]);
  const headers = await send(body(100), `X: ${'x'.repeat(20_000)}\r\n`);
  assert.deepEqual(statuses(headers), [431]);
  assert.match(headers, /"headers_too_large"/);
  assert.equal((await gw.metrics()).sum('gateway_requests_started_total'), 2, 'an unread request does not start');
});

test('not HTTP, or HTTP with two readings: refused, and the connection closed', time_limit, async (t) => {
  const { gw, p } = await own_pair(t);
  const body = JSON.stringify(text);
  const hidden = request_text('POST', '/v1/completions', body);
  const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  const head = 'POST /v1/completions HTTP/1.1\r\nHost: g\r\n';
  const wrong = [
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS, say\r\n\r\n',
    'what is this?\r\n\r\n',
    'GET /health HTTP/3.0\r\n\r\n',
    'GET /health\r\n\r\n',
    'GET /health HTTP/1.1\r\nno colon\r\n\r\n',
    'GET /health HTTP/1.1\r\nSpace : before\r\n\r\n',
    `${head}Content-Length: ten\r\n\r\n`,
    `${head}Content-Length: -1\r\n\r\n`,
    `${head}Content-Length: ${body.length}\r\nContent-Length: ${body.length + hidden.length}\r\n\r\n${body}${hidden}`,
    `${head}Content-Length: ${chunked.length}\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`,
    `${head}Transfer-Encoding: chunked\r\nContent-Length: ${chunked.length}\r\n\r\n${chunked}`,
    `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n${body}\r\n0\r\n\r\n`,
  ];
  for (const bytes of wrong) {
    const replies = await raw(gw, Buffer.from(bytes, 'latin1'));
    assert.deepEqual(statuses(replies), [400], bytes);
    assert.match(replies, /"bad_http"/);
    assert.match(replies, /^Connection: close\r$/m);
  }
  assert.equal(p.asked.length, 0);
  assert.equal((await ask(gw, text)).status, 200);
});

test('a body in chunks: read', time_limit, async (t) => {
  const { gw, d } = await own_pair(t);
  const body = JSON.stringify(text);
  const [first, second] = [body.slice(0, 10), body.slice(10)];
  const chunks = [first, second].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('');
  const head = 'POST /v1/completions HTTP/1.1\r\nHost: g\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';
  assert.deepEqual(statuses(await raw(gw, `${head}${chunks}0\r\n\r\n`)), [200]);
  assert.equal(d.asked[0].fields.prompt, text.prompt);
});

test('chunk extensions or trailers are too large: refused', time_limit, async (t) => {
  const { gw, d } = await own_pair(t);
  const head = 'POST /v1/completions HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n';
  for (const flood of ['1;', '0\r\nA: ']) {
    assert.deepEqual(statuses(await raw(gw, head + flood + 'a'.repeat(1 << 20))), [431], JSON.stringify(flood));
  }
  assert.equal(d.asked.length, 0);
});

test('a body without a known end: refused', time_limit, async (t) => {
  const { gw } = await own_pair(t);
  for (const coding of ['xchunked', 'chunked, gzip', 'gzip']) {
    const head = `POST /nothing HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: ${coding}\r\n\r\n`;
    assert.deepEqual(statuses(await raw(gw, head + request_text('GET', '/health'))), [400], coding);
  }
});

test('the target has a query: it is not passed on', time_limit, async (t) => {
  const { p, d, gw } = await own_pair(t);
  assert.equal((await post(`${gw.url}/v1/completions?bootstrap_host=evil`, text)).status, 200);
  assert.deepEqual([p.asked[0].path, d.asked[0].path], ['/v1/completions', '/v1/completions']);
});

const whole_stream = (line_end) =>
  ['{"choices":[{"text":"so"}]}', '[DONE]'].map((data) => `data: ${data}${line_end}${line_end}`).join('');

test('the lines of a stream end with CR and LF: the answer is whole', time_limit, async (t) => {
  const { gw } = await own_pair(t, { decoded: () => whole_stream('\r\n') });
  const reply = await ask(gw, { ...text, stream: true });
  assert.equal(reply.status, 200);
  assert.equal(await reply.text(), whole_stream('\r\n'));
});

test('a connection ends after [DONE]: the answer is whole', time_limit, async (t) => {
  // The engine holds back the end of its last chunk. The client leaves as soon as it has [DONE], or waits for the end.
  const decoded = () => (response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(whole_stream('\n'));
    setTimeout(() => response.destroy(), 100);
  };
  const { gw } = await own_pair(t, { decoded });
  const reply = await ask(gw, { ...text, stream: true });
  assert.equal(await reply.text(), whole_stream('\n'), 'no error after the end');
  const metrics = await until('it has ended', async () => {
    const now = await gw.metrics();
    return now.sum('gateway_requests_ended_total') === 1 && now;
  });
  assert.equal(metrics.sum('gateway_requests_ended_total', { how: 'answered' }), 1);
  assert.equal(metrics.sum('pdroute_leases_ended_total', { role: 'decode', outcome: 'completed' }), 1);
});

test('several requests in one packet: answered in turn', time_limit, async (t) => {
  const { p, d, gw } = await pair(t);
  const prompts = ['one', 'two', 'three', 'four', 'five'];
  const requests = prompts.map((prompt, i) => {
    const body = JSON.stringify({ ...text, prompt, max_tokens: 1, stream: i % 2 === 1 });
    return request_text('POST', '/v1/completions', body, '') + request_text('GET', '/nothing', '', '');
  });
  const replies = await raw(gw, requests.join('') + request_text('GET', '/health'));
  assert.deepEqual(statuses(replies), [...prompts.flatMap(() => [200, 404]), 200]);
  assert.deepEqual([...replies.matchAll(/"text":"(\w+)"/g)].map(([, word]) => word), prompts);
  await quiet(gw, [p, d]);
});

test('a client of HTTP/1.0: it gets no chunks, and the connection closes after a stream', time_limit, async (t) => {
  const { p, d, gw } = await pair(t);
  const ask_as_1_0 = (body, more) => {
    const request = request_text('POST', '/v1/completions', JSON.stringify(body), more, '1.0');
    return raw(gw, request + (more && request_text('GET', '/health')));
  };
  const plain = await ask_as_1_0(text, '');
  assert.deepEqual(statuses(plain), [200]);
  assert.match(plain, /^Content-Length: \d+\r$/m);
  assert.equal(JSON.parse(plain.split('\r\n\r\n')[1]).choices[0].text, words);
  assert.deepEqual(statuses(await ask_as_1_0(text, 'Connection: keep-alive\r\n')), [200, 200]);

  for (const more of ['', 'Connection: keep-alive\r\n']) {
    const streamed = await ask_as_1_0({ ...text, stream: true }, more);
    const [head, ...body] = streamed.split('\r\n\r\n');
    assert.doesNotMatch(head, /chunked|Content-Length/i);
    assert.match(head, /^Connection: close$/m);
    assert.equal(words_of(events_in(body.join('\r\n\r\n'))), words);
  }
  await quiet(gw, [p, d]);
});

test('a client expects 100: it gets it before it sends the body', time_limit, async (t) => {
  const { gw } = await own_pair(t, { 'body-limit': '1KiB' });
  const send = (body) =>
    new Promise((resolve, reject) => {
      let continued = false;
      const headers = { Expect: '100-continue', 'Content-Length': body.length };
      const request = http.request(`${gw.url}/v1/completions`, { method: 'POST', headers, agent: false });
      request.on('continue', () => ((continued = true), request.end(body)));
      request.on('response', (reply) => (reply.resume(), request.destroy(), resolve([continued, reply.statusCode])));
      request.on('error', reject);
      request.flushHeaders();
    });
  assert.deepEqual(await send(JSON.stringify(text)), [true, 200]);
  assert.deepEqual(await send('x'.repeat(2000)), [false, 413], 'a body that is too large is refused before it is sent');
});

test('a client sends a request too slowly: the connection closes', time_limit, async (t) => {
  const { gw } = await own_pair(t, { 'timeout request': '1s' });
  const socket = net.connect(gw.port, gw.host);
  socket.on('error', () => {}).resume();
  socket.write('GET /health HTTP/1.1\r\nX: ');
  const drip = setInterval(() => socket.write('x'), 50); // never silent for as long as the idle timeout
  t.after(() => clearInterval(drip));
  await until('the connection closes', () => socket.destroyed);
});

test('a client sends nothing: the connection closes', time_limit, async (t) => {
  const { gw } = await own_pair(t, { 'timeout idle': '1s' });
  assert.equal(await raw(gw, ''), '');
  assert.deepEqual(statuses(await raw(gw, request_text('GET', '/health', '', ''))), [200]);
});

test('requests in turn: connections to engines are reused unless the engine closed them', time_limit, async (t) => {
  const asked_by = [];
  const keep = (reply) => () => (response) => (asked_by.push(response.socket), response.end(JSON.stringify(reply)));
  const prefilled = keep({ ...answer, kv_transfer_params: {} });
  const { p, d, gw } = await own_pair(t, { prefilled, decoded: keep(answer) });
  for (let i = 0; i < 5; ++i) assert.equal((await ask(gw, text)).status, 200);
  const used = new Set(asked_by).size;
  assert.ok(used < 10, 'fewer connections than requests');
  for (const { connections } of [p, d])
    for (const socket of connections) await new Promise((resolve) => socket.end(resolve));
  assert.equal((await ask(gw, text)).status, 200);
  assert.equal(new Set(asked_by).size, used + 2);
  assert.equal((await quiet(gw, [])).sum('gateway_retries_total'), 0, 'no request has met a dead connection');
});

test('an engine says that the request is wrong: the client gets the reply, no retry', time_limit, async (t) => {
  const rejections = [[400, 'application/json'], [404, 'text/plain'], [422, 'application/problem+json']];
  for (const role of ['prefill', 'decode']) {
    for (const [status, type] of rejections) {
      const reject = () => (response) => response.writeHead(status, { 'Content-Type': type }).end('"your fault"');
      const handlers = role === 'prefill' ? { prefilled: reject } : { decoded: reject };
      const { p, d, gw } = await own_pair(t, handlers);
      for (const stream of [false, true]) {
        const reply = await ask(gw, { ...text, stream });
        assert.deepEqual([reply.status, reply.headers.get('content-type')], [status, type]);
        assert.equal(await reply.text(), '"your fault"');
        assert.ok(reply.headers.get('x-request-id'));
      }
      const metrics = await quiet(gw, []);
      assert.equal(metrics.ended().client_error, 2);
      assert.equal(metrics.sum('gateway_retries_total'), 0);
      assert.deepEqual([p.asked.length, d.asked.length], role === 'prefill' ? [2, 0] : [2, 2]);
      // The request is at fault: no failure and no completion of the engine is counted.
      assert.equal(metrics.sum('pdroute_leases_ended_total', { role, outcome: 'rejected' }), 2);
      assert.equal(metrics.sum('pdroute_leases_ended_total', { role, outcome: 'completed' }), 0);
      const blamed = ['unreachable', 'timed_out', 'bad_response', 'overloaded'];
      for (const outcome of blamed) assert.equal(metrics.sum('pdroute_leases_ended_total', { outcome }), 0);
    }
  }
});

/// Starts a stream and waits for its first event.
async function stream(at, body = { ...text, max_tokens: 100_000 }) {
  const gone = new AbortController();
  const reply = await post(`${at.url}/v1/completions`, { ...body, stream: true }, { signal: gone.signal });
  assert.equal(reply.status, 200);
  const pieces = reply.body.getReader();
  let seen = Buffer.from((await pieces.read()).value).toString();
  const rest = async () => {
    for (let piece; !(piece = await pieces.read()).done; ) seen += Buffer.from(piece.value);
    return seen;
  };
  return { rest, abort: () => gone.abort() };
}

test('all endpoints are full: 429 with the reason', time_limit, async (t) => {
  const slow = ['--time-scale', '1'];
  for (const role of ['prefill', 'decode']) {
    // A place in prefill is taken while the prompt is computed, which takes hours with this time scale.
    const [p] = await engines(t, 'prefill', 1, ...(role === 'prefill' ? ['--time-scale', '1000'] : slow));
    const [d] = await engines(t, 'decode', 1, ...slow);
    const limited = { [role]: [{ ...(role === 'prefill' ? p : d), limits: 'requests=2' }] };
    const gw = await gateway(t, { prefill: [p], decode: [d], ...limited });
    const gone = new AbortController();
    const body = { ...text, prompt: 'word '.repeat(10_000), max_tokens: 100_000, stream: true };
    const running = [1, 2].map(() => ask(gw, body, { signal: gone.signal }).catch(() => {}));
    await reports(role === 'prefill' ? p : d, { running: 2 });

    const refused = await ask(gw, text);
    assert.equal(refused.headers.get('retry-after'), '1');
    const message = await is_error(refused, 429, 'overloaded');
    assert.equal(message, `no ${role} endpoint: 1 full of 1`);
    const full = await gw.metrics();
    assert.equal(full.sum('pdroute_leases_in_flight', { role }), 2);
    assert.equal(full.sum('pdroute_refusal_reasons_total', { role, reason: 'full' }), 1);

    gone.abort();
    await Promise.all(running);
    const metrics = await quiet(gw, [p, d]);
    assert.deepEqual(metrics.ended(), { answered: 0, client_error: 0, refused: 1, engine_error: 0, cancelled: 2 });
  }
});

test('limits on tokens: prompts count, and so do the tokens that decode has generated since', time_limit, async (t) => {
  const { p, d, gw } = await pair(t, {}, ['--time-scale', '0.1']);
  const limited = await gateway(t, {
    prefill: [{ ...p, limits: 'tokens=100' }],
    decode: [{ ...d, limits: 'kv_tokens=1000' }],
  });
  const of_tokens = (count) => ({ ...text, prompt: 'abc '.repeat(count) }); // four bytes are one token
  assert.equal((await ask(limited, of_tokens(100))).status, 200);
  await is_error(await ask(limited, of_tokens(101)), 413, 'too_large');
  assert.equal((await ask(gw, of_tokens(101))).status, 200, 'no limit is set, so the request is answered');

  const running = await stream(limited, { ...of_tokens(10), max_tokens: 100_000 });
  const held = async () => (await limited.metrics()).sum('pdroute_kv_tokens_held', { role: 'decode' });
  const before = await until('the prompt is held', held);
  assert.ok(before >= 10);
  const reading = running.rest().catch(() => {});
  await until('the answer is held, too', async () => (await held()) > before + 20);
  assert.equal((await limited.metrics()).sum('pdroute_tokens_held', { role: 'prefill' }), 0);
  running.abort();
  await reading;
  await quiet(limited, [p, d]);
});

test('a prompt is computed: its place in prefill is free while decode goes on', time_limit, async (t) => {
  const [[p], [d]] = [await engines(t, 'prefill', 1), await engines(t, 'decode', 1, '--time-scale', '1')];
  const gw = await gateway(t, { prefill: [{ ...p, limits: 'requests=1' }], decode: [d] });
  const running = [await stream(gw), await stream(gw), await stream(gw)];
  const metrics = await gw.metrics();
  assert.equal(metrics.sum('pdroute_leases_in_flight', { role: 'prefill' }), 0);
  assert.equal(metrics.sum('pdroute_leases_in_flight', { role: 'decode' }), 3);
  running.forEach((each) => each.abort());
  await quiet(gw, [p, d]);
});

test('no endpoint is healthy: 503 with the reason, until one is healthy again', time_limit, async (t) => {
  const { p, d, gw } = await own_pair(t, quick_health_check);
  d.healthy = false;
  await endpoints_are(gw, 'decode', 'unhealthy', 1);
  const refused = await ask(gw, text);
  assert.equal(refused.headers.get('retry-after'), '1');
  assert.equal(await is_error(refused, 503, 'no_endpoint'), 'no decode endpoint: 1 unhealthy of 1');
  assert.equal(p.asked.length + d.asked.length, 0, 'no prompt is computed without a decode endpoint');
  assert.equal((await quiet(gw, [])).ended().refused, 1);
  d.healthy = true;
  await until('a request is answered', async () => (await ask(gw, text)).status === 200);
});

test('many requests: they go to all endpoints evenly', time_limit, async (t) => {
  const [ps, ds] = [await engines(t, 'prefill', 2), await engines(t, 'decode', 2)];
  for (const policy of ['round-robin', 'qps', 'least-requests', 'least-tokens', 'least-kv']) {
    const gw = await gateway(t, { prefill: ps, decode: ds, 'policy prefill': policy, 'policy decode': policy });
    for (let i = 0; i < 40; ++i) assert.equal((await ask(gw, text)).status, 200);
    const metrics = await quiet(gw, [...ps, ...ds]);
    for (const { role, id } of [...ps, ...ds]) assert.equal(metrics.chosen(role, id), 20, `${policy}: ${id}`);
  }
  for (const policy of ['random', 'two-choices', 'peak-ewma']) {
    const gw = await gateway(t, { prefill: ps, decode: ds, 'policy prefill': policy, 'policy decode': policy });
    for (let i = 0; i < 40; ++i) await (await ask(gw, text)).text();
    const metrics = await quiet(gw, [...ps, ...ds]);
    for (const { role, id } of [...ps, ...ds]) assert.ok(metrics.chosen(role, id) > 0, `${policy}: ${id}`);
  }
});

test('several threads serve one port: they share the limits and the counts', time_limit, async (t) => {
  const [[p], [d]] = [await engines(t, 'prefill', 1), await engines(t, 'decode', 1, '--time-scale', '1')];
  const gw = await gateway(t, { threads: 2, prefill: [p], decode: [{ ...d, limits: 'requests=20' }] });
  await until('there are several threads', () => readdirSync(`/proc/${gw.pid}/task`).length >= 2);
  const running = await Promise.all(Array.from({ length: 20 }, () => stream(gw)));
  const refused = await Promise.all(Array.from({ length: 20 }, () => ask(gw, text)));
  for (const reply of refused) await is_error(reply, 429, 'overloaded');
  assert.equal((await gw.metrics()).sum('pdroute_leases_in_flight', { role: 'decode' }), 20);
  const ids = refused.map((reply) => reply.headers.get('x-request-id'));
  assert.equal(new Set(ids).size, 20, 'no two requests share an id');
  running.forEach((each) => each.abort());
  const metrics = await quiet(gw, [p, d]);
  assert.deepEqual(metrics.ended(), { answered: 0, client_error: 0, refused: 20, engine_error: 0, cancelled: 20 });
});

const refuses_connections = (at) =>
  until('new connections are refused', () =>
    new Promise((resolve) => {
      const socket = net.connect(at.port, at.host);
      socket.once('connect', () => (socket.destroy(), resolve(false)));
      socket.once('error', ({ code }) => resolve(code === 'ECONNREFUSED'));
    }),
  );

test('SIGTERM right after the gateway says that it listens: exit code 0', time_limit, async (t) => {
  for (let i = 0; i < 20; ++i) {
    const gw = await gateway(t, { prefill: [unused('p')], decode: [unused('d')] });
    assert.deepEqual(await gw.end('SIGTERM'), { code: 0, signal: null });
  }
});

test('SIGTERM or SIGINT to an idle gateway: it ends at once and closes all connections', time_limit, async (t) => {
  for (const [signal, threads] of [['SIGTERM', 1], ['SIGINT', 1], ['SIGTERM', 2]]) {
    const { gw } = await own_pair(t, { threads });
    const socket = net.connect(gw.port, gw.host);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(request_text('GET', '/health', '', ''));
    await new Promise((resolve) => socket.once('data', resolve));
    socket.on('error', () => {}).resume();
    assert.deepEqual(await gw.end(signal), { code: 0, signal: null });
    await closed;
  }
});

test('SIGTERM while requests run: they finish, new connections are refused, exit code 0', time_limit, async (t) => {
  for (const threads of [1, 2]) {
    const decoding = [];
    const decoded = ({ stream }) => (response) => {
      decoding.push(() => response.end(stream ? 'data: {"last":true}\n\ndata: [DONE]\n\n' : JSON.stringify(answer)));
      response.writeHead(200, { 'Content-Type': stream ? 'text/event-stream' : 'application/json' });
      if (stream) response.write('data: {"last":false}\n\n');
    };
    const { gw } = await own_pair(t, { threads, decoded });
    const open = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => open.destroy());
    const ready = () =>
      new Promise((resolve, reject) => {
        http.get(`${gw.url}/ready`, { agent: open }, async (reply) => {
          let text = '';
          for await (const piece of reply) text += piece;
          resolve({ status: reply.statusCode, connection: reply.headers.connection, text });
        }).once('error', reject);
      });
    assert.equal((await ready()).status, 200);
    const streams = await Promise.all([1, 2, 3].map(() => stream(gw)));
    const plain = ask(gw, text);
    await until('all are being decoded', () => decoding.length === 4);

    const ended = gw.end('SIGTERM');
    await refuses_connections(gw);
    const { status, connection, text: said } = await ready();
    assert.deepEqual([status, connection, JSON.parse(said).error.code], [503, 'close', 'draining']);
    decoding.forEach((finish) => finish());
    for (const each of streams) assert.deepEqual(events_in(await each.rest()), [{ last: false }, { last: true }]);
    assert.deepEqual(await (await plain).json(), answer);
    assert.deepEqual(await ended, { code: 0, signal: null });
  }
});

test('a reply after SIGTERM: it says that the connection closes', time_limit, async (t) => {
  let prefilled;
  const { gw } = await own_pair(t, { prefilled: () => (response) => (prefilled = response) });
  const asked = ask(gw, text);
  await until('the prompt is being computed', () => prefilled);
  const ended = gw.end('SIGTERM');
  await refuses_connections(gw);
  prefilled.end(JSON.stringify({ ...answer, kv_transfer_params: {} }));
  const reply = await asked;
  await ended;
  assert.equal(reply.headers.get('connection'), 'close');
});

test('SIGTERM during a stream that never ends: the gateway ends after the configured time', time_limit, async (t) => {
  for (const threads of [1, 2]) {
    const [[p], [d]] = [await engines(t, 'prefill', 1), await engines(t, 'decode', 1, '--time-scale', '10')];
    const gw = await gateway(t, { threads, prefill: [p], decode: [d], drain: '1s' });
    const endless = await stream(gw, { ...text, max_tokens: 100_000 });
    const hung = ask(gw, { ...text, max_tokens: 100_000 });
    hung.catch(() => {});
    await reports(d, { running: 2 });
    const start = performance.now();
    assert.deepEqual(await gw.end('SIGTERM'), { code: 0, signal: null });
    assert.ok(performance.now() - start > 900, 'not before');
    await assert.rejects(endless.rest(), 'the client sees that the stream has no proper end');
    await assert.rejects(hung);
    await reports(d, { running: 0, cancelled: 2 });
  }
});

test('a second gateway on the same port: refused, with any number of threads', time_limit, async (t) => {
  const config = { threads: 2, prefill: [unused('p')], decode: [unused('d')] };
  const first = await gateway(t, config);
  const path = file(configuration({ ...config, listen: first.address }));
  const { code, stderr } = await run(program('PDROUTE_GATEWAY'), ['--config', path]);
  assert.equal(code, 1);
  assert.match(stderr, /Address already in use/);
});

test('a second SIGTERM: the gateway ends at once', time_limit, async (t) => {
  const [[p], [d]] = [await engines(t, 'prefill', 1), await engines(t, 'decode', 1, '--time-scale', '10')];
  const gw = await gateway(t, { prefill: [p], decode: [d], drain: '10min' });
  const endless = ask(gw, { ...text, max_tokens: 100_000 });
  endless.catch(() => {});
  await reports(d, { running: 1 });
  const ended = gw.end('SIGTERM');
  await refuses_connections(gw);
  gw.signal('SIGTERM');
  assert.deepEqual(await ended, { code: null, signal: 'SIGTERM' });
  await assert.rejects(endless);
});

test('SIGTERM while a prompt is computed: the request still goes on to decode', time_limit, async (t) => {
  let prefilled;
  const { d, gw } = await own_pair(t, { prefilled: () => (response) => (prefilled = response) });
  const asked = ask(gw, text);
  await until('the prompt is being computed', () => prefilled);
  const ended = gw.end('SIGTERM');
  await refuses_connections(gw);
  prefilled.end(JSON.stringify({ ...answer, kv_transfer_params: {} }));
  assert.deepEqual(await (await asked).json(), answer);
  assert.equal(d.asked.length, 1);
  assert.deepEqual(await ended, { code: 0, signal: null });
});
