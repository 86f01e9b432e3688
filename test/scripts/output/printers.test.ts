import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonPrinter } from '../../../scripts/output/json-printer.ts';
import { TextPrinter } from '../../../scripts/output/text-printer.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';

function screen(isTTY = false, columns = 80) {
  const stream = { text: '', isTTY, columns, rows: 24, write: (text: string) => (stream.text += text) };
  return stream;
}

const broken = new HoldfastError('ChainBroken', 'chain broken between a and b (no slice)', { hint: 'restore to a' });

test('text: an error is one line and its hint another, without a stack', () => {
  const err = screen();
  new TextPrinter(screen(), err).error(broken);
  assert.equal(err.text, 'error: chain broken between a and b (no slice)\nHINT: restore to a\n');
});

test('text: a hint that crossed a workflow inside the message comes out as a hint', () => {
  const err = screen();
  new TextPrinter(screen(), err).error(new Error('it broke HINT: mend it'));
  assert.equal(err.text, 'error: it broke\nHINT: mend it\n');
});

test('JSON: an error is one document on stdout with type, message and hint', () => {
  const out = screen();
  new JsonPrinter(out).error(broken);
  assert.deepEqual(JSON.parse(out.text), { error: { type: 'ChainBroken', message: 'chain broken between a and b (no slice)', hint: 'restore to a' } });
});

test('JSON: a result is one document, frames are one object a line, notes are left out', () => {
  const out = screen();
  const printer = new JsonPrinter(out);
  printer.note();
  printer.frame({ step: 1 });
  printer.frame({ step: 2 });
  printer.result({ done: [1, 2] });
  assert.deepEqual(out.text.trim().split('\n').map((line) => JSON.parse(line)), [{ step: 1 }, { step: 2 }, { done: [1, 2] }]);
  const document = screen();
  new JsonPrinter(document).result({ a: [1] });
  assert.deepEqual(JSON.parse(document.text), { a: [1] });
});

test('on a terminal a frame is drawn over the one before, cut to the screen’s width', () => {
  const out = screen(true, 20);
  const printer = new TextPrinter(out, screen());
  printer.frame('one\ntwo', String, String);
  printer.frame('a line that is longer than the screen', String, String);
  assert.equal(out.text, 'one\ntwo\n\u001b[2A\r\u001b[Ja line that is lon…\n');
});

test('off a terminal a frame prints a line when it says something new, and otherwise every ten seconds', () => {
  const out = screen();
  let nowMs = 0;
  const printer = new TextPrinter(out, screen(), () => nowMs);
  const frame = (line: string): void => printer.frame(line, () => 'not shown', String);
  frame('restore 10.0%');
  nowMs = 5_000;
  frame('restore 20.0%');
  nowMs = 10_000;
  frame('restore 40.0%');
  frame('replay 1.0%');
  assert.equal(out.text, 'restore 10.0%\nrestore 40.0%\nreplay 1.0%\n');
});
