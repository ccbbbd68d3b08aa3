/**
 * Reads the XML of an S3 store: elements with text or elements in them. Attributes are skipped.
 * There is no DTD in it, so what would need one is refused.
 *
 * @module
 */

/** An element. */
export interface Element {
  readonly name: string;
  /** What is in it besides elements. */
  readonly text: string;
  readonly children: readonly Element[];
}

/** Deepest nesting. */
const DEPTH_MAX = 16;

/** Of a tag, in order: `/` if it ends an element, the name, `/` if it also ends it. */
const TAG = /^<(\/?)([A-Za-z_][\w.:-]*)(?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*\s*(\/?)>/;

/** Declaration, comment or text as it is: what it begins and ends with. */
const OTHERS = [
  ["<?", "?>"],
  ["<!--", "-->"],
  ["<![CDATA[", "]]>"],
] as const;

interface Open {
  name: string;
  text: string;
  children: Element[];
}

/** @returns the root element @throws {Error} if it is not such XML, or not whole */
export function parseXml(source: string): Element {
  const root: Open = { name: "", text: "", children: [] };
  const open = [root];
  for (let at = 0; at < source.length;) {
    const inner = open.at(-1)!;
    const next = source.indexOf("<", at);
    const end = next < 0 ? source.length : next;
    inner.text += decode(source.slice(at, end));
    if (next < 0) break;
    at = skipOther(source, end, inner) ?? readTag(source, end, open);
  }
  const [only] = root.children;
  const isOne = open.length === 1 && root.children.length === 1;
  if (!isOne || only === undefined || root.text.replace(/^\uFEFF/, "").trim() !== "")
    throw new Error("It is not one whole XML element");
  return only;
}

/** The text of the first child of a name; undefined if there is none. */
export function childText({ children }: Element, name: string): string | undefined {
  return children.find((child) => child.name === name)?.text;
}

/** @returns where it ends; undefined if there is a tag */
function skipOther(source: string, start: number, inner: Open): number | undefined {
  for (const [begin, finish] of OTHERS) {
    if (!source.startsWith(begin, start)) continue;
    const end = source.indexOf(finish, start + begin.length);
    if (end < 0) throw new Error(`Nothing ends the ${begin} of the XML`);
    if (begin === "<![CDATA[") inner.text += source.slice(start + begin.length, end);
    return end + finish.length;
  }
  return undefined;
}

/** Longest tag, in characters. */
const TAG_MAX = 1024;

/** @returns where it ends */
function readTag(source: string, start: number, open: Open[]): number {
  const [tag, ends, name, isEmpty] = TAG.exec(source.slice(start, start + TAG_MAX)) ?? [];
  if (tag === undefined || name === undefined) throw new Error("There is a wrong tag in the XML");
  if (ends === "/") {
    const done = open.pop();
    if (open.length === 0 || done?.name !== name)
      throw new Error(`The XML ends ${name}, which has not begun`);
  } else {
    const element: Open = { name, text: "", children: [] };
    open.at(-1)!.children.push(element);
    if (isEmpty !== "/") open.push(element);
    if (open.length > DEPTH_MAX) throw new Error("The XML is nested too deep");
  }
  return start + tag.length;
}

const NAMED: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};

/** Text of the XML without references. @throws {Error} if one means nothing */
export function decode(text: string): string {
  if (!text.includes("&")) return text;
  return text.replaceAll(/&([^;&]*);?/g, (reference, name: string) => {
    const [, hex, decimal] = /^#(?:x([\da-f]{1,6})|(\d{1,7}))$/i.exec(name) ?? [];
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    const isCode = (hex ?? decimal) !== undefined && code <= 0x10_ff_ff;
    const character = isCode ? String.fromCodePoint(code) : NAMED[name];
    if (character === undefined || !reference.endsWith(";"))
      throw new Error(`The XML contains ${reference.slice(0, 20)}, which means nothing`);
    return character;
  });
}
