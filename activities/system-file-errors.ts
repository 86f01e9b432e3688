import { isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, visit, type Document, type Node } from 'yaml';
import { z } from 'zod';
import { HoldfastError } from '../workflows/domain/errors.ts';
import { runbookStepSchema } from '../workflows/domain/runbook.ts';
import { stepLanguage } from '../workflows/domain/step-language.ts';
import { systemSchema } from '../workflows/domain/system.ts';

/** A YAML text that still knows where everything stood. */
export interface YamlFile {
  path: string;
  text: string;
  value: unknown;
  document: Document;
  lines: LineCounter;
}

export type Path = readonly (string | number)[];

/** Nothing below these may be shown, even when a person wrote a secret where a reference belongs. */
const secretive = /^(credentials|totp|key|uri|endpoint|url|dsn|sides|password|secret.*|.*key|token|argv|env|files)$/i;

/** @throws BadSystemFile - not YAML; names line and column, and quotes nothing of the text. */
export function parseYaml(path: string, text: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    // The parser's own words end in what it read, which may be a secret.
    const what = error.message.split(': ')[0];
    throw new HoldfastError('BadSystemFile', `${path}:${line}:${col} not valid YAML: ${what}`);
  }
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document)) return;
      const { line, col } = lines.linePos(alias.range?.[0] ?? 0);
      throw new HoldfastError('BadSystemFile', `${path}:${line}:${col} not valid YAML: an alias (*) of nothing`, {
        hint: 'a text that starts with * must stand in quotes',
      });
    },
  });
  return { path, text, value: document.toJS(), document, lines };
}

/**
 * `path:line:column` of a field; of the nearest one around it where the field itself is missing.
 * @param ofKey - where the field's name stands, instead of its value.
 */
export function locate(file: YamlFile, path: Path, ofKey = false): string {
  let node: unknown = file.document.contents;
  let at = 0;
  path.forEach((step, depth) => {
    const isLast = depth === path.length - 1;
    const child = childOf(node, step);
    node = child?.value;
    const start = startOf(ofKey && isLast ? child?.key : (child?.value ?? child?.key));
    if (start !== undefined) at = start;
  });
  const { line, col } = file.lines.linePos(at);
  return `${file.path}:${line}:${col}`;
}

function childOf(node: unknown, step: string | number): { key: unknown; value: unknown } | undefined {
  if (isMap(node)) {
    const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step));
    return pair && { key: pair.key, value: pair.value };
  }
  return isSeq(node) ? { key: node.items[Number(step)], value: node.items[Number(step)] } : undefined;
}

const startOf = (node: unknown): number | undefined => (node as Node | null | undefined)?.range?.[0];

/** All problems of one file as one error, a line each. */
export function explainIssues(issues: z.core.$ZodIssue[], file: YamlFile, overlay?: YamlFile): HoldfastError {
  const lines = issues.flatMap((issue) => explainIssue(issue, file, overlay));
  return new HoldfastError('BadSystemFile', lines.join('\n'), { details: { problems: lines.length } });
}

function explainIssue(issue: z.core.$ZodIssue, file: YamlFile, overlay: YamlFile | undefined): string[] {
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    const known = knownFields(path, file.value);
    return issue.keys.map((key) => {
      const where = [...path, key];
      return `${locateIn(file, overlay, where, true)} ${where.join('.')}: unknown field; expected one of ${known.join(', ')}`;
    });
  }
  const value = valueAt(file.value, path);
  const found = value === undefined ? '' : `; found ${show(value, path)}`;
  return [`${locateIn(file, overlay, path, false)} ${path.join('.') || '(the whole file)'}: ${expectation(issue, value)}${found}`];
}

function expectation(issue: z.core.$ZodIssue, value: unknown): string {
  const missing = value === undefined ? 'missing; ' : '';
  if (issue.code === 'invalid_type') return `${missing}expected ${issue.expected}`;
  if (issue.code === 'invalid_value') return `${missing}expected ${issue.message.startsWith('Invalid') ? `one of ${issue.values.map(String).join(', ')}` : issue.message}`;
  if (issue.code === 'invalid_union') return `${missing}${issue.message === 'Invalid input' ? 'expected one of the known kinds' : issue.message}`;
  if (issue.code === 'custom' || issue.code === 'invalid_format') {
    const own = /^[a-z0-9$“"]/.test(issue.message) || issue.code === 'custom';
    return `${missing}${own ? issue.message : `expected ${issue.format}`}`;
  }
  return `${missing}${issue.message.replace(/^Invalid input: /, '')}`;
}

/** The overlay's place when the value came from there. Stores are lists whose order may differ, so their place is the file's. */
function locateIn(file: YamlFile, overlay: YamlFile | undefined, path: Path, ofKey: boolean): string {
  const inOverlay = overlay && path[0] !== 'stores' && valueAt(overlay.value, path) !== undefined;
  return locate(inOverlay ? overlay : file, path, ofKey);
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, step) => (inner as Record<string | number, unknown> | null | undefined)?.[step], value);
}

function show(value: unknown, path: Path): string {
  if (path.some((step) => typeof step === 'string' && secretive.test(step))) return 'a value that is not shown, because it could be a secret';
  if (Array.isArray(value)) return 'a list';
  if (value !== null && typeof value === 'object') return 'a map';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

export interface JsonSchema {
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: { if: JsonSchema; then: JsonSchema }[];
  required?: string[];
  enum?: string[];
  const?: unknown;
}

const jsonSchemaOf = (schema: z.ZodType, override?: (node: { zodSchema: unknown; jsonSchema: object }) => void): JsonSchema => z.toJSONSchema(schema, { io: 'input', ...(override ? { override } : {}) }) as JsonSchema;

/** The system file's JSON Schema, as typed (before defaults): for editors, and to say which fields there are. What a step's `with` may hold follows its `uses`. */
export const systemFileJsonSchema = (): JsonSchema =>
  jsonSchemaOf(systemSchema, ({ zodSchema, jsonSchema }) => {
    if (zodSchema === runbookStepSchema) sayStepTypes(jsonSchema);
  });

function sayStepTypes(step: JsonSchema): void {
  const settings: Record<string, z.ZodType> = { ...Object.fromEntries(Object.entries(stepLanguage).map(([uses, { settings: schema }]) => [uses, schema])), runbook: z.strictObject({ runbook: z.string().meta({ description: 'one of runbooks' }) }) };
  step.properties!['uses']!.enum = Object.keys(settings);
  step.allOf = Object.entries(settings).map(([uses, schema]) => {
    const { $schema: _draft, ...given } = jsonSchemaOf(schema) as JsonSchema & { $schema?: string };
    return { if: { properties: { uses: { const: uses } }, required: ['uses'] }, then: { properties: { with: given }, ...(given.required ? { required: ['with'] } : {}) } };
  });
}

/** The fields that may stand at a place; a place of several kinds is told apart by its constant fields (`kind`, `uses`). */
function knownFields(path: Path, value: unknown): string[] {
  let schema: JsonSchema | undefined = systemFileJsonSchema();
  let inner: unknown = value;
  for (const step of [...path, undefined]) {
    const options: JsonSchema[] | undefined = schema?.anyOf ?? schema?.oneOf;
    schema = options?.find((option) => fitsConstants(option, inner)) ?? schema;
    if (step === undefined) break;
    inner = (inner as Record<string | number, unknown> | null)?.[step];
    const rest: JsonSchema | boolean | undefined = schema?.additionalProperties;
    schema = schema?.properties?.[step] ?? schema?.items ?? (typeof rest === 'object' ? rest : undefined);
  }
  return Object.keys(schema?.properties ?? {});
}

const fitsConstants = (schema: JsonSchema, value: unknown): boolean =>
  Object.entries(schema.properties ?? {}).every(
    ([field, { const: constant }]) => constant === undefined || (value as Record<string, unknown> | null)?.[field] === constant,
  );
