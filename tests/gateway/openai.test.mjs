// SPDX-License-Identifier: Apache-2.0
// The gateway with OpenAI's own client. Run with PDROUTE_GATEWAY, PDROUTE_ENGINE and PDROUTE_NODE_MODULES; the last is
// a folder with the package `openai`.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { test } from 'node:test';

import {
  chat,
  endpoints_are,
  engines,
  gateway,
  quiet,
  reports,
  text,
  time_limit,
  until,
  usage,
  words,
} from './programs.mjs';

function openai() {
  const folder = process.env.PDROUTE_NODE_MODULES;
  if (!folder) return { skip: 'PDROUTE_NODE_MODULES names no folder' };
  try {
    return createRequire(resolve(folder, 'here.js'))('openai');
  } catch ({ code }) {
    return { skip: `there is no package openai in ${folder}: ${code}` };
  }
}
const { skip = false, ...OpenAI } = openai();
const options = { ...time_limit, skip };

/// Starts engines and a gateway, and makes a client for them.
async function world(t, config = {}, flags = []) {
  const [[p], [d]] = [await engines(t, 'prefill', 1), await engines(t, 'decode', 1, ...flags)];
  const gw = await gateway(t, { prefill: [p], decode: [d], ...config });
  const client = new OpenAI.OpenAI({ baseURL: `${gw.url}/v1`, apiKey: 'key', maxRetries: 0 });
  return { p, d, gw, client };
}

test('plain requests: the client gets models, completions and chats', options, async (t) => {
  const { p, d, gw, client } = await world(t);
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  assert.deepEqual(models, ['m']);

  const completion = await client.completions.create(text);
  assert.deepEqual([completion.object, completion.model], ['text_completion', 'm']);
  assert.deepEqual([completion.choices[0].text, completion.choices[0].finish_reason], [words, 'length']);
  assert.deepEqual(completion.usage, usage);
  assert.ok(completion._request_id);

  const answer = await client.chat.completions.create(chat);
  assert.equal(answer.object, 'chat.completion');
  assert.deepEqual(answer.choices[0].message, { role: 'assistant', content: words });
  assert.deepEqual(answer.usage, usage);
  assert.equal((await quiet(gw, [p, d])).ended().answered, 2);
});

test('streamed requests: the client gets completions and chats', options, async (t) => {
  const { p, d, gw, client } = await world(t);
  const streamed = { stream: true, stream_options: { include_usage: true } };
  const read = async (stream, word) => {
    const events = [];
    for await (const event of stream) events.push(event);
    assert.deepEqual(events.pop().usage, usage);
    assert.deepEqual(events.map(({ choices: [choice] }) => word(choice)).join(''), words);
    assert.equal(events.at(-1).choices[0].finish_reason, 'length');
  };
  await read(await client.completions.create({ ...text, ...streamed }), (choice) => choice.text);
  await read(await client.chat.completions.create({ ...chat, ...streamed }), (choice) => choice.delta.content);

  const helper = client.chat.completions.stream(chat);
  assert.equal(await helper.finalContent(), words);
  assert.equal((await quiet(gw, [p, d])).ended().answered, 3);
});

test('requests at the same time: each gets its own answer', options, async (t) => {
  const { p, d, gw, client } = await world(t, { threads: 2 }, ['--time-scale', '0.1']);
  const ask = async (_, i) => {
    const stream = i % 2 === 1;
    const reply = await client.completions.create({ ...text, prompt: `number ${i}`, max_tokens: 4, stream });
    let said = stream ? '' : reply.choices[0].text;
    if (stream) for await (const event of reply) said += event.choices[0].text;
    assert.equal(said, `number ${i} number ${i}`);
  };
  await Promise.all(Array.from({ length: 50 }, ask));
  assert.equal((await quiet(gw, [p, d])).ended().answered, 50);
});

test('the gateway replies an error: the client throws the matching exception', options, async (t) => {
  const { p, d, gw, client } = await world(t, { retries: 0 });
  const create = (body, at = client) => at.chat.completions.create({ ...chat, ...body });
  const throws = (promise, type, expected) =>
    assert.rejects(promise, (error) => {
      assert.ok(error instanceof OpenAI[type], `${error.constructor.name} is a ${type}`);
      const { status, code, param } = error;
      assert.deepEqual({ status, code, param }, { param: null, ...expected });
      assert.ok(error.message.length > status.toString().length + 5, 'the message says why');
      return true;
    });

  await throws(create({ max_completion_tokens: 0 }), 'BadRequestError', {
    status: 400,
    code: 'invalid_value',
    param: 'max_completion_tokens',
  });
  await throws(create({ model: 'other' }), 'NotFoundError', { status: 404, code: 'model_not_found', param: 'model' });
  const no_page = client.embeddings.create({ model: 'm', input: 'a' });
  await throws(no_page, 'NotFoundError', { status: 404, code: 'not_found' });
  // An error that the engine itself replies.
  await throws(create({ max_completion_tokens: 100_001 }), 'BadRequestError', { status: 400, code: 'bad_request' });

  for (const [at, stream, kind, type, status] of [
    [p, false, 'refuse-429', 'RateLimitError', 429],
    [d, true, 'refuse-429', 'RateLimitError', 429],
    [p, true, 'error-500', 'InternalServerError', 502],
    [d, true, 'garbage', 'InternalServerError', 502],
  ]) {
    await at.fault(kind);
    await throws(create({ stream }), type, { status, code: 'engine_error' });
    await at.fault('none');
  }
  const impatient = await world(t, { retries: 0, 'timeout answer': '500ms' });
  await impatient.d.fault('hang');
  await throws(create({}, impatient.client), 'InternalServerError', { status: 504, code: 'engine_error' });
  await quiet(gw, [p, d]);
});

test('no endpoint can be chosen: an exception with 503, or with 429 if the endpoints are full', options, async (t) => {
  const { d, gw, client } = await world(t, { 'health-check': 'every 500ms after 3 failures' }, ['--time-scale', '10']);
  const [[p]] = [await engines(t, 'prefill', 1)];
  const limited = await gateway(t, { prefill: [p], decode: [{ ...d, limits: 'requests=1' }] });
  const other = new OpenAI.OpenAI({ baseURL: `${limited.url}/v1`, apiKey: 'key', maxRetries: 0 });
  const long = await other.completions.create({ ...text, max_tokens: 100_000, stream: true });
  await assert.rejects(other.completions.create(text), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.deepEqual([error.status, error.code, error.headers.get('retry-after')], [429, 'overloaded', '1']);
    return true;
  });
  long.controller.abort();
  await quiet(limited, [p, d]);
  await quiet(gw, [p, d]);

  await d.end('SIGKILL');
  await endpoints_are(gw, 'decode', 'unhealthy', 1);
  await assert.rejects(client.completions.create(text), (error) => {
    assert.ok(error instanceof OpenAI.InternalServerError);
    assert.deepEqual([error.status, error.code], [503, 'no_endpoint']);
    return true;
  });
});

test('the engines are full: the client tries again by itself', options, async (t) => {
  const { d, gw } = await world(t);
  const patient = new OpenAI.OpenAI({ baseURL: `${gw.url}/v1`, apiKey: 'key', maxRetries: 1 });
  await d.fault('refuse-429', 2); // the second request gets it, the third does not
  await patient.completions.create(text);
  assert.equal((await patient.completions.create(text)).choices[0].text, words);
  const { answered, refused } = (await gw.metrics()).ended();
  assert.deepEqual([answered, refused], [2, 1]);
});

test('a stream breaks off: the client throws an exception', options, async (t) => {
  const { d, client } = await world(t);
  await d.fault('cut');
  let seen = '';
  const read = async () => {
    const stream = await client.completions.create({ ...text, stream: true });
    for await (const { choices } of stream) seen += choices[0].text;
  };
  await assert.rejects(read, (error) => error instanceof OpenAI.APIError && /decode engine d0/.test(error.message));
  assert.ok(words.startsWith(seen) && seen.length > 0, `it saw ${seen}`);
});

test('the client aborts a stream: the engine cancels the request', options, async (t) => {
  const { p, d, gw, client } = await world(t, {}, ['--time-scale', '1']);
  const stream = await client.completions.create({ ...text, max_tokens: 100_000, stream: true });
  let seen = 0;
  for await (const _ of stream) if (++seen === 3) break; // aborts the stream
  await reports(d, { running: 0, cancelled: 1 });

  const gone = new AbortController();
  const whole = client.completions.create({ ...text, max_tokens: 100_000 }, { signal: gone.signal });
  whole.catch(() => {});
  await reports(d, { running: 1 });
  gone.abort();
  await assert.rejects(whole, OpenAI.APIUserAbortError);
  await reports(d, { running: 0, cancelled: 2 });
  await until('both are counted', async () => (await gw.metrics()).ended().cancelled === 2);
  await quiet(gw, [p, d]);
});
