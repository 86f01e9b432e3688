/** What a PDF says of its own structure: an element (`H1`, `TR`, `LI` …), what is in it, and the pages that its own text lies on, from 1. */
export interface Tagged {
  kind: string;
  children: Tagged[];
  pages: number[];
}

/**
 * Reads the structure of a PDF that Chromium printed with tags: its objects stand in the file as plain text, one by one.
 * @returns the element that holds all others
 */
export function readTagged(pdf: Buffer): Tagged {
  const objects = new Map([...pdf.toString('latin1').matchAll(/(?:^|\n)(\d+) 0 obj\n(.*?)\nendobj/gs)].map(([, id, body]) => [Number(id), body!]));
  const pageNumbers = pageOrder(objects);
  const [root] = [...objects].find(([, body]) => body.includes('/S /Document')) ?? [];
  if (root === undefined) throw new Error('the PDF is not tagged');
  return readElement(root, objects, pageNumbers);
}

/** Object ids of the pages → their numbers. */
function pageOrder(objects: ReadonlyMap<number, string>): Map<number, number> {
  const kidsOf = (id: number): number[] => {
    const body = objects.get(id)!;
    const kids = /\/Type \/Pages\b/.test(body) ? /\/Kids \[(.*?)\]/s.exec(body)?.[1] : undefined;
    return kids === undefined ? [id] : refsIn(kids).flatMap(kidsOf);
  };
  const [root] = [...objects].find(([, body]) => /\/Type \/Pages\b/.test(body) && !body.includes('/Parent')) ?? [];
  if (root === undefined) throw new Error('the PDF has no pages');
  return new Map(kidsOf(root).map((id, at) => [id, at + 1]));
}

const refsIn = (text: string): number[] => [...text.matchAll(/(\d+) 0 R/g)].map(([, id]) => Number(id));

function readElement(id: number, objects: ReadonlyMap<number, string>, pageNumbers: ReadonlyMap<number, number>): Tagged {
  const body = objects.get(id)!;
  const kids = /\/K (\[.*?\](?=\n\/|>>)|\d+ 0 R|\d+)/s.exec(body)?.[1] ?? '';
  // Text of its own: a number on its page, or with the page that it goes on to.
  const elsewhere = [...kids.matchAll(/<<(.*?)>>/gs)].map(([, marked]) => marked!);
  const rest = kids.replaceAll(/<<.*?>>/gs, '');
  const here = /\d/.test(rest.replaceAll(/\d+ 0 R/g, ''));
  const pageOf = (text: string): number => pageNumbers.get(refsIn(/\/Pg \d+ 0 R/.exec(text)?.[0] ?? '')[0] ?? -1) ?? 0;
  return {
    kind: /\/S \/(\w+)/.exec(body)?.[1] ?? '',
    children: refsIn(rest).map((child) => readElement(child, objects, pageNumbers)),
    pages: [...new Set([...(here ? [pageOf(body)] : []), ...elsewhere.map(pageOf)])],
  };
}
