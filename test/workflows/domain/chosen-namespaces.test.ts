import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describePartial, matchesNamespace, nearNames, onlySchema } from '../../../workflows/domain/chosen-namespaces.ts';

test('a pattern stands for one name, or for a run of characters in either half; dots of a collection’s name are its own', () => {
  const matching = (typed: string, names: string[]): string[] => names.filter((ns) => matchesNamespace(typed, ns));
  const names = ['shop.orders', 'shop.orders.2025', 'shop.orderlines', 'shop2.orders', 'shop.system.buckets.readings', 'shop.a+b'];
  assert.deepEqual(matching('shop.orders', names), ['shop.orders']);
  assert.deepEqual(matching('shop.order*', names), ['shop.orders', 'shop.orders.2025', 'shop.orderlines']);
  assert.deepEqual(matching('shop.*', names), names.filter((ns) => ns.startsWith('shop.')));
  assert.deepEqual(matching('*.orders', names), ['shop.orders', 'shop2.orders']);
  assert.deepEqual(matching('shop.readings', names), ['shop.system.buckets.readings']);
  assert.deepEqual(matching('shop.a+b', names), ['shop.a+b']);
  assert.deepEqual(matching('sho.orders', names), []);
});

test('what is no namespace is refused, and a near name is offered', () => {
  for (const typed of [[], ['orders'], ['.orders'], ['shop.'], 'shop.orders', ['']]) assert.equal(onlySchema.safeParse(typed).success, false, JSON.stringify(typed));
  assert.deepEqual(nearNames('shop.ordres', ['shop.orders', 'shop.items', 'other.things', 'Shop.Orders']), ['Shop.Orders', 'shop.orders', 'shop.items']);
  assert.equal(describePartial(['a.b', 'c.*']), 'partial: only a.b, c.*');
});
