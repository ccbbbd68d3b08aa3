/**
 * The files of the page that people look at. In the executable they are inside. From source they
 * are made when they are asked for first.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { basename, extname } from "node:path";
import { fileURLToPath } from "node:url";
import bundle from "../page/index.html";
import type { Answer } from "../http/answer.ts";

/** A file that the bundler has made. */
interface BundledFile {
  readonly path: string;
  readonly headers: { readonly "content-type": string };
}

/** An answer. */
interface Asset {
  readonly type: string;
  readonly plain: Uint8Array<ArrayBuffer>;
  /** The same compressed, as soon as it was asked for. */
  zipped?: Uint8Array<ArrayBuffer>;
}

/**
 * Nothing comes from elsewhere and goes elsewhere, and no text of a camera can become a script.
 */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
  "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const PAGE_HEADERS = {
  "Cache-Control": "no-cache",
  "Content-Security-Policy": POLICY,
  "Referrer-Policy": "no-referrer",
};
const ASSET_HEADERS = { "Cache-Control": "public, max-age=31536000, immutable" };

let assets: Promise<ReadonlyMap<string, Asset>> | undefined;

/** The name of the document among the assets. */
const DOCUMENT = "";

/**
 * The page itself, or one of its assets.
 *
 * @param name of the asset; empty for the page
 * @param isZipped whether the browser takes it compressed
 * @returns undefined if there is none
 */
export async function pageAnswer(name: string, isZipped: boolean): Promise<Answer | undefined> {
  const asset = (await (assets ??= load())).get(name);
  if (asset === undefined) return undefined;
  return {
    status: 200,
    type: asset.type,
    // A copy, as it moves to another thread with the answer. `slice` of a Buffer would be none.
    body: new Uint8Array(isZipped ? (asset.zipped ??= Bun.gzipSync(asset.plain)) : asset.plain),
    headers: {
      ...(name === DOCUMENT ? PAGE_HEADERS : ASSET_HEADERS),
      Vary: "Accept-Encoding",
      ...(isZipped && { "Content-Encoding": "gzip" }),
    },
  };
}

async function load(): Promise<Map<string, Asset>> {
  const { files } = bundle as unknown as { readonly files?: readonly BundledFile[] };
  const all = (files === undefined ? await build() : files.map(read)).map(withRelative);
  const imported = new Set(all.flatMap(({ bytes }) => importsOf(bytes)));
  const preloads = [...imported].map(preload).join("");
  return new Map(
    all.map(({ name, type, bytes }) => {
      const isDocument = extname(name) === ".html";
      const plain = isDocument
        ? Buffer.from(bytes.toString().replace("<script", `${preloads}<script`))
        : bytes;
      return [isDocument ? DOCUMENT : name, { type, plain }];
    }),
  );
}

/** The scripts that this one cannot begin without. Named in the document, they come with it. */
function importsOf(bytes: Buffer): string[] {
  return Array.from(bytes.toString().matchAll(/\bfrom"\.\/([\w.-]+)"/g), ([, name]) => name!);
}

function preload(name: string): string {
  return `<link rel="modulepreload" crossorigin href="./assets/${name}">`;
}

const TEXTS: ReadonlySet<string> = new Set([".html", ".js", ".css"]);

interface Made {
  readonly name: string;
  readonly type: string;
  readonly bytes: Buffer<ArrayBuffer>;
}

function read({ path, headers }: BundledFile): Made {
  return {
    name: basename(path),
    type: headers["content-type"],
    bytes: Buffer.from(readFileSync(path)),
  };
}

/** From source, the page is bundled here. */
async function build(): Promise<Made[]> {
  const { outputs } = await Bun.build({
    entrypoints: [fileURLToPath(new URL("../page/index.html", import.meta.url))],
    minify: true,
    splitting: true,
    target: "browser",
  });
  return await Promise.all(
    outputs.map(async (output) => ({
      name: basename(output.path),
      type: output.type,
      bytes: Buffer.from(await output.arrayBuffer()),
    })),
  );
}

function withRelative(made: Made): Made {
  const kind = extname(made.name);
  if (!TEXTS.has(kind)) return made;
  return { ...made, bytes: Buffer.from(relative(made.bytes.toString(), kind)) };
}

/**
 * The bundler's addresses begin with a slash or a dot. Below the path of a proxy they must be
 * relative: the page's assets are in `assets`, and each other's neighbours.
 */
function relative(text: string, kind: string): string {
  const place = kind === ".html" ? "./assets/" : "./";
  return text.replaceAll(/(["'(])(?:\.?\/)([\w.-]+-[0-9a-z]{8}\.\w+)(["')])/g, `$1${place}$2$3`);
}
